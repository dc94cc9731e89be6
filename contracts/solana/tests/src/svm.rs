//! The chain in process: the machine that validators run, without a network.

use std::path::Path;

use litesvm::LiteSVM;
use litesvm::types::TransactionMetadata;
use solana_account::Account;
use solana_address::Address;
use solana_clock::Clock;
use solana_instruction::{AccountMeta, Instruction};
use solana_keypair::Keypair;
use solana_message::Message;
use solana_program_runtime::declare_process_instruction;
use solana_transaction::Transaction;

use crate::address::keccak256;
use crate::terms::{ED25519, address};
use crate::{Chain, Error, Failed, Ix, Key, Landed, Result, Word, distinct};

/// Lamports that every signer has.
const RICH: u64 = 1_000_000_000_000;

declare_process_instruction!(Checked, 1, |_invoke_context| { Ok(()) });

/// A chain in process. Each program lies at an address made from its name.
pub struct Svm(LiteSVM);

impl std::fmt::Debug for Svm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Svm")
    }
}

impl Svm {
    /// A chain with these committed programs.
    ///
    /// # Errors
    /// When one is missing or broken.
    pub fn new(programs: &[&str]) -> Result<Self> {
        let mut svm = LiteSVM::new().with_log_bytes_limit(None);
        // The machine's own ed25519 program wants a library of C that takes minutes to build. What it checks, `send` checks.
        svm.add_builtin(Address::from(address(ED25519)), Checked::vm);
        for name in programs {
            svm.add_program_from_file(Address::from(program(name)), artifact(name))
                .map_err(|error| format!("{name}: {error:?}"))?;
        }
        Ok(Self(svm))
    }

    /// Puts an account there, whoever owns it: what an attacker could have made, or what the chain began with.
    ///
    /// # Errors
    /// When the machine refuses it.
    pub fn put(&mut self, address: &Word, owner: &Word, lamports: u64, data: Vec<u8>) -> Result<()> {
        let account =
            Account { lamports, data, owner: Address::from(*owner), executable: false, rent_epoch: 0 };
        self.0.set_account(Address::from(*address), account).map_err(|error| format!("{error:?}").into())
    }

    /// Lamports of an account.
    #[must_use]
    pub fn lamports(&self, address: &Word) -> u64 {
        self.0.get_account(&Address::from(*address)).map_or(0, |account| account.lamports)
    }
}

/// The address at which a program of this name lies in tests.
#[must_use]
pub fn program(name: &str) -> Word {
    keccak256(&[b"portcullis test program", name.as_bytes()])
}

/// The committed program.
#[must_use]
pub fn artifact(name: &str) -> std::path::PathBuf {
    let folder = std::env::var_os("PORTCULLIS_SOLANA_ARTIFACTS").map_or_else(
        || Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../artifacts/solana")).to_path_buf(),
        Into::into,
    );
    folder.join(format!("{name}.so"))
}

impl Chain for Svm {
    fn send(&mut self, instructions: &[Ix], signers: &[&Key]) -> std::result::Result<Landed, Failed> {
        let keys: Vec<Keypair> = distinct(signers)
            .iter()
            .map(|key| Keypair::try_from(key.bytes().as_slice()))
            .collect::<std::result::Result<_, _>>()
            .map_err(|error| failed(&error.to_string()))?;
        let payer = signers.first().ok_or_else(|| failed("nobody signs"))?.address();
        for key in signers {
            if self.lamports(&key.address()) < RICH / 2 {
                self.put(&key.address(), &crate::SYSTEM, RICH, Vec::new())
                    .map_err(|error| failed(&error.to_string()))?;
            }
        }
        for (index, ix) in instructions.iter().enumerate() {
            if ix.program == address(ED25519) && !holds(instructions, index) {
                return Err(failed(&format!("InstructionError({index}, precompile)")));
            }
        }
        self.0.expire_blockhash();
        let instructions: Vec<Instruction> = instructions.iter().map(instruction).collect();
        let message = Message::new(&instructions, Some(&Address::from(payer)));
        let keys: Vec<&Keypair> = keys.iter().collect();
        let mut transaction = Transaction::new_unsigned(message);
        transaction
            .try_sign(&keys, self.0.latest_blockhash())
            .map_err(|error| failed(&format!("not signed: {error}")))?;
        match self.0.send_transaction(transaction) {
            Ok(TransactionMetadata { logs, return_data, compute_units_consumed, .. }) => {
                Ok(Landed { logs, returned: return_data.data, units: compute_units_consumed })
            }
            Err(error) => {
                let reason = format!("{:?}", error.err);
                Err(Failed { code: code(&reason), reason, logs: error.meta.logs })
            }
        }
    }

    fn account(&self, address: &Word) -> Option<(Word, Vec<u8>)> {
        let account = self.0.get_account(&Address::from(*address))?;
        (account.lamports > 0).then(|| (account.owner.to_bytes(), account.data))
    }

    fn now(&self) -> (u64, u64) {
        let clock = self.0.get_sysvar::<Clock>();
        (u64::try_from(clock.unix_timestamp).unwrap_or_default(), clock.slot)
    }

    fn at(&mut self, time: u64, slot: u64) -> Result<()> {
        let mut clock = self.0.get_sysvar::<Clock>();
        clock.unix_timestamp = i64::try_from(time).map_err(Error::from)?;
        clock.slot = slot;
        self.0.set_sysvar(&clock);
        Ok(())
    }
}

/// Whether the signatures of an instruction of the ed25519 program hold: key, signature and message may each lie in another
/// instruction of the transaction.
fn holds(all: &[Ix], index: usize) -> bool {
    let own = &all[index].data;
    let number = |at: usize| own.get(at..at + 2).and_then(|two| two.try_into().ok()).map(u16::from_le_bytes);
    let part = |at: usize, length: usize| -> Option<&[u8]> {
        let (from, of) = (usize::from(number(at)?), number(at + if length == 0 { 4 } else { 2 })?);
        let data = if of == u16::MAX { own } else { &all.get(usize::from(of))?.data };
        let length = if length == 0 { usize::from(number(at + 2)?) } else { length };
        data.get(from..from + length)
    };
    let one = |signature: usize| {
        let at = 2 + 14 * signature;
        let signed = ed25519_dalek::Signature::from_slice(part(at, 64)?).ok()?;
        let key = ed25519_dalek::VerifyingKey::from_bytes(part(at + 4, 32)?.try_into().ok()?).ok()?;
        key.verify_strict(part(at + 8, 0)?, &signed).ok()
    };
    own.first().is_some_and(|count| *count > 0 && (0..usize::from(*count)).all(|at| one(at).is_some()))
}

fn instruction(ix: &Ix) -> Instruction {
    let meta = |meta: &crate::Meta| AccountMeta {
        pubkey: Address::from(meta.address),
        is_signer: meta.signs,
        is_writable: meta.writable,
    };
    Instruction {
        program_id: Address::from(ix.program),
        accounts: ix.accounts.iter().map(meta).collect(),
        data: ix.data.clone(),
    }
}

fn failed(reason: &str) -> Failed {
    Failed { reason: reason.to_owned(), code: None, logs: Vec::new() }
}

/// "… Custom(7000) …" gives 7000.
pub(crate) fn code(reason: &str) -> Option<u32> {
    let (_, rest) = reason.split_once("Custom(")?;
    rest.split_once(')')?.0.parse().ok()
}
