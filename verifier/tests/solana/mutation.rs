//! Broken evidence proves nothing: every way to break it that can be enumerated, and its count.
//!
//! All signatures and all hashes are verified here. What no proof rests on (the leader's and the retransmitter's
//! signatures of a shred) is not in evidence, so that every bit of it counts; a mutant that decides anything fails.

use portcullis_verifier::{
    B256, BlockRef, ChainId, Claim, Evidence, Inclusion, OperatorId, System, Trust, Verdict,
    solana::{
        Block, Certificate, ReportEvidence, ReportSystem, Said, Scrutiny, ShredEvidence, StakeTable,
        Statement, check_vote, read_entries, system_name, verify_entries,
    },
};

use crate::{
    fixture::{
        SLOT, chain, child, claimed, lay_out, shown, shred, table, trust, validators, verdict_of, vote,
    },
    testnet::votes_for_parent,
    vectors::{Testnet, say},
};

/// How mutants ended.
#[derive(Default)]
struct Tally {
    rejected: usize,
    accepted: Vec<String>,
}

impl Tally {
    fn judge(&mut self, name: impl FnOnce() -> String, accepted: bool) {
        if accepted {
            self.accepted.push(name());
        } else {
            self.rejected += 1;
        }
    }

    /// Says how many there were, which may not become fewer unseen.
    fn check(&self, what: &str, least: usize) -> usize {
        say(&format!("mutants of {what}: {} rejected, {} accepted", self.rejected, self.accepted.len()));
        assert_eq!(self.accepted, [""; 0], "{what}");
        assert!(self.rejected >= least, "{what}: only {} mutants", self.rejected);
        self.rejected
    }
}

/// All flips of one bit and all cuts of a byte string; of a long one, an even sample from a different start each time.
fn broken(bytes: &[u8], start: usize, step: usize) -> impl Iterator<Item = (String, Vec<u8>)> + '_ {
    let flips = (start % step..bytes.len() * 8).step_by(step).map(|at| {
        let mut mutant = bytes.to_vec();
        mutant[at / 8] ^= 1 << (at % 8);
        (format!("bit {} of byte {}", at % 8, at / 8), mutant)
    });
    let cuts =
        (start % step..bytes.len()).step_by(step).map(|at| (format!("cut at {at}"), bytes[..at].to_vec()));
    flips.chain(cuts)
}

/// Claims with evidence of every shape, and which bits of it are flipped.
fn subjects() -> Vec<(&'static str, usize, Claim, ShredEvidence)> {
    let (made, after) = (claimed(), child());
    let one = &made.transactions[1];
    let reports = || vec![made.report("one", one, 0), made.report("three", one, 0)];
    let said = ShredEvidence { reports: reports(), certificate: None, blocks: Vec::new() };
    let tallied = ShredEvidence { certificate: Some(made.votes(&validators()[..3])), ..said.clone() };
    let whole = ShredEvidence { reports: reports(), ..shown() };
    let through = ShredEvidence {
        reports: Vec::new(),
        certificate: Some(after.votes(&validators()[1..])),
        blocks: vec![after.shreds(), made.shreds()],
    };
    vec![
        ("reports", 1, made.claim(one, Some(0)), said),
        ("reports and votes", 1, made.claim(one, None), tallied),
        ("votes and shreds", 5, made.claim(one, None), shown()),
        ("votes, shreds and reports", 37, made.claim(one, Some(0)), whole),
        ("a block below the signed one", 37, made.claim(one, None), through),
    ]
}

#[test]
fn evidence_with_a_flipped_bit_or_a_cut_proves_and_refutes_nothing() {
    let mut total = 0;
    for (name, step, claim, original) in subjects() {
        let sent = original.to_evidence();
        let verdict = verdict_of(&claim, &sent);
        assert!(matches!(verdict, Verdict::Proven(_)), "{name}: the original must be proven: {verdict:?}");
        let mut tally = Tally::default();
        for (how, bytes) in broken(&sent.bytes, 0, step) {
            let verdict = verdict_of(&claim, &portcullis_verifier::Evidence { bytes, ..sent.clone() });
            tally.judge(|| how, !matches!(verdict, Verdict::Undecided(_)));
        }
        total += tally.check(name, 500);
    }
    say(&format!("mutants of evidence in all: {total} rejected"));
    assert!(total > 20_000, "the harness itself must not shrink unseen: {total}");
}

/// What two operators say of a record, and votes for its block: every bit of it, and every vote, list and table that is
/// exchanged.
#[test]
fn reports_with_votes_beside_them_are_spoiled_by_every_bit() {
    let made = claimed();
    let block = BlockRef { height: made.slot, hash: made.blockhash };
    let raw = B256::repeat_byte(5);
    let claim = Claim::Emitted { chain: chain(), block, log_index: 3, raw };
    let said = |operator| Said {
        operator: OperatorId::new(operator).unwrap(),
        statement: Statement::Record { block, index: 3, raw: Some(raw) },
    };
    let original = ReportEvidence {
        said: vec![said("one"), said("three")],
        certificate: Some(made.votes(&validators()[..3])),
    };
    let system = ReportSystem { scrutiny: Scrutiny::Every };
    let judge = |evidence: &Evidence, trust: &Trust| system.verify(&claim, evidence, trust);
    let Verdict::Proven(assurance) = judge(&original.to_evidence(), &trust(2)) else { panic!("proven") };
    assert_eq!((assurance.header.signed_bps, assurance.inclusion), (Some(8_000), Inclusion::Reported));

    let mut tally = Tally::default();
    let undecided = |verdict| matches!(verdict, Verdict::Undecided(_));
    let sent = original.to_evidence();
    for (how, bytes) in broken(&sent.bytes, 0, 1) {
        tally.judge(|| how, !undecided(judge(&Evidence { bytes, ..sent.clone() }, &trust(2))));
    }
    let good = validators();
    let with = |votes: Vec<Vec<u8>>| {
        ReportEvidence { certificate: Some(Certificate::Tower { votes }), ..original.clone() }.to_evidence()
    };
    let vote_at = |slot| good[..3].iter().map(|one| vote(one, slot, made.block_id)).collect::<Vec<_>>();
    let all = vote_at(made.slot);
    let twice = [all.clone(), all[..1].to_vec()].concat();
    let mut mixed = all.clone();
    mixed[2] = vote(&good[2], made.slot, B256::repeat_byte(9));
    let regime = Some(Certificate::Alpenglow { certificate: vec![1; 96] });
    for (how, evidence) in [
        ("votes for the slot before", with(vote_at(made.slot - 1))),
        ("one vote twice", with(twice)),
        ("votes for two blocks", with(mixed)),
        ("too few votes", with(all[..2].to_vec())),
        ("no votes", with(Vec::new())),
        (
            "a certificate of another regime",
            ReportEvidence { certificate: regime, ..original.clone() }.to_evidence(),
        ),
    ] {
        tally.judge(|| how.to_owned(), !undecided(judge(&evidence, &trust(2))));
    }
    let own = table(&good);
    let next =
        StakeTable { epoch: 8, first_slot: own.last_slot + 1, last_slot: own.last_slot + 200, ..own.clone() };
    let migrated = StakeTable { other_regime_from: Some(own.first_slot), ..own.clone() };
    let elsewhere = StakeTable { chain: ChainId::new("solana:other").unwrap(), ..own };
    for (how, table) in
        [("of the next epoch", next), ("of another regime", migrated), ("of another chain", elsewhere)]
    {
        let pinned = std::collections::BTreeMap::from([(system_name(), table.to_bytes())]);
        tally.judge(|| format!("a table {how}"), !undecided(judge(&sent, &Trust { pinned, ..trust(2) })));
    }
    let nothing = Trust { pinned: std::collections::BTreeMap::new(), ..trust(2) };
    tally.judge(|| "no table".to_owned(), !undecided(judge(&sent, &nothing)));
    tally.check("reports with votes beside them", 10_000);
}

#[test]
fn votes_of_testnet_with_one_thing_changed_do_not_count() {
    let Some(testnet) = Testnet::find() else { return };
    let stakes = testnet.stakes();
    let votes = votes_for_parent(&Block::open(&testnet.parts()).unwrap());
    let mut tally = Tally::default();
    for (index, vote) in votes.iter().enumerate() {
        check_vote(&stakes, vote).unwrap();
        // The first one bit by bit, the others in a step that is no multiple of a field's common lengths.
        for (how, mutant) in broken(vote, index, if index == 0 { 1 } else { 67 }) {
            tally.judge(|| format!("vote {index}: {how}"), check_vote(&stakes, &mutant).is_ok());
        }
    }
    tally.check("testnet's votes", 20_000);
}

#[test]
fn shreds_of_testnet_with_one_thing_changed_make_no_block() {
    let Some(testnet) = Testnet::find() else { return };
    let parts = testnet.parts();
    let own = Block::open(&parts).unwrap();
    // A block that opens must be this very one, which no mutant is.
    let accepted = |parts: &[Vec<u8>]| Block::open(parts).is_ok_and(|block| block.block_id == own.block_id);
    assert!(accepted(&parts));
    let mut tally = Tally::default();
    let mut mutant = parts.clone();
    for at in 0..parts.len() {
        for (how, bytes) in broken(&parts[at], 29 * at, 601) {
            mutant[at] = bytes;
            tally.judge(|| format!("shred {at}: {how}"), accepted(&mutant));
        }
        mutant[at].clone_from(&parts[at]);
        let other = (at + 1) % parts.len();
        mutant.swap(at, other);
        tally.judge(|| format!("shred {at} swapped"), accepted(&mutant));
        mutant.swap(at, other);
        let kept = mutant.remove(at);
        tally.judge(|| format!("shred {at} left out"), accepted(&mutant));
        mutant.insert(at, kept.clone());
        mutant.insert(at, kept);
        tally.judge(|| format!("shred {at} doubled"), accepted(&mutant));
        mutant.remove(at);
        mutant[other] = parts[at].clone();
        tally.judge(|| format!("shred {at} in place of the next"), accepted(&mutant));
        mutant[other].clone_from(&parts[other]);
    }
    tally.check("testnet's shreds", 5_000);
}

/// What proof of history and signatures bind by themselves, whoever laid the batches out.
#[test]
fn entries_with_a_flipped_bit_or_a_cut_do_not_follow() {
    let made = claimed();
    let batches = Block::open(&made.parts).unwrap().batches;
    let mut tally = Tally::default();
    for (index, batch) in batches.iter().enumerate() {
        for (how, bytes) in broken(batch, 0, 1) {
            if bytes.is_empty() {
                continue;
            }
            let mut mutant = batches.clone();
            mutant[index] = bytes;
            let mut leaves = lay_out(SLOT, made.parent_slot, made.block_id, &mutant);
            let block = Block::open(&shred(&mut leaves).0).unwrap();
            let accepted = read_entries(&block).is_ok_and(|entries| {
                let signed = entries
                    .iter()
                    .flat_map(|entry| &entry.transactions)
                    .all(|one| one.verify_signatures().is_ok());
                // A flip high up in a count of hashes asks for millions: refused by its bound or by its hash.
                let few = entries.iter().all(|entry| entry.hashes < 1 << 16);
                signed && few && verify_entries(Some(made.start), &entries).is_ok()
            });
            tally.judge(|| format!("batch {index}: {how}"), accepted);
        }
    }
    tally.check("entries", 14_000);
}
