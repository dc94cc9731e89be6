//! Lending trust as people do it: a request, two signatures, the command line.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "tests fail by panicking"
)]

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

use portcullis::operate::approve::Request;
use serde_json::Value;
use support::harness::{over, running};
use support::world::{public_key, signed};
use support::{Database, open_folder, until};

/// The command line on the database of a test, with a configuration that names the same group and gate.
struct Desk {
    folder: tempfile::TempDir,
    url: String,
}

impl Desk {
    fn of(database: &Database) -> Self {
        let folder = open_folder();
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/examples/portcullis.toml");
        let text = std::fs::read_to_string(example).unwrap();
        let people = ["ada", "bob"].map(|name| format!("{name} = \"{}\"", public_key(name))).join(", ");
        let text = text
            .replacen("# group = \"example\"", "group = \"g\"", 1)
            .replacen("# id = \"example.eip155-1\"", "id = \"home\"", 1)
            .replacen("[modes]", &format!("[modes]\napprovers = {{ {people} }}"), 1);
        std::fs::write(folder.path().join("portcullis.toml"), text).unwrap();
        let socket = database.cluster().socket_folder().to_str().unwrap().replace('/', "%2F");
        let url = format!("postgres://portcullis@localhost/portcullis?host={socket}");
        Self { folder, url }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Exit code and answer of `portcullis modes …`.
    fn modes(&self, args: &[&str]) -> (i32, Value) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
        command.env("DATABASE_URL", &self.url).env_remove("PORTCULLIS_LOG").current_dir(self.folder.path());
        command.args(["modes", "--json", "--config", "portcullis.toml"]).args(args);
        let output = command.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        let answer = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{args:?}: no JSON: {output:?}"));
        (output.status.code().unwrap(), answer)
    }
}

fn code(answer: &Value) -> &str {
    answer["error"]["code"].as_str().unwrap_or_else(|| panic!("no code: {answer}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_written_signed_by_two_and_lent() {
    let (database, _world, service) = running().await;
    let desk = Desk::of(&database);
    let (exit, lowered) = desk.modes(&["set", "home", "limit", "--by", "ada"]);
    assert_eq!(exit, 0, "one person lowers without a key: {lowered}");
    let raise = ["set", "home", "hold", "--by", "ada", "--anyway"];
    let (_, stranger) = desk.modes(&[&raise[..], &["--with", "eve"]].concat());
    assert_eq!(code(&stranger), "PC-0611", "{stranger}");
    let (exit, asked) = desk.modes(&[&raise[..], &["--with", "bob", "--request", "raise.txt"]].concat());
    assert_eq!((exit, asked["ok"].as_bool()), (0, Some(true)), "{asked}");

    let text = std::fs::read_to_string(desk.file("raise.txt")).unwrap();
    assert_eq!(asked["text"].as_str(), Some(text.as_str()));
    let request = Request::parse(&text).unwrap();
    for name in ["ada", "bob"] {
        std::fs::write(desk.file(name), signed(name, &request.command())).unwrap();
    }
    let (_, one) = desk.modes(&["lend", "raise.txt", "--signature", "ada"]);
    assert_eq!(code(&one), "PC-0611", "{one}");
    let longer = Request { until_ms: request.until_ms + 1, ..request };
    std::fs::write(desk.file("longer.txt"), longer.text()).unwrap();
    let both = ["--signature", "ada", "--signature", "bob"];
    let (_, other) = desk.modes(&[&["lend", "longer.txt"], &both[..]].concat());
    assert_eq!(code(&other), "PC-0611", "{other}");
    std::fs::write(desk.file("edited.txt"), text.replacen("hold", "more", 1)).unwrap();
    let (_, edited) = desk.modes(&[&["lend", "edited.txt"], &both[..]].concat());
    assert_eq!(code(&edited), "PC-0612", "{edited}");

    let (exit, lent) = desk.modes(&[&["lend", "raise.txt"], &both[..]].concat());
    assert_eq!((exit, lent["ok"].as_bool()), (0, Some(true)), "{lent}");
    until("the trust is lent", || async {
        let rows = database.store.trust().await.unwrap();
        rows.iter().any(|row| row.target == "home" && row.mode == "hold" && row.until_ms.is_some())
    })
    .await;
    over(service, &database).await;
}
