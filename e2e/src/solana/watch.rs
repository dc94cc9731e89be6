//! What really happened here, read from the node itself, in the words that the other sides use.

use std::collections::BTreeMap;
use std::sync::Arc;

use alloy::primitives::{Address, B256};
use alloy::sol_types::SolEvent;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use portcullis_solana::address::shown;
use tokio::sync::{mpsc, watch};

use super::keys::short;
use super::node::{Block, Executed, Node};
use super::program::guard_program;
use crate::chain::{Log, Receipt};
use crate::contracts::Guard;
use crate::nodes::{Head, Heads};
use crate::scenario::Domain;
use crate::watch::Seen;

/// Slots of which it is remembered when they began: far more than a block takes to be confirmed.
const BEGUN_KEPT: usize = 256;

/// Follows the chain's confirmed blocks until nobody listens. A block counts as seen when the next slot began: then it was whole.
pub async fn follow(
    node: Arc<Node>,
    breaker: B256,
    mut heads: watch::Receiver<Option<Head>>,
    send: mpsc::UnboundedSender<Seen>,
) {
    let mut begun: BTreeMap<u64, Head> = BTreeMap::new();
    let mut next = None;
    while let Ok(newest) = Heads::next(&mut heads).await {
        begun.insert(newest.height, newest);
        while begun.len() > BEGUN_KEPT {
            begun.pop_first();
        }
        let from = *next.get_or_insert(newest.height);
        // What is not told now is told after the next slot.
        let slots = node.confirmed(from, newest.height).await.unwrap_or_default();
        for slot in slots {
            let Ok(block) = node.block(slot).await else { break };
            let head = begun.range(slot + 1..).next().map_or(newest, |(_, head)| *head);
            let head = Head { height: slot, hash: block.hash, time: block.time, ..head };
            let receipts = receipts(&block, breaker);
            if send.send(Seen { side: Domain::Solana, head, receipts }).is_err() {
                return;
            }
            next = Some(slot + 1);
        }
    }
}

/// What the transactions of a block did.
#[must_use]
pub fn receipts(block: &Block, breaker: B256) -> Vec<Receipt> {
    block.transactions.iter().map(|done| receipt(block, done, breaker)).collect()
}

fn receipt(block: &Block, done: &Executed, breaker: B256) -> Receipt {
    let hash = named(&done.signature);
    let trips = done.logs.iter().enumerate().filter(|_| done.succeeded);
    let trips = trips.filter_map(|(at, line)| trip(done.logs.get(..at)?, line, breaker));
    let logs = trips.zip(0..).map(|(trip, log_index)| {
        let data = trip.encode_log_data();
        Log {
            address: short(breaker),
            topics: data.topics().to_vec(),
            data: data.data.clone(),
            block_number: block.slot,
            block_hash: block.hash,
            log_index,
            transaction_hash: hash,
        }
    });
    Receipt {
        transaction_hash: hash,
        block_number: block.slot,
        transaction_index: done.index,
        status: u64::from(done.succeeded),
        contract_address: None,
        logs: logs.collect(),
    }
}

/// A transaction as the play names it, by what the node calls it.
#[must_use]
pub fn named(signature: &str) -> B256 {
    let bytes = bs58::decode(signature).into_vec().unwrap_or_default();
    <&[u8; 64]>::try_from(bytes.as_slice()).map_or(B256::ZERO, portcullis_verifier::solana::transaction_id)
}

/// A trip, told with the same fields as by every guard. A line belongs to the program that ran when it was written.
fn trip(before: &[String], line: &str, breaker: B256) -> Option<Guard::Tripped> {
    let parts = line.strip_prefix("Program data: ")?.split(' ').map(|part| BASE64.decode(part));
    let parts: Vec<Vec<u8>> = parts.collect::<Result<_, _>>().ok()?;
    let word = |at: usize| <[u8; 32]>::try_from(parts.get(at)?.as_slice()).ok().map(B256::from);
    let number = |at: usize| parts.get(at)?.as_slice().try_into().ok().map(u64::from_le_bytes);
    if parts.first()? != b"Tripped" || word(1)? != breaker || running(before)? != shown(guard_program()) {
        return None;
    }
    Some(Guard::Tripped {
        scope: word(2)?,
        incident: word(3)?,
        level: u8::try_from(number(4)?).ok()?,
        until: number(5)?,
        untilHeight: number(6)?,
        record: word(7)?,
        generation: u32::try_from(number(8)?).ok()?,
        actionId: word(9)?,
        tripper: Address::from_word(word(10)?),
    })
}

/// Which program runs behind these lines of a log.
fn running(before: &[String]) -> Option<&str> {
    let mut stack = Vec::new();
    for line in before {
        let mut words = line.split(' ');
        if words.next() != Some("Program") {
            continue;
        }
        match (words.next(), words.next()) {
            // What a program says for itself comes behind a colon.
            (Some(program), Some("invoke")) if !program.ends_with(':') => stack.push(program),
            (Some(_), Some("success" | "failed:")) => {
                stack.pop();
            }
            _ => {}
        }
    }
    stack.pop()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::trips;

    fn line(breaker: B256) -> String {
        let word = |byte: u8| B256::repeat_byte(byte).0.to_vec();
        let number = |value: u64| value.to_le_bytes().to_vec();
        let parts = [
            b"Tripped".to_vec(),
            breaker.0.to_vec(),
            word(0x11),
            word(0x22),
            number(2),
            number(1_700),
            number(9),
            word(0x33),
            number(4),
            word(0x44),
            word(0x55),
        ];
        format!("Program data: {}", parts.map(|part| BASE64.encode(part)).join(" "))
    }

    fn told(program: B256, breaker: B256, succeeded: bool) -> Vec<crate::watch::Tripped> {
        let logs = vec![
            "Program ComputeBudget111111111111111111111111111111 invoke [1]".to_owned(),
            "Program ComputeBudget111111111111111111111111111111 success".to_owned(),
            format!("Program {} invoke [1]", shown(program)),
            line(breaker),
            format!("Program {} success", shown(program)),
        ];
        let done = Executed { index: 3, signature: "x".to_owned(), succeeded, logs };
        let block = Block { slot: 5, hash: B256::ZERO, time: 1, transactions: vec![done] };
        let guard = B256::repeat_byte(9);
        let head = Head {
            height: 5,
            hash: B256::ZERO,
            time: 1,
            base_fee: 0,
            seen_us: 0,
            seen: std::time::Instant::now(),
        };
        trips(&Seen { side: Domain::Solana, head, receipts: receipts(&block, guard) }, short(guard))
    }

    #[test]
    fn a_trip_is_told_in_the_same_words_as_elsewhere() {
        let guard = B256::repeat_byte(9);
        let told_here = told(guard_program(), guard, true);
        assert_eq!(told_here.len(), 1);
        let trip = told_here[0];
        assert_eq!((trip.level, trip.until, trip.height, trip.index), (2, 1_700, 5, 3));
        assert_eq!(trip.incident, B256::repeat_byte(0x22));
        assert!(told(guard_program(), B256::repeat_byte(8), true).is_empty(), "another guard");
        assert!(told(B256::repeat_byte(7), guard, true).is_empty(), "another program");
        assert!(told(guard_program(), guard, false).is_empty(), "it failed");
    }
}
