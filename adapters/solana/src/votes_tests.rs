#![allow(clippy::arithmetic_side_effects, reason = "tests fail by panicking")]

use portcullis_adapter::Prove;
use portcullis_verifier::{
    BlockRef, Claim, Quorum, Slug, System, Trust, Verdict,
    solana::{Certificate, ReportEvidence, ReportSystem, Scrutiny, system_name},
};

use super::*;
use crate::{
    Solana,
    fixture::{Node, SLOT, Validator, blockhash, chain, config, pinned_in, table, validators, vote, vote_by},
};

fn stakes() -> Stakes {
    table().open().unwrap()
}

/// Blocks behind the slot: nobody's votes, those of some, those of others.
fn following(first: &[&Validator], second: &[&Validator]) -> Vec<(u64, Vec<Vec<u8>>)> {
    let votes = |who: &[&Validator]| who.iter().map(|one| vote(one, SLOT)).collect::<Vec<_>>();
    vec![
        (SLOT, Vec::new()),
        (SLOT + 1, votes(first)),
        (SLOT + 3, votes(second)),
        (SLOT + 4, Vec::new()),
        (SLOT + 5, Vec::new()),
    ]
}

fn claim() -> Claim {
    let block = BlockRef { height: SLOT, hash: blockhash(SLOT) };
    Claim::Emitted { chain: chain(), block, log_index: 0, raw: B256::repeat_byte(1) }
}

fn trust(solana: &Solana) -> Trust {
    let operators = ["ada", "ben", "cleo"].map(|name| Slug::new(name).unwrap()).to_vec();
    let pinned = solana.stakes().map(|stakes| (system_name(), stakes.to_bytes()));
    Trust { operators, quorum: 2, now: 0, pinned: pinned.into_iter().collect() }
}

async fn three(blocks: [Vec<(u64, Vec<Vec<u8>>)>; 3]) -> [Node; 3] {
    let [a, b, c] = blocks;
    [Node::start(a).await, Node::start(b).await, Node::start(c).await]
}

/// What the prover gathers, and what the verifier says of it: twice, byte for byte the same.
async fn judged(solana: &Solana) -> (Option<Certificate>, Verdict) {
    let evidence = solana.prover().evidence(&claim()).await.unwrap();
    let system = ReportSystem { scrutiny: Scrutiny::Every };
    let verdict = system.verify(&claim(), &evidence, &trust(solana));
    let decoded = ReportEvidence::decode(&evidence.bytes).unwrap();
    assert_eq!(decoded.to_evidence(), evidence, "what is kept is what was gathered");
    assert_eq!(system.verify(&claim(), &decoded.to_evidence(), &trust(solana)), verdict);
    (decoded.certificate, verdict)
}

#[tokio::test]
async fn stake_stands_beside_what_operators_report_and_binds_nothing_more() {
    let folder = tempfile::tempdir().unwrap();
    let all = validators();
    let blocks = following(&[&all[3], &all[1]], &[&all[0], &all[2]]);
    let nodes = three([blocks.clone(), blocks.clone(), blocks]).await;
    let solana = Solana::new(config(&nodes.each_ref(), 2, Some(pinned_in(folder.path())))).unwrap();
    let (certificate, verdict) = judged(&solana).await;
    let Some(Certificate::Tower { votes }) = certificate else { panic!("{certificate:?}") };
    assert_eq!(votes.len(), 3, "40, 25 and 20 of 100 are enough");
    // All of them say that the record is not there: that is reported, whatever the stake signed.
    let Verdict::Refuted(_, assurance) = verdict else { panic!("{verdict:?}") };
    assert_eq!(assurance.header.signed_bps, Some(8_500));
    assert_eq!(assurance.header.quorum, Some(Quorum { agreeing: 3, of: 3 }));
    assert_eq!(assurance.inclusion, portcullis_verifier::Inclusion::Reported);
    assert!(!assurance.header.final_by_consensus);

    // Nothing is asked for where no table is pinned, and the rest is as it is with one.
    let before = nodes.iter().map(|node| node.asked_for("getBlocks").len()).sum::<usize>();
    let without = Solana::new(config(&nodes.each_ref(), 2, None)).unwrap();
    let (certificate, verdict) = judged(&without).await;
    assert_eq!(certificate, None);
    let Verdict::Refuted(_, reported) = verdict else { panic!("{verdict:?}") };
    assert_eq!(reported.header.signed_bps, None);
    assert_eq!((reported.header.quorum, reported.inclusion), (assurance.header.quorum, assurance.inclusion));
    let after = nodes.iter().map(|node| node.asked_for("getBlocks").len()).sum::<usize>();
    assert_eq!(before, after);
}

#[tokio::test]
async fn who_leaves_votes_out_is_asked_around() {
    let folder = tempfile::tempdir().unwrap();
    let all = validators();
    let honest = following(&[&all[0], &all[1]], &[&all[2]]);
    let silent = following(&[], &[]);
    for liar in 0..3 {
        let mut blocks = [honest.clone(), honest.clone(), honest.clone()];
        blocks[liar] = silent.clone();
        let nodes = three(blocks).await;
        let solana = Solana::new(config(&nodes.each_ref(), 2, Some(pinned_in(folder.path())))).unwrap();
        let (certificate, _) = judged(&solana).await;
        assert!(certificate.is_some(), "operator {liar} leaves votes out");
    }
}

/// SECURITY: one operator's list of blocks does not decide which blocks are looked through.
#[tokio::test]
async fn who_lists_blocks_that_are_not_there_hides_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let all = validators();
    let votes: Vec<Vec<u8>> = all.iter().map(|one| vote(one, SLOT)).collect();
    let honest = vec![(SLOT, Vec::new()), (SLOT + 6, votes)];
    let bogus: Vec<(u64, Vec<Vec<u8>>)> = (SLOT..SLOT + 6).map(|slot| (slot, Vec::new())).collect();
    for liar in 0..3 {
        let mut blocks = [honest.clone(), honest.clone(), honest.clone()];
        blocks[liar] = bogus.clone();
        let nodes = three(blocks).await;
        let solana = Solana::new(config(&nodes.each_ref(), 2, Some(pinned_in(folder.path())))).unwrap();
        let found = votes_for(&solana.network, &solana.stakes().unwrap(), SLOT).await;
        assert_eq!(found.map(|votes| votes.len()).ok(), Some(3), "operator {liar} makes blocks up");
    }
}

#[tokio::test]
async fn too_few_votes_say_nothing_of_stake_and_take_nothing_from_reports() {
    let folder = tempfile::tempdir().unwrap();
    let all = validators();
    let blocks = following(&[&all[0]], &[&all[1]]);
    let nodes = three([blocks.clone(), blocks.clone(), blocks]).await;
    let solana = Solana::new(config(&nodes.each_ref(), 2, Some(pinned_in(folder.path())))).unwrap();
    let pinned = solana.stakes().unwrap();
    let found = votes_for(&solana.network, &pinned, SLOT).await;
    assert!(matches!(found, Err(NoTally::TooFew { slot: SLOT, tallied: 65, total: 100, .. })), "{found:?}");
    // Each question costs megabytes of a public chain: there is a bound on them.
    let asked: usize = nodes.iter().map(|node| node.asked_for("getBlock").len()).sum();
    assert!(asked <= limits::VOTES_BLOCKS_MAX, "{asked}");
    let (certificate, verdict) = judged(&solana).await;
    assert_eq!(certificate, None);
    let Verdict::Refuted(_, assurance) = verdict else { panic!("{verdict:?}") };
    assert_eq!((assurance.header.signed_bps, assurance.header.quorum.unwrap().agreeing), (None, 3));
}

#[tokio::test]
async fn votes_that_come_late_are_waited_for_and_no_longer_than_was_pinned() {
    let folder = tempfile::tempdir().unwrap();
    let all = validators();
    let nodes = three([vec![(SLOT, Vec::new())], vec![(SLOT, Vec::new())], vec![(SLOT, Vec::new())]]).await;
    let source = pinned_in(folder.path());
    let solana = Solana::new(config(&nodes.each_ref(), 2, Some(source.clone()))).unwrap();
    let pinned = solana.stakes().unwrap();
    let search = votes_for(&solana.network, &pinned, SLOT);
    let later = async {
        // The next block is confirmed only after somebody asked for it in vain.
        while nodes.iter().all(|node| node.asked_for("getBlocks").is_empty()) {
            tokio::task::yield_now().await;
        }
        for node in &nodes {
            let votes = all.iter().map(|one| vote(one, SLOT)).collect();
            node.blocks.lock().unwrap().insert(SLOT + 1, votes);
        }
    };
    let (found, ()) = tokio::join!(search, later);
    assert_eq!(found.unwrap().len(), 3);
    let impatient = crate::stakes::StakeSource { wait_ms: 0, ..source };
    let solana = Solana::new(config(&nodes.each_ref(), 2, Some(impatient))).unwrap();
    let found = votes_for(&solana.network, &solana.stakes().unwrap(), SLOT + 50).await;
    assert!(matches!(found, Err(NoTally::TooFew { blocks: 0, .. })), "{found:?}");
}

#[tokio::test]
async fn a_table_of_another_epoch_tells_nothing_and_nobody_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    let nodes = three([following(&[], &[]), following(&[], &[]), following(&[], &[])]).await;
    let solana = Solana::new(config(&nodes.each_ref(), 2, Some(pinned_in(folder.path())))).unwrap();
    let pinned = solana.stakes().unwrap();
    for slot in [SLOT - 101, SLOT + 100] {
        let found = votes_for(&solana.network, &pinned, slot).await;
        assert!(
            matches!(found, Err(NoTally::Table { source: SolanaProofError::OtherEpoch { .. }, .. })),
            "{found:?}"
        );
        assert!(!pinned.covers(slot));
    }
    assert!(pinned.covers(SLOT - 100) && pinned.covers(SLOT + 99));
    assert!(nodes.iter().all(|node| node.asked.lock().unwrap().is_empty()));
}

#[tokio::test]
async fn where_validators_agree_by_other_rules_no_vote_counts_any_more() {
    let folder = tempfile::tempdir().unwrap();
    let all = validators();
    let blocks = following(&[&all[0], &all[1], &all[2]], &[]);
    let nodes = three([blocks.clone(), blocks.clone(), blocks]).await;
    let solana = Solana::new(config(&nodes.each_ref(), 2, Some(pinned_in(folder.path())))).unwrap();
    let pinned = solana.stakes().unwrap();
    let counted = solana.prover().evidence(&claim()).await.unwrap();
    pinned.regime(true);
    let found = votes_for(&solana.network, &pinned, SLOT).await;
    assert!(
        matches!(found, Err(NoTally::Table { source: SolanaProofError::RegimeNotImplemented { .. }, .. })),
        "{found:?}"
    );
    // What was gathered before, or is brought by somebody else, proves nothing under the table as it is now.
    let verdict = ReportSystem::default().verify(&claim(), &counted, &trust(&solana));
    assert!(matches!(verdict, Verdict::Undecided(_)), "{verdict:?}");
    // What operators report counts as before.
    let (certificate, verdict) = judged(&solana).await;
    assert!(certificate.is_none() && matches!(verdict, Verdict::Refuted(..)));
    pinned.regime(false);
    assert!(votes_for(&solana.network, &pinned, SLOT).await.is_ok());
}

#[test]
fn only_votes_that_the_verifier_takes_are_kept_and_each_voter_once() {
    let (stakes, all) = (stakes(), validators());
    let good = vote(&all[0], SLOT);
    let mut forged = vote(&all[1], SLOT);
    forged[10] ^= 1;
    let stranger = vote_by(&all[0].key, B256::repeat_byte(0x77), SLOT, B256::repeat_byte(8));
    let usurped = vote_by(&all[0].key, all[1].account, SLOT, B256::repeat_byte(8));
    let unnamed = vote_by(&all[1].key, all[1].account, SLOT, B256::ZERO);
    let elsewhere = vote(&all[1], SLOT + 1);
    let mut found = Found::default();
    let cut = good[..good.len() - 1].to_vec();
    found.take(&stakes, SLOT, vec![good.clone(), good, forged, stranger, usurped, unnamed, elsewhere, cut]);
    assert_eq!(found.most(), 40);
    assert!(found.enough(&stakes).is_none());
    // Two blocks of one slot are two tallies.
    let fork = |one: &Validator| vote_by(&one.key, one.account, SLOT, B256::repeat_byte(9));
    found.take(&stakes, SLOT, all.iter().skip(1).map(fork).collect());
    assert_eq!(found.most(), 60);
    assert!(found.enough(&stakes).is_none(), "40 for one and 60 for the other are enough for neither");
    found.take(&stakes, SLOT, vec![vote(&all[1], SLOT), vote(&all[3], SLOT)]);
    let votes = found.enough(&stakes).unwrap();
    let certificate = Certificate::Tower { votes };
    let signed = certificate.verify(&stakes, Scrutiny::Every).unwrap();
    // The vote without a block id stands alone.
    assert_eq!(found.blocks.len(), 3);
    assert_eq!((signed.value().slot, signed.value().block_id), (SLOT, B256::repeat_byte(8)));
}

/// SECURITY: who tells a block of forgeries costs a bounded number of signatures.
#[test]
fn forgeries_cost_no_more_than_their_bound() {
    let (stakes, all) = (stakes(), validators());
    let mut forged = vote(&all[0], SLOT);
    forged[10] ^= 1;
    let mut found = Found::default();
    found.take(&stakes, SLOT, vec![forged; 100]);
    assert_eq!(found.tried, stakes.table().voters.len() * limits::VOTES_TRIED_EACH);
}
