use super::*;
use crate::{ChainId, Inclusion, Relation};

fn name(text: &str) -> OperatorId {
    Slug::new(text).unwrap()
}

fn trust(quorum: u16) -> Trust {
    let operators = ["a", "b", "c"].map(name).to_vec();
    Trust { operators, quorum, now: 0, pinned: BTreeMap::new() }
}

fn chain() -> ChainId {
    ChainId::new("solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp").unwrap()
}

const BLOCK: BlockRef = BlockRef { height: 70, hash: B256::repeat_byte(7) };

fn at_least(value: u64) -> Claim {
    Claim::State {
        chain: chain(),
        block: BLOCK,
        contract: B256::repeat_byte(1),
        key: B256::repeat_byte(2),
        mask: U256::from(0xffff),
        relation: Relation::AtLeast,
        value: U256::from(value),
    }
}

fn word(operator: &str, slot: u64, word: Option<u64>) -> Said {
    let statement = Statement::Word {
        slot,
        contract: B256::repeat_byte(1),
        key: B256::repeat_byte(2),
        word: word.map(U256::from),
    };
    Said { operator: name(operator), statement }
}

fn judge(claim: &Claim, said: Vec<Said>, quorum: u16) -> Verdict {
    let evidence = ReportEvidence { said, certificate: None }.to_evidence();
    ReportSystem::default().verify(claim, &evidence, &trust(quorum))
}

#[test]
fn what_two_of_three_read_is_reported_by_two_of_three_and_never_more() {
    let said = vec![word("a", 70, Some(9)), word("b", 75, Some(12)), word("c", 71, Some(3))];
    let Verdict::Proven(assurance) = judge(&at_least(9), said.clone(), 2) else { panic!("proven") };
    assert_eq!(assurance, Assurance::reported(2, 3));
    assert_eq!(assurance.inclusion, Inclusion::Reported);
    assert!(!assurance.meets(&Assurance::proved_under_quorum(2, 3)), "no proof");
    let Verdict::Refuted(_, assurance) = judge(&at_least(10), said, 2) else { panic!("refuted") };
    assert_eq!(assurance, Assurance::reported(2, 3));
}

#[test]
fn strangers_and_people_with_two_opinions_have_no_voice() {
    let said = vec![word("a", 70, Some(9)), word("stranger", 70, Some(9)), word("other", 70, Some(9))];
    assert!(matches!(judge(&at_least(9), said, 2), Verdict::Undecided(Undecided::NoQuorum { .. })));
    let said = vec![word("a", 70, Some(9)), word("b", 70, Some(9)), word("b", 70, Some(1))];
    assert!(matches!(judge(&at_least(9), said, 2), Verdict::Undecided(Undecided::NoQuorum { .. })));
    let twice = vec![word("a", 70, Some(9)), word("a", 71, Some(9))];
    assert!(matches!(judge(&at_least(9), twice, 2), Verdict::Undecided(Undecided::NoQuorum { .. })));
}

#[test]
fn what_was_read_before_the_block_says_nothing_of_what_holds_after_it() {
    let said = vec![word("a", 69, Some(9)), word("b", 70, Some(9)), word("c", 69, Some(9))];
    assert!(matches!(judge(&at_least(9), said, 2), Verdict::Undecided(Undecided::NoQuorum { .. })));
}

#[test]
fn equal_halves_agree_on_nothing_and_absence_is_zero() {
    let said = vec![word("a", 70, Some(9)), word("b", 70, None)];
    assert!(matches!(judge(&at_least(9), said, 1), Verdict::Undecided(Undecided::NoQuorum { .. })));
    let gone = vec![word("a", 70, None), word("b", 70, None)];
    assert!(matches!(judge(&at_least(9), gone, 2), Verdict::Refuted(..)));
}

#[test]
fn a_record_is_reported_at_its_place_in_its_block() {
    let raw = B256::repeat_byte(5);
    let claim = Claim::Emitted { chain: chain(), block: BLOCK, log_index: 3, raw };
    let says = |operator, block, index, raw| Said {
        operator: name(operator),
        statement: Statement::Record { block, index, raw },
    };
    let there = vec![says("a", BLOCK, 3, Some(raw)), says("b", BLOCK, 3, Some(raw))];
    assert!(matches!(judge(&claim, there, 2), Verdict::Proven(_)));
    let other = vec![says("a", BLOCK, 3, None), says("b", BLOCK, 3, Some(B256::ZERO))];
    assert!(matches!(judge(&claim, other, 2), Verdict::Refuted(..)), "both say that it is not there");
    let fork = BlockRef { height: 70, hash: B256::ZERO };
    let elsewhere = vec![says("a", fork, 3, Some(raw)), says("b", BLOCK, 4, Some(raw))];
    assert!(matches!(judge(&claim, elsewhere, 1), Verdict::Undecided(_)), "another block, another place");
}

#[test]
fn other_claims_other_chains_and_broken_bytes_are_undecided() {
    let included = Claim::Included { chain: chain(), block: BLOCK, transaction: B256::ZERO, code: None };
    let said = vec![word("a", 70, Some(9)), word("b", 70, Some(9))];
    assert!(matches!(judge(&included, said.clone(), 2), Verdict::Undecided(Undecided::NoVerifier { .. })));
    let good = ReportEvidence { said, certificate: None }.to_evidence();
    for end in 0..good.bytes.len() {
        let cut = Evidence { bytes: good.bytes[..end].to_vec(), ..good.clone() };
        let verdict = ReportSystem::default().verify(&at_least(9), &cut, &trust(2));
        assert!(matches!(verdict, Verdict::Undecided(_)), "cut at {end}");
    }
    let certificate = Some(Certificate::Tower { votes: Vec::new() });
    let with = ReportEvidence { said: vec![word("a", 70, Some(9)), word("b", 70, Some(9))], certificate };
    let verdict = ReportSystem::default().verify(&at_least(9), &with.to_evidence(), &trust(2));
    assert!(matches!(verdict, Verdict::Undecided(_)), "a certificate counts by a pinned table only");
}
