//! Transactions as they travel: signatures, and the message that they sign.

use super::{
    bytes::Reader,
    error::{SolanaProofError, bounded},
    limits::{MAX_SIGNATURES, MAX_TRANSACTION_BYTES},
    signatures::verify_strict,
};
use crate::{B256, keccak256};

/// Set in the first byte of a message that has a version; the other bits are the version.
const VERSIONED: u8 = 0x80;

/// The only version that is known.
const KNOWN_VERSION: u8 = 0;

/// Least bytes of one instruction: the program's place and two counts.
const LEAST_INSTRUCTION_BYTES: usize = 3;

/// One call of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instruction<'a> {
    /// The program's place among the keys.
    pub program: u8,
    /// Places of its accounts, in the program's order.
    pub accounts: &'a [u8],
    /// What the program is given.
    pub data: &'a [u8],
}

/// A transaction, taken apart and well-formed. Its signatures are not verified yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transaction<'a> {
    /// One for each of the first keys.
    pub signatures: &'a [[u8; 64]],
    /// What is signed.
    pub message: &'a [u8],
    /// None for a message without a version.
    pub version: Option<u8>,
    /// Keys that are written out. Those that are looked up in tables come after them.
    pub keys: &'a [[u8; 32]],
    /// In order.
    pub instructions: Vec<Instruction<'a>>,
}

/// The name by which claims know a transaction: keccak256 of its first signature, which is how the chain names it.
#[must_use]
pub fn transaction_id(first_signature: &[u8; 64]) -> B256 {
    keccak256(first_signature)
}

impl<'a> Transaction<'a> {
    /// Reads exactly one transaction.
    ///
    /// # Errors
    /// [`SolanaProofError`] when the bytes are not one well-formed transaction.
    pub fn read(bytes: &'a [u8]) -> Result<Self, SolanaProofError> {
        let mut reader = Reader::new("transaction", bytes);
        let transaction = Self::read_next(&mut reader)?;
        reader.done()?;
        Ok(transaction)
    }

    /// Reads the next of several transactions.
    pub(super) fn read_next(reader: &mut Reader<'a>) -> Result<Self, SolanaProofError> {
        let whole = reader.rest();
        let count = bounded("signatures of a transaction", reader.short()?, MAX_SIGNATURES)?;
        let signatures = reader.items::<64>(count)?;
        let from_message = reader.rest();
        let version = match from_message.first() {
            Some(first) if first & VERSIONED != 0 => {
                let version = reader.u8()? & !VERSIONED;
                if version != KNOWN_VERSION {
                    let found = u64::from(version);
                    return Err(SolanaProofError::UnknownVersion { what: "message", found });
                }
                Some(version)
            }
            _ => None,
        };
        let [required, readonly_signed, readonly_unsigned] = *reader.array()?;
        let count = reader.short()?;
        let keys = reader.items::<32>(count)?;
        reader.b256()?;
        let instructions = read_instructions(reader)?;
        let looked_up = if version.is_some() { read_lookups(reader)? } else { 0 };
        let length = from_message.len().saturating_sub(reader.rest().len());
        bounded(
            "bytes of a transaction",
            whole.len().saturating_sub(reader.rest().len()),
            MAX_TRANSACTION_BYTES,
        )?;
        let message = from_message.get(..length).unwrap_or_default();
        let transaction = Self { signatures, message, version, keys, instructions };
        transaction.check([required, readonly_signed, readonly_unsigned], looked_up)?;
        Ok(transaction)
    }

    /// The rules that every validator applies before it looks at a signature.
    fn check(&self, header: [u8; 3], looked_up: usize) -> Result<(), SolanaProofError> {
        let [required, readonly_signed, readonly_unsigned] = header.map(usize::from);
        let all = self.keys.len().saturating_add(looked_up);
        let callable = |instruction: &Instruction<'_>| {
            let program = usize::from(instruction.program);
            program > 0
                && program < self.keys.len()
                && instruction.accounts.iter().all(|account| usize::from(*account) < all)
        };
        let why = if self.signatures.is_empty() || self.signatures.len() != required {
            "it has another number of signatures than its message asks for"
        } else if required.saturating_add(readonly_unsigned) > self.keys.len() {
            "its message asks for more keys than it has"
        } else if readonly_signed >= required {
            "nobody who signs can pay"
        } else if all > 256 {
            "it has more accounts than a place can name"
        } else if !self.instructions.iter().all(callable) {
            "an instruction names an account that is not there"
        } else {
            return Ok(());
        };
        Err(SolanaProofError::encoding("transaction", why))
    }

    /// The chain's name for the transaction, as claims carry it.
    #[must_use]
    pub fn id(&self) -> B256 {
        self.signatures.first().map_or(B256::ZERO, transaction_id)
    }

    /// Verifies every signature by the strict rules, against the key at its place.
    ///
    /// # Errors
    /// [`SolanaProofError::InvalidSignature`] names the first that does not verify.
    pub fn verify_signatures(&self) -> Result<(), SolanaProofError> {
        self.signed().verify()
    }

    /// What its signatures are verified by.
    pub(super) fn signed(&self) -> Signed<'a> {
        Signed { signatures: self.signatures, keys: self.keys, message: self.message }
    }
}

/// All of a transaction that is left to look at once its message was: small, so that a thousand of them stay close together.
#[derive(Debug, Clone, Copy)]
pub(super) struct Signed<'a> {
    signatures: &'a [[u8; 64]],
    keys: &'a [[u8; 32]],
    message: &'a [u8],
}

impl Signed<'_> {
    pub(super) fn verify(&self) -> Result<(), SolanaProofError> {
        for (signature, key) in self.signatures.iter().zip(self.keys) {
            verify_strict(key, signature, self.message)?;
        }
        Ok(())
    }
}

fn read_instructions<'a>(reader: &mut Reader<'a>) -> Result<Vec<Instruction<'a>>, SolanaProofError> {
    let count = reader.short()?;
    let most = reader.rest().len().checked_div(LEAST_INSTRUCTION_BYTES).unwrap_or(0);
    bounded("instructions of a transaction", count, most)?;
    let mut instructions = Vec::with_capacity(count);
    for _ in 0..count {
        let program = reader.u8()?;
        let length = reader.short()?;
        let accounts = reader.take(length)?;
        let length = reader.short()?;
        let data = reader.take(length)?;
        instructions.push(Instruction { program, accounts, data });
    }
    Ok(instructions)
}

/// Reads the tables of keys, and tells how many keys come from them.
fn read_lookups(reader: &mut Reader<'_>) -> Result<usize, SolanaProofError> {
    let mut keys = 0usize;
    for _ in 0..reader.short()? {
        reader.b256()?;
        for _writable_then_readonly in 0..2 {
            let length = reader.short()?;
            keys = keys.saturating_add(reader.take(length)?.len());
        }
    }
    Ok(keys)
}
