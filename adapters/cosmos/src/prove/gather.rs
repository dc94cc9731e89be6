//! Gathering one piece of evidence from one operator.

use portcullis_adapter::Class;
use portcullis_rpc::{Operator, RpcError};
use portcullis_verifier::{
    B256, Claim, Evidence, FaultKind, Slug,
    cosmos::{
        CONTRACT_STORE, Checkpoint, LightEvidence, Outcome, Payload, TransactionPath, UpdateBytes,
        contract_key, limits::MAX_HEADERS,
    },
};
use prost::Message;
use tendermint_proto::v0_38::abci::ExecTxResult;

use crate::{
    decode::Decoder,
    finality::{BeginError, ensure_root, headers_down, walk},
    merkle,
    observe::fetch::concerning,
    transport::{Network, results, status, stored, transactions},
};

/// Why one operator gave no evidence.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GatherError {
    /// It did not answer, or not with what was asked for.
    #[error("it did not tell the {what}")]
    Rpc {
        what: &'static str,
        #[source]
        source: RpcError,
    },
    /// The way from the checkpoint could not be followed.
    #[error("no way leads from the light client to the block")]
    Way(#[source] BeginError),
    /// The header that commits to what is claimed is not there yet.
    #[error("block {needed} is needed, and its newest is {newest}")]
    NotYet { needed: u64, newest: u64 },
    /// Its node no longer has the block.
    #[error("PC-0902: block {needed} is needed, and its node has none below {earliest}")]
    Pruned { needed: u64, earliest: u64 },
    /// The block lies too far below the checkpoint.
    #[error("PC-0904: block {wanted} lies more than {} blocks below the light client at {at}", MAX_HEADERS)]
    TooDeep { wanted: u64, at: u64 },
    /// The application refuses the question.
    #[error("its application answers with code {code}: {log}")]
    Refused { code: u32, log: String },
    /// The value is of another key or block than asked for.
    #[error("it answers for another {what} than was asked for")]
    Another { what: &'static str },
    /// The answer carries no pair of proofs.
    #[error("its answer has not the two proofs of a store")]
    NoProofs,
    /// The claim names a key by a digest of which the key is not known.
    #[error("PC-0907: nobody here knows the key with digest {digest}")]
    UnknownKey { digest: B256 },
    /// The block has nothing of what is claimed.
    #[error("it tells no such {what} of the block")]
    Nothing { what: &'static str },
    /// An event that its contract does not record.
    #[error("the event is not recorded by its contract, and blocks do not commit to events")]
    NotRecorded,
}

impl GatherError {
    /// The fault that it is of the operator's; none where it is nobody's.
    pub(crate) fn kind(&self) -> Option<FaultKind> {
        match self {
            Self::Rpc { source, .. } | Self::Way(BeginError::Rpc { source, .. }) => {
                Some(portcullis_rpc::faults::kind_of(source))
            }
            Self::Way(error) => error.kind(),
            Self::Pruned { .. } => Some(FaultKind::Dark),
            Self::Another { .. } | Self::NoProofs => Some(FaultKind::Garbage),
            Self::NotYet { .. }
            | Self::TooDeep { .. }
            | Self::Refused { .. }
            | Self::UnknownKey { .. }
            | Self::Nothing { .. }
            | Self::NotRecorded => None,
        }
    }

    /// What to do about it.
    pub(crate) fn class(&self) -> Class {
        match self {
            Self::Rpc { source, .. } | Self::Way(BeginError::Rpc { source, .. }) => source.class(),
            Self::Way(_) | Self::Another { .. } | Self::NoProofs => Class::Untrusted,
            Self::NotYet { .. } | Self::Refused { .. } | Self::Nothing { .. } => Class::Transient,
            Self::Pruned { .. } | Self::TooDeep { .. } | Self::UnknownKey { .. } | Self::NotRecorded => {
                Class::Permanent
            }
        }
    }
}

/// What a claim hangs on: the highest header that is needed, and the lowest.
fn span(claim: &Claim) -> (u64, u64) {
    let height = claim.block().height;
    let after = height.saturating_add(1);
    match claim {
        Claim::Included { code: None, .. } => (height, height),
        Claim::Included { code: Some(_), .. } => (after, height),
        _ => (after, after),
    }
}

/// Gathers evidence for a claim from one operator, and says from which checkpoint it leads.
pub(crate) async fn gather(
    network: &Network,
    decoder: &Decoder,
    operator: &Operator,
    claim: &Claim,
) -> Result<(Checkpoint, Evidence), GatherError> {
    let gathered = gather_all(network, decoder, operator, claim).await;
    // A node refuses what it does not have with a code that says nothing else; it says what it has when asked.
    let refused = matches!(
        &gathered,
        Err(GatherError::Rpc { source: RpcError::Server { .. }, .. }
            | GatherError::Way(BeginError::Rpc { source: RpcError::Server { .. }, .. })
            | GatherError::Refused { .. })
    );
    let (highest, lowest) = span(claim);
    if refused && let Ok(status) = status(&operator.lanes.prove).await {
        if status.height < highest {
            return Err(GatherError::NotYet { needed: highest, newest: status.height });
        }
        if status.earliest > lowest {
            return Err(GatherError::Pruned { needed: lowest, earliest: status.earliest });
        }
    }
    gathered
}

async fn gather_all(
    network: &Network,
    decoder: &Decoder,
    operator: &Operator,
    claim: &Claim,
) -> Result<(Checkpoint, Evidence), GatherError> {
    let (way, payload) =
        tokio::try_join!(lead(network, operator, span(claim)), payload(network, decoder, operator, claim))?;
    let (checkpoint, updates, headers) = way;
    Ok((checkpoint, LightEvidence { updates, headers, payload }.to_evidence()))
}

/// The way from the checkpoint to the headers that are needed.
async fn lead(
    network: &Network,
    operator: &Operator,
    (highest, lowest): (u64, u64),
) -> Result<(Checkpoint, Vec<UpdateBytes>, Vec<Vec<u8>>), GatherError> {
    let checkpoint = ensure_root(network, operator).await.map_err(GatherError::Way)?;
    let at = checkpoint.block.height;
    if highest > at {
        let walk = walk(network, operator, checkpoint.clone(), highest).await.map_err(GatherError::Way)?;
        let headers = down(operator, highest.saturating_sub(1), lowest).await?;
        return Ok((checkpoint, walk.steps().to_vec(), headers));
    }
    if usize::try_from(at.saturating_sub(lowest)).map_or(true, |depth| depth >= MAX_HEADERS) {
        return Err(GatherError::TooDeep { wanted: lowest, at });
    }
    let headers = down(operator, at, lowest).await?;
    Ok((checkpoint, Vec::new(), headers))
}

/// Encoded headers from `from` down to `to`; none when `from` is below.
async fn down(operator: &Operator, from: u64, to: u64) -> Result<Vec<Vec<u8>>, GatherError> {
    let headers = headers_down(operator, from, to).await.map_err(GatherError::Way)?;
    Ok(headers.into_iter().map(|(_, bytes)| bytes).collect())
}

async fn payload(
    network: &Network,
    decoder: &Decoder,
    operator: &Operator,
    claim: &Claim,
) -> Result<Payload, GatherError> {
    let height = claim.block().height;
    match claim {
        Claim::State { contract, key, .. } | Claim::StateAbsent { contract, key, .. } => {
            let own = network.keys.get(*key).ok_or(GatherError::UnknownKey { digest: *key })?;
            state(operator, CONTRACT_STORE, contract_key(*contract, &own), height).await
        }
        Claim::Stored { store, key, .. } | Claim::NotStored { store, key, .. } => {
            state(operator, store.as_str(), key.clone(), height).await
        }
        Claim::Emitted { raw, .. } => {
            let key = record(decoder, operator, height, *raw).await?;
            state(operator, CONTRACT_STORE, key, height).await
        }
        Claim::NotEmitted { .. } => Err(GatherError::NotRecorded),
        Claim::Included { transaction, code, .. } => {
            included(operator, height, *transaction, code.is_some()).await
        }
    }
}

async fn state(operator: &Operator, store: &str, key: Vec<u8>, height: u64) -> Result<Payload, GatherError> {
    let rpc = |source| GatherError::Rpc { what: "value of a key", source };
    let answer = stored(&operator.lanes.prove, store, &key, height).await.map_err(rpc)?;
    if answer.code != 0 {
        let log = crate::error::detail(&answer.log, 200);
        return Err(GatherError::Refused { code: answer.code, log });
    }
    if answer.height != height {
        return Err(GatherError::Another { what: "block" });
    }
    if answer.key != key {
        return Err(GatherError::Another { what: "key" });
    }
    let (key_proof, store_proof) = answer.proofs.ok_or(GatherError::NoProofs)?;
    let store = Slug::new(store).map_err(|_no_slug| GatherError::Another { what: "store" })?;
    Ok(Payload::State { store, key, key_proof, store_proof })
}

/// The key under which the contract has recorded the event with this raw digest.
async fn record(
    decoder: &Decoder,
    operator: &Operator,
    height: u64,
    raw: B256,
) -> Result<Vec<u8>, GatherError> {
    let rpc = |source| GatherError::Rpc { what: "events of a block", source };
    let results = results(&operator.lanes.prove, height).await.map_err(rpc)?;
    let placed = concerning(decoder, results).map_err(rpc)?;
    let mut there = false;
    for one in &placed {
        if let Some(key) = decoder.record(&one.event, raw) {
            return Ok(key);
        }
        there |= one.raw() == raw;
    }
    Err(if there { GatherError::NotRecorded } else { GatherError::Nothing { what: "event" } })
}

async fn included(
    operator: &Operator,
    height: u64,
    transaction: B256,
    with_code: bool,
) -> Result<Payload, GatherError> {
    let client = &operator.lanes.prove;
    let body = transactions(client, height)
        .await
        .map_err(|source| GatherError::Rpc { what: "transactions of a block", source })?;
    let nothing = || GatherError::Nothing { what: "transaction" };
    let index = body.transactions.iter().position(|one| *one == transaction).ok_or_else(nothing)?;
    let leaves: Vec<B256> = body.transactions.iter().map(|one| merkle::leaf(one.as_slice())).collect();
    let path = TransactionPath {
        index: u64::try_from(index).map_err(|_too_many| nothing())?,
        total: u64::try_from(leaves.len()).map_err(|_too_many| nothing())?,
        aunts: merkle::aunts(&leaves, index).ok_or_else(nothing)?,
    };
    if !with_code {
        return Ok(Payload::Transaction { path, outcome: None });
    }
    let results = results(client, height)
        .await
        .map_err(|source| GatherError::Rpc { what: "results of a block", source })?;
    let committed = |one: &crate::transport::Answered| {
        let result = ExecTxResult {
            code: one.code,
            data: one.data.clone().into(),
            gas_wanted: one.gas_wanted,
            gas_used: one.gas_used,
            ..ExecTxResult::default()
        };
        merkle::leaf(&result.encode_to_vec())
    };
    let leaves: Vec<B256> = results.transactions.iter().map(committed).collect();
    let own = results.transactions.into_iter().nth(index).ok_or_else(nothing)?;
    let outcome = Outcome {
        code: own.code,
        data: own.data,
        gas_wanted: own.gas_wanted,
        gas_used: own.gas_used,
        aunts: merkle::aunts(&leaves, index).ok_or_else(nothing)?,
    };
    Ok(Payload::Transaction { path, outcome: Some(outcome) })
}
