//! A bank's manifest, written field by field: made here from the format, not by the code under test.

use portcullis_verifier::{B256, solana::StakeTable};

/// A manifest with these stakes as those of one epoch.
pub(crate) fn manifest(table: &StakeTable, epoch: u64) -> Vec<u8> {
    let n = |number: u64| number.to_le_bytes().to_vec();
    let list = |count: u64, bytes: usize| [n(count), vec![3; count as usize * bytes]].concat();
    let mut stakes = n(table.voters.len() as u64 + 1);
    // One that never had stake is in the list, and in no table.
    for (account, stake) in
        table.voters.iter().map(|one| (one.account, one.stake)).chain([(B256::repeat_byte(1), 0)])
    {
        stakes.extend([account.to_vec(), n(stake), n(1), n(3), vec![9; 3], vec![0; 41]].concat());
    }
    stakes.extend([list(2, 104), n(0), n(epoch), list(1, 32)].concat());
    let mut authorities = n(table.voters.len() as u64);
    table
        .voters
        .iter()
        .for_each(|one| authorities.extend([one.account.0, one.authority.unwrap().0].concat()));
    [
        [n(1), vec![1], vec![8; 32], list(2, 56), n(300), list(1, 16)].concat(),
        [vec![5; 32], vec![6; 32], n(41), list(1, 16), vec![0; 40], vec![1], n(10), n(64), vec![0; 40]]
            .concat(),
        [n(42), vec![0; 56], vec![0; 41], vec![0; 74], n(200), n(200), vec![0], n(0), n(500), vec![0; 48]]
            .concat(),
        [list(0, 0), list(0, 0), n(0), n(0), list(0, 0), list(1, 32), list(0, 0), list(1, 40)].concat(),
        [n(0), vec![0], n(1), n(7), list(2, 16), vec![0; 120], list(1, 8), list(1, 40)].concat(),
        [n(5_000), vec![0], vec![0], n(1), n(epoch), vec![0; 4], stakes, n(table.total)].concat(),
        [n(1), vec![2; 32], n(2), vec![4; 64], n(100), authorities, vec![1], vec![0; 2_048]].concat(),
    ]
    .concat()
}
