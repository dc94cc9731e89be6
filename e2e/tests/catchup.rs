//! What the bench measures about catching up, on a small chain: that it measures what it says.

use e2e::bench::catchup;
use e2e::tools;

const BLOCKS: u64 = 2_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_log_of_the_chain_is_delivered_while_it_is_timed() -> eyre::Result<()> {
    if tools::anvil().is_err() && std::env::var("PORTCULLIS_REQUIRE_ALL").as_deref() != Ok("1") {
        eprintln!("SKIPPED: no node; run `cargo xtask setup`");
        return Ok(());
    }
    let mut heard = 0;
    let caught = catchup::measure(BLOCKS, |_| heard += 1).await?;
    // A run that misses a log is an error of the measurement, not a fast one.
    assert_eq!((caught.events, heard), (BLOCKS / catchup::LOG_EVERY, 0));
    assert!(caught.observed > 0.0 && caught.bare > 0.0, "{caught:?}");
    eprintln!("{:.0} blocks/s, bare {:.0} blocks/s", caught.observed, caught.bare);
    Ok(())
}
