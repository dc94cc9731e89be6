//! Transactions of this family: a legacy message, byte for byte the same for the same arguments.

use portcullis_verifier::{B256, solana::transaction_id};
use solana_hash::Hash;
use solana_instruction::Instruction;
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
    use portcullis_verifier::solana::Transaction;

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
}
