//! Votes that sign a block, from the blocks that follow it.
//!
//! A vote is signed by whoever casts it, so that it does not matter who tells it: operators take turns, and what each of them
//! tells is put together. Who leaves votes out can only make the tally fall short, and then nothing is said of stake: that is
//! "could not tell", and what operators report counts as it would without a table.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use futures::future::join_all;
use portcullis_rpc::{Client, ReplySize, RpcError, RpcRequest};
use portcullis_verifier::{
    B256, ChainId,
    solana::{ALPENGLOW, CheckedVote, SolanaProofError, Stakes, Tally, VoteTransaction, check_bank_vote},
};
use serde::Deserialize;
use serde_json::json;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::{
    error::chain_of,
    limits,
    stakes::PinnedStakes,
    transport::{AT_CONFIRMED, Encoded, Network, blocks_between, no_block, not_there},
};

/// Why nothing is said of stake.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoTally {
    /// The slot is of another epoch than the table, or of another regime.
    #[error("PC-0981: votes for slot {slot} cannot be counted by the pinned table of stakes")]
    Table {
        slot: u64,
        #[source]
        source: SolanaProofError,
    },
    /// Not enough votes were told in time.
    #[error("votes of {tallied} of {total} lamports for slot {slot} were found in {blocks} blocks")]
    TooFew { slot: u64, tallied: u64, total: u64, blocks: usize },
}

impl NoTally {
    /// The label of its metric.
    pub(crate) fn outcome(&self) -> &'static str {
        match self {
            Self::Table { .. } => "other_table",
            Self::TooFew { .. } => "too_few",
        }
    }
}

/// Votes for one block, by their accounts, as they were sent.
type Votes = BTreeMap<B256, (CheckedVote, Vec<u8>)>;

/// What was found so far, by (bank hash, block id).
///
/// SECURITY: only votes that the verifier takes are kept, and each voter once for each block, so that neither who tells votes
/// nor who makes them decides how much is remembered.
#[derive(Debug, Default)]
struct Found {
    blocks: BTreeMap<(B256, B256), Votes>,
    /// Signatures that were verified: each costs as much as the reading of a hundred votes.
    tried: usize,
}

impl Found {
    /// Takes the votes for a slot out of the transactions of a block. Pure.
    fn take(&mut self, stakes: &Stakes, slot: u64, transactions: Vec<Vec<u8>>) {
        let most = stakes.table().voters.len().saturating_mul(limits::VOTES_TRIED_EACH);
        for bytes in transactions {
            let Ok(vote) = VoteTransaction::read(&bytes) else { continue };
            let key = (vote.sync.bank_hash, vote.sync.block_id);
            let account = vote.account;
            let known = self.blocks.get(&key).is_some_and(|votes| votes.contains_key(&account));
            if vote.sync.slot() != slot || known || stakes.voter(&account).is_err() || self.tried >= most {
                continue;
            }
            self.tried = self.tried.saturating_add(1);
            let Ok(checked) = check_bank_vote(stakes, &bytes) else { continue };
            self.blocks.entry(key).or_default().insert(account, (checked, bytes));
        }
    }

    /// Votes that together are enough, as few as there can be: the heaviest first. None while there are too few.
    fn enough(&self, stakes: &Stakes) -> Option<Vec<Vec<u8>>> {
        self.blocks.values().find_map(|votes| {
            let mut heaviest: Vec<&(CheckedVote, Vec<u8>)> = votes.values().collect();
            heaviest.sort_by_key(|(vote, _)| core::cmp::Reverse((vote.stake(), vote.account())));
            let (mut tally, mut out) = (Tally::new(stakes), Vec::new());
            for (vote, bytes) in heaviest {
                tally.add(vote).ok()?;
                out.push(bytes.clone());
                if tally.is_enough() {
                    return Some(out);
                }
            }
            None
        })
    }

    /// The most stake that signed one block, in lamports.
    fn most(&self) -> u64 {
        let of = |votes: &Votes| votes.values().fold(0u64, |sum, (vote, _)| sum.saturating_add(vote.stake()));
        self.blocks.values().map(of).max().unwrap_or(0)
    }
}

/// Votes of more than two thirds of the stake for the block of a slot. Ends when the pinned wait is over, at the latest.
///
/// # Errors
/// [`NoTally`].
pub(crate) async fn votes_for(
    network: &Network,
    pinned: &Arc<PinnedStakes>,
    slot: u64,
) -> Result<Vec<Vec<u8>>, NoTally> {
    let table = |source| NoTally::Table { slot, source };
    pinned.stakes().slot(slot).map_err(table)?;
    if !pinned.counts() {
        let sign = "a quorum of operators says so";
        return Err(table(SolanaProofError::RegimeNotImplemented { regime: ALPENGLOW, slot, sign }));
    }
    let until = Instant::now().checked_add(pinned.wait()).unwrap_or_else(Instant::now);
    let mut search = Search {
        network,
        pinned,
        slot,
        found: Found::default(),
        following: BTreeSet::new(),
        asked: BTreeSet::new(),
        told: BTreeSet::new(),
    };
    match timeout_at(until, search.run()).await {
        Ok(Some(votes)) => Ok(votes),
        Ok(None) | Err(_) => {
            let (tallied, total) = (search.found.most(), pinned.stakes().table().total);
            Err(NoTally::TooFew { slot, tallied, total, blocks: search.asked.len() })
        }
    }
}

struct Search<'n> {
    network: &'n Network,
    pinned: &'n Arc<PinnedStakes>,
    slot: u64,
    found: Found,
    /// Blocks that may hold the votes, oldest first.
    following: BTreeSet<u64>,
    /// Which operator was asked for which block.
    asked: BTreeSet<(u64, usize)>,
    /// Blocks that somebody told.
    told: BTreeSet<u64>,
}

impl Search<'_> {
    /// Until there is enough, or nothing is left to ask.
    async fn run(&mut self) -> Option<Vec<Vec<u8>>> {
        while self.asked.len() < limits::VOTES_BLOCKS_MAX {
            if let Some((slot, who)) = self.next() {
                self.ask(slot, who).await;
                if let Some(votes) = self.found.enough(self.pinned.stakes()) {
                    return Some(votes);
                }
                continue;
            }
            if self.is_complete() {
                return None;
            }
            let known = self.following.len();
            let listed = self.list().await;
            self.following.extend(listed);
            while self.following.len() > limits::VOTES_FOLLOWING_BLOCKS {
                self.following.pop_last();
            }
            if self.following.len() == known {
                sleep(limits::VOTES_PAUSE).await;
            }
        }
        None
    }

    /// Whether no later block is asked for.
    fn is_complete(&self) -> bool {
        self.following.len() >= limits::VOTES_FOLLOWING_BLOCKS
    }

    /// What to ask whom: each block once; and when that was not enough, once more whoever was not asked for it, because who
    /// told it may have left votes out.
    fn next(&self) -> Option<(u64, usize)> {
        let untold = self.following.iter().filter(|slot| !self.told.contains(slot));
        let again = self.following.iter().filter(|_| self.is_complete());
        untold.chain(again).find_map(|slot| self.somebody(*slot))
    }

    /// Who was not asked for a block; who is first differs from block to block.
    fn somebody(&self, slot: u64) -> Option<(u64, usize)> {
        let count = self.network.operators.len();
        let first = usize::try_from(slot).unwrap_or(0);
        let order = (0..count).filter_map(|at| first.wrapping_add(at).checked_rem(count));
        order.map(|who| (slot, who)).find(|question| !self.asked.contains(question))
    }

    /// The blocks that follow, as a quorum of operators tells them.
    ///
    /// SECURITY: one operator alone could list slots without votes until there is no room for those that have them.
    async fn list(&self) -> Vec<u64> {
        let from = self.slot.saturating_add(1);
        let to = self.slot.saturating_add(limits::SKIPPED_MAX_SLOTS);
        let asks = self.network.operators.iter().enumerate().map(|(at, operator)| async move {
            let listed = blocks_between(&operator.lanes.prove, from, to);
            (at, timeout(limits::VOTES_LIST, listed).await)
        });
        let mut voices: BTreeMap<u64, usize> = BTreeMap::new();
        for (at, answer) in join_all(asks).await {
            match answer {
                Ok(Ok(slots)) => slots.iter().for_each(|slot| {
                    let count = voices.entry(*slot).or_default();
                    *count = count.saturating_add(1);
                }),
                Ok(Err(error)) => self.note(at, &error),
                // Who is late is not waited for.
                Err(_elapsed) => {}
            }
        }
        let enough = self.network.quorum;
        voices.into_iter().filter(|(_, count)| *count >= enough).map(|(slot, _)| slot).collect()
    }

    async fn ask(&mut self, slot: u64, who: usize) {
        self.asked.insert((slot, who));
        let Some(operator) = self.network.operators.get(who) else { return };
        // Who hangs leaves time for another one.
        let patience = self.pinned.wait().checked_div(2).unwrap_or_default();
        let answer = timeout(patience, transactions(&operator.lanes.prove, slot)).await;
        match answer.unwrap_or(Err(RpcError::Timeout(patience))) {
            Ok(transactions) => {
                self.told.insert(slot);
                let (pinned, of) = (Arc::clone(self.pinned), self.slot);
                let mut found = core::mem::take(&mut self.found);
                // A thousand signatures take some fifty milliseconds: not on the threads that wait for sockets.
                let work = tokio::task::spawn_blocking(move || {
                    found.take(pinned.stakes(), of, transactions);
                    found
                });
                // Who panics there has found nothing.
                self.found = work.await.unwrap_or_default();
            }
            Err(error) => self.note(who, &error),
        }
    }

    fn note(&self, who: usize, error: &RpcError) {
        let Some(operator) = self.network.operators.get(who) else { return };
        if not_there(error).is_none() && !matches!(error, RpcError::Server { .. }) {
            self.network.faults.failed(operator.name, "votes", error);
        }
        tracing::debug!(operator = %operator.name, error = chain_of(error), "votes were not told");
    }
}

#[derive(Deserialize)]
struct BlockJson {
    transactions: Vec<TransactionJson>,
}

#[derive(Deserialize)]
struct TransactionJson {
    transaction: Encoded,
}

/// All transactions of a confirmed block, as they were sent. Whether they succeeded does not matter for what their signers say.
async fn transactions(client: &Client, slot: u64) -> Result<Vec<Vec<u8>>, RpcError> {
    let params = json!([slot, {
        "commitment": AT_CONFIRMED,
        "encoding": "base64",
        "transactionDetails": "full",
        "maxSupportedTransactionVersion": 0,
        "rewards": false,
    }]);
    let request = RpcRequest::read("getBlock", params, ReplySize::Bulk);
    let block: Option<BlockJson> = client.ask(request, "block").await?;
    let transactions = block.ok_or_else(no_block)?.transactions;
    if transactions.len() > limits::TRANSACTIONS_MAX {
        return Err(RpcError::Oversize { limit_bytes: limits::TRANSACTIONS_MAX });
    }
    Ok(transactions.into_iter().map(|one| one.transaction.0).collect())
}

/// Counts how a search ended.
pub(crate) fn counted(chain: ChainId, outcome: &'static str) {
    metrics::counter!("portcullis_tallies_total", "chain" => chain.as_str().to_owned(), "outcome" => outcome)
        .increment(1);
}

#[cfg(test)]
#[path = "votes_tests.rs"]
mod tests;
