//! What is final: a header counts once the light client has verified it, and then it stays.
//!
//! *Who is in the play.* [`begin`] brings the light client to the block before the first one that is wanted, through
//! whichever operator can show the way. [`Tip`] then judges every further header, one after the other.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use futures::{StreamExt, stream};
use portcullis_rpc::{Operator, RpcError};
use portcullis_verifier::{
    B256, BlockRef, FaultKind, Observation, Verified,
    cosmos::{
        Bisection, Checkpoint, CosmosProofError, Need, Scrutiny, SealedHeader, Step, Update,
        verify_misbehaviour, verify_update,
    },
};
use tokio_util::sync::CancellationToken;

use crate::{
    error::chain_of,
    limits,
    transport::{Network, Told, header, status, told},
};

/// This machine's time, seconds since 1970. The light client compares headers with it, so that neither an old set of
/// validators nor one that signs the future is believed.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// The light client at the block before the next one.
#[derive(Debug, Clone)]
pub(crate) struct Tip {
    /// Where the client stands.
    client: Checkpoint,
    /// Blocks at or below the client's that are still to be delivered, as its header's ancestors.
    ancestors: BTreeMap<u64, BlockRef>,
    /// A header that the chain's root moves on to once it lies deep enough.
    candidate: Option<Verified<SealedHeader>>,
}

/// A header that was accepted.
#[derive(Debug, Clone)]
pub(crate) enum Accepted {
    /// By the signatures of its validators.
    Signed(Box<Verified<SealedHeader>>),
    /// As an ancestor of one that was.
    Ancestor(BlockRef),
}

impl Accepted {
    pub(crate) fn block(&self) -> BlockRef {
        match self {
            Self::Signed(header) => header.value().block(),
            Self::Ancestor(block) => *block,
        }
    }
}

impl Tip {
    /// A client that stands at a checkpoint.
    pub(crate) fn at(client: Checkpoint) -> Self {
        Self { client, ancestors: BTreeMap::new(), candidate: None }
    }

    /// The client as it is before the next block.
    pub(crate) fn client(&self) -> &Checkpoint {
        &self.client
    }

    /// The block below which everything is accepted, where the client stands at it.
    pub(crate) fn block(&self) -> BlockRef {
        self.client.block
    }

    /// Judges the next header.
    ///
    /// # Errors
    /// The first check that it does not pass.
    pub(crate) fn judge(&self, told: &Told, now: u64) -> Result<Accepted, CosmosProofError> {
        let found = told.header.block();
        if let Some(expected) = self.ancestors.get(&found.height) {
            return if *expected == found {
                Ok(Accepted::Ancestor(found))
            } else {
                let (expected, found, height) = (expected.hash, found.hash, found.height);
                Err(CosmosProofError::OtherBlock { height, expected, found })
            };
        }
        let update = read(told)?;
        match verify_update(&self.client, &update, now, Scrutiny::Enough)? {
            Step::Accepted(header) => Ok(Accepted::Signed(Box::new(header))),
            Step::NotEnoughTrust { tallied, total } => {
                Err(CosmosProofError::NotEnoughTrust { tallied, total })
            }
        }
    }

    /// Moves on to an accepted header; gives the one that the chain's root is to move on to, where one lies
    /// [`limits::ROOT_STEP_BLOCKS`] behind by now.
    pub(crate) fn accept(&mut self, accepted: &Accepted) -> Option<Verified<SealedHeader>> {
        let header = match accepted {
            Accepted::Ancestor(block) => {
                self.ancestors.remove(&block.height);
                return None;
            }
            Accepted::Signed(header) => header,
        };
        self.client = self.client.advanced(header);
        let height = header.value().block().height;
        let deep = |candidate: &Verified<SealedHeader>| {
            height.saturating_sub(candidate.value().block().height) >= limits::ROOT_STEP_BLOCKS
        };
        match &self.candidate {
            None => {
                self.candidate = Some(header.as_ref().clone());
                None
            }
            Some(candidate) if deep(candidate) => self.candidate.replace(header.as_ref().clone()),
            Some(_) => None,
        }
    }
}

fn read(told: &Told) -> Result<Update, CosmosProofError> {
    Update::read(&told.fetched.signed_header, &told.fetched.validators, None)
}

/// Two headers of one height that were both accepted: what proves that the chain has signed two truths, and freezes
/// its client. None when they do not prove it.
pub(crate) fn contradiction(
    client: &Checkpoint,
    one: &Told,
    other: &Told,
    now: u64,
) -> Option<(u64, Observation)> {
    let proven = verify_misbehaviour(client, &read(one).ok()?, &read(other).ok()?, now).ok()?;
    let [lower, _] = proven.value().blocks();
    Some((lower.height, proven.value().observation(client)))
}

/// Why the light client could not be brought to where watching begins.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BeginError {
    /// The operator did not answer as it should.
    #[error("the light client's way to block {height} could not be asked for")]
    Rpc {
        /// Which block was asked for.
        height: u64,
        /// Why.
        source: RpcError,
    },
    /// Its node no longer has a block of the way.
    #[error(
        "PC-0939: block {needed} is needed, and its node has none below {earliest}; pin a newer header in `trust`, or use \
         a node that keeps more"
    )]
    Pruned {
        /// Which block was asked for.
        needed: u64,
        /// The oldest one that it has.
        earliest: u64,
    },
    /// What the operator told does not verify.
    #[error("the light client's way to block {height} does not verify")]
    Proof {
        /// Where.
        height: u64,
        /// Which check.
        source: CosmosProofError,
    },
    /// Another header stands at the root's height.
    #[error("PC-0903: at the root's height {} it has {}, not {}", .found.height, .found.hash, .expected.hash)]
    OtherRoot {
        /// What is configured.
        expected: BlockRef,
        /// What it told.
        found: BlockRef,
    },
    /// The first wanted block lies too far below.
    #[error(
        "PC-0904: block {wanted} lies more than {} blocks below the light client at {at}",
        limits::ANCESTORS_MAX
    )]
    TooDeep {
        /// The first block that is wanted.
        wanted: u64,
        /// Where the client stands.
        at: u64,
    },
}

impl BeginError {
    /// What people are told where no operator is to blame.
    fn for_people(&self) -> String {
        match self {
            Self::Proof { .. } => format!("PC-0905: the light client accepts nothing: {}", chain_of(self)),
            _ => chain_of(self),
        }
    }

    /// The kind of fault that fits it; none where no operator is to blame.
    pub(crate) fn kind(&self) -> Option<FaultKind> {
        match self {
            Self::Rpc { source, .. } => Some(portcullis_rpc::faults::kind_of(source)),
            Self::Pruned { .. } => Some(FaultKind::Dark),
            // What is frozen or ran out is nobody's lie.
            Self::Proof {
                source: CosmosProofError::Frozen { .. } | CosmosProofError::Expired { .. },
                ..
            } => None,
            Self::Proof { .. } | Self::OtherRoot { .. } => Some(FaultKind::DissentHead),
            Self::TooDeep { .. } => None,
        }
    }
}

/// Brings the light client to the block before `first`; tries operators in turn until one shows the way. None when
/// it was stopped. What goes wrong goes to `tell`.
pub(crate) async fn begin(
    network: &Arc<Network>,
    first: u64,
    stop: &CancellationToken,
    tell: impl Fn(Option<&Operator>, FaultKind, String),
) -> Option<Tip> {
    let mut pause_ms = limits::RETRY_MIN_MS;
    loop {
        for operator in network.by_standing() {
            let way = tokio::select! {
                () = stop.cancelled() => return None,
                way = shown(network, operator, first) => way,
            };
            match way {
                Ok(tip) => return Some(tip),
                Err(error) => match error.kind() {
                    Some(kind) => tell(Some(operator), kind, chain_of(&error)),
                    None => tell(None, FaultKind::Dark, error.for_people()),
                },
            }
        }
        tokio::select! {
            () = stop.cancelled() => return None,
            () = tokio::time::sleep(Duration::from_millis(pause_ms)) => {}
        }
        pause_ms = pause_ms.saturating_mul(2).min(limits::RETRY_MAX_MS);
    }
}

/// As [`show`], with the reason that is behind a refusal: nodes refuse what they do not have with a code that says nothing
/// else, and say what they have when asked.
async fn shown(network: &Network, operator: &Operator, first: u64) -> Result<Tip, BeginError> {
    let way = show(network, operator, first).await;
    let Err(BeginError::Rpc { height: needed, source: RpcError::Server { .. } }) = &way else { return way };
    match status(&operator.lanes.prove).await {
        Ok(status) if status.earliest > *needed => {
            Err(BeginError::Pruned { needed: *needed, earliest: status.earliest })
        }
        _ => way,
    }
}

async fn show(network: &Network, operator: &Operator, first: u64) -> Result<Tip, BeginError> {
    let client = ensure_root(network, operator).await?;
    let (at, before) = (client.block.height, first.saturating_sub(1));
    if before == at {
        return Ok(Tip::at(client));
    }
    if before > at {
        let walk = walk(network, operator, client, before).await?;
        return Ok(Tip::at(walk.client().clone()));
    }
    let mut tip = Tip::at(client);
    tip.ancestors = ancestors(operator, tip.block(), first).await?;
    Ok(tip)
}

/// The light client's checkpoint; where there is none yet, the configured root's header begins it.
pub(crate) async fn ensure_root(network: &Network, operator: &Operator) -> Result<Checkpoint, BeginError> {
    if let Some(checkpoint) = network.root.checkpoint() {
        return Ok(checkpoint);
    }
    let expected = network.pinned;
    let (sealed, _) = header(&operator.lanes.prove, expected.height)
        .await
        .map_err(|source| BeginError::Rpc { height: expected.height, source })?;
    let other = BeginError::OtherRoot { expected, found: sealed.block() };
    network.root.begin(&sealed);
    network.root.checkpoint().ok_or(other)
}

/// Follows the chain from a checkpoint up to a height, by as few headers as the validators' changes allow.
pub(crate) async fn walk(
    network: &Network,
    operator: &Operator,
    from: Checkpoint,
    target: u64,
) -> Result<Bisection, BeginError> {
    let rpc = |height| move |source| BeginError::Rpc { height, source };
    let proof = |height| move |source| BeginError::Proof { height, source };
    let client = &operator.lanes.prove;
    let above = from.block.height.saturating_add(1);
    let set = network.sets.at(client, above, from.next_validators).await.map_err(rpc(above))?;
    let next_validators = from.next_validators;
    let mut walk = Bisection::new(from, &set, target).map_err(proof(above))?;
    // Its hash is the one that the checkpoint commits to.
    network.sets.keep(next_validators, &set);
    while let Need::Header(height) = walk.next() {
        let told = told(client, &network.sets, height).await.map_err(rpc(height))?;
        walk.offer(told.fetched, now(), Scrutiny::Enough).map_err(proof(height))?;
    }
    Ok(walk)
}

/// The blocks from `first` up to `from`, as the ancestors of `from`.
async fn ancestors(
    operator: &Operator,
    from: BlockRef,
    first: u64,
) -> Result<BTreeMap<u64, BlockRef>, BeginError> {
    if from.height.saturating_sub(first) >= limits::ANCESTORS_MAX {
        return Err(BeginError::TooDeep { wanted: first, at: from.height });
    }
    let (mut out, mut expected, mut top) = (BTreeMap::new(), Some(from), from.height);
    loop {
        // In pieces, so that a false one is found soon and the headers themselves need not be kept.
        let low = top.saturating_sub(limits::ANCESTORS_PIECE).max(first);
        for (sealed, _) in headers_down(operator, top, low).await? {
            let found = sealed.block();
            if expected != Some(found) {
                let wanted = expected.map_or(B256::ZERO, |block| block.hash);
                let height = found.height;
                let source = CosmosProofError::OtherBlock { height, expected: wanted, found: found.hash };
                return Err(BeginError::Proof { height, source });
            }
            out.insert(found.height, found);
            expected = sealed.parent();
        }
        if low <= first {
            return Ok(out);
        }
        top = low.saturating_sub(1);
    }
}

/// Headers with their encodings from `from` down to `to`, several at a time. Not verified.
pub(crate) async fn headers_down(
    operator: &Operator,
    from: u64,
    to: u64,
) -> Result<Vec<(SealedHeader, Vec<u8>)>, BeginError> {
    let asks = (to..=from).rev().map(|height| async move {
        header(&operator.lanes.prove, height).await.map_err(|source| BeginError::Rpc { height, source })
    });
    let answers: Vec<_> = stream::iter(asks).buffered(limits::HEADERS_IN_FLIGHT).collect().await;
    answers.into_iter().collect()
}
