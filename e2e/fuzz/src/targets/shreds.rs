//! Shreds and entries of the Solana family.

use std::sync::LazyLock;

use portcullis_verifier::solana::{Block, Shred, authenticated_part, read_entries, verify_entries};

use super::{choice, joined, shreds_fixture as fixture, strings};
use crate::Target;

pub(crate) const TARGET: Target = Target {
    name: "shreds",
    what: "shreds and entries: under one block id there is one block, and no count makes work without end",
    most_bytes: 24 << 10,
    feed,
    seeds,
};

static MADE: LazyLock<fixture::Made> = LazyLock::new(fixture::claimed);

static OWN: LazyLock<Block> = LazyLock::new(|| Block::open(&MADE.parts).expect("the block as it was made"));

fn feed(bytes: &[u8]) {
    let (which, bytes) = choice(bytes);
    if which % 2 == 0 { block(&strings(bytes)) } else { batch(bytes) }
}

fn block(parts: &[Vec<u8>]) {
    for part in parts {
        if let Ok(shred) = Shred::read(part) {
            let trailer = if shred.layout.resigned { 64 } else { 0 };
            let wire = [&[9; 64], part.as_slice(), &vec![9; trailer]].concat();
            assert_eq!(authenticated_part(&wire), Ok(part.as_slice()), "another length on the wire");
        }
    }
    if let Ok(block) = Block::open(parts) {
        assert!(block.block_id != OWN.block_id || block == *OWN, "two blocks under one id");
        let _read_or_refused = read_entries(&block);
    }
}

/// A batch as a block of its own, whatever its shreds are.
fn batch(bytes: &[u8]) {
    let block = Block { batches: vec![bytes.to_vec()], ..OWN.clone() };
    if let Ok(entries) = read_entries(&block) {
        let length: usize = entries
            .iter()
            .map(|entry| {
                48 + entry
                    .transactions
                    .iter()
                    .map(|one| one.message.len() + 1 + 64 * one.signatures.len())
                    .sum::<usize>()
            })
            .sum();
        assert_eq!(length + 8, bytes.len(), "bytes that belong to no entry");
        // Hashing is what an entry asks for; what asks for much of it is not asked again here.
        if entries.iter().all(|entry| entry.hashes < 1 << 10) {
            let first = verify_entries(None, &entries);
            assert_eq!(first, verify_entries(None, &entries));
        }
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let blocks = [MADE.parts.clone(), fixture::child().parts, MADE.parts[..3].to_vec()];
    let blocks = blocks.iter().map(|parts| [vec![0], joined(parts)].concat());
    blocks.chain(OWN.batches.iter().map(|batch| [vec![1], batch.clone()].concat())).collect()
}
