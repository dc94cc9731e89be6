//! The demonstration keeps its promises on the compact scenario, first minutes.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use e2e::demo::{self, Options};
use e2e::screen::Screen;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_compact_attack_is_stopped_as_promised() {
    let mut screen = Screen::new(true);
    let options = Options { compact: true, lead: 300, until: Some(900), seed: 11, ..Options::default() };
    let finished = demo::run(options, &mut screen).await.unwrap();
    let summary = &finished.summary;
    assert_eq!(summary.broken_promises(), Vec::<String>::new(), "{}", finished.service.told.tail(60));
    assert_eq!(summary.families, ["evm"]);
    assert_eq!(summary.contain.len(), 2);
    let (landed, refused) = summary.attacks;
    assert!((1..=4).contains(&landed), "{landed} false releases landed");
    assert_eq!(landed + refused, 14, "seven of 100 WBTC and seven of 3 WBTC are played");
    for side in &summary.contain {
        assert!(side.observed_to_broadcast_ms.is_some_and(|ms| ms > 0.0), "{side:?}");
    }
    assert!((159_500_000.0..159_700_000.0).contains(&summary.lost_without_us_usd));
    // Honest deliveries are late, not lost: the relayer finds the gate closed, the message stays unconsumed.
    let told: serde_json::Value = serde_json::from_str(&summary.json()).unwrap();
    assert_eq!(told["replay_equal"], true);
}
