//! Votes of the Solana family, and the tables that they are counted by.

use std::sync::LazyLock;

use portcullis_verifier::B256;
use portcullis_verifier::solana::{
    Manifest, StakeTable, Stakes, Transaction, VoteTransaction, check_vote, transaction_id,
};

use super::{choice, shreds_fixture as fixture};
use crate::Target;

pub(crate) const TARGET: Target = Target {
    name: "votes",
    what: "votes and tables of stake: nothing counts but what was signed, and each has one encoding",
    most_bytes: 8 << 10,
    feed,
    seeds,
};

static STAKES: LazyLock<Stakes> =
    LazyLock::new(|| fixture::table(&fixture::validators()).open().expect("a table that keeps its rules"));

static VOTES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(votes);

fn votes() -> Vec<Vec<u8>> {
    fixture::validators()
        .iter()
        .flat_map(|one| {
            [fixture::SLOT, fixture::SLOT + 1].map(|slot| fixture::vote(one, slot, B256::repeat_byte(5)))
        })
        .collect()
}

fn feed(bytes: &[u8]) {
    let (which, bytes) = choice(bytes);
    match which % 3 {
        0 => vote(bytes),
        1 => table(bytes),
        _ => manifest(bytes),
    }
}

fn vote(bytes: &[u8]) {
    if let Ok(transaction) = Transaction::read(bytes) {
        let count = u8::try_from(transaction.signatures.len()).expect("few signatures");
        let again = [&[count], transaction.signatures.as_flattened(), transaction.message].concat();
        assert_eq!(again, bytes, "a second encoding of signatures or message");
        assert_eq!(Some(transaction.id()), transaction.signatures.first().map(transaction_id));
        if let Ok(vote) = VoteTransaction::of(transaction) {
            assert!(vote.sync.lockouts.windows(2).all(|pair| pair[0].slot < pair[1].slot));
        }
    }
    if check_vote(&STAKES, bytes).is_ok() {
        assert!(VOTES.iter().any(|vote| vote == bytes), "a vote counts that nobody cast");
    }
}

fn table(bytes: &[u8]) {
    if let Ok(stakes) = StakeTable::from_bytes(bytes) {
        let table = stakes.table();
        assert_eq!(table.to_bytes(), bytes, "a second encoding");
        assert!(!stakes.is_enough(0) && stakes.is_enough(table.total));
        for voter in &table.voters {
            assert_eq!(stakes.voter(&voter.account), Ok(voter));
        }
    }
}

fn manifest(bytes: &[u8]) {
    let Ok(manifest) = Manifest::read(bytes) else { return };
    for epoch in manifest.epochs() {
        let Ok(table) = manifest.table(fixture::chain(), epoch) else { continue };
        let sensible = table.total > 0;
        assert_eq!(table.open().is_ok(), sensible, "a table that cannot be pinned");
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let tagged = |tag: u8, bytes: Vec<u8>| [vec![tag], bytes].concat();
    let votes = VOTES.iter().cloned().chain([fixture::transfer(1)]).map(|vote| tagged(0, vote));
    let table = tagged(1, STAKES.table().to_bytes());
    let manifests = [2, 900].map(|epoch| tagged(2, super::bank_fixture::manifest(STAKES.table(), epoch)));
    votes.chain([table]).chain(manifests).collect()
}
