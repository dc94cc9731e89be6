//! Transactions of this family: a legacy message, byte for byte the same for the same arguments.

use portcullis_verifier::{
    B256,
    solana::{Transaction, transaction_id},
};
use solana_hash::Hash;
use solana_instruction::{AccountMeta, Instruction};
use solana_message::legacy::Message;

use super::guard::key;
use crate::address;

/// Sets what a transaction may use, and what it pays for it.
const COMPUTE_BUDGET: &str = "ComputeBudget111111111111111111111111111111";

/// What a transaction may use and what it pays: compute units, and micro-lamports for each.
pub(crate) fn budget(unit_limit: u32, price: u128) -> [Instruction; 2] {
    let program = key(address::constant(COMPUTE_BUDGET));
    let price = u64::try_from(price).unwrap_or(u64::MAX);
    let with = |number: u8, value: &[u8]| {
        let data = [&[number], value].concat();
        Instruction { program_id: program, accounts: Vec::new(), data }
    };
    [with(2, &unit_limit.to_le_bytes()), with(3, &price.to_le_bytes())]
}

/// The system program, and its instruction by which a nonce gets its next value.
const SYSTEM: B256 = B256::ZERO;
const ADVANCE: [u8; 4] = 4_u32.to_le_bytes();
/// Where the system program finds the blockhash that the next value comes from.
pub(crate) const BLOCKHASHES: &str = "SysvarRecentB1ockHashes11111111111111111111";

/// The call that gives a nonce its next value. Where it is the first of a transaction, the nonce's value stands for a recent
/// blockhash.
pub(crate) fn advance(nonce: B256, authority: B256) -> Instruction {
    let accounts = vec![
        AccountMeta::new(key(nonce), false),
        AccountMeta::new_readonly(key(address::constant(BLOCKHASHES)), false),
        AccountMeta::new_readonly(key(authority), true),
    ];
    Instruction { program_id: key(SYSTEM), accounts, data: ADVANCE.to_vec() }
}

/// The nonce that a transaction hangs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Advanced {
    pub(crate) account: B256,
    pub(crate) authority: B256,
    /// The only value with which it can land.
    pub(crate) value: B256,
}

/// The nonce that signed bytes hang on, by the chain's own rule; none where that is a recent blockhash.
pub(crate) fn advanced(bytes: &[u8]) -> Option<Advanced> {
    let transaction = Transaction::read(bytes).ok()?;
    let first = transaction.instructions.first()?;
    let keyed = |at: u8| transaction.keys.get(usize::from(at)).map(|key| B256::new(*key));
    if keyed(first.program)? != SYSTEM || first.data != ADVANCE || transaction.version.is_some() {
        return None;
    }
    let [account, _, authority] = *first.accounts else { return None };
    // A head of three bytes and the number of keys, which has one byte as long as a transaction fits into a packet.
    let keys = transaction.keys.len().checked_mul(32)?.checked_add(4)?;
    let value = transaction.message.get(keys..)?.first_chunk::<32>()?;
    Some(Advanced { account: keyed(account)?, authority: keyed(authority)?, value: B256::new(*value) })
}

/// The message that signers sign, and who they are, in order.
pub(crate) fn message(payer: B256, instructions: &[Instruction], recent: B256) -> (Vec<u8>, Vec<B256>) {
    let message =
        Message::new_with_blockhash(instructions, Some(&key(payer)), &Hash::new_from_array(recent.0));
    let signers = usize::from(message.header.num_required_signatures);
    let signers = message.account_keys.iter().take(signers).map(|key| B256::new(key.to_bytes())).collect();
    (message.serialize(), signers)
}

/// The bytes that are sent.
pub(crate) fn assembled(signatures: &[[u8; 64]], message: &[u8]) -> Vec<u8> {
    // A count below 128 has one byte; a transaction has room for a dozen signatures.
    let count = u8::try_from(signatures.len()).unwrap_or(0);
    let mut bytes = vec![count];
    signatures.iter().for_each(|signature| bytes.extend(signature));
    bytes.extend(message);
    bytes
}

/// The first signature of a transaction's bytes: its name on the chain.
pub(crate) fn first_signature(bytes: &[u8]) -> Option<[u8; 64]> {
    bytes.get(1..65)?.try_into().ok()
}

/// The hash by which claims know the bytes.
pub(crate) fn hash(bytes: &[u8]) -> B256 {
    first_signature(bytes).map_or(B256::ZERO, |signature| transaction_id(&signature))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_verifier_reads_what_is_built_here_and_the_same_is_built_twice() {
        let payer = B256::repeat_byte(7);
        let recent = B256::repeat_byte(9);
        let build = || message(payer, &budget(100_000, 50_000), recent);
        let (bytes, signers) = build();
        assert_eq!(build().0, bytes);
        assert_eq!(signers, [payer]);
        let whole = assembled(&[[5; 64]], &bytes);
        let read = Transaction::read(&whole).unwrap();
        assert_eq!(read.id(), hash(&whole));
        assert_eq!(read.keys.first(), Some(&payer.0));
        assert_eq!(read.instructions.len(), 2);
        assert_eq!(read.instructions[0].data, [2, 0xa0, 0x86, 1, 0]);
        assert_eq!(read.instructions[1].data, [3, 0x50, 0xc3, 0, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn the_nonce_that_bytes_hang_on_is_read_back_from_them() {
        let (payer, nonce, value) = (B256::repeat_byte(7), B256::repeat_byte(8), B256::repeat_byte(9));
        let signed = |calls: &[Instruction]| assembled(&[[5; 64]], &message(payer, calls, value).0);
        let mut calls = vec![advance(nonce, payer)];
        calls.extend(budget(100_000, 50_000));
        let wanted = Advanced { account: nonce, authority: payer, value };
        assert_eq!(advanced(&signed(&calls)), Some(wanted));
        // Anywhere else than in front it is a call like others, and so is another call of the same program.
        calls.rotate_right(1);
        assert_eq!(advanced(&signed(&calls)), None);
        let mut other = advance(nonce, payer);
        other.data = 5_u32.to_le_bytes().to_vec();
        assert_eq!(advanced(&signed(&[other])), None);
        assert_eq!(advanced(&[]), None);
    }
}
