//! Making a table of stakes from what operators say alike.

use futures::future::join_all;
use portcullis_rpc::{Client, ReplySize, RpcError, RpcRequest, Wait, quorum};
use portcullis_verifier::{
    B256, ChainId,
    solana::{SolanaProofError, StakeTable, Voter, authorized_voter, limits::MAX_VOTERS},
};
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::{
    Solana, address,
    error::chain_of,
    limits,
    transport::{AT_CONFIRMED, Encoded, genesis, is_of},
};

/// Why no table could be made.
#[derive(Debug, thiserror::Error)]
pub enum PinError {
    /// Too few operators say the same.
    #[error("PC-0982: no {needed} operators tell the same table: {what}")]
    NoQuorum {
        /// How many must.
        needed: usize,
        /// Who says what.
        what: String,
    },
    /// What they say is no table.
    #[error("PC-0982: what operators tell is no table of stakes")]
    Table(#[from] SolanaProofError),
}

/// A table as a quorum tells it at this moment, to be looked at and pinned by a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pinnable {
    /// The table.
    pub table: StakeTable,
    /// The file.
    pub bytes: Vec<u8>,
    /// Its SHA-256.
    pub sha256: B256,
    /// Who told it.
    pub agreeing: Vec<String>,
    /// Who told another one, or none, and why.
    pub others: Vec<String>,
}

impl Pinnable {
    /// A table that no operator told.
    #[must_use]
    pub fn of(table: StakeTable) -> Self {
        let bytes = table.to_bytes();
        let sha256 = B256::from(<[u8; 32]>::from(Sha256::digest(&bytes)));
        Self { table, bytes, sha256, agreeing: Vec::new(), others: Vec::new() }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct EpochJson {
    epoch: u64,
    absolute_slot: u64,
    slot_index: u64,
    slots_in_epoch: u64,
}

#[derive(Deserialize)]
struct VotersJson {
    current: Vec<VoterJson>,
    delinquent: Vec<VoterJson>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct VoterJson {
    vote_pubkey: String,
    activated_stake: u64,
}

#[derive(Deserialize)]
struct AccountsJson {
    value: Vec<Option<AccountJson>>,
}

#[derive(Deserialize)]
struct AccountJson {
    data: Encoded,
}

impl Solana {
    /// Asks every operator who votes in the epoch that runs, with how much stake and by which key, and gives the table that a
    /// quorum tells alike. Nothing is proven by that: whoever pins it trusts these operators, at this moment, for the epoch.
    ///
    /// # Errors
    /// [`PinError`] names who says what.
    pub async fn stakes_now(&self) -> Result<Pinnable, PinError> {
        let needed = self.network.quorum;
        let asks = self.network.operators.iter().map(|operator| {
            let chain = self.network.chain;
            async move { (operator.name, table(&operator.lanes.prove, chain).await) }
        });
        let told = join_all(asks).await;
        let others = |digest: Option<B256>| {
            let other = told.iter().filter_map(|(name, told)| match told {
                Ok((_, found)) if Some(*found) == digest => None,
                Ok((table, found)) => Some(format!(
                    "{name}: epoch {}, {} voters, {} lamports, SHA-256 {found}",
                    table.epoch,
                    table.voters.len(),
                    table.total
                )),
                Err(error) => Some(format!("{name}: {}", chain_of(error))),
            });
            other.collect::<Vec<String>>()
        };
        let answers = told.iter().filter_map(|(name, told)| told.as_ref().ok().map(|(_, at)| (*name, *at)));
        let answers = answers.map(|(name, digest)| (name, std::future::ready(Ok(digest))));
        let agreed = quorum(answers, needed, Wait::ForAll)
            .await
            .map_err(|_split| PinError::NoQuorum { needed, what: others(None).join("; ") })?;
        let (others, agreeing) = (others(Some(agreed.value)), agreed.agreeing);
        let table = told.into_iter().find_map(|(_, told)| told.ok().filter(|(_, at)| *at == agreed.value));
        let Some((table, _digest)) = table else {
            return Err(PinError::NoQuorum { needed, what: others.join("; ") });
        };
        let agreeing = agreeing.iter().map(|name| name.as_str().to_owned()).collect();
        Ok(Pinnable { agreeing, others, ..Pinnable::of(table) })
    }
}

/// The table that one operator tells, and its SHA-256.
async fn table(client: &Client, chain: ChainId) -> Result<(StakeTable, B256), RpcError> {
    if !is_of(&genesis(client).await?, chain) {
        return Err(RpcError::garbage("genesis hash of the configured cluster"));
    }
    let at = json!([{ "commitment": AT_CONFIRMED }]);
    let request = RpcRequest::read("getEpochInfo", at.clone(), ReplySize::Small);
    let before: EpochJson = client.ask(request, "epoch").await?;
    let first_slot = before.absolute_slot.checked_sub(before.slot_index);
    let last_slot = first_slot.and_then(|first| first.checked_add(before.slots_in_epoch)?.checked_sub(1));
    let (Some(first_slot), Some(last_slot)) = (first_slot, last_slot) else {
        return Err(RpcError::garbage("epoch"));
    };
    let request = RpcRequest::read("getVoteAccounts", at.clone(), ReplySize::Bulk);
    let told: VotersJson = client.ask(request, "vote accounts").await?;
    let mut voters = Vec::new();
    for one in told.current.iter().chain(&told.delinquent).filter(|one| one.activated_stake > 0) {
        let account = address::read(&one.vote_pubkey).ok_or_else(|| RpcError::garbage("vote account"))?;
        voters.push(Voter { account, authority: None, stake: one.activated_stake });
    }
    if voters.len() > MAX_VOTERS {
        return Err(RpcError::Oversize { limit_bytes: MAX_VOTERS });
    }
    voters.sort_by_key(|voter| voter.account);
    authorities(client, &mut voters, before.epoch).await?;
    let after: EpochJson =
        client.ask(RpcRequest::read("getEpochInfo", at, ReplySize::Small), "epoch").await?;
    if after.epoch != before.epoch {
        return Err(RpcError::garbage("epoch that did not end meanwhile"));
    }
    let total = voters.iter().try_fold(0u64, |sum, voter| sum.checked_add(voter.stake));
    let total = total.ok_or_else(|| RpcError::garbage("stakes that add up"))?;
    let epoch = before.epoch;
    let table = StakeTable { chain, epoch, first_slot, last_slot, total, other_regime_from: None, voters };
    let stakes = table.open().map_err(|_broken| RpcError::garbage("table of stakes"))?;
    let table = stakes.table().clone();
    let digest = B256::from(<[u8; 32]>::from(Sha256::digest(table.to_bytes())));
    Ok((table, digest))
}

/// Fills in who may vote for each account.
async fn authorities(client: &Client, voters: &mut [Voter], epoch: u64) -> Result<(), RpcError> {
    for some in voters.chunks_mut(limits::ACCOUNTS_ASKED) {
        let names: Vec<String> = some.iter().map(|voter| address::shown(voter.account)).collect();
        let how = json!({ "commitment": AT_CONFIRMED, "encoding": "base64",
            "dataSlice": { "offset": 0, "length": portcullis_verifier::solana::STATE_BYTES } });
        let request = RpcRequest::read("getMultipleAccounts", json!([names, how]), ReplySize::Block);
        let told: AccountsJson = client.ask(request, "vote accounts").await?;
        if told.value.len() != some.len() {
            return Err(RpcError::garbage("as many vote accounts as were asked for"));
        }
        for (voter, state) in some.iter_mut().zip(told.value) {
            // An account that was closed since has stake that nobody votes with: it counts against the two thirds.
            let Some(state) = state else { continue };
            voter.authority = authorized_voter(&state.data.0, epoch).map_err(|source| RpcError::Garbage {
                expected: "vote account",
                source: Some(Box::new(source)),
            })?;
        }
    }
    Ok(())
}
