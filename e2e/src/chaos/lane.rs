//! The lane that closes gates is hindered: refused, outpaid, out of money, its nonces taken by somebody else.
//!
//! Each hits one chain; the other one closes at once. The attempt goes on until the gate is closed, and people are told
//! meanwhile.

use std::sync::Arc;

use alloy::primitives::{B256, Bytes, U256};
use eyre::{Result, bail, ensure};
use futures::FutureExt;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio::time::{Duration, Instant, sleep};

use super::check::{self, Expect};
use super::scene::Scene;
use super::{Case, Outcome};
use crate::chain::Rpc;
use crate::keys::{Call, Key};
use crate::lab::Side;
use crate::nodes::Heads;
use crate::proxy::{Fault, Rule};
use crate::service::Tuning;
use crate::trial::PATIENCE;

/// How long a chain refuses the pause.
const REFUSED: Duration = Duration::from_secs(60);

pub(super) const CASES: &[Case] = &[
    Case {
        name: "lane-refused",
        fault: "every endpoint of one chain refuses the pause for 60 s (300 blocks; an hour of recorded time)",
        injected: "eth_sendRawTransaction answers an error",
        quick: false,
        run: |seed| refused(seed).boxed(),
    },
    Case {
        name: "lane-nonce-taken",
        fault: "somebody else uses the containment key and takes its nonces, before and while it pauses",
        injected: "outside transactions with the same nonces and ten times the fee, on both chains",
        quick: true,
        run: |seed| nonce_taken(seed).boxed(),
    },
    Case {
        name: "lane-no-gas",
        fault: "the containment account of one chain has no money for 8 s",
        injected: "anvil_setBalance",
        quick: false,
        run: |seed| no_gas(seed).boxed(),
    },
    Case {
        name: "lane-fee-spike",
        fault: "the base fee of one chain jumps to 400 gwei and stays",
        injected: "anvil_setNextBlockBaseFeePerGas at every block",
        quick: false,
        run: |seed| fee_spike(seed).boxed(),
    },
];

/// Waits until nothing gets out of one chain.
async fn closed(side: &Side) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while !side.closed().await? {
        ensure!(Instant::now() < deadline, "{} is still open", side.caip2());
        sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

/// The other chain closes while the attacked one is hindered; gives how long that took from the first false release.
async fn other_closes(scene: &Scene) -> Result<Duration> {
    let first = scene.first_false_release().await?;
    closed(&scene.trial.world.moonbeam).await?;
    ensure!(!scene.trial.world.ethereum.closed().await?, "the hindered chain closed all the same");
    Ok(first.seen.elapsed())
}

/// People were told that a gate does not close.
async fn told_of_delay(scene: &Scene) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let query = "SELECT count(*) FROM timeline WHERE detail LIKE '%no endpoint took it%'";
        let told = scene.trial.books().await?.count(query).await?;
        if told > 0 && check::paged(&scene.trial).await? {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "nobody was told that the pause is refused");
        sleep(Duration::from_millis(50)).await;
    }
}

async fn refused(seed: u64) -> Result<Outcome> {
    let scene = Scene::start(seed, Tuning::default()).await?;
    let side = &scene.trial.world.ethereum;
    let no = Fault::Refuse { code: -32000, message: "transactions are not taken at the moment" };
    side.disturb(seed, &[Rule::everywhere("eth_sendRawTransaction", no)]);
    let play = scene.play();
    let other = other_closes(&scene).await?;
    told_of_delay(&scene).await?;
    sleep(REFUSED).await;
    ensure!(!side.closed().await?, "closed although nobody took a transaction");
    side.disturb(seed, &[]);
    let lifted = Instant::now();
    closed(side).await?;
    let after = lifted.elapsed();
    play.finish().await?;
    let outcome = check::verdict(&scene, Expect::default()).await?;
    ensure!(outcome.paged, "nobody was told");
    Ok(outcome.noting(format!(
        "the other chain closed after {} ms, this one {} ms after the refusal ended",
        other.as_millis(),
        after.as_millis()
    )))
}

/// A transaction of the containment key that does nothing.
fn idle(rpc: &Rpc, key: &Key, nonce: u64, fee: u128) -> Result<Bytes> {
    let call = Call { to: Some(key.address()), input: Bytes::new(), gas: 30_000, max_fee: fee, tip: fee };
    Ok(key.sign(rpc.chain_id, nonce, &call)?.raw)
}

/// Takes nonces of a key as soon as the service has used them, so many times; gives how many were taken.
async fn usurp(side: Arc<Rpc>, key: Key, times: u32) -> Result<u32> {
    let mut taken = 0;
    let deadline = Instant::now() + PATIENCE;
    while taken < times && Instant::now() < deadline {
        let confirmed: U256 = side.call("eth_getTransactionCount", json!([key.address(), "latest"])).await?;
        let pending = side.nonce(key.address()).await?;
        if pending > confirmed.saturating_to::<u64>() {
            // The service's transaction waits for its block: ten times its fee takes its place.
            let raw = idle(&side, &key, confirmed.saturating_to(), 5_000_000_000_000)?;
            if side.send_raw(&raw).await.is_ok() {
                taken += 1;
            }
        }
        sleep(Duration::from_millis(2)).await;
    }
    Ok(taken)
}

async fn nonce_taken(seed: u64) -> Result<Outcome> {
    let scene = Scene::start(seed, Tuning::default()).await?;
    let key = scene.trial.world.crew.tripper.clone();
    // Before: nonces that the service has read are used up at once, unseen by it until the next head.
    for side in scene.trial.world.sides() {
        let rpc = &side.node.rpc;
        let nonce = rpc.nonce(key.address()).await?;
        rpc.send_raw(&idle(rpc, &key, nonce, 100_000_000_000)?).await?;
    }
    let rivals: Vec<JoinHandle<Result<u32>>> = scene
        .trial
        .world
        .sides()
        .map(|side| tokio::spawn(usurp(Arc::clone(&side.node.rpc), key.clone(), 2)))
        .into();
    scene.trial.play().await?;
    let outcome = check::verdict(&scene, Expect::default()).await?;
    let mut taken = 0;
    for rival in rivals {
        rival.abort();
        taken += match rival.await {
            Ok(count) => count?,
            Err(_stopped) => 0,
        };
    }
    ensure!(taken > 0, "the rival took no nonce");
    Ok(outcome.noting(format!("{taken} nonces were taken while it paused")))
}

async fn no_gas(seed: u64) -> Result<Outcome> {
    let scene = Scene::start(seed, Tuning::default()).await?;
    let side = &scene.trial.world.ethereum;
    let account = scene.trial.world.crew.tripper.address();
    let _null: Value = side.node.rpc.call("anvil_setBalance", json!([account, U256::from(1)])).await?;
    let play = scene.play();
    let other = other_closes(&scene).await?;
    told_of_delay(&scene).await?;
    sleep(Duration::from_secs(8)).await;
    ensure!(!side.closed().await?, "closed without money");
    side.node.rpc.fund(account).await?;
    let lifted = Instant::now();
    closed(side).await?;
    let after = lifted.elapsed();
    play.finish().await?;
    let outcome = check::verdict(&scene, Expect::default()).await?;
    Ok(outcome.noting(format!(
        "the other chain closed after {} ms, this one {} ms after the account was filled",
        other.as_millis(),
        after.as_millis()
    )))
}

async fn fee_spike(seed: u64) -> Result<Outcome> {
    const SPIKE_WEI: u64 = 400_000_000_000;
    let scene = Scene::start(seed, Tuning::default()).await?;
    let side = &scene.trial.world.ethereum;
    let (rpc, mut heads) = (Arc::clone(&side.node.rpc), side.heads.latest.clone());
    let play = scene.play();
    scene.first_false_release().await?;
    let spike = tokio::spawn(async move {
        loop {
            let set: Result<Value> =
                rpc.call("anvil_setNextBlockBaseFeePerGas", json!([U256::from(SPIKE_WEI)])).await;
            if set.is_err() || Heads::next(&mut heads).await.is_err() {
                return;
            }
        }
    });
    let ended = check::all_closed(&scene.trial, PATIENCE).await;
    spike.abort();
    ended?;
    play.finish().await?;
    let outcome = check::verdict(&scene, Expect::default()).await?;
    let Some(paid) = dearest(&scene, side).await? else { bail!("no pause landed") };
    Ok(outcome.noting(format!("the pause landed at a base fee of {} gwei", paid / 1_000_000_000)))
}

/// Base fee of the block in which the last pause landed, wei.
async fn dearest(scene: &Scene, side: &Side) -> Result<Option<u64>> {
    let logs = side.node.rpc.all_logs(side.deployed.guard, side.deployed.from_height).await?;
    let ours: Vec<B256> = scene.trial.submitted().into_iter().collect();
    let Some(height) =
        logs.iter().filter(|log| ours.contains(&log.transaction_hash)).map(|log| log.block_number).max()
    else {
        return Ok(None);
    };
    Ok(side.node.rpc.block(height).await?.map(|block| block.base_fee_per_gas))
}
