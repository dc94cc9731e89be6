//! From a checkpoint to a header far on, asking for as few headers in between as the changes of validators allow.
//!
//! *Who is in the play.* The caller asks [`Bisection::next`] which height is needed, fetches it from wherever it
//! can, and offers it. Nothing here fetches, waits or knows who answered. What was accepted on the way is the
//! evidence that anybody else can follow.

use tendermint::validator::Set;

use super::{
    client::{Checkpoint, Step, Update, verify_update},
    error::CosmosProofError,
    evidence::UpdateBytes,
    header::SealedHeader,
    limits::MAX_BISECTION_FETCHES,
    signatures::Scrutiny,
    validators::{hash_of, read_validators},
};
use crate::Verified;

/// A header as nodes give it: with the validators of its block and of the next one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// A `tendermint.types.SignedHeader`.
    pub signed_header: Vec<u8>,
    /// The `tendermint.types.ValidatorSet` of its block.
    pub validators: Vec<u8>,
    /// The `tendermint.types.ValidatorSet` of the next block.
    pub next_validators: Vec<u8>,
}

/// What a bisection needs next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Need {
    /// The header of this height.
    Header(u64),
    /// Nothing: the target is reached.
    Nothing,
}

/// A walk from a checkpoint to a target.
#[derive(Debug, Clone)]
pub struct Bisection {
    client: Checkpoint,
    /// The set that `client` commits to as the next one.
    trusted: (Set, Vec<u8>),
    target: u64,
    /// Headers that were offered and could not be reached yet, the nearest last.
    waiting: Vec<(Fetched, Update, Set)>,
    steps: Vec<UpdateBytes>,
    last: Option<Verified<SealedHeader>>,
    fetches: usize,
    start: u64,
}

impl Bisection {
    /// Starts at a checkpoint with the validators that it commits to as the next ones.
    ///
    /// # Errors
    /// [`CosmosProofError::TrustedValidators`] for another set, [`CosmosProofError::HeightNotLater`] for a target
    /// that is not above the checkpoint, [`CosmosProofError::Frozen`].
    pub fn new(client: Checkpoint, next_validators: &[u8], target: u64) -> Result<Self, CosmosProofError> {
        client.live()?;
        let start = client.block.height;
        if target <= start {
            return Err(CosmosProofError::HeightNotLater { trusted: start, found: target });
        }
        let set = read_validators(next_validators)?;
        let found = hash_of(&set);
        if found != client.next_validators {
            return Err(CosmosProofError::TrustedValidators { expected: client.next_validators, found });
        }
        Ok(Self {
            client,
            trusted: (set, next_validators.to_vec()),
            target,
            waiting: Vec::new(),
            steps: Vec::new(),
            last: None,
            fetches: 0,
            start,
        })
    }

    /// What is needed next.
    #[must_use]
    pub fn next(&self) -> Need {
        let reached = self.client.block.height;
        if reached >= self.target {
            return Need::Nothing;
        }
        match self.waiting.last() {
            // Offered headers lie above what is reached by two at least: the very next one is accepted or wrong.
            Some((_, nearest, _)) => {
                let span = nearest.height().saturating_sub(reached);
                Need::Header(reached.saturating_add(span >> 1))
            }
            None => Need::Header(self.target),
        }
    }

    /// Takes the header that was asked for.
    ///
    /// # Errors
    /// [`CosmosProofError::Reach`] for a header of another height, [`CosmosProofError::Bisection`] after
    /// [`MAX_BISECTION_FETCHES`], and whatever check the header does not pass. The walk is then where it was: the
    /// caller may ask somebody else.
    pub fn offer(&mut self, fetched: Fetched, now: u64, scrutiny: Scrutiny) -> Result<(), CosmosProofError> {
        let Need::Header(expected) = self.next() else { return Ok(()) };
        if self.fetches >= MAX_BISECTION_FETCHES {
            return Err(CosmosProofError::Bisection {
                from: self.start,
                to: self.target,
                fetches: self.fetches,
            });
        }
        self.fetches = self.fetches.saturating_add(1);
        let update = Update::read(&fetched.signed_header, &fetched.validators, None)?;
        if update.height() != expected {
            return Err(CosmosProofError::Reach { expected, found: update.height() });
        }
        let next = read_validators(&fetched.next_validators)?;
        let (found, expected) = (hash_of(&next), update.sealed().next_validators_hash());
        if found != expected {
            return Err(CosmosProofError::ValidatorsHash {
                which: "validators of the next block",
                expected: expected.to_string(),
                found: found.to_string(),
            });
        }
        let mut pending = vec![(fetched, update, next)];
        while let Some((fetched, update, next)) = pending.pop() {
            let update = Update { trusted: Some(self.trusted.0.clone()), ..update };
            match verify_update(&self.client, &update, now, scrutiny)? {
                Step::Accepted(header) => {
                    self.accept(fetched, header, next);
                    pending.extend(self.waiting.pop());
                }
                Step::NotEnoughTrust { .. } => {
                    self.waiting.push((fetched, update, next));
                    break;
                }
            }
        }
        Ok(())
    }

    fn accept(&mut self, fetched: Fetched, header: Verified<SealedHeader>, next: Set) {
        let adjacent = self.client.block.height.checked_add(1) == Some(header.value().block().height);
        let (_, trusted) = core::mem::replace(&mut self.trusted, (next, fetched.next_validators));
        self.steps.push(UpdateBytes {
            signed_header: fetched.signed_header,
            validators: fetched.validators,
            trusted_validators: if adjacent { None } else { Some(trusted) },
        });
        self.client = self.client.advanced(&header);
        self.last = Some(header);
    }

    /// The checkpoint that is reached so far.
    #[must_use]
    pub fn client(&self) -> &Checkpoint {
        &self.client
    }

    /// The newest header that was accepted.
    #[must_use]
    pub fn header(&self) -> Option<&Verified<SealedHeader>> {
        self.last.as_ref()
    }

    /// How many headers were offered.
    #[must_use]
    pub fn fetches(&self) -> usize {
        self.fetches
    }

    /// The steps that were accepted, in order: evidence for whoever starts at the same checkpoint.
    #[must_use]
    pub fn steps(&self) -> &[UpdateBytes] {
        &self.steps
    }
}
