//! One of three endpoints lies: about logs, about heads, about receipts, about proofs, to the lane that closes gates.
//!
//! The two honest ones outvote it where voices count, and where one answer is enough it has to prove itself. The liar is
//! named in the record.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use alloy::primitives::{B256, Bloom, U256, keccak256};
use alloy::rpc::types::Header;
use eyre::{Result, bail, ensure};
use futures::FutureExt;
use serde_json::{Value, json};
use tokio::time::{Duration, sleep};

use super::check::{self, Expect};
use super::scene::Scene;
use super::{Case, Outcome};
use crate::lab::OPERATORS;
use crate::proxy::{Fault, Lie, Nth, Rule, Twist};
use crate::service::Tuning;
use crate::trial::{PATIENCE, Trial};

pub(super) const CASES: &[Case] = &[
    Case {
        name: "lies-logs",
        fault: "one endpoint of three hides the bridge's logs and receipts, on both chains",
        injected: "rewritten eth_getLogs, eth_getBlockReceipts and pushed logs",
        quick: false,
        run: |seed| logs(seed).boxed(),
    },
    Case {
        name: "lies-heads",
        fault: "one endpoint shows a fork of its own in which the attack never happened",
        injected: "forged headers with right hashes and parents, pushed and asked for",
        quick: true,
        run: |seed| heads(seed).boxed(),
    },
    Case {
        name: "lies-receipts",
        fault: "the endpoint asked first leaves out receipts, changes them, or gives another block's",
        injected: "rewritten eth_getBlockReceipts",
        quick: false,
        run: |seed| receipts(seed).boxed(),
    },
    Case {
        name: "lies-proofs",
        fault: "the endpoint asked first proves another account, another slot, or an old block",
        injected: "eth_getProof asked about something else, or answered from memory",
        quick: false,
        run: |seed| proofs(seed).boxed(),
    },
    Case {
        name: "lies-lane",
        fault: "one endpoint tells the containment lane a wrong nonce, swallows trips and says that they landed",
        injected: "invented eth_sendRawTransaction, eth_getTransactionCount and receipts",
        quick: false,
        run: |seed| lane(seed).boxed(),
    },
];

/// Who lies in this run.
pub(super) fn liar(seed: u64) -> &'static str {
    OPERATORS[(seed % OPERATORS.len() as u64) as usize]
}

/// Waits until the service has written down a fault of an operator that says so.
pub(super) async fn named(trial: &Trial, operator: &str, kinds: &[&str]) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let faults = match trial.books().await {
            Ok(mut books) => books.faults().await.unwrap_or_default(),
            Err(_restarting) => Vec::new(),
        };
        let about = |view: &&String| {
            let view = view.to_lowercase();
            view.contains(operator) && kinds.iter().any(|kind| view.contains(kind))
        };
        if faults.iter().any(|view| about(&view)) {
            return Ok(());
        }
        if Instant::now() > deadline {
            bail!("nothing like {kinds:?} was told about {operator}: {faults:?}");
        }
        sleep(Duration::from_millis(50)).await;
    }
}

/// Plays the attack under rules on both chains, and looks at what is left.
async fn under(seed: u64, rules: &[Rule], liar: &str, kinds: &[&str]) -> Result<Outcome> {
    let scene = Scene::start(seed, Tuning::default()).await?;
    for side in scene.trial.world.sides() {
        side.disturb(seed, rules);
    }
    scene.trial.play().await?;
    let outcome = check::verdict(&scene, Expect::default()).await?;
    named(&scene.trial, liar, kinds).await?;
    let struck: u64 = scene.trial.world.sides().iter().map(|side| side.struck()).sum();
    ensure!(struck > 0, "no lie was told");
    Ok(outcome.noting(format!("{liar} lied {struck} times and was named")))
}

fn lie(change: impl Fn(&mut Value) + Send + Sync + 'static) -> Fault {
    Fault::Lie(Arc::new(move |_, _, result| change(result)))
}

async fn logs(seed: u64) -> Result<Outcome> {
    let liar = liar(seed);
    let rules = [
        Rule::at(liar, "eth_getLogs", lie(|result| *result = json!([]))),
        Rule::at(
            liar,
            "eth_getBlockReceipts",
            lie(|result| {
                for receipt in result.as_array_mut().into_iter().flatten() {
                    receipt["logs"] = json!([]);
                }
            }),
        ),
        // A pushed log becomes a log of a contract that nobody watches.
        Rule::at(
            liar,
            "logs",
            lie(|result| result["address"] = json!("0x00000000000000000000000000000000000000ff")),
        ),
    ];
    under(seed, &rules, liar, &["dissent"]).await
}

/// A chain of headers that leaves the real one at the first head that is asked about: right hashes, right parents, the
/// same times, and no transactions.
#[derive(Default)]
struct Fork {
    /// The real header at which it begins; all others are made from it.
    first: Option<Header>,
    made: BTreeMap<u64, Header>,
}

impl Fork {
    /// The header at a height, if the fork has one there.
    fn at(&mut self, height: u64) -> Option<Header> {
        let first = self.first.clone()?;
        let from = first.inner.number;
        for number in from..=height {
            if self.made.contains_key(&number) {
                continue;
            }
            let mut inner = first.inner.clone();
            inner.number = number;
            inner.timestamp = first.inner.timestamp + (number - from) / 5;
            inner.extra_data = b"another history".to_vec().into();
            inner.logs_bloom = Bloom::ZERO;
            inner.transactions_root = alloy::consensus::EMPTY_ROOT_HASH;
            inner.receipts_root = alloy::consensus::EMPTY_ROOT_HASH;
            inner.gas_used = 0;
            if let Some(parent) = number.checked_sub(1).and_then(|below| self.made.get(&below)) {
                inner.parent_hash = parent.hash;
            }
            self.made.insert(number, Header::new(inner));
        }
        self.made.get(&height).cloned()
    }

    /// Replaces a header that the node gave, or none where the hash is the fork's own.
    fn replace(&mut self, params: &Value, result: &mut Value) {
        let asked = params.get(0).and_then(Value::as_str).and_then(|text| text.parse::<B256>().ok());
        let own = asked.and_then(|hash| self.made.values().find(|header| header.hash == hash).cloned());
        let made = match own {
            Some(own) => Some(own),
            // By its hash a real block is still the real one.
            None if asked.is_some() => None,
            None => {
                let Ok(real) = serde_json::from_value::<Header>(result.clone()) else { return };
                if self.first.is_none() {
                    self.first = Some(real.clone());
                }
                self.at(real.inner.number)
            }
        };
        let Some(Value::Object(fields)) = made.and_then(|header| serde_json::to_value(header).ok()) else {
            return;
        };
        if !result.is_object() {
            *result = json!({"uncles": [], "size": "0x200"});
        }
        for (name, value) in fields {
            result[name] = value;
        }
        if result.get("transactions").is_some() || asked.is_some() {
            result["transactions"] = json!([]);
        }
    }
}

async fn heads(seed: u64) -> Result<Outcome> {
    let liar = liar(seed);
    let scene = Scene::start(seed, Tuning::default()).await?;
    for side in scene.trial.world.sides() {
        let fork = Arc::new(Mutex::new(Fork::default()));
        let forge: Lie = Arc::new(move |_, params, result| {
            fork.lock().unwrap_or_else(PoisonError::into_inner).replace(params, result);
        });
        let rules = ["newHeads", "eth_getBlockByNumber", "eth_getBlockByHash"]
            .map(|method| Rule::at(liar, method, Fault::Lie(Arc::clone(&forge))));
        side.disturb(seed, &rules);
    }
    scene.trial.play().await?;
    let outcome = check::verdict(&scene, Expect::default()).await?;
    named(&scene.trial, liar, &["dissent"]).await?;
    Ok(outcome.noting(format!("{liar} showed another chain and was named")))
}

/// The first of [`OPERATORS`] is asked first for what one voice is enough for.
const FIRST: &str = OPERATORS[0];

async fn receipts(seed: u64) -> Result<Outcome> {
    let forged = U256::from(1);
    let rules = [
        Rule::at(
            FIRST,
            "eth_getBlockReceipts",
            lie(|result| {
                if let Some(receipts) = result.as_array_mut() {
                    receipts.pop();
                }
            }),
        )
        .when(Nth::Percent(34)),
        Rule::at(
            FIRST,
            "eth_getBlockReceipts",
            lie(move |result| {
                for receipt in result.as_array_mut().into_iter().flatten() {
                    for log in receipt["logs"].as_array_mut().into_iter().flatten() {
                        log["data"] =
                            json!(alloy::hex::encode_prefixed([forged.to_be_bytes::<32>(); 2].concat()));
                    }
                }
            }),
        )
        .when(Nth::Percent(50)),
        Rule::at(FIRST, "eth_getBlockReceipts", lie(|result| *result = json!([]))),
    ];
    under(seed, &rules, FIRST, &["garbage", "dissent"]).await
}

async fn proofs(seed: u64) -> Result<Outcome> {
    let account: Twist = Arc::new(|params| params[0] = json!("0x0000000000000000000000000000000000000001"));
    let slot: Twist = Arc::new(|params| params[1] = json!([keccak256(b"another slot")]));
    let rules = [
        Rule::at(FIRST, "eth_getProof", Fault::Ask(account)).when(Nth::Percent(34)),
        Rule::at(FIRST, "eth_getProof", Fault::Ask(slot)).when(Nth::Percent(50)),
        Rule::at(FIRST, "eth_getProof", Fault::Stale),
    ];
    under(seed, &rules, FIRST, &["garbage"]).await
}

async fn lane(seed: u64) -> Result<Outcome> {
    let liar = liar(seed);
    let invent = |make: fn(&Value) -> Value| -> Fault {
        Fault::Invent(Arc::new(move |_, params, result| *result = make(params)))
    };
    let rules = [
        Rule::at(
            liar,
            "eth_sendRawTransaction",
            invent(|params| {
                let raw =
                    params[0].as_str().and_then(|text| alloy::hex::decode(text).ok()).unwrap_or_default();
                json!(keccak256(raw))
            }),
        ),
        Rule::at(liar, "eth_getTransactionCount", invent(|_| json!("0x384"))),
        Rule::at(
            liar,
            "eth_getTransactionReceipt",
            invent(|params| {
                let zero = "0x0000000000000000000000000000000000000000";
                json!({
                    "transactionHash": params[0], "transactionIndex": "0x0", "blockHash": keccak256(b"no block"),
                    "blockNumber": "0x7", "from": zero, "to": zero, "cumulativeGasUsed": "0x5208", "gasUsed": "0x5208",
                    "effectiveGasPrice": "0x1", "logs": [], "logsBloom": Bloom::ZERO, "status": "0x1", "type": "0x2",
                })
            }),
        ),
    ];
    let scene = Scene::start(seed, Tuning::default()).await?;
    for side in scene.trial.world.sides() {
        side.disturb(seed, &rules);
    }
    scene.trial.play().await?;
    let outcome = check::verdict(&scene, Expect::default()).await?;
    let trips = scene.trial.trips(&scene.trial.world.ethereum).await?;
    let Some(trip) = trips.first() else { bail!("nothing tripped") };
    // What the liar says landed is not what counts: the effect is proven on both chains.
    scene.trial.settled(trip.incident).await?;
    let struck: u64 = scene.trial.world.sides().iter().map(|side| side.struck()).sum();
    ensure!(struck > 0, "no lie was told");
    Ok(outcome.noting(format!("{liar} lied {struck} times to the lane")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn real(number: u64) -> Value {
        let inner = alloy::consensus::Header { number, timestamp: 100 + number, ..Default::default() };
        serde_json::to_value(Header::new(inner)).unwrap_or_default()
    }

    #[test]
    fn the_fork_hangs_together_and_is_the_same_however_it_is_asked() {
        let mut fork = Fork::default();
        let mut first = real(10);
        fork.replace(&Value::Null, &mut first);
        let mut third = real(12);
        fork.replace(&json!(["0xc", false]), &mut third);
        let header: Header = serde_json::from_value(third.clone()).unwrap_or_default();
        assert_eq!(header.hash, header.inner.hash_slow());
        assert_ne!(third["hash"], real(12)["hash"]);
        let mut parent = Value::Null;
        fork.replace(&json!([third["parentHash"], false]), &mut parent);
        assert_eq!((&parent["number"], &parent["parentHash"]), (&json!("0xb"), &first["hash"]));
        let mut below = real(9);
        let before = below.clone();
        fork.replace(&json!(["0x9", false]), &mut below);
        assert_eq!(below, before, "the past is the real one");
    }
}
