//! What people do before and after: `check --dial` finds what would not work, and `portcullis-release` opens what was
//! closed, for the releaser alone and for exactly what was seen.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use alloy::primitives::B256;
use alloy::sol_types::SolCall;
use e2e::clock::Factor;
use e2e::keys::{Call, Key};
use e2e::lab::{Setup, Side, World, write_keystore};
use e2e::proxy::Mode;
use e2e::scenario;
use e2e::service::{Tuning, write_config};
use e2e::tools::{portcullis, workspace_binary};
use serde_json::Value;
use tokio::process::Command;

alloy::sol! {
    struct TripRequest {
        bytes32 scope;
        uint8 level;
        uint64 until;
        uint64 untilHeight;
        bytes32 incident;
        bytes32 record;
        uint32 generation;
    }
    function trip(TripRequest calldata r) external returns (bool changed);
}

async fn world(seed: u64) -> World {
    let scenario = scenario::compact::load(&scenario::compact_path(), 60).unwrap().until(60);
    World::build(Setup { scenario, factor: Factor::new(60.0), seed, dir: None }).await.unwrap()
}

/// Runs a program and gives its exit code, what it printed, and that as JSON.
async fn run(program: &Path, args: &[&str]) -> (i32, String, Value) {
    let mut command = Command::new(program);
    command.args(args).arg("--json").stdin(Stdio::null()).kill_on_drop(true).env_remove("DATABASE_URL");
    let output = tokio::time::timeout(Duration::from_secs(90), command.output()).await.unwrap().unwrap();
    let text =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let json = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
    (output.status.code().unwrap(), text, json)
}

/// Failed checks as (chain, code), warnings aside.
fn failed(answer: &Value) -> Vec<(String, String)> {
    let text = |entry: &Value, key: &str| entry[key].as_str().unwrap_or_default().to_owned();
    let entries = answer["dialled"].as_array().unwrap();
    entries
        .iter()
        .filter(|entry| entry["severity"] == "error")
        .map(|entry| (text(entry, "chain"), text(entry, "code")))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dialling_finds_what_would_not_work() {
    let world = world(41).await;
    let config = write_config(&world, &Tuning::default(), 7420).unwrap();
    let file = config.to_str().unwrap();
    let program = portcullis().unwrap();
    let (code, text, answer) = run(&program, &["check", "--dial", "--config", file]).await;
    assert_eq!((code, failed(&answer)), (0, Vec::new()), "{text}");
    for check in
        ["endpoint", "chain", "proofs", "push", "quorum", "code", "gate", "scope", "role", "simulation"]
    {
        let found = answer["dialled"].as_array().unwrap().iter().any(|entry| entry["check"] == check);
        assert!(found, "{check} was not dialled: {text}");
    }

    // An operator that is dark is named; the other two still are a quorum.
    let (one, other) = (world.ethereum.caip2(), world.moonbeam.caip2());
    world.moonbeam.operators[2].set_mode(Mode::Dark);
    let (code, text, answer) = run(&program, &["check", "--dial", "--config", file]).await;
    assert_eq!(code, 1, "{text}");
    assert!(failed(&answer).contains(&(other.clone(), "PC-0301".into())), "{text}");
    assert!(!failed(&answer).iter().any(|(chain, _)| *chain == one), "{text}");
    world.moonbeam.operators[2].set_mode(Mode::Faithful);

    // An endpoint of another chain, a key without the role, a scope that nobody registered.
    let good = std::fs::read_to_string(&config).unwrap();
    let (right, wrong) = (world.moonbeam.operators[2].http(), world.ethereum.operators[2].http());
    write_keystore(&world.dir, "tripper.json", &world.crew.releaser).unwrap();
    let mut bad = good.replace(&format!("\"{right}\""), &format!("\"{wrong}\""));
    assert_ne!(bad, good);
    bad = bad.replacen("max_secs", "bridge_key = \"0x01\", max_secs", 1);
    std::fs::write(&config, bad).unwrap();
    let (code, text, answer) = run(&program, &["check", "--dial", "--config", file]).await;
    assert_eq!(code, 1, "{text}");
    let failed = failed(&answer);
    for wanted in [(&other, "PC-0302"), (&other, "PC-0310"), (&one, "PC-0309"), (&one, "PC-0310")] {
        assert!(failed.contains(&(wanted.0.clone(), wanted.1.into())), "no {wanted:?} in {failed:?}");
    }
}

/// Everything that the release program is told in this test.
struct Releaser {
    program: PathBuf,
    endpoints: Vec<String>,
    guard: String,
    scope: String,
}

impl Releaser {
    fn new(side: &Side) -> Self {
        Self {
            program: workspace_binary("PORTCULLIS_RELEASE_BIN", "portcullis-release").unwrap(),
            endpoints: side.operators.iter().map(|operator| operator.http()).collect(),
            guard: side.deployed.guard.to_string(),
            scope: side.deployed.scope.to_string(),
        }
    }

    async fn run(&self, command: &str, more: &[&str]) -> (i32, String, Value) {
        let mut args = vec![command, "--guard", &self.guard, "--scope", &self.scope];
        args.extend(self.endpoints.iter().flat_map(|url| ["--rpc", url.as_str()]));
        args.extend(more);
        run(&self.program, &args).await
    }
}

async fn trip(side: &Side, key: &Key, until: u64) {
    let request = TripRequest {
        scope: side.deployed.scope,
        level: 2,
        until,
        untilHeight: 0,
        incident: B256::with_last_byte(1),
        record: B256::with_last_byte(2),
        generation: 0,
    };
    let call = Call {
        to: Some(side.deployed.guard),
        input: tripCall { r: request }.abi_encode().into(),
        gas: 400_000,
        max_fee: 100_000_000_000,
        tip: 1_000_000_000,
    };
    let nonce = side.node.rpc.nonce(key.address()).await.unwrap();
    let signed = key.sign(side.deployed.chain_id, nonce, &call).unwrap();
    side.node.rpc.send_raw(&signed.raw).await.unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    while !side.closed().await.unwrap() {
        assert!(Instant::now() < deadline, "the trip did not land");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_releaser_opens_and_only_what_was_seen() {
    let world = world(43).await;
    let side = &world.ethereum;
    let until = side.node.rpc.head().await.unwrap().timestamp + 600;
    trip(side, &world.crew.tripper, until).await;
    let releaser = Releaser::new(side);

    let (code, text, view) = releaser.run("show", &[]).await;
    assert_eq!(code, 0, "{text}");
    assert_eq!((view["level"].as_str(), view["endpoints"].as_u64()), (Some("closed"), Some(3)), "{text}");
    let closed_by = &view["history"]["Ok"][0];
    assert_eq!(closed_by["by"].as_str(), Some(world.crew.tripper.address().to_string().as_str()), "{text}");
    let seen = view["seen"].as_str().unwrap().to_owned();
    assert_eq!(seen, format!("0:{}", view["closed_until"]));

    let key = |name: &str, key: &Key| {
        let (store, password) = write_keystore(&world.dir, name, key).unwrap();
        (store.to_str().unwrap().to_owned(), password.to_str().unwrap().to_owned())
    };
    // Keys that close or own are refused, and so is a stranger's.
    for (name, wrong, code) in [
        ("t.json", &world.crew.tripper, "PC-0507"),
        ("o.json", &world.crew.owner, "PC-0507"),
        ("u.json", &world.crew.updater, "PC-0506"),
    ] {
        let (store, password) = key(name, wrong);
        let more = ["--seen", &seen, "--keystore", &store, "--password-file", &password];
        let (exit, text, answer) = releaser.run("sign", &more).await;
        assert_eq!((exit, answer["error"]["code"].as_str()), (4, Some(code)), "{name}: {text}");
    }

    let (store, password) = key("r.json", &world.crew.releaser);
    let keys = ["--keystore", &store, "--password-file", &password];
    let with = |seen: &str, more: &[&str]| -> Vec<String> {
        ["--seen", seen].iter().chain(&keys).chain(more).map(|word| (*word).to_owned()).collect()
    };
    let words = |list: &[String]| list.iter().map(String::as_str).collect::<Vec<_>>().join("\u{1f}");
    let send = |list: Vec<String>| {
        let joined = words(&list);
        let releaser = &releaser;
        async move { releaser.run("send", &joined.split('\u{1f}').collect::<Vec<_>>()).await }
    };
    // What was not seen is not undone.
    let (exit, text, answer) = send(with("0:1", &["--yes"])).await;
    assert_eq!((exit, answer["error"]["code"].as_str()), (4, Some("PC-0505")), "{text}");
    // Without a yes nothing is sent.
    let (exit, text, answer) = send(with(&seen, &[])).await;
    assert_eq!((exit, answer["to"].as_str()), (1, Some("open")), "{text}");
    assert!(side.closed().await.unwrap());
    // With it, the gate opens.
    let (exit, text, answer) = send(with(&seen, &["--yes"])).await;
    assert_eq!((exit, answer["level"].as_str()), (0, Some("open")), "{text}");
    assert!(!side.closed().await.unwrap());
    assert_eq!(side.gate().await.unwrap().generation, 1);
    // And then there is nothing left to release.
    let (_, _, view) = releaser.run("show", &[]).await;
    let (exit, text, answer) = send(with(view["seen"].as_str().unwrap(), &["--yes"])).await;
    assert_eq!((exit, answer["error"]["code"].as_str()), (4, Some("PC-0504")), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn endpoints_that_disagree_and_strangers_to_the_scope_stop_everything() {
    let world = world(47).await;
    let mut releaser = Releaser::new(&world.ethereum);
    releaser.endpoints.push(world.moonbeam.operators[0].http());
    let (exit, text, answer) = releaser.run("show", &[]).await;
    assert_eq!((exit, answer["error"]["code"].as_str()), (4, Some("PC-0502")), "{text}");
    releaser.endpoints.pop();
    releaser.scope = B256::with_last_byte(9).to_string();
    let (exit, text, answer) = releaser.run("show", &[]).await;
    assert_eq!((exit, answer["error"]["code"].as_str()), (4, Some("PC-0503")), "{text}");
    releaser.endpoints.push("http://127.0.0.1:1".to_owned());
    let (exit, text, answer) = releaser.run("show", &[]).await;
    assert_eq!((exit, answer["error"]["code"].as_str()), (4, Some("PC-0501")), "{text}");
}
