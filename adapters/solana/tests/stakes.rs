//! Stake beside reports on a real node: the table as it tells it, the votes that it casts, the certificate that it has not.
#![allow(clippy::unwrap_used, clippy::panic, clippy::arithmetic_side_effects, clippy::indexing_slicing)]

mod support;

use std::{collections::BTreeMap, sync::Arc};

use portcullis_adapter::{Prove, conformance::TrueEvent};
use portcullis_rpc::testing::{Fault, Rewrite};
use portcullis_solana::{Solana, SolanaConfig, devnet::DevnetConfig, stakes::StakeSource};
use portcullis_verifier::{
    Assurance, BlockRef, ChainId, Claim, Inclusion, Quorum, System, Trust, Verdict,
    solana::{ReportEvidence, ReportSystem, Scrutiny, system_name},
};
use serde_json::json;
use support::{World, names, node_available};

const ALL: Option<Quorum> = Some(Quorum { agreeing: 3, of: 3 });

/// A chain whose table of stakes is pinned as its operators tell it now.
async fn pinned(world: &World, folder: &std::path::Path) -> Solana {
    let made = Solana::new(world.config()).unwrap().stakes_now().await.unwrap();
    assert_eq!((made.agreeing.len(), made.others.len()), (3, 0), "{made:?}");
    let voters = made.table.voters.as_slice();
    assert!(
        matches!(voters, [one] if one.authority.is_some() && one.stake == made.table.total),
        "{voters:?}"
    );
    let file = folder.join("stakes.bin");
    std::fs::write(&file, &made.bytes).unwrap();
    let source = StakeSource { file, sha256: made.sha256, epoch: made.table.epoch, wait_ms: 5_000 };
    Solana::new(SolanaConfig { stakes: Some(source), ..world.config() }).unwrap()
}

fn claim(world: &World, event: TrueEvent) -> Claim {
    let block = BlockRef { height: event.height, hash: event.block_hash };
    let chain = ChainId::new(&world.node.chain()).unwrap();
    Claim::Emitted { chain, block, log_index: event.index, raw: event.raw }
}

/// What the verifier says of a claim, with what kept evidence says once more.
async fn judged(solana: &Solana, claim: &Claim) -> Assurance {
    let evidence = solana.prover().evidence(claim).await.unwrap();
    let pinned = solana.stakes().map(|stakes| (system_name(), stakes.to_bytes()));
    let pinned: BTreeMap<_, _> = pinned.into_iter().collect();
    let trust = Trust { operators: names(), quorum: 2, now: 0, pinned };
    let system = ReportSystem { scrutiny: Scrutiny::Every };
    let verdict = system.verify(claim, &evidence, &trust);
    let kept = ReportEvidence::decode(&evidence.bytes).unwrap().to_evidence();
    assert_eq!((&kept, &system.verify(claim, &kept, &trust)), (&evidence, &verdict));
    let Verdict::Proven(assurance) = verdict else { panic!("{verdict:?}") };
    assert_eq!(assurance.inclusion, Inclusion::Reported, "a tally binds no transaction");
    assert!(!assurance.header.final_by_consensus);
    assurance
}

/// A mint in a block that was voted for.
///
/// A validator that falls behind, as on a busy machine, votes for a later block and never for the one before: of that one
/// nothing can be said of stake, and what is reported of it must count all the same.
async fn voted_for(world: &World, solana: &Solana) -> Claim {
    for _ in 0..5 {
        let slot = world.mints(1).await;
        let (_, events) = world.truth().await;
        let claim = claim(world, events.into_iter().find(|event| event.height == slot).unwrap());
        let assurance = judged(solana, &claim).await;
        println!("slot {slot}: {assurance:?}");
        assert_eq!(assurance.header.quorum, ALL);
        if let Some(signed) = assurance.header.signed_bps {
            assert_eq!(signed, 10_000, "the only validator has all of the stake");
            return claim;
        }
    }
    panic!("of five blocks none was voted for");
}

/// A block whose votes are left out.
fn no_votes() -> Rewrite {
    Arc::new(|_, params, mut honest| {
        if params[1]["encoding"] == "base64" {
            honest["transactions"] = json!([]);
        }
        Some(honest)
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_only_validator_s_stake_stands_beside_what_is_reported() {
    if !node_available() {
        return;
    }
    // Slots as long as they are elsewhere: a vote for one of 50 ms comes more than four blocks later when the machine is busy.
    let world = World::with(DevnetConfig::default()).await;
    let folder = tempfile::tempdir().unwrap();
    let solana = pinned(&world, folder.path()).await;
    let checks = solana.dial().await;
    for (check, text) in [("regime", "vote in towers"), ("stakes", "table of epoch 0")] {
        let found: Vec<_> = checks.iter().filter(|one| one.check.as_str() == check).collect();
        assert!(
            !found.is_empty() && found.iter().all(|one| one.ok && one.detail.contains(text)),
            "{found:?}"
        );
    }

    let claim = voted_for(&world, &solana).await;

    // Who leaves votes out is asked around; where all of them do, what they report still counts.
    world.proxies[0].set("getBlock", Fault::Lie(no_votes()));
    world.proxies[1].set("getBlock", Fault::Lie(no_votes()));
    assert_eq!(judged(&solana, &claim).await.header.signed_bps, Some(10_000));
    world.proxies[2].set("getBlock", Fault::Lie(no_votes()));
    let assurance = judged(&solana, &claim).await;
    assert_eq!((assurance.header.signed_bps, assurance.header.quorum), (None, ALL));
}
