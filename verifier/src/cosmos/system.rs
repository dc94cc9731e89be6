//! The proof system `cometbft-ics23-v1`: state and transactions under headers that the chain's own validators signed.

use super::{
    SYSTEM_NAME,
    block::{verify_outcome, verify_transaction},
    client::{Checkpoint, Step, Update, verify_update},
    error::{CosmosProofError, cut},
    evidence::{LightEvidence, Outcome, Payload, TransactionPath},
    header::{NAMESPACE, SealedHeader, open_header, verify_parent},
    limits::MAX_KEY_BYTES,
    recorded::raw_of_key,
    signatures::Scrutiny,
    state::{Entry, read_state},
    system_name,
};
use crate::{
    B256, BlockRef, ChainId, Claim, Evidence, Refutation, Slug, System, Trust, U256, Undecided, Verdict,
    Verified, WordTest, keccak256,
};

/// The store in which contracts keep their state.
pub const CONTRACT_STORE: &str = "wasm";

/// What stands before a contract's address in the keys of its state.
const CONTRACT_PREFIX: u8 = 3;

/// Judges `cometbft-ics23-v1` evidence.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LightSystem {
    /// How many signatures of each commit are verified.
    pub scrutiny: Scrutiny,
}

impl System for LightSystem {
    fn name(&self) -> Slug {
        system_name()
    }

    fn verify(&self, claim: &Claim, evidence: &Evidence, trust: &Trust) -> Verdict {
        judge(claim, evidence, trust, self.scrutiny).unwrap_or_else(Verdict::Undecided)
    }
}

/// The key under which a contract's own key stands in [`CONTRACT_STORE`].
#[must_use]
pub fn contract_key(contract: B256, own: &[u8]) -> Vec<u8> {
    let mut key = vec![CONTRACT_PREFIX];
    key.extend_from_slice(contract.as_slice());
    key.extend_from_slice(own);
    key
}

fn judge(
    claim: &Claim,
    evidence: &Evidence,
    trust: &Trust,
    scrutiny: Scrutiny,
) -> Result<Verdict, Undecided> {
    if evidence.system.as_str() != SYSTEM_NAME {
        return Err(Undecided::NoVerifier { system: evidence.system.as_str().to_owned() });
    }
    if claim.chain().namespace() != NAMESPACE {
        return Err(Undecided::NoVerifier { system: format!("{SYSTEM_NAME} on {}", claim.chain()) });
    }
    let evidence = LightEvidence::decode(&evidence.bytes)?;
    let case = Case { chain: claim.chain(), block: claim.block(), evidence: &evidence, trust, scrutiny };
    match claim {
        Claim::Emitted { raw, .. } => judge_recorded(&case, *raw),
        // Blocks of this family do not commit to events, so nothing shows that there was none.
        Claim::NotEmitted { .. } => {
            Err(Undecided::NoVerifier { system: format!("{SYSTEM_NAME} for the absence of events") })
        }
        Claim::State { contract, key, mask, relation, value, .. } => {
            let test = WordTest { mask: *mask, relation: *relation, value: *value };
            judge_word(&case, *contract, *key, &test)
        }
        Claim::StateAbsent { contract, key, .. } => {
            let read = case.contract_entry(*contract, *key, "a key of state is absent")?;
            Ok(judge_absent(&read, &format!("nothing at key {key} of contract {contract}")))
        }
        Claim::Stored { store, key, value, .. } => judge_stored(&case, *store, key, *value),
        Claim::NotStored { store, key, .. } => {
            let read = case.entry(*store, key, "a key is not stored")?;
            Ok(judge_absent(&read, &format!("nothing at this key of store {store}")))
        }
        Claim::Included { transaction, code, .. } => judge_included(&case, *transaction, *code),
    }
}

/// One claim's block with the evidence for it.
struct Case<'a> {
    chain: ChainId,
    block: BlockRef,
    evidence: &'a LightEvidence,
    trust: &'a Trust,
    scrutiny: Scrutiny,
}

impl Case<'_> {
    /// The verified header at each height from the newest in the evidence down to the last, which is at `lowest`.
    fn headers(&self, lowest: u64) -> Result<Vec<Verified<SealedHeader>>, CosmosProofError> {
        let pinned = self.trust.pinned.get(&system_name());
        let pinned = pinned.ok_or(CosmosProofError::NotPinned { chain: self.chain })?;
        let mut client = Checkpoint::from_bytes(pinned)?;
        client.live()?;
        if client.chain != self.chain {
            return Err(CosmosProofError::NotPinned { chain: self.chain });
        }
        let mut chain: Vec<Verified<SealedHeader>> = Vec::new();
        for step in &self.evidence.updates {
            let update =
                Update::read(&step.signed_header, &step.validators, step.trusted_validators.as_deref())?;
            match verify_update(&client, &update, self.trust.now, self.scrutiny)? {
                Step::Accepted(header) => {
                    client = client.advanced(&header);
                    chain = vec![header];
                }
                Step::NotEnoughTrust { tallied, total } => {
                    return Err(CosmosProofError::NotEnoughTrust { tallied, total });
                }
            }
        }
        for bytes in &self.evidence.headers {
            let header = open_header(bytes)?;
            let verified = match chain.last() {
                Some(child) => verify_parent(child, header)?,
                None => self.pinned_header(&client, header)?,
            };
            chain.push(verified);
        }
        match chain.last().map(|header| header.value().block().height) {
            Some(found) if found == lowest => Ok(chain),
            found => Err(CosmosProofError::Reach { expected: lowest, found: found.unwrap_or(0) }),
        }
    }

    fn pinned_header(
        &self,
        client: &Checkpoint,
        header: SealedHeader,
    ) -> Result<Verified<SealedHeader>, CosmosProofError> {
        let found = header.block();
        if found != client.block {
            return Err(CosmosProofError::BrokenChain {
                height: client.block.height,
                expected: client.block.hash,
                found: found.hash,
            });
        }
        let assurance = client.assurance(&header, self.trust.now);
        Ok(Verified::new(header, assurance))
    }

    fn require(&self, expected: BlockRef, found: Option<BlockRef>) -> Result<(), CosmosProofError> {
        let found = found.unwrap_or(BlockRef { height: 0, hash: B256::ZERO });
        if found == expected {
            Ok(())
        } else {
            let (expected, found, height) = (expected.hash, found.hash, expected.height);
            Err(CosmosProofError::OtherBlock { height, expected, found })
        }
    }

    /// What a store holds at a key after the claim's block.
    fn entry(
        &self,
        store: Slug,
        key: &[u8],
        claim: &'static str,
    ) -> Result<Verified<Entry>, CosmosProofError> {
        let Payload::State { store: given_store, key: given_key, key_proof, store_proof } =
            &self.evidence.payload
        else {
            return Err(CosmosProofError::Payload { claim, payload: "a transaction" });
        };
        if *given_store != store || given_key != key {
            return Err(CosmosProofError::OtherKey);
        }
        // State after a block stands in the header of the next.
        let after = self.block.height.saturating_add(1);
        let headers = self.headers(after)?;
        let Some(header) = headers.last() else {
            return Err(CosmosProofError::Reach { expected: after, found: 0 });
        };
        self.require(self.block, header.value().parent())?;
        read_state(header, store, key, key_proof, store_proof)
    }

    /// What a contract holds at the key whose digest is `key`. The evidence carries the key itself.
    fn contract_entry(
        &self,
        contract: B256,
        key: B256,
        claim: &'static str,
    ) -> Result<Verified<Entry>, CosmosProofError> {
        let Payload::State { store, key: full, .. } = &self.evidence.payload else {
            return Err(CosmosProofError::Payload { claim, payload: "a transaction" });
        };
        let own = full.strip_prefix(contract_key(contract, &[]).as_slice());
        let named = own.is_some_and(|own| keccak256(own) == key);
        if !named || store.as_str() != CONTRACT_STORE || full.len() > MAX_KEY_BYTES {
            return Err(CosmosProofError::OtherKey);
        }
        self.entry(*store, full, claim)
    }
}

fn judge_word(case: &Case<'_>, contract: B256, key: B256, test: &WordTest) -> Result<Verdict, Undecided> {
    test.check().map_err(|why| CosmosProofError::Claim { why })?;
    let read = case.contract_entry(contract, key, "a word of state compares")?;
    let refuted = |found: String| {
        let expected = cut(format!("word at {key} of {contract}, {test}"));
        Verdict::Refuted(Refutation { expected, found }, *read.assurance())
    };
    Ok(match read.value() {
        // A key that is not there has no word that could be as claimed, not even a zero.
        Entry::Absent => refuted("there is no such key".to_owned()),
        // A short value is a word with zeros before it.
        Entry::Present(value) => match U256::try_from_be_slice(value) {
            Some(word) if test.holds(word) => Verdict::Proven(*read.assurance()),
            Some(word) => refuted(format!("the word is {word:#x}")),
            None => return Err(CosmosProofError::Claim { why: "the value is longer than a word" }.into()),
        },
    })
}

/// An event is proven by the record that its contract keeps of it, and by nothing else.
fn judge_recorded(case: &Case<'_>, raw: B256) -> Result<Verdict, Undecided> {
    let Payload::State { store, key, .. } = &case.evidence.payload else {
        return Err(
            CosmosProofError::Payload { claim: "an event is recorded", payload: "a transaction" }.into()
        );
    };
    match raw_of_key(*store, key) {
        Some(named) if named == raw => {}
        Some(_) => return Err(CosmosProofError::OtherKey.into()),
        None => {
            let system = format!("{SYSTEM_NAME} for events that no contract recorded");
            return Err(Undecided::NoVerifier { system });
        }
    }
    let read = case.entry(*store, key, "an event is recorded")?;
    let height = case.block.height;
    let refuted = |found: String| {
        let expected = cut(format!("a record of event {raw} at height {height}"));
        Verdict::Refuted(Refutation { expected, found }, *read.assurance())
    };
    Ok(match read.value() {
        Entry::Absent => refuted("the contract recorded no such event".to_owned()),
        Entry::Present(value) if *value == height.to_be_bytes() => Verdict::Proven(*read.assurance()),
        Entry::Present(value) => match <[u8; 8]>::try_from(value.as_slice()) {
            Ok(other) => refuted(format!("recorded at height {}", u64::from_be_bytes(other))),
            Err(_not_a_height) => refuted(describe(value)),
        },
    })
}

fn judge_absent(read: &Verified<Entry>, expected: &str) -> Verdict {
    match read.value() {
        Entry::Absent => Verdict::Proven(*read.assurance()),
        Entry::Present(value) => Verdict::Refuted(
            Refutation { expected: cut(expected.to_owned()), found: describe(value) },
            *read.assurance(),
        ),
    }
}

fn judge_stored(case: &Case<'_>, store: Slug, key: &[u8], value: Option<B256>) -> Result<Verdict, Undecided> {
    let read = case.entry(store, key, "a key is stored")?;
    let refuted = |found: String| {
        let expected = match value {
            Some(digest) => format!("a value with digest {digest} in store {store}"),
            None => format!("a value in store {store}"),
        };
        Verdict::Refuted(Refutation { expected, found }, *read.assurance())
    };
    Ok(match read.value() {
        Entry::Absent => refuted("there is no such key".to_owned()),
        Entry::Present(found) if value.is_none_or(|digest| digest == keccak256(found)) => {
            Verdict::Proven(*read.assurance())
        }
        Entry::Present(found) => refuted(describe(found)),
    })
}

fn describe(value: &[u8]) -> String {
    format!("a value of {} bytes with digest {}", value.len(), keccak256(value))
}

fn judge_included(case: &Case<'_>, transaction: B256, code: Option<u32>) -> Result<Verdict, Undecided> {
    let Payload::Transaction { path, outcome } = &case.evidence.payload else {
        return Err(CosmosProofError::Payload { claim: "a transaction is included", payload: "state" }.into());
    };
    match (code, outcome) {
        (None, None) => {
            let headers = case.headers(case.block.height)?;
            let included = included(case, headers.last(), transaction, path)?;
            Ok(Verdict::Proven(*included.assurance()))
        }
        (Some(code), Some(outcome)) => judge_outcome(case, transaction, code, path, outcome),
        (Some(_), None) => {
            Err(CosmosProofError::Payload { claim: "a result has a code", payload: "inclusion alone" }.into())
        }
        (None, Some(_)) => {
            Err(CosmosProofError::Payload { claim: "a transaction is included", payload: "a result" }.into())
        }
    }
}

fn included(
    case: &Case<'_>,
    header: Option<&Verified<SealedHeader>>,
    transaction: B256,
    path: &TransactionPath,
) -> Result<Verified<super::block::Included>, CosmosProofError> {
    case.require(case.block, header.map(|header| header.value().block()))?;
    match header {
        Some(header) => verify_transaction(header, transaction, path),
        None => Err(CosmosProofError::Reach { expected: case.block.height, found: 0 }),
    }
}

fn judge_outcome(
    case: &Case<'_>,
    transaction: B256,
    code: u32,
    path: &TransactionPath,
    outcome: &Outcome,
) -> Result<Verdict, Undecided> {
    let headers = case.headers(case.block.height)?;
    // The results of a block stand in the header of the next.
    let [.., next, own] = headers.as_slice() else {
        let expected = case.block.height.saturating_add(1);
        return Err(CosmosProofError::Reach { expected, found: case.block.height }.into());
    };
    let included = included(case, Some(own), transaction, path)?;
    let proven = verify_outcome(next, &included, outcome)?;
    Ok(if *proven.value() == code {
        Verdict::Proven(*proven.assurance())
    } else {
        Verdict::Refuted(
            Refutation {
                expected: format!("transaction {transaction} ended with code {code}"),
                found: format!("it ended with code {}", proven.value()),
            },
            *proven.assurance(),
        )
    })
}
