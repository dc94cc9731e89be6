//! A node with the committed contracts on it.
#![allow(dead_code, reason = "each test uses its part")]
#![allow(unreachable_pub, clippy::new_without_default, reason = "a helper of tests")]

use std::path::{Path, PathBuf};
use std::time::Duration;

use portcullis_node::{Client, Genesis, Key, Landed, Message, Node, execute, instantiate, store_code, wasmd};
use serde_json::{Value, json};

pub const CHAIN: &str = "portcullis-test-1";
/// Everybody who signs.
pub const NAMES: [&str; 10] =
    ["owner", "releaser", "guardian", "tripper", "second", "signer", "bridge", "stranger", "other", "heir"];

/// The node's program. Without it the test passes with a remark, and fails where everything is required.
pub fn program() -> Option<PathBuf> {
    match wasmd() {
        Ok(path) => Some(path),
        Err(error) if std::env::var_os("PORTCULLIS_REQUIRE_ALL").is_some_and(|all| all == "1") => {
            panic!("{error}")
        }
        Err(error) => {
            eprintln!("NOT RUN: {error}");
            None
        }
    }
}

pub struct Chain {
    // Before the folder, so that the node ends first.
    pub node: Node,
    pub client: Client,
    codes: u64,
    contracts: u64,
    _home: tempfile::TempDir,
}

impl Chain {
    pub fn start(wasmd: &Path, circuit: Vec<(String, Vec<String>)>, pause: Duration) -> Self {
        let home = tempfile::tempdir().unwrap();
        let genesis = Genesis { circuit, block_pause: pause, ..Genesis::named(CHAIN, &NAMES).unwrap() };
        let node = Node::start(wasmd, home.path(), &genesis).unwrap();
        let client = node.client();
        Self { node, client, codes: 0, contracts: 0, _home: home }
    }

    pub fn address(name: &str) -> String {
        Key::named(name).unwrap().address().unwrap()
    }

    /// Uploads a committed contract.
    pub fn store(&mut self, name: &str) -> u64 {
        let path =
            Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../artifacts/cosmwasm/{name}.wasm"));
        let wasm = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let landed = self.send("owner", &[store_code(&Self::address("owner"), &wasm)]);
        println!("{name}: stored for {} gas", landed.gas_used);
        self.codes += 1;
        assert_eq!(landed.attribute("store_code", "code_id"), Some(self.codes.to_string().as_str()));
        self.codes
    }

    /// A new contract, owned by "owner".
    pub fn instantiate(&mut self, code: u64, msg: &Value) -> String {
        let landed =
            self.send("owner", &[instantiate(&Self::address("owner"), code, "test", &msg.to_string())]);
        self.contracts += 1;
        let address = landed.attribute("instantiate", "_contract_address").unwrap().to_owned();
        assert_eq!(address, portcullis_node::contract_address(code, self.contracts).unwrap(), "foretold");
        address
    }

    /// Sends what must succeed.
    pub fn send(&mut self, by: &str, messages: &[Message]) -> Landed {
        let landed = self.client.send(&Key::named(by).unwrap(), messages).unwrap();
        assert_eq!(landed.code, 0, "{}", landed.log);
        landed
    }

    /// Calls contracts, all in one transaction.
    pub fn call(&mut self, by: &str, contract: &str, messages: &[Value]) -> Landed {
        let sender = Self::address(by);
        let messages: Vec<Message> =
            messages.iter().map(|msg| execute(&sender, contract, &msg.to_string(), &[])).collect();
        self.send(by, &messages)
    }

    /// What must fail: the contract's own words.
    pub fn refused(&mut self, by: &str, contract: &str, msg: &Value) -> String {
        let message = execute(&Self::address(by), contract, &msg.to_string(), &[]);
        let landed = self.client.send(&Key::named(by).unwrap(), &[message]).unwrap();
        assert_ne!(landed.code, 0, "{msg} was taken");
        landed.contract_error().to_owned()
    }

    pub fn ask(&self, contract: &str, msg: &Value) -> Value {
        self.client.smart(contract, msg).unwrap_or_else(|error| panic!("{msg}: {error}"))
    }

    pub fn time(&self) -> u64 {
        self.client.head().unwrap().1
    }

    /// Waits until the chain's own time has come.
    pub fn wait_until(&self, time: u64) {
        for _ in 0..6_000 {
            if self.time() >= time {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("the chain's time stands still");
    }

    pub fn config() -> Value {
        json!({
            "owner": Self::address("owner"), "releaser": Self::address("releaser"),
            "guardian": Self::address("guardian"), "max_seconds": 14400, "max_blocks": 100000,
            "limited_tail_seconds": 2, "limited_tail_blocks": 0, "budget_window_hours": 48,
        })
    }
}

pub fn word(byte: u8) -> String {
    format!("{byte:02x}").repeat(32)
}

pub fn trip(scope: &Value, until: u64) -> Value {
    json!({"trip": {
        "scope": scope, "level": 2, "until": until, "until_height": 0, "incident": word(1), "record": word(2),
        "generation": 0,
    }})
}

/// The parts of a scope of everything that leaves.
pub fn everything(bridge: u8) -> Value {
    json!({"bridge": word(bridge), "direction": 2, "corridor": word(0), "asset": word(0)})
}
