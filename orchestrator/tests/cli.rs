//! The command line as other programs and people meet it: help, exit codes, JSON.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions
)]

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

use clap::CommandFactory;
use portcullis::cli::Cli;
use serde_json::Value;

/// Set it to write goldens anew, then look at the difference.
const BLESS: &str = "PORTCULLIS_BLESS";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn portcullis(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
    for variable in ["DATABASE_URL", "PORTCULLIS_CONFIG", "PORTCULLIS_LOG", "PORTCULLIS_LOG_FORMAT"] {
        command.env_remove(variable);
    }
    command.args(args).current_dir(root()).output().unwrap()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("no JSON: {}", String::from_utf8_lossy(&output.stdout)))
}

/// A copy of the example with one edit, in a folder of its own.
fn edited(from: &str, to: &str) -> (tempfile::TempDir, String) {
    let text = std::fs::read_to_string(root().join("docs/examples/portcullis.toml")).unwrap();
    assert!(text.contains(from), "{from}");
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("portcullis.toml");
    std::fs::write(&path, text.replacen(from, to, 1)).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (dir, path)
}

fn help_of(command: &mut clap::Command, path: &str, out: &mut String) {
    let name = format!("{path} {}", command.get_name()).trim().to_owned();
    let help = command.clone().term_width(100).render_long_help();
    out.push_str(&format!("$ {name} --help\n{help}\n"));
    for sub in command.get_subcommands_mut().filter(|sub| sub.get_name() != "help") {
        help_of(sub, &name, out);
    }
}

#[test]
fn help_is_the_golden_one() {
    let mut now = String::new();
    let mut command = Cli::command();
    command.build();
    help_of(&mut command, "", &mut now);
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/help.txt");
    if std::env::var_os(BLESS).is_some() {
        std::fs::write(&golden, &now).unwrap();
    }
    let then = std::fs::read_to_string(&golden).unwrap();
    assert!(now == then, "help changed; {BLESS}=1 writes it down, if that is meant");
}

#[test]
fn a_good_file_is_said_to_be_good() {
    let output = portcullis(&["check", "--config", "docs/examples/portcullis.toml"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("docs/examples/portcullis.toml is good."), "{text}");
    let output = portcullis(&["check", "--config", "docs/examples/portcullis.toml", "--json"]);
    assert_eq!(json(&output)["ok"], true);
}

#[test]
fn a_bad_file_is_explained_with_its_place_and_exit_code_3() {
    let (_dir, path) = edited("quorum = 2 ", "quorom = 2 ");
    let output = portcullis(&["check", "--config", &path]);
    assert_eq!(output.status.code(), Some(3));
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("error[PC-0102]") && text.contains("= fix: write `quorum`"), "{text}");
    let answer = json(&portcullis(&["check", "--config", &path, "--json"]));
    assert_eq!(answer["ok"], false);
    let problem = &answer["problems"][0];
    assert_eq!((problem["code"].as_str(), problem["place"]["column"].as_u64()), (Some("PC-0102"), Some(1)));
    assert_eq!(problem["severity"], "error");
}

#[test]
fn all_mistakes_are_told_at_once_each_with_its_line_its_cause_and_its_fix() {
    let mut text = std::fs::read_to_string(root().join("docs/examples/portcullis.toml")).unwrap();
    let mistakes = [
        // An unknown key, a wrong checksum, an event that does not parse, a chain that is not there, half a second.
        ("quorum = 2 ", "quorom = 2 ", "PC-0102"),
        (
            "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
            "0xFB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
            "PC-0110",
        ),
        ("signature = \"Minted(uint32", "signature = \"Minted(uint31", "PC-0111"),
        ("chain = \"eip155:1284\"", "chain = \"eip155:1285\"", "PC-0108"),
        ("quiet_secs = 86_400", "quiet_secs = 1.5", "PC-0104"),
    ];
    let mut lines = Vec::new();
    for (right, wrong, _) in mistakes {
        let at = text.find(right).unwrap_or_else(|| panic!("{right}"));
        lines.push(text[..at].lines().count().max(1) as u64 + u64::from(text[..at].ends_with('\n')));
        text = text.replacen(right, wrong, 1);
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("portcullis.toml");
    std::fs::write(&path, &text).unwrap();
    let path = path.to_str().unwrap();
    let answer = json(&portcullis(&["check", "--config", path, "--json"]));
    assert_eq!(answer["ok"], false);
    let problems = answer["problems"].as_array().unwrap();
    for ((_, wrong, code), line) in mistakes.iter().zip(&lines) {
        let problem = problems.iter().find(|problem| {
            problem["place"]["line"].as_u64() == Some(*line)
                && problem["code"].as_str().unwrap().starts_with(code)
        });
        let problem = problem.unwrap_or_else(|| panic!("{wrong:?} at line {line} is not told: {answer}"));
        for part in ["what", "fix"] {
            assert!(problem[part].as_str().is_some_and(|text| text.len() > 10), "{part}: {problem}");
        }
    }
    let output = portcullis(&["check", "--config", path]);
    assert_eq!(output.status.code(), Some(3));
    let told = String::from_utf8_lossy(&output.stdout);
    for line in lines {
        assert!(told.contains(&format!("portcullis.toml:{line}:")), "line {line}: {told}");
    }
}

#[test]
fn what_a_family_finds_stands_beside_the_rest() {
    let (_dir, path) = edited("signature = \"Minted(uint32", "signature = \"Minted(uint31");
    let answer = json(&portcullis(&["check", "--config", &path, "--json"]));
    assert_eq!(answer["problems"][0]["code"], "PC-0111");
    let output = portcullis(&["run", "--config", &path]);
    assert_eq!(output.status.code(), Some(3), "nothing starts on such a file");
    assert!(String::from_utf8_lossy(&output.stderr).contains("PC-0111"));
}

#[test]
fn other_commands_refuse_a_file_that_is_not_there() {
    let who = ["--by", "ann", "--reason", "a drill"];
    let (contain, stop) = ([&["contain"], &who[..]].concat(), [&["stop", "0x12"], &who[..]].concat());
    let by_hand = [contain.as_slice(), stop.as_slice()];
    let others = [&["migrate"][..], &["replay"], &["incidents", "list"], &["run"], &["drill"], &["modes"]];
    for command in others.into_iter().chain(by_hand) {
        let mut args = command.to_vec();
        args.extend(["--config", "no/such/file.toml"]);
        let output = portcullis(&args);
        assert_eq!(output.status.code(), Some(3), "{command:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("PC-0113"), "{command:?}");
        args.push("--json");
        let answer = json(&portcullis(&args));
        assert!(answer["error"]["message"].as_str().unwrap().contains("PC-0113"), "{command:?}");
    }
}

#[test]
fn the_command_line_itself_has_exit_code_2() {
    assert_eq!(portcullis(&["runn"]).status.code(), Some(2));
    assert_eq!(portcullis(&["incidents"]).status.code(), Some(2));
}

#[test]
fn a_recording_that_is_not_there_is_named() {
    let output = portcullis(&["backtest", "--data", "no/such/folder"]);
    assert_eq!(output.status.code(), Some(4));
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("PC-0418") && text.contains("no/such/folder"), "{text}");
}

#[test]
fn the_description_of_the_api_is_printed_as_it_is_committed() {
    let output = portcullis(&["openapi"]);
    let golden = std::fs::read(root().join("orchestrator/openapi.json")).unwrap();
    assert!(output.stdout == golden, "portcullis openapi > orchestrator/openapi.json");
}
