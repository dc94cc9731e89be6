//! Evidence of the Solana family for claims whose truth is known.

use std::sync::LazyLock;

use portcullis_verifier::solana::{ShredEvidence, system_name};
use portcullis_verifier::{Claim, Evidence, Inclusion, Verdict};

use super::{choice, shreds_fixture as fixture};
use crate::Target;

pub(crate) const TARGET: Target = Target {
    name: "shred-evidence",
    what: "evidence of the Solana family: by stake, a false claim is never proven, a true one never refuted",
    most_bytes: 32 << 10,
    feed,
    seeds,
};

/// Claims about one block, each with its truth.
static CLAIMS: LazyLock<Vec<(Claim, bool)>> = LazyLock::new(claims);

fn claims() -> Vec<(Claim, bool)> {
    let made = fixture::claimed();
    let mut elsewhere = made.clone();
    elsewhere.slot += 2;
    vec![
        (made.claim(&made.transactions[0], None), true),
        (made.claim(&made.transactions[5], None), true),
        (made.claim(&made.transactions[1], Some(0)), true),
        (made.claim(&fixture::transfer(77), None), false),
        (elsewhere.claim(&made.transactions[0], None), false),
    ]
}

fn feed(bytes: &[u8]) {
    let (which, bytes) = choice(bytes);
    let (claim, truth) = &CLAIMS[which % CLAIMS.len()];
    if let Ok(decoded) = ShredEvidence::decode(bytes) {
        assert_eq!(decoded.to_evidence().bytes, bytes, "a second encoding");
    }
    let evidence = Evidence { system: system_name(), bytes: bytes.to_vec() };
    let verdict = fixture::verdict_of(claim, &evidence);
    // SECURITY: what operators report is their word, and evidence may hold any; what is shown under a signed block is
    // not.
    let by_stake =
        verdict.assurance().is_some_and(|assurance| assurance.inclusion == Inclusion::MerkleProved);
    if by_stake {
        assert!(verdict.assurance().and_then(|had| had.header.signed_bps).is_some_and(|share| share > 6_666));
        match verdict {
            Verdict::Proven(_) => assert!(truth, "a false claim is proven: {claim:?}"),
            Verdict::Refuted(..) => assert!(!truth, "a true claim is refuted: {claim:?}"),
            Verdict::Undecided(_) => {}
        }
    } else if let Some(assurance) = verdict.assurance() {
        assert!(assurance.header.quorum.is_some_and(|quorum| quorum.agreeing >= 2));
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let (made, after) = (fixture::claimed(), fixture::child());
    let one = &made.transactions[1];
    let reports = vec![made.report("one", one, 0), made.report("two", one, 0)];
    let through = ShredEvidence {
        reports: Vec::new(),
        certificate: Some(after.votes(&fixture::validators())),
        blocks: vec![after.shreds(), made.shreds()],
    };
    let said = ShredEvidence { reports, certificate: None, blocks: Vec::new() };
    let whole = ShredEvidence { reports: said.reports.clone(), ..fixture::shown() };
    let mut seeds = Vec::new();
    for shape in [fixture::shown(), through, said, whole] {
        for which in 0..CLAIMS.len() {
            let which = u8::try_from(which).expect("few claims");
            seeds.push([vec![which], shape.to_evidence().bytes].concat());
        }
    }
    seeds
}
