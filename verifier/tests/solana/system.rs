//! The proof system as a whole: what each kind of evidence is worth, and what none of it says.

use std::slice::from_ref;

use portcullis_verifier::{
    Assurance, B256, BlockRef, ChainId, Claim, Evidence, Execution, Header, Inclusion, OperatorId, Quorum,
    Registry, System, Trust, Undecided, Verdict,
    solana::{Certificate, Report, SYSTEM_NAME, Scrutiny, ShredEvidence, ShredSystem, system_name},
};

use crate::fixture::{
    Made, SLOT, batch, chain, child, claimed, entry, id_of, lay_out, shown, shred, table, transfer, trust,
    validators, verdict_of,
};

fn judged(claim: &Claim, evidence: &ShredEvidence, trust: &Trust) -> Verdict {
    let [enough, every] = [Scrutiny::Enough, Scrutiny::Every]
        .map(|scrutiny| ShredSystem { scrutiny }.verify(claim, &evidence.to_evidence(), trust));
    assert_eq!(core::mem::discriminant(&enough), core::mem::discriminant(&every), "{enough:?} {every:?}");
    every
}

fn proven(verdict: &Verdict) -> Assurance {
    let Verdict::Proven(assurance) = verdict else { panic!("{verdict:?}") };
    *assurance
}

fn bad(verdict: &Verdict) -> &str {
    let Verdict::Undecided(Undecided::BadEvidence { detail }) = verdict else { panic!("{verdict:?}") };
    detail
}

/// An operator, and the code that it reports.
type Word<'a> = (&'a str, u32);

/// What these operators say of a transaction of the claimed block.
fn reports(made: &Made, said: &[Word<'_>]) -> Vec<Report> {
    said.iter().map(|(operator, code)| made.report(operator, &made.transactions[1], *code)).collect()
}

fn said_only(made: &Made, said: &[Word<'_>]) -> ShredEvidence {
    ShredEvidence { reports: reports(made, said), certificate: None, blocks: Vec::new() }
}

#[test]
fn each_level_says_what_it_rests_on() {
    let made = claimed();
    let claim = made.claim(&made.transactions[1], Some(0));
    let quorum = |agreeing| Some(Quorum { agreeing, of: 3 });
    let header = |agreeing, signed_bps| Header { quorum: quorum(agreeing), signed_bps, ..Header::default() };
    let level =
        |header, inclusion| Assurance { header, inclusion, execution: Execution::Reported, age_secs: None };
    // One RPC.
    let one = said_only(&made, &[("one", 0)]);
    assert_eq!(proven(&judged(&claim, &one, &trust(1))), level(header(1, None), Inclusion::Reported));
    assert!(matches!(
        judged(&claim, &one, &trust(2)),
        Verdict::Undecided(Undecided::NoQuorum { agreeing: 1, needed: 2 })
    ));
    // k of n.
    let mut two = said_only(&made, &[("one", 0), ("two", 0)]);
    assert_eq!(proven(&judged(&claim, &two, &trust(2))), level(header(2, None), Inclusion::Reported));
    // k of n, and a tally: the header is worth more, inclusion is not.
    two.certificate = Some(made.votes(&validators()));
    let tallied = proven(&judged(&claim, &two, &trust(2)));
    assert_eq!(tallied, level(header(2, Some(10_000)), Inclusion::Reported));
    // A tally and the shreds.
    two.blocks = vec![made.shreds()];
    let whole = proven(&judged(&claim, &two, &trust(2)));
    assert_eq!(whole, level(header(2, Some(10_000)), Inclusion::MerkleProved));
    assert!(whole.meets(&tallied) && !tallied.meets(&whole));
    // Without operators, everything but how it ended.
    let shown = proven(&judged(&made.claim(&made.transactions[1], None), &shown(), &trust(2)));
    let header = Header { signed_bps: Some(8_000), ..Header::default() };
    let expected = Assurance { header, inclusion: Inclusion::MerkleProved, ..Assurance::default() };
    assert_eq!(shown, expected);
    assert!(!shown.header.final_by_consensus);
}

#[test]
fn a_tally_alone_binds_no_transaction() {
    let made = claimed();
    let tally = ShredEvidence {
        reports: Vec::new(),
        certificate: Some(made.votes(&validators())),
        blocks: Vec::new(),
    };
    for code in [None, Some(0)] {
        let verdict = judged(&made.claim(&made.transactions[1], code), &tally, &trust(2));
        assert_eq!(verdict, Verdict::Undecided(Undecided::NoQuorum { agreeing: 0, needed: 2 }));
    }
    // Nor do shreds that nobody signed.
    let unsigned = ShredEvidence { certificate: None, ..shown() };
    let verdict = judged(&made.claim(&made.transactions[1], None), &unsigned, &trust(2));
    assert!(matches!(verdict, Verdict::Undecided(Undecided::NoEvidence { .. })), "{verdict:?}");
    // Nor does a tally of another slot.
    let mut other = said_only(&made, &[("one", 0), ("two", 0)]);
    other.certificate = Some(child().votes(&validators()));
    let verdict = judged(&made.claim(&made.transactions[1], None), &other, &trust(2));
    assert!(bad(&verdict).contains("leads to slot 1002"), "{verdict:?}");
}

#[test]
fn how_a_transaction_ended_is_never_proven() {
    let made = claimed();
    let claim = |code| made.claim(&made.transactions[1], Some(code));
    let verdict = judged(&claim(0), &shown(), &trust(2));
    assert_eq!(verdict, Verdict::Undecided(Undecided::NoQuorum { agreeing: 0, needed: 2 }));
    // Operators that agree can say that it ended otherwise.
    let failed =
        ShredEvidence { reports: reports(&made, &[("one", 6), ("two", 6), ("three", 0)]), ..shown() };
    let Verdict::Refuted(why, assurance) = judged(&claim(0), &failed, &trust(2)) else { panic!() };
    assert!(why.found.contains("2 of 3 operators report code 6"), "{why:?}");
    assert_eq!((assurance.execution, assurance.inclusion), (Execution::Reported, Inclusion::MerkleProved));
    assert!(matches!(judged(&claim(6), &failed, &trust(2)), Verdict::Proven(_)));
    // Whoever asks for inclusion alone is told nothing of the end, and least of all that it was a good one.
    let included = proven(&judged(&made.claim(&made.transactions[1], None), &failed, &trust(2)));
    assert_eq!((included.execution, included.inclusion), (Execution::Unknown, Inclusion::MerkleProved));
}

#[test]
fn voices_are_counted_once_and_only_of_those_configured() {
    let made = claimed();
    let claim = made.claim(&made.transactions[1], Some(0));
    let silent: [(&str, &[Word<'_>], u16); 5] = [
        ("a stranger", &[("one", 0), ("stranger", 0)], 1),
        ("one twice", &[("one", 0), ("one", 0)], 1),
        ("who says both says nothing", &[("one", 0), ("two", 0), ("two", 1)], 1),
        ("nobody", &[], 0),
        ("a tie", &[("one", 0), ("two", 1)], 0),
    ];
    for (name, said, agreeing) in silent {
        let verdict = judged(&claim, &said_only(&made, said), &trust(2));
        assert_eq!(verdict, Verdict::Undecided(Undecided::NoQuorum { agreeing, needed: 2 }), "{name}");
    }
    // With a quorum of one, whom others equal or outvote is not believed.
    let outvoted = said_only(&made, &[("one", 1), ("two", 0), ("three", 1)]);
    assert!(matches!(judged(&claim, &outvoted, &trust(1)), Verdict::Refuted(..)));
    let tied = said_only(&made, &[("one", 1), ("two", 0)]);
    assert!(matches!(judged(&claim, &tied, &trust(1)), Verdict::Undecided(Undecided::NoQuorum { .. })));
    // About another block, or another transaction, they say nothing of this one.
    let mut other = said_only(&made, &[("one", 0), ("two", 0)]);
    other.reports.iter_mut().for_each(|report| report.block.hash = B256::ZERO);
    assert!(matches!(judged(&claim, &other, &trust(2)), Verdict::Undecided(Undecided::NoQuorum { .. })));
    let mut other = said_only(&made, &[("one", 0), ("two", 0)]);
    other.reports.iter_mut().for_each(|report| report.transaction = id_of(&made.transactions[0]));
    assert!(matches!(judged(&claim, &other, &trust(2)), Verdict::Undecided(Undecided::NoQuorum { .. })));
}

#[test]
fn every_transaction_of_the_block_is_found_and_no_other() {
    let made = claimed();
    for transaction in &made.transactions {
        proven(&judged(&made.claim(transaction, None), &shown(), &trust(2)));
    }
    let Verdict::Refuted(why, assurance) = judged(&made.claim(&transfer(999), None), &shown(), &trust(2))
    else {
        panic!()
    };
    assert_eq!(why.found, "a block of 6 other transactions");
    assert_eq!((assurance.inclusion, assurance.header.signed_bps), (Inclusion::MerkleProved, Some(8_000)));
}

#[test]
fn a_block_is_reached_through_its_children() {
    let (made, after) = (claimed(), child());
    let claim = made.claim(&made.transactions[4], None);
    let mut evidence = ShredEvidence {
        reports: Vec::new(),
        certificate: Some(after.votes(&validators())),
        blocks: vec![after.shreds(), made.shreds()],
    };
    proven(&judged(&claim, &evidence, &trust(2)));
    evidence.blocks.reverse();
    assert!(
        bad(&judged(&claim, &evidence, &trust(2))).contains("leads to slot 1000, the claim is about 1002")
    );
    evidence.blocks = vec![after.shreds()];
    assert!(bad(&judged(&claim, &evidence, &trust(2))).contains("leads to slot 1002"));
    // From another parent.
    evidence.blocks = vec![after.shreds(), crate::fixture::block(SLOT, SLOT - 1, B256::ZERO).shreds()];
    let verdict = judged(&claim, &evidence, &trust(2));
    assert!(matches!(verdict, Verdict::Undecided(Undecided::NotCanonical { .. })), "{verdict:?}");
}

#[test]
fn the_claims_block_is_the_one_that_is_shown() {
    let made = claimed();
    let mut elsewhere = made.clone();
    elsewhere.blockhash = B256::repeat_byte(1);
    let verdict = judged(&elsewhere.claim(&made.transactions[0], None), &shown(), &trust(2));
    assert!(matches!(verdict, Verdict::Undecided(Undecided::NotCanonical { .. })), "{verdict:?}");
    elsewhere.blockhash = made.blockhash;
    elsewhere.slot += 1;
    assert!(
        bad(&judged(&elsewhere.claim(&made.transactions[0], None), &shown(), &trust(2)))
            .contains("slot 1000")
    );
}

#[test]
fn a_block_whose_insides_do_not_hold_proves_nothing() {
    // Laid out, chained and signed as it should be: only what it holds is wrong.
    let of = |batches: &[Vec<u8>], blockhash: [u8; 32]| {
        let mut made = claimed();
        made.leaves = lay_out(SLOT, SLOT - 1, B256::repeat_byte(0x11), batches);
        (made.parts, made.block_id) = shred(&mut made.leaves);
        made.blockhash = B256::from(blockhash);
        let evidence = ShredEvidence {
            reports: Vec::new(),
            certificate: Some(made.votes(&validators())),
            blocks: vec![made.shreds()],
        };
        (made, evidence)
    };
    let (tick, hash) = entry([1; 32], 2, &[]);
    let one = transfer(1);
    let (held, after) = entry(hash, 2, from_ref(&one));
    let (made, evidence) = of(&[batch(from_ref(&tick)), batch(&[held])], after);
    proven(&judged(&made.claim(&one, None), &evidence, &trust(2)));
    // A transaction whose signature does not verify.
    let mut unsigned = one.clone();
    unsigned[100] ^= 1;
    let (held, after) = entry(hash, 2, &[unsigned.clone()]);
    let (made, evidence) = of(&[batch(from_ref(&tick)), batch(&[held])], after);
    assert!(bad(&judged(&made.claim(&unsigned, None), &evidence, &trust(2))).contains("does not verify"));
    // An entry that does not follow from the one before.
    let (held, after) = entry([9; 32], 2, from_ref(&one));
    let (made, evidence) = of(&[batch(&[tick]), batch(&[held])], after);
    assert!(bad(&judged(&made.claim(&one, None), &evidence, &trust(2))).contains("entry 1 hashes to"));
}

#[test]
fn another_regime_stops_proofs_with_a_name() {
    let made = claimed();
    let claim = made.claim(&made.transactions[1], None);
    let named = |verdict: Verdict| {
        let Verdict::Undecided(Undecided::NoVerifier { system }) = &verdict else { panic!("{verdict:?}") };
        assert!(system.contains("Alpenglow"), "{system}");
    };
    let certificate = Some(Certificate::Alpenglow { certificate: vec![1] });
    named(judged(&claim, &ShredEvidence { certificate, ..shown() }, &trust(2)));
    let mut seen = table(&validators());
    seen.other_regime_from = Some(SLOT);
    let mut told = trust(2);
    told.pinned.insert(system_name(), seen.to_bytes());
    named(judged(&claim, &shown(), &told));
}

#[test]
fn nothing_is_proven_without_a_table_of_this_chain() {
    let made = claimed();
    let claim = made.claim(&made.transactions[1], None);
    let mut nothing = trust(2);
    nothing.pinned.clear();
    let mut other = table(&validators());
    other.chain = ChainId::new("solana:other").unwrap();
    let mut foreign = trust(2);
    foreign.pinned.insert(system_name(), other.to_bytes());
    for trust in [nothing, foreign] {
        let verdict = judged(&claim, &shown(), &trust);
        assert!(matches!(verdict, Verdict::Undecided(Undecided::NoEvidence { .. })), "{verdict:?}");
    }
    let mut broken = trust(2);
    broken.pinned.insert(system_name(), vec![1, 2, 3]);
    bad(&judged(&claim, &shown(), &broken));
}

#[test]
fn claims_of_other_kinds_and_chains_are_nobodys() {
    let made = claimed();
    let block = BlockRef { height: SLOT, hash: made.blockhash };
    let no_verifier = |claim: &Claim| {
        let verdict = verdict_of(claim, &shown().to_evidence());
        assert!(matches!(verdict, Verdict::Undecided(Undecided::NoVerifier { .. })), "{verdict:?}");
    };
    no_verifier(&Claim::Emitted { chain: chain(), block, log_index: 0, raw: B256::ZERO });
    no_verifier(&Claim::StateAbsent { chain: chain(), block, contract: B256::ZERO, key: B256::ZERO });
    no_verifier(&Claim::Included {
        chain: ChainId::new("test:1").unwrap(),
        block,
        transaction: id_of(&made.transactions[1]),
        code: None,
    });
    let claim = made.claim(&made.transactions[1], None);
    let other =
        Evidence { system: portcullis_verifier::Slug::new("other-v1").unwrap(), ..shown().to_evidence() };
    assert!(matches!(verdict_of(&claim, &other), Verdict::Undecided(Undecided::NoVerifier { .. })));
    let mut registry = Registry::new();
    registry.add(Box::new(ShredSystem::default())).unwrap();
    assert_eq!(registry.names().map(|name| name.as_str().to_owned()).collect::<Vec<_>>(), [SYSTEM_NAME]);
    proven(&registry.verify(&claim, &shown().to_evidence(), &trust(2)));
}

#[test]
fn lists_are_bounded_while_they_are_read() {
    let claim = claimed().claim(&claimed().transactions[1], None);
    let judge = |bytes: Vec<u8>| verdict_of(&claim, &Evidence { system: system_name(), bytes });
    for (bytes, what) in [
        (vec![0xff; 4], "reports"),
        ([vec![0; 4], vec![1, 0], vec![0xff; 4]].concat(), "votes"),
        ([vec![0; 4], vec![0], vec![0xff; 4]].concat(), "blocks"),
        ([vec![0; 4], vec![0], vec![1, 0, 0, 0], vec![0xff; 4]].concat(), "shreds"),
    ] {
        assert!(bad(&judge(bytes)).contains(&format!("{what}: 4294967295")), "{what}");
    }
    assert!(bad(&judge(vec![0; 17 << 20])).contains("bytes of evidence"));
    let whole = shown().to_evidence().bytes;
    assert_eq!(ShredEvidence::decode(&whole).unwrap(), shown());
    bad(&judge([&whole[..], &[0]].concat()));
    let many = ShredEvidence {
        reports: vec![claimed().report("one", &claimed().transactions[1], 0); 65],
        certificate: None,
        blocks: Vec::new(),
    };
    assert!(bad(&judge(many.to_evidence().bytes)).contains("reports: 65"));
    assert!(OperatorId::new("one").is_ok());
}
