//! `contracts/vectors` against the committed guard on a real node: those cases that a chain with a clock of its own can
//! show. A node's time cannot be set, so a case is left out when a step sets the time or the height, or says a number
//! that depends on the second in which a transaction lands. Those run in process, where block time is given.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    missing_docs
)]

mod support;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use portcullis_node::{Key, execute};
use portcullis_vectors::{Count, Done, FILES, Machine, run};
use serde_json::Value;
use support::{Chain, NAMES, program};

/// How many of the cases are shown on a node; a change of the vectors changes it, and is looked at.
const SHOWN: usize = 43;

struct OnNode {
    chain: Chain,
    code: u64,
    guard: String,
    addresses: BTreeMap<String, String>,
}

impl Machine for OnNode {
    fn instantiate(&mut self, msg: &Value) -> Result<(), String> {
        self.guard = self.chain.instantiate(self.code, msg);
        Ok(())
    }

    fn start(&mut self, _time: u64, _height: u64) -> Result<(u64, u64), String> {
        let (height, time) = self.chain.client.head().map_err(|error| error.to_string())?;
        Ok((time, height))
    }

    fn at(&mut self, _time: u64, _height: u64) -> Result<(), String> {
        // The node's clock goes by itself; cases that need another one were not chosen.
        Ok(())
    }

    fn execute(&mut self, by: &str, msg: &Value) -> Result<Done, String> {
        let message = execute(&self.addresses[by], &self.guard, &msg.to_string(), &[]);
        let landed = self.chain.client.send(&Key::named(by).unwrap(), &[message]).unwrap();
        if landed.code != 0 {
            return Err(landed.contract_error().to_owned());
        }
        let events = landed.events.iter().filter_map(|(name, fields)| {
            let name = name.strip_prefix("wasm-")?.to_owned();
            let own = |key: &str| key != "_contract_address" && key != "msg_index";
            Some((name, fields.iter().filter(|(key, _)| own(key)).cloned().collect()))
        });
        let data = landed.data().into_iter().next().flatten();
        Ok(Done { data, events: events.collect() })
    }

    fn query(&mut self, msg: &Value) -> Result<Value, String> {
        self.chain.client.smart(&self.guard, msg).map_err(|error| error.to_string())
    }

    fn address(&self, name: &str) -> String {
        self.addresses[name].clone()
    }

    fn sign(&self, digest: &str) -> String {
        let bytes: Vec<u8> =
            (0..32).map(|at| u8::from_str_radix(&digest[2 * at..2 * at + 2], 16).unwrap()).collect();
        let signature = Key::named("signer").unwrap().sign_digest(&bytes.try_into().unwrap()).unwrap();
        signature.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Whether nothing in the case depends on the second in which a transaction lands.
fn needs_no_clock(case: &Value) -> bool {
    let text = case.to_string();
    let says_time = ["leftSeconds", "TripClipped", "OperationScheduled", "NotReady"];
    let steps = case["steps"].as_array().unwrap();
    steps.iter().all(|step| {
        let number = |key: &str| step["args"][key].as_u64().unwrap_or_default();
        step.get("time").is_none()
            && step.get("height").is_none()
            && number("untilHeight") == 0
            && number("until") <= 14_400
    }) && !says_time.iter().any(|word| text.contains(word))
}

#[test]
fn every_vector_that_needs_no_clock_holds_on_the_node() {
    let Some(wasmd) = program() else { return };
    let mut chain = Chain::start(&wasmd, Vec::new(), Duration::ZERO);
    let code = chain.store("guard");
    let addresses = NAMES.map(|name| (name.to_owned(), Chain::address(name))).into();
    let mut machine = OnNode { chain, code, guard: String::new(), addresses };
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../vectors"));
    let mut sum = Count::default();
    for file in FILES {
        let count =
            run(&mut machine, folder, file, &needs_no_clock).unwrap_or_else(|error| panic!("{error}"));
        println!("{file}: {} cases, {} steps on the node", count.cases, count.steps);
        sum = Count { cases: sum.cases + count.cases, steps: sum.steps + count.steps };
    }
    println!("all: {} cases, {} steps on the node", sum.cases, sum.steps);
    assert_eq!(sum.cases, SHOWN);
}
