//! Containing: signing, sending, and saying what must be proven for a gate to count as closed.

use async_trait::async_trait;
use portcullis_verifier::{Action, ActionId, B256, BlockRef, ChainId, Claim, OperatorId, Slug};
use serde::{Deserialize, Serialize};

use crate::{
    AdapterError,
    error::{DETAIL_MAX_BYTES, detail},
};

/// Signed bytes that ask a gate to close. A row of it commits before the first byte leaves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// For which action.
    pub action: ActionId,
    /// On which chain.
    pub chain: ChainId,
    /// Hash by which the chain will know it.
    pub hash: B256,
    /// What is sent.
    pub bytes: Vec<u8>,
    /// Account that pays, left padded.
    pub sender: B256,
    /// Nonce or sequence of the sender.
    pub nonce: u64,
    /// Which step of the fee schedule, from 0.
    pub bump: u16,
    /// Fee per gas offered, in the chain's base unit; for people and for the schedule.
    pub fee: u128,
}

/// What one endpoint said to the bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointReply {
    /// Whose endpoint.
    pub operator: OperatorId,
    /// Took it, or already had it.
    pub accepted: bool,
    /// What it said; at most 512 bytes.
    pub detail: String,
}

/// What all endpoints said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Broadcast {
    /// One per endpoint asked.
    pub replies: Vec<EndpointReply>,
}

/// Where an attempt is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Landing {
    /// In no block that the quorum knows.
    Pending,
    /// In a block and succeeded, as reported.
    Included(BlockRef),
    /// In a block and failed, as reported.
    Reverted(BlockRef, String),
    /// Another transaction took its nonce; it can never land.
    Replaced,
}

/// Whether a path to a gate would work now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Readiness {
    /// Configured name of the check: `role`, `balance`, `fee`, `nonce`, `simulation`, `endpoint`.
    pub check: Slug,
    /// Whether it would.
    pub ok: bool,
    /// What was found and, when not ok, what to do.
    pub detail: String,
}

/// Findings as they are collected, in the order in which a person should read them.
#[derive(Debug, Default)]
pub struct Checks(pub Vec<Readiness>);

impl Checks {
    /// Adds one; its text is cut to 512 bytes.
    pub fn add(&mut self, check: &str, ok: bool, text: &str) {
        // The names are constants of the families and keep the rules of slugs; one that did not would be left out.
        if let Ok(check) = Slug::new(check) {
            self.0.push(Readiness { check, ok, detail: detail(text, DETAIL_MAX_BYTES) });
        }
    }
}

/// What people are told of a gate that was tripped, by what of its targets is still open and why; none where that is
/// nothing.
#[must_use]
pub fn not_followed(gate: &str, open: &[String]) -> Option<String> {
    let text =
        format!("PC-0945: {gate} was tripped, and what it should close did not follow: {}", open.join("; "));
    (!open.is_empty()).then(|| detail(&text, DETAIL_MAX_BYTES))
}

/// Closes gates on one chain.
///
/// Nothing below this trait retries, hedges or re-signs a submission: the containment lane above it decides.
#[async_trait]
pub trait Contain: Send + Sync {
    /// Which chain.
    fn chain(&self) -> ChainId;

    /// Refreshes what signing needs (nonces as each endpoint reports them, fees, connections), so that signing
    /// later needs no round trip.
    ///
    /// # Errors
    /// When no endpoint answers; what was known stays in use.
    async fn warm(&self) -> Result<(), AdapterError>;

    /// Signs one candidate per distinct nonce that operators report, at step `bump` of the fee schedule, or at a later one
    /// where the chain would not take less now; the attempts say at which.
    ///
    /// `record` is the head of the decision log and goes into the trip. Uses what [`Contain::warm`] left; asks
    /// the chain only when nothing is known yet. For the same arguments, step and nonce the bytes are equal.
    ///
    /// # Errors
    /// When the signer refuses, or no nonce is known and none can be had.
    async fn sign(&self, action: &Action, record: B256, bump: u16) -> Result<Vec<Attempt>, AdapterError>;

    /// Signs the same with another account that pays: the gate takes the tripper's signature from whoever brings it.
    /// For when the tripper's own account is stuck or empty. Empty where no such account is configured.
    ///
    /// Uses what [`Contain::warm`] left, as [`Contain::sign`] does.
    ///
    /// # Errors
    /// When a signer refuses, or the other account's nonce is not known and cannot be had.
    async fn carry(&self, action: &Action, record: B256, bump: u16) -> Result<Vec<Attempt>, AdapterError>;

    /// Hands the bytes to every endpoint of the lane at once, and waits for each answer within the lane's bound.
    async fn broadcast(&self, attempt: &Attempt) -> Broadcast;

    /// Asks the quorum where an attempt is.
    ///
    /// # Errors
    /// When the quorum does not answer: not known is not "pending".
    async fn landing(&self, attempt: &Attempt) -> Result<Landing, AdapterError>;

    /// Says what must hold after `block` for the gate to be as tight as asked: proving it is the confirmation. Of a gate that
    /// closes what others made it says that this has followed, wherever the gate's state tells it.
    fn effect(&self, action: &Action, block: BlockRef) -> Claim;

    /// Reads a gate as operators report it: level, until, until height, generation.
    ///
    /// # Errors
    /// When the quorum does not answer or disagrees.
    async fn gate(&self, target: B256, scope: B256) -> Result<GateReport, AdapterError>;

    /// What a gate was asked to close with a scope and did not, in words, as an operator reports it; none where there is
    /// nothing of the kind, or nobody tells. For people: nothing is decided by it.
    async fn unenforced(&self, target: B256, scope: B256) -> Option<String>;

    /// Checks a path to a gate end to end without sending: role, key, nonce, balance, simulation.
    ///
    /// # Errors
    /// When no endpoint answers at all.
    async fn rehearse(&self, action: &Action) -> Result<Vec<Readiness>, AdapterError>;
}

/// A gate's state as operators report it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GateReport {
    /// Block at which it was read.
    pub block: BlockRef,
    /// Time of that block, seconds since 1970.
    pub time: u64,
    /// Whether the gate knows the scope.
    pub registered: bool,
    /// How tight now.
    pub level: portcullis_verifier::Level,
    /// Closed until (chain time, seconds); zero when never.
    pub until: u64,
    /// And not before this height.
    pub until_height: u64,
    /// Number of releases so far.
    pub generation: u32,
}
