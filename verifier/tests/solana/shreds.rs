//! Shreds that must not make a block, each beside those that do.

use portcullis_verifier::{
    B256, Inclusion,
    solana::{
        Block, CODE_SHRED_BYTES, Content, DATA_SHRED_BYTES, Layout, Scrutiny, Shred,
        SolanaProofError as Error, authenticated_part, verify_block, verify_parent, verify_votes,
    },
};

use crate::{
    fixture::{Leaf, SET, SLOT, child, claimed, levels, path, set_of, shred, table, validators, vote},
    vectors::Testnet,
};

fn refused(parts: &[Vec<u8>]) -> Error {
    Block::open(parts).unwrap_err()
}

/// One thing that is another one than the block has.
type Change = (&'static str, fn(&mut Leaf));

/// The claimed block with its leaves changed, and paths to match: what a leader could make.
fn remade(change: impl FnOnce(&mut Vec<Leaf>)) -> Vec<Vec<u8>> {
    let mut leaves = claimed().leaves;
    change(&mut leaves);
    shred(&mut leaves).0
}

#[test]
fn a_block_is_put_together_and_hangs_on_what_was_signed() {
    let (made, after) = (claimed(), child());
    let block = Block::open(&made.parts).unwrap();
    assert_eq!((block.slot, block.parent_slot, block.roots.len()), (SLOT, SLOT - 1, 2));
    assert_eq!(block.batches.len(), 5);
    assert_eq!(block.block_id, made.block_id);
    let stakes = table(&validators()).open().unwrap();
    let votes: Vec<Vec<u8>> = validators().iter().map(|one| vote(one, after.slot, after.block_id)).collect();
    let signed = verify_votes(&stakes, &votes, Scrutiny::Every).unwrap();
    let top = verify_block(&signed, Block::open(&after.parts).unwrap()).unwrap();
    assert_eq!(top.assurance().inclusion, Inclusion::MerkleProved);
    let below = verify_parent(&top, block.clone()).unwrap();
    assert_eq!((below.value(), below.assurance()), (&block, top.assurance()));
    // Neither for the other.
    assert!(matches!(verify_block(&signed, block), Err(Error::Reach { .. })));
    let again = Block::open(&after.parts).unwrap();
    assert!(matches!(verify_parent(&top, again), Err(Error::Reach { .. })));
}

#[test]
fn wrong_slot_and_another_block_of_the_slot() {
    let stakes = table(&validators()).open().unwrap();
    let signed = |slot, id| {
        let votes: Vec<Vec<u8>> = validators().iter().map(|one| vote(one, slot, id)).collect();
        verify_votes(&stakes, &votes, Scrutiny::Every).unwrap()
    };
    let (made, block) = (claimed(), || Block::open(&claimed().parts).unwrap());
    let found = verify_block(&signed(SLOT + 1, made.block_id), block());
    assert_eq!(found.unwrap_err(), Error::Reach { expected: SLOT + 1, found: SLOT });
    let other = B256::repeat_byte(9);
    let found = verify_block(&signed(SLOT, other), block());
    assert_eq!(found.unwrap_err(), Error::OtherBlock { slot: SLOT, expected: other, found: made.block_id });
    // A child of another block of the same slot.
    let fork = crate::fixture::block(SLOT + 2, SLOT, other);
    let top = verify_block(&signed(fork.slot, fork.block_id), Block::open(&fork.parts).unwrap()).unwrap();
    assert!(matches!(verify_parent(&top, block()), Err(Error::OtherBlock { .. })));
}

#[test]
fn truncated_blocks_are_not_whole() {
    let parts = claimed().parts;
    for length in 1..parts.len() {
        assert!(matches!(refused(&parts[..length]), Error::Incomplete { slot: SLOT, .. }), "{length}");
    }
    assert_eq!(refused(&[]), Error::Missing { what: "shreds" });
    for (at, part) in parts.iter().enumerate() {
        for length in [0, 1, 22, 23, 24, 100, part.len() - 60, part.len() - 1] {
            let mut cut = parts.clone();
            cut[at].truncate(length);
            assert!(
                matches!(refused(&cut), Error::Truncated { .. } | Error::Encoding { .. }),
                "{at} {length}"
            );
        }
        let mut longer = parts.clone();
        longer[at].push(0);
        assert!(matches!(refused(&longer), Error::Truncated { .. }));
    }
}

#[test]
fn shreds_left_out_reordered_or_duplicated() {
    let parts = claimed().parts;
    for at in 0..parts.len() {
        let (mut fewer, mut twice, mut swapped) = (parts.clone(), parts.clone(), parts.clone());
        fewer.remove(at);
        twice.insert(at, parts[at].clone());
        swapped.swap(at, (at + 1) % parts.len());
        let last = at + 1 == parts.len();
        match refused(&fewer) {
            Error::ShredOrder { expected, found } => {
                assert_eq!((expected as usize, found as usize), if at == 0 { (0, 1) } else { (at, at + 1) })
            }
            other => assert!(last && matches!(other, Error::Incomplete { .. }), "{other:?}"),
        }
        let doubled = refused(&twice);
        assert!(matches!(doubled, Error::ShredOrder { .. } | Error::Incomplete { .. }), "{doubled:?}");
        assert!(matches!(refused(&swapped), Error::ShredOrder { .. }));
    }
}

#[test]
fn foreign_shreds() {
    let parts = claimed().parts;
    // One shred of another block at its own place.
    let other = crate::fixture::block(SLOT, SLOT - 1, B256::repeat_byte(0x12)).parts;
    for at in 0..parts.len() {
        let mut mixed = parts.clone();
        mixed[at] = other[at].clone();
        let found = refused(&mixed);
        let foreign = matches!(found, Error::SetRoot { .. } | Error::BrokenChain { .. });
        assert!(foreign, "{at}: {found:?}");
    }
    // A whole set of another block.
    let mut mixed = parts.clone();
    mixed[SET.0..].clone_from_slice(&other[SET.0..]);
    assert!(matches!(refused(&mixed), Error::BrokenChain { set: 4, .. }));
    // Of another slot, cluster, set or parent, with paths to match.
    let changes: [Change; 4] = [
        ("slot", |leaf| leaf.slot += 1),
        ("version", |leaf| leaf.version += 1),
        ("set", |leaf| leaf.set -= 1),
        ("parent's offset", |leaf| leaf.parent_offset += 1),
    ];
    for (expected, change) in changes {
        let found = refused(&remade(|leaves| change(&mut leaves[5])));
        let Error::ForeignShred { what, index: 5, .. } = found else { panic!("{expected}: {found:?}") };
        assert_eq!(what, expected);
    }
}

#[test]
fn padded_or_shortened_paths() {
    let parts = claimed().parts;
    for at in 0..parts.len() {
        // Another hash behind the path, before it, and one less: the length is the kind's.
        let (mut behind, mut before, mut fewer) = (parts.clone(), parts.clone(), parts.clone());
        behind[at].extend([0; 20]);
        let start = before[at].len() - 60;
        before[at].splice(start..start, [0; 20]);
        fewer[at].truncate(parts[at].len() - 20);
        for bad in [behind, before, fewer] {
            assert!(matches!(refused(&bad), Error::Truncated { .. }), "{at}");
        }
        // With the depth in the first byte to match: the piece gets shorter or longer, and so the leaf is another one.
        for depth in [2, 4] {
            let mut other = parts.clone();
            other[at][0] = other[at][0] & 0xf0 | depth;
            let found = refused(&other);
            let wrong = matches!(
                found,
                Error::SetRoot { .. }
                    | Error::SetDisagrees { .. }
                    | Error::Position { .. }
                    | Error::BrokenChain { .. }
                    | Error::Truncated { .. }
            );
            assert!(wrong, "{at} {depth}: {found:?}");
        }
    }
}

/// CVE-2012-2459 and its kin: an odd last leaf is hashed with itself, so that its copy has a path as well.
#[test]
fn odd_leaf_duplication_makes_no_shred() {
    let made = claimed();
    // Three leaves: the third is its own sibling, and its path is that of a fourth.
    let mut three: Vec<Leaf> = made.leaves[..3].to_vec();
    three.iter_mut().for_each(|leaf| leaf.variant = 0x92);
    let (parts, root) = set_of(&three, 0);
    for part in &parts {
        assert_eq!(Shred::read(part).unwrap().root, B256::from(root));
    }
    // The copy says itself that it is the third, at whatever place it is shown.
    let copies = [parts.clone(), vec![parts[2].clone()]].concat();
    assert_eq!(refused(&copies), Error::ShredOrder { expected: 3, found: 2 });
    // And a leaf that says that it is the fourth is another leaf.
    let mut fourth = parts[2].clone();
    fourth[9] = 3;
    let found = Shred::read(&fourth).unwrap();
    assert_ne!(found.root, B256::from(root));
}

#[test]
fn no_place_beyond_the_tree() {
    let made = claimed();
    for (index, set, depth) in [(2u32, 0u32, 1u8), (8, 0, 3), (7, 3, 2), (0, 1, 3), (u32::MAX, 0, 3)] {
        let leaf = Leaf { variant: 0x90 | depth, index, set, ..made.leaves[0].clone() };
        let part = [leaf.image(), vec![0; usize::from(depth) * 20]].concat();
        let found = Shred::read(&part);
        assert!(matches!(found, Err(Error::Position { .. })), "{index} {set} {depth}: {found:?}");
    }
}

/// A leader could give validators one predecessor and a light client another: both shreds have good paths.
#[test]
fn a_set_that_names_two_predecessors_is_refused() {
    let mut leaves = claimed().leaves;
    shred(&mut leaves);
    for at in 1..SET.0 {
        let mut two = leaves[..SET.0].to_vec();
        two[at].previous = [0x66; 32];
        let (parts, root) = set_of(&two, SET.1);
        assert_eq!(Shred::read(&parts[at]).unwrap().root, B256::from(root));
        let found = refused(&parts);
        assert!(matches!(found, Error::SetDisagrees { what: "its predecessor", .. }), "{found:?}");
    }
}

#[test]
fn shreds_of_one_set_are_made_alike() {
    let parts = remade(|leaves| leaves[1].variant = 0xb3);
    assert!(matches!(refused(&parts), Error::SetDisagrees { what: "how it is laid out", index: 1, .. }));
}

#[test]
fn a_block_ends_once_and_with_a_batch() {
    let early = remade(|leaves| leaves[5].flags = 0xc1);
    assert!(matches!(refused(&early), Error::Incomplete { why: "it goes on after its last shred", .. }));
    let never = remade(|leaves| leaves[7].flags = 0x41);
    assert!(matches!(refused(&never), Error::Incomplete { why: "its last shred is not there", .. }));
    let half = remade(|leaves| leaves[7].flags = 0x81);
    assert!(matches!(refused(&half), Error::Encoding { .. }));
}

#[test]
fn a_size_lies_within_the_shred() {
    let part = claimed().parts[1].clone();
    let room = 1_203 - 88 - 32 - 60;
    for (size, fits) in [(87u16, false), (88, true), (88 + room, true), (89 + room, false), (u16::MAX, false)]
    {
        let mut other = part.clone();
        other[22..24].copy_from_slice(&size.to_le_bytes());
        let read = Shred::read(&other);
        assert_eq!(read.is_ok(), fits, "{size}");
        match read {
            Ok(Shred { content: Content::Data { bytes, .. }, .. }) => {
                assert_eq!(bytes.len(), usize::from(size) - 88)
            }
            Ok(other) => panic!("{other:?}"),
            Err(error) => assert!(matches!(error, Error::Encoding { .. }), "{error:?}"),
        }
    }
}

#[test]
fn a_parent_is_an_earlier_slot() {
    for offset in [0, SLOT as u16 + 1] {
        let parts = remade(|leaves| leaves.iter_mut().for_each(|leaf| leaf.parent_offset = offset));
        assert!(matches!(refused(&parts), Error::Encoding { .. }), "{offset}");
    }
}

#[test]
fn kinds_without_a_chain_or_a_name_are_refused() {
    let mut part = claimed().parts[0].clone();
    for variant in [0x5a, 0xa5, 0x43, 0x83, 0x00, 0xf3, 0xc3] {
        part[0] = variant;
        assert!(matches!(Shred::read(&part), Err(Error::Variant { variant: found, .. }) if found == variant));
    }
    for (variant, data, resigned) in
        [(0x66, false, false), (0x76, false, true), (0x96, true, false), (0xb6, true, true)]
    {
        assert_eq!(Layout::of(variant), Ok(Layout { variant, data, resigned, depth: 6 }));
    }
}

/// Parity hangs on the same root, and is no part of a block.
#[test]
fn parity_has_paths_and_no_data() {
    let made = claimed();
    let mut leaves: Vec<Vec<u8>> = made.leaves[..4].iter().map(Leaf::image).collect();
    for at in 0..3u16 {
        let mut image = vec![0x63];
        image.extend(SLOT.to_le_bytes());
        image.extend(u32::from(at).to_le_bytes());
        image.extend(77u16.to_le_bytes());
        image.extend(0u32.to_le_bytes());
        [4, 3, at].iter().for_each(|number| image.extend(number.to_le_bytes()));
        image.resize(CODE_SHRED_BYTES - 64 - 60 - 32, 0xee);
        image.extend([0x11; 32]);
        leaves.push(image);
    }
    let levels = levels(&leaves);
    let root = B256::from(levels.last().unwrap()[0]);
    let parts: Vec<Vec<u8>> = (0..7).map(|at| [leaves[at].clone(), path(&levels, at)].concat()).collect();
    for (at, part) in parts.iter().enumerate() {
        let shred = Shred::read(part).unwrap();
        assert_eq!((shred.root, shred.previous_root), (root, B256::repeat_byte(0x11)), "{at}");
        assert_eq!(shred.layout.data, at < 4);
    }
    assert!(matches!(
        Shred::read(&parts[6]).unwrap().content,
        Content::Code { data_shreds: 4, code_shreds: 3, place: 2 }
    ));
    assert!(matches!(refused(&parts[4..]), Error::Variant { .. }));
    assert!(matches!(refused(&parts), Error::Variant { .. }));
    // A fourth with parity, where there are three: the copy of the odd last leaf.
    let mut fourth = parts[6].clone();
    fourth[9] = 3;
    fourth[23] = 3;
    assert!(matches!(Shred::read(&fourth), Err(Error::Position { .. })));
}

#[test]
fn wire_lengths_are_exact_and_signatures_are_left_out() {
    let Some(testnet) = Testnet::find() else { return };
    for (wire, resigned) in [(&testnet.wire[0], 0), (&testnet.wire[319], 64)] {
        let part = authenticated_part(wire).unwrap();
        assert_eq!(part, &wire[64..DATA_SHRED_BYTES - resigned]);
        for length in [0, 63, 64, 65, DATA_SHRED_BYTES - 1] {
            assert!(matches!(authenticated_part(&wire[..length]), Err(Error::Truncated { .. })), "{length}");
        }
        let longer = [&wire[..], &[0]].concat();
        assert!(matches!(authenticated_part(&longer), Err(Error::Trailing { found: 1, .. })));
    }
}
