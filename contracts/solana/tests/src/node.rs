//! A validator of its own on loopback, and a client of it.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::message::transaction;
use crate::svm::{artifact, program};
use crate::{Chain, Failed, Ix, Key, Landed, Result, SYSTEM, Word, w};

/// How long a validator may take to make its first blocks on a busy machine.
const START_PATIENCE: Duration = Duration::from_secs(120);
/// How long a transaction may take to be confirmed.
const LANDING_PATIENCE: Duration = Duration::from_secs(60);
/// Between two questions.
const PAUSE: Duration = Duration::from_millis(20);
/// Ports that a validator takes, one after the other: RPC and its websocket, faucet, gossip, and those that it chooses itself.
const PORTS: u16 = 40;
/// Below those that outgoing connections get.
const FIRST_PORT: u16 = 10_000;
const LAST_PORT: u16 = 32_000;
/// Ticks of 6.25 ms: a slot every 50 ms instead of 400.
const TICKS_PER_SLOT: &str = "8";
/// Lamports for each that pays.
const FUNDS: u64 = 100_000_000_000;

/// A running validator; it ends with this value.
#[derive(Debug)]
pub struct Node {
    child: Child,
    folder: PathBuf,
    url: String,
    /// Who has lamports to pay with.
    funded: RefCell<BTreeSet<Word>>,
}

/// The validator's program: `PORTCULLIS_SOLANA_VALIDATOR`, else on PATH.
#[must_use]
pub fn validator() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("PORTCULLIS_SOLANA_VALIDATOR").filter(|path| !path.is_empty()) {
        return Some(path.into());
    }
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join("solana-test-validator"))
        .find(|path| path.is_file())
}

impl Node {
    /// Starts one in this folder with these committed programs; returns when it makes blocks.
    ///
    /// # Errors
    /// When it does not start; the end of its log is in the message.
    pub fn start(validator: &Path, folder: &Path, programs: &[&str]) -> Result<Self> {
        let first = free_ports()?;
        let log = fs::File::create(folder.join("validator.log"))?;
        let mut command = Command::new(validator);
        command
            .args(["--reset", "--quiet", "--bind-address", "127.0.0.1", "--ticks-per-slot", TICKS_PER_SLOT])
            .arg("--ledger")
            .arg(folder.join("ledger"))
            .args(["--rpc-port", &first.to_string(), "--faucet-port", &(first + 2).to_string()])
            .args(["--gossip-port", &(first + 3).to_string()])
            .args(["--dynamic-port-range", &format!("{}-{}", first + 4, first + PORTS - 1)])
            .args(["--mint", &bs58::encode(Key::named("mint").address()).into_string()]);
        for name in programs {
            command.arg("--bpf-program").arg(bs58::encode(program(name)).into_string()).arg(artifact(name));
        }
        let child = command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .map_err(|error| format!("{} could not be started: {error}", validator.display()))?;
        let funded = RefCell::new(BTreeSet::from([Key::named("mint").address()]));
        let url = format!("http://127.0.0.1:{first}");
        let mut node = Self { child, folder: folder.to_path_buf(), url, funded };
        node.ready()?;
        Ok(node)
    }

    fn ready(&mut self) -> Result<()> {
        let since = Instant::now();
        loop {
            let slot = self.ask("getSlot", &json!([{"commitment": "confirmed"}]));
            if slot.is_ok_and(|slot| slot.as_u64() > Some(2)) {
                return Ok(());
            }
            let ended = self.child.try_wait()?;
            if ended.is_some() || since.elapsed() > START_PATIENCE {
                let log = fs::read_to_string(self.folder.join("validator.log")).unwrap_or_default();
                let lines: Vec<&str> = log.lines().collect();
                let end = lines[lines.len().saturating_sub(20)..].join("\n");
                return Err(format!("the validator made no block (ended: {ended:?}):\n{end}").into());
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// One question; an error that the node answers is its text.
    fn ask(&self, method: &str, params: &Value) -> Result<Value> {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let mut answer: Value = ureq::post(&self.url).send_json(&body)?.body_mut().read_json()?;
        match answer.get_mut("error") {
            Some(error) => Err(error.take().to_string().into()),
            None => Ok(answer["result"].take()),
        }
    }

    /// Gives lamports to who pays, once.
    fn fund(&self, payer: &Key) -> Result<()> {
        if !self.funded.borrow_mut().insert(payer.address()) {
            return Ok(());
        }
        let mint = Key::named("mint");
        let transfer = Ix {
            program: SYSTEM,
            accounts: vec![crate::sw(mint.address()), w(payer.address())],
            data: [&2_u32.to_le_bytes()[..], &FUNDS.to_le_bytes()].concat(),
        };
        self.land(&[transfer], &[&mint]).map(drop).map_err(|failed| failed.reason.into())
    }

    fn land(&self, instructions: &[Ix], signers: &[&Key]) -> std::result::Result<Landed, Failed> {
        let told = |error: crate::Error| failed(&error.to_string());
        let latest = self.ask("getLatestBlockhash", &json!([{"commitment": "processed"}])).map_err(told)?;
        let mut blockhash = [0; 32];
        bs58::decode(latest["value"]["blockhash"].as_str().unwrap_or_default())
            .onto(&mut blockhash)
            .map_err(|error| failed(&error.to_string()))?;
        let bytes = STANDARD.encode(transaction(instructions, signers, &blockhash));
        let options = json!({"encoding": "base64", "preflightCommitment": "processed"});
        let sent = self.ask("sendTransaction", &json!([bytes, options]));
        let signature = match sent {
            Ok(signature) => signature,
            Err(error) => return Err(refused(&error.to_string())),
        };
        let since = Instant::now();
        let options =
            json!({"commitment": "confirmed", "maxSupportedTransactionVersion": 0, "encoding": "json"});
        loop {
            let landed = self.ask("getTransaction", &json!([signature, options])).map_err(told)?;
            if !landed.is_null() {
                return outcome(&landed["meta"]);
            }
            if since.elapsed() > LANDING_PATIENCE {
                return Err(failed(&format!("{signature} did not land")));
            }
            std::thread::sleep(PAUSE);
        }
    }
}

/// What the chain says of a transaction that it has taken.
fn outcome(meta: &Value) -> std::result::Result<Landed, Failed> {
    let logs = lines(&meta["logMessages"]);
    if !meta["err"].is_null() {
        let (reason, code) = reason(&meta["err"]);
        return Err(Failed { reason, code, logs });
    }
    let returned = meta["returnData"]["data"][0].as_str().and_then(|text| STANDARD.decode(text).ok());
    let units = meta["computeUnitsConsumed"].as_u64().unwrap_or_default();
    Ok(Landed { logs, returned: returned.unwrap_or_default(), units })
}

/// What a node says that refuses a transaction when it tries it.
fn refused(error: &str) -> Failed {
    let error: Value = serde_json::from_str(error).unwrap_or(Value::Null);
    let data = &error["data"];
    if data["err"].is_null() {
        let message = error["message"].as_str().unwrap_or_default();
        // Signatures in instructions are checked before anything runs.
        let reason = if message.contains("precompile") { "InstructionError(0, precompile)" } else { message };
        return failed(reason);
    }
    let (reason, code) = reason(&data["err"]);
    Failed { reason, code, logs: lines(&data["logs"]) }
}

fn lines(value: &Value) -> Vec<String> {
    let lines = value.as_array().map(Vec::as_slice).unwrap_or_default();
    lines.iter().filter_map(|line| line.as_str().map(str::to_owned)).collect()
}

/// `{"InstructionError": [1, {"Custom": 7000}]}` as the machine in process writes it.
fn reason(error: &Value) -> (String, Option<u32>) {
    let inner = &error["InstructionError"];
    let code = inner[1]["Custom"].as_u64().and_then(|code| u32::try_from(code).ok());
    match code {
        Some(code) => (format!("InstructionError({}, Custom({code}))", inner[0]), Some(code)),
        None if inner.is_array() => (format!("InstructionError({}, {})", inner[0], inner[1]), None),
        None => (error.to_string(), None),
    }
}

fn failed(reason: &str) -> Failed {
    Failed { reason: reason.to_owned(), code: None, logs: Vec::new() }
}

/// The first of several ports that nobody listens on.
fn free_ports() -> Result<u16> {
    let bands = u64::from((LAST_PORT - FIRST_PORT) / PORTS);
    for _ in 0..bands {
        // Seeded anew each time, so that processes that start together try different ones.
        let band = RandomState::new().hash_one(()) % bands;
        let first = FIRST_PORT + u16::try_from(band)? * PORTS;
        let free = (first..first + PORTS).all(|port| TcpListener::bind(("127.0.0.1", port)).is_ok());
        if free {
            return Ok(first);
        }
    }
    Err("no ports are free".into())
}

impl Chain for Node {
    fn send(&mut self, instructions: &[Ix], signers: &[&Key]) -> std::result::Result<Landed, Failed> {
        if let Some(payer) = signers.first() {
            self.fund(payer).map_err(|error| failed(&error.to_string()))?;
        }
        self.land(instructions, signers)
    }

    fn account(&self, address: &Word) -> Option<(Word, Vec<u8>)> {
        let options = json!({"encoding": "base64", "commitment": "confirmed"});
        let answer =
            self.ask("getAccountInfo", &json!([bs58::encode(address).into_string(), options])).ok()?;
        let value = &answer["value"];
        let mut owner = [0; 32];
        bs58::decode(value["owner"].as_str()?).onto(&mut owner).ok()?;
        Some((owner, STANDARD.decode(value["data"][0].as_str()?).ok()?))
    }

    fn now(&self) -> (u64, u64) {
        let clock = self.account(&crate::terms::address("SysvarC1ock11111111111111111111111111111111"));
        let data = clock.map(|(_, data)| data).unwrap_or_default();
        let number = |at: usize| {
            data.get(at..at + 8)
                .and_then(|bytes| bytes.try_into().ok())
                .map(u64::from_le_bytes)
                .unwrap_or_default()
        };
        (number(32), number(0))
    }

    fn at(&mut self, _time: u64, _slot: u64) -> Result<()> {
        Err("a validator has a clock of its own".into())
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // It is this process's own child, so the number is still its.
        let _killed = self.child.kill();
        let _gone = self.child.wait();
    }
}
