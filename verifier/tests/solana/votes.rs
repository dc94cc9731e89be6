//! Votes that must not count, each beside the one that does.

use ed25519_dalek::SigningKey;
use portcullis_verifier::{
    B256, Inclusion, Verdict,
    solana::{
        Block, Certificate, GenesisCertificate, Regime, Scrutiny, ShredEvidence, SolanaProofError as Error,
        StakeTable, Tally, TowerSync, VOTE_PROGRAM, check_vote, limits::MAX_VOTERS, verify_bank_votes,
        verify_block, verify_votes,
    },
};

use crate::fixture::{
    SLOT, Validator, bank_hash, claimed, message, signed, table, tower, transfer, validators, verdict_of,
    vote, vote_with,
};

const ID: B256 = B256::repeat_byte(0x42);

/// A rule that is broken.
type Change = (&'static str, fn(&mut StakeTable));

fn all_votes(slot: u64) -> Vec<Vec<u8>> {
    validators().iter().map(|one| vote(one, slot, ID)).collect()
}

#[test]
fn more_than_two_thirds_sign_a_block_and_the_share_is_said() {
    let stakes = table(&validators()).open().unwrap();
    let votes = all_votes(SLOT);
    let all = verify_votes(&stakes, &votes, Scrutiny::Every).unwrap();
    assert_eq!((all.value().slot, all.value().block_id), (SLOT, ID));
    assert_eq!(all.assurance().header.signed_bps, Some(10_000));
    let early = verify_votes(&stakes, &votes, Scrutiny::Enough).unwrap();
    assert_eq!(early.assurance().header.signed_bps, Some(8_000), "30 + 25 + 25 of 100 are enough");
}

#[test]
fn exactly_two_thirds_are_not_enough() {
    let voters = [Validator::new(1, 1), Validator::new(2, 1), Validator::new(3, 1)];
    let stakes = table(&voters).open().unwrap();
    let votes: Vec<Vec<u8>> = voters.iter().map(|one| vote(one, SLOT, ID)).collect();
    let two = verify_votes(&stakes, &votes[..2], Scrutiny::Every);
    assert_eq!(two.unwrap_err(), Error::NotEnoughSigned { tallied: 2, total: 3 });
    assert!(verify_votes(&stakes, &votes, Scrutiny::Every).is_ok());
    let none = verify_votes(&stakes, &[] as &[Vec<u8>], Scrutiny::Every);
    assert_eq!(none.unwrap_err(), Error::NotEnoughSigned { tallied: 0, total: 3 });
}

#[test]
fn duplicate_voter_counts_once() {
    let (voters, stakes) = (validators(), table(&validators()).open().unwrap());
    let mut votes = vec![vote(&voters[0], SLOT, ID), vote(&voters[1], SLOT, ID)];
    // The same bytes again, and another transaction of the same account for the same block.
    for again in [votes[0].clone(), {
        let mut data = tower(SLOT, bank_hash(SLOT), ID);
        data[4] -= 1;
        data[13] += 1;
        vote_with(&voters[0].authority, voters[0].account, &data)
    }] {
        votes.push(again);
        for scrutiny in [Scrutiny::Enough, Scrutiny::Every] {
            let found = verify_votes(&stakes, &votes, scrutiny);
            assert_eq!(found.unwrap_err(), Error::DuplicateVoter { account: voters[0].account });
        }
        votes.pop();
    }
}

#[test]
fn a_refused_vote_leaves_the_tally_as_it_was() {
    let (voters, stakes) = (validators(), table(&validators()).open().unwrap());
    let mut tally = Tally::new(&stakes);
    let check = |one: &Validator, id| check_vote(&stakes, &vote(one, SLOT, id)).unwrap();
    tally.add(&check(&voters[0], ID)).unwrap();
    assert!(matches!(tally.add(&check(&voters[1], B256::repeat_byte(1))), Err(Error::OtherVote { .. })));
    assert!(matches!(tally.add(&check(&voters[0], ID)), Err(Error::DuplicateVoter { .. })));
    assert_eq!((tally.tallied(), tally.voters(), tally.is_enough()), (30, 1, false));
    tally.add(&check(&voters[1], ID)).unwrap();
    tally.add(&check(&voters[2], ID)).unwrap();
    assert!(tally.finish().is_ok());
}

#[test]
fn withdrawn_authority_does_not_vote() {
    let (voters, stakes) = (validators(), table(&validators()).open().unwrap());
    let old = SigningKey::from_bytes(&[7; 32]);
    let data = tower(SLOT, bank_hash(SLOT), ID);
    let found = check_vote(&stakes, &vote_with(&old, voters[0].account, &data));
    assert_eq!(found.unwrap_err(), Error::NotAuthorized { account: voters[0].account, epoch: 7 });
    // Another account's authority is no better.
    let found = check_vote(&stakes, &vote_with(&voters[1].authority, voters[0].account, &data));
    assert!(matches!(found, Err(Error::NotAuthorized { .. })));
    // Nor is one of which the table knows none.
    let mut nobody = table(&voters);
    nobody.voters.iter_mut().for_each(|voter| voter.authority = None);
    let found = check_vote(&nobody.open().unwrap(), &vote(&voters[0], SLOT, ID));
    assert!(matches!(found, Err(Error::NotAuthorized { .. })));
}

#[test]
fn the_authority_must_sign_and_be_named_by_the_instruction() {
    let (voters, stakes) = (validators(), table(&validators()).open().unwrap());
    let (payer, one) = (SigningKey::from_bytes(&[9; 32]), &voters[0]);
    let authority = one.authority.verifying_key().to_bytes();
    let data = tower(SLOT, bank_hash(SLOT), ID);
    let keys = [payer.verifying_key().to_bytes(), authority, one.account.0, VOTE_PROGRAM];
    // Who pays is another one: both sign.
    let both = message(2, &keys, 3, &[2, 1], &data);
    let good = signed(&[&payer, &one.authority], &both);
    assert_eq!(check_vote(&stakes, &good).unwrap().stake(), 30);
    // One signature that does not verify spoils the transaction, whosever it is.
    for at in [1, 65] {
        let mut bad = good.clone();
        bad[at] ^= 1;
        assert!(matches!(check_vote(&stakes, &bad), Err(Error::InvalidSignature { .. })));
    }
    // It is there, and does not sign.
    let found = check_vote(&stakes, &signed(&[&payer], &message(1, &keys, 3, &[2, 1], &data)));
    assert!(matches!(found, Err(Error::NotAuthorized { .. })));
    // It signs, and the instruction is not given it.
    let found =
        check_vote(&stakes, &signed(&[&payer, &one.authority], &message(2, &keys, 3, &[2, 0], &data)));
    assert!(matches!(found, Err(Error::NotAuthorized { .. })));
}

#[test]
fn zero_stake_and_strangers_do_not_count() {
    let (mut voters, mut with_zero) = (validators(), table(&validators()));
    let stakes = table(&voters).open().unwrap();
    let stranger = Validator::new(99, 1);
    let found = check_vote(&stakes, &vote(&stranger, SLOT, ID));
    assert_eq!(found.unwrap_err(), Error::NoStake { account: stranger.account, epoch: 7 });
    // A table that lists a voter without stake, or no stake at all, is none.
    with_zero.voters[1].stake = 0;
    assert!(matches!(with_zero.open(), Err(Error::Table { why: "it lists stake of zero" })));
    voters.clear();
    assert!(matches!(table(&voters).open(), Err(Error::Table { why: "it lists stake of zero" })));
}

#[test]
fn stake_table_of_another_epoch_counts_nothing() {
    let stakes = table(&validators()).open().unwrap();
    for (slot, inside) in [(SLOT - 101, false), (SLOT - 100, true), (SLOT + 99, true), (SLOT + 100, false)] {
        let found = verify_votes(&stakes, &all_votes(slot), Scrutiny::Every);
        match found {
            Ok(_) => assert!(inside, "{slot}"),
            Err(Error::OtherEpoch { slot: of, epoch: 7, .. }) => assert!(!inside && of == slot),
            other => panic!("{other:?}"),
        }
    }
    // A vote that was checked by one table is not counted by another.
    let mut other = table(&validators());
    other.epoch = 8;
    let other = other.open().unwrap();
    let checked = check_vote(&stakes, &all_votes(SLOT)[0]).unwrap();
    assert!(matches!(Tally::new(&other).add(&checked), Err(Error::OtherTable { .. })));
}

#[test]
fn votes_for_two_blocks_are_no_tally() {
    let (voters, stakes) = (validators(), table(&validators()).open().unwrap());
    let mut votes = all_votes(SLOT);
    let other_bank = tower(SLOT, B256::repeat_byte(3), ID);
    for odd in [
        vote(&voters[3], SLOT, B256::repeat_byte(1)),
        vote(&voters[3], SLOT - 1, ID),
        vote_with(&voters[3].authority, voters[3].account, &other_bank),
    ] {
        votes[3] = odd;
        let found = verify_votes(&stakes, &votes, Scrutiny::Every);
        assert!(matches!(found, Err(Error::OtherVote { .. })), "{found:?}");
    }
}

#[test]
fn a_vote_without_a_block_id_binds_no_bytes() {
    let stakes = table(&validators()).open().unwrap();
    let found = check_vote(&stakes, &vote(&validators()[0], SLOT, B256::ZERO));
    assert!(matches!(found, Err(Error::NoBlockId { slot: SLOT, .. })));
}

/// A leader's vote for its own block names none. It says whose stake stands behind the slot, and nothing hangs on that.
#[test]
fn votes_without_a_block_id_count_for_their_slot_alone_and_among_themselves() {
    let stakes = table(&validators()).open().unwrap();
    let unnamed: Vec<_> = validators().iter().map(|one| vote(one, SLOT, B256::ZERO)).collect();
    assert!(matches!(verify_votes(&stakes, &unnamed, Scrutiny::Every), Err(Error::NoBlockId { .. })));
    let signed = verify_bank_votes(&stakes, &unnamed, Scrutiny::Every).unwrap();
    assert_eq!((signed.value().slot, signed.value().block_id), (SLOT, B256::ZERO));
    assert_eq!(signed.value().bank_hash, Some(bank_hash(SLOT)));
    assert_eq!(signed.assurance().header.signed_bps, Some(10_000));
    let made = claimed();
    let block = Block::open(&made.parts).unwrap();
    let found = verify_block(&signed, block);
    assert!(matches!(found, Err(Error::Missing { what: "block id" })), "{found:?}");

    // Named and unnamed ones are not one tally.
    let mut mixed = all_votes(SLOT);
    mixed[3] = unnamed[3].clone();
    let found = verify_bank_votes(&stakes, &mixed, Scrutiny::Every);
    assert!(matches!(found, Err(Error::OtherVote { .. })), "{found:?}");

    // Beside reports they count; to show what is in a block they do not.
    let votes = Certificate::Tower { votes: unnamed };
    let one = &made.transactions[1];
    let reports = vec![made.report("one", one, 0), made.report("three", one, 0)];
    let evidence =
        |blocks| ShredEvidence { reports: reports.clone(), certificate: Some(votes.clone()), blocks };
    let beside = verdict_of(&made.claim(one, Some(0)), &evidence(Vec::new()).to_evidence());
    let Verdict::Proven(assurance) = beside else { panic!("{beside:?}") };
    assert_eq!((assurance.header.signed_bps, assurance.inclusion), (Some(10_000), Inclusion::Reported));
    let shown = verdict_of(&made.claim(one, Some(0)), &evidence(vec![made.shreds()]).to_evidence());
    assert!(matches!(shown, Verdict::Undecided(_)), "{shown:?}");
}

#[test]
fn impossible_towers_are_refused() {
    let good = tower(SLOT, bank_hash(SLOT), ID);
    let read = |data: &[u8]| TowerSync::read(data);
    assert_eq!(read(&good).unwrap().slot(), SLOT);
    let with = |at: usize, byte: u8| {
        let mut data = good.clone();
        data[at] = byte;
        data
    };
    // Offsets and confirmations alternate from byte 13 on.
    for (data, why) in [
        (with(15, 0), "a slot twice"),
        (with(14, 30), "confirmations that do not fall"),
        (with(14, 32), "too many confirmations"),
        (with(74, 0), "no confirmations"),
        (with(13, 0), "begins at its root"),
        ([&good[..12], &[0][..], &good[75..]].concat(), "no slot"),
    ] {
        let found = read(&data);
        assert!(matches!(found, Err(Error::Tower { .. })), "{why}: {found:?}");
    }
    let mut over = good.clone();
    over[4..12].copy_from_slice(&(u64::MAX - 3).to_le_bytes());
    assert!(matches!(read(&over), Err(Error::Tower { .. })));
    assert!(matches!(read(&with(12, 32)), Err(Error::Limit { what: "slots of a vote", .. })));
    assert!(matches!(read(&with(0, 12)), Err(Error::NotAVote { .. })));
    assert!(matches!(read(&[&good[..], &[0]].concat()), Err(Error::Trailing { found: 1, .. })));
    for cut in 0..good.len() {
        assert!(read(&good[..cut]).is_err(), "{cut}");
    }
    // With a proof of switching it is 32 bytes longer; without a root, offsets count from zero.
    assert_eq!(read(&[&with(0, 15)[..], &[5; 32]].concat()).unwrap().block_id, ID);
    let mut rootless = good;
    rootless[4..12].fill(0xff);
    let rootless = read(&rootless).unwrap();
    assert_eq!((rootless.root, rootless.slot()), (None, 31));
}

#[test]
fn only_plain_votes_are_votes() {
    let one = &validators()[0];
    let stakes = table(&validators()).open().unwrap();
    let data = tower(SLOT, bank_hash(SLOT), ID);
    let key = one.authority.verifying_key().to_bytes();
    let refused = |bytes: &[u8]| check_vote(&stakes, bytes).unwrap_err();
    assert!(matches!(refused(&transfer(1)), Error::NotAVote { .. }));
    let sign = |message: &[u8]| signed(&[&one.authority], message);
    let plain = message(1, &[key, one.account.0, VOTE_PROGRAM], 2, &[1, 0], &data);
    assert!(check_vote(&stakes, &sign(&plain)).is_ok());
    // The same message with a version, and with a version that nobody knows.
    let versioned = [&[0x80][..], &plain, &[0]].concat();
    assert!(matches!(refused(&sign(&versioned)), Error::NotAVote { .. }));
    let unknown = [&[0x81][..], &plain, &[0]].concat();
    assert!(matches!(refused(&sign(&unknown)), Error::UnknownVersion { found: 1, .. }));
    // Another program that is given the same words.
    let other = message(1, &[key, one.account.0, [5; 32]], 2, &[1, 0], &data);
    assert!(matches!(refused(&sign(&other)), Error::NotAVote { .. }));
    // No account at all, and one that is not there.
    let nobody = message(1, &[key, one.account.0, VOTE_PROGRAM], 2, &[], &data);
    assert!(matches!(refused(&sign(&nobody)), Error::NotAVote { .. }));
    let beyond = message(1, &[key, one.account.0, VOTE_PROGRAM], 2, &[1, 3], &data);
    assert!(matches!(refused(&sign(&beyond)), Error::Encoding { .. }));
    // More signatures than the message asks for.
    let mut extra = sign(&plain);
    extra[0] = 2;
    extra.splice(65..65, [0; 64]);
    assert!(matches!(refused(&extra), Error::Encoding { .. }));
    assert!(matches!(refused(&[sign(&plain), vec![0]].concat()), Error::Trailing { .. }));
    assert!(matches!(refused(&vec![0; 1_233]), Error::Limit { .. }));
}

#[test]
fn tables_that_contradict_themselves_are_unusable() {
    let good = table(&validators());
    assert_eq!(StakeTable::from_bytes(&good.to_bytes()).unwrap().table(), &good);
    let changes: [Change; 5] = [
        ("slots", |table| table.last_slot = table.first_slot - 1),
        ("order", |table| table.voters.swap(0, 1)),
        ("twice", |table| table.voters[1] = table.voters[0]),
        ("sum", |table| table.total += 1),
        ("overflow", |table| table.voters[0].stake = u64::MAX),
    ];
    for (name, change) in changes {
        let mut bad = good.clone();
        change(&mut bad);
        assert!(matches!(StakeTable::from_bytes(&bad.to_bytes()), Err(Error::Table { .. })), "{name}");
    }
    let bytes = good.to_bytes();
    assert!(matches!(StakeTable::from_bytes(&bytes[..bytes.len() - 1]), Err(Error::Encoding { .. })));
    assert!(matches!(StakeTable::from_bytes(&[&bytes[..], &[0]].concat()), Err(Error::Encoding { .. })));
    assert!(matches!(StakeTable::from_bytes(&vec![0; 3 << 20]), Err(Error::Limit { .. })));
    // A count that is larger than any table is refused before the first voter is read.
    let at = bytes.len() - 4 - good.voters.len() * 73;
    let mut many = bytes;
    many[at..at + 4].copy_from_slice(&(MAX_VOTERS as u32 + 1).to_le_bytes());
    let Err(Error::Encoding { why, .. }) = StakeTable::from_bytes(&many) else { panic!() };
    assert!(why.contains("voters: 16385"), "{why}");
}

#[test]
fn another_regime_is_recognised_and_refused() {
    assert_eq!(Regime::told_by(GenesisCertificate::Object), Some(Regime::Alpenglow));
    assert_eq!(Regime::told_by(GenesisCertificate::Null), Some(Regime::Tower));
    assert_eq!(Regime::told_by(GenesisCertificate::NoSuchMethod), Some(Regime::Tower));
    assert_eq!(Regime::told_by(GenesisCertificate::Unreadable), None, "no answer is not no");
    let stakes = table(&validators()).open().unwrap();
    let certificate = Certificate::Alpenglow { certificate: vec![1, 2, 3] };
    let found = certificate.verify(&stakes, Scrutiny::Every);
    assert!(matches!(found, Err(Error::RegimeNotImplemented { regime: "Alpenglow", .. })));
    // From the slot on in which it was seen, votes in a tower prove nothing either.
    let mut seen = table(&validators());
    seen.other_regime_from = Some(SLOT);
    let seen = seen.open().unwrap();
    let block = claimed();
    let before = Certificate::Tower { votes: all_votes(SLOT - 1) };
    assert!(before.verify(&seen, Scrutiny::Every).is_ok());
    let found = block.votes(&validators()).verify(&seen, Scrutiny::Every);
    assert!(matches!(found, Err(Error::RegimeNotImplemented { slot: SLOT, .. })));
}
