//! `kill -9` of the service at each of the seven steps. The next life finishes the containment, exactly once in effect.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use eyre::{Result, bail, ensure};
use futures::FutureExt;
use rustix::process::Signal;
use serde_json::{Value, json};

use super::check::{self, Expect};
use super::scene::Scene;
use super::trap::{Moment, Trap};
use super::{Case, Outcome};
use crate::process::signal;
use crate::scenario::Domain;
use crate::service::Tuning;
use crate::timeline::Step;
use crate::trial::{PATIENCE, Trial};

/// With which a transaction is submitted.
const SUBMIT: &str = "eth_sendRawTransaction";

pub(super) const CASES: &[Case] = &[
    Case {
        name: "kill-observe",
        fault: "the service is killed before it has seen the release",
        injected: "SIGKILL as the first endpoint is about to show the log",
        quick: true,
        run: |seed| killed(seed, Moment::Shown, nothing_left).boxed(),
    },
    Case {
        name: "kill-verify",
        fault: "the service is killed while it gathers evidence",
        injected: "SIGKILL as the receipts of the block are asked for",
        quick: false,
        run: |seed| killed(seed, Moment::Asked("eth_getBlockReceipts"), nothing_left).boxed(),
    },
    Case {
        name: "kill-correlate",
        fault: "the service is killed as it opens the incident",
        injected: "SIGKILL at the first line of correlate",
        quick: false,
        run: |seed| killed(seed, Moment::Told(Step::Correlate), anything).boxed(),
    },
    Case {
        name: "kill-decide",
        fault: "the service is killed as it decides",
        injected: "SIGKILL at the first line of decide",
        quick: true,
        run: |seed| killed(seed, Moment::Told(Step::Decide), anything).boxed(),
    },
    Case {
        name: "kill-contain-before-row",
        fault: "the service is killed with signed bytes and no row",
        injected: "the table of attempts is locked; SIGKILL at decide",
        quick: false,
        run: |seed| before_row(seed).boxed(),
    },
    Case {
        name: "kill-contain-after-row",
        fault: "the service is killed with the row written and no node told",
        injected: "SIGKILL as the first bytes arrive; endpoints swallow all",
        quick: true,
        run: |seed| killed(seed, Moment::Swallowed(SUBMIT), no_node_told).boxed(),
    },
    Case {
        name: "kill-contain-after-broadcast",
        fault: "the service is killed as the first node takes the bytes",
        injected: "SIGKILL at the first answer to the submission",
        quick: false,
        run: |seed| killed(seed, Moment::Answered(SUBMIT), some_left).boxed(),
    },
    Case {
        name: "kill-confirm",
        fault: "the service is killed after landing, before the effect is proven",
        injected: "SIGKILL at the first receipt of a trip",
        quick: true,
        run: |seed| killed(seed, Moment::Answered("eth_getTransactionReceipt"), some_landed).boxed(),
    },
    Case {
        name: "kill-recover",
        fault: "the service is killed while closures run out",
        injected: "SIGKILL at the first line of recover; closures of 20 s",
        quick: false,
        run: |seed| while_recovering(seed).boxed(),
    },
];

/// What must be so right after the kill.
type Left = for<'a> fn(&'a Trial) -> futures::future::BoxFuture<'a, Result<()>>;

/// Kills the service at a moment of the attack, looks at what it left, and lets its next life finish.
async fn killed(seed: u64, moment: Moment, left: Left) -> Result<Outcome> {
    let mut scene = Scene::start(seed, Tuning::default()).await?;
    let pid = scene.trial.service.pid();
    let trap = Trap::set(&scene.trial.world, &scene.trial.service, moment, move || signal(pid, Signal::KILL));
    let play = scene.play();
    let at = trap.sprung().await?;
    scene.trial.service.kill().await?;
    on_record(&scene.trial).await?;
    left(&scene.trial).await?;
    Trap::clear(&scene.trial.world);
    let back = revive(&mut scene, at).await?;
    check::all_closed(&scene.trial, PATIENCE).await?;
    play.finish().await?;
    check::one_settled_incident(&scene.trial).await?;
    Ok(check::verdict(&scene, Expect::default()).await?.noting(back))
}

/// Starts it again, and says how long it was away.
async fn revive(scene: &mut Scene, since: Instant) -> Result<String> {
    scene.trial.service.restart().await?;
    Ok(format!("away for {:.1} s", since.elapsed().as_secs_f64()))
}

/// Nobody is there who could still write a row: what left is on record now, or never was before it left.
async fn on_record(trial: &Trial) -> Result<()> {
    let unrecorded = check::unrecorded(trial, true).await?;
    ensure!(unrecorded.is_empty(), "right after the kill: {}", unrecorded.join("; "));
    Ok(())
}

fn anything(_trial: &Trial) -> futures::future::BoxFuture<'_, Result<()>> {
    async { Ok(()) }.boxed()
}

fn nothing_left(trial: &Trial) -> futures::future::BoxFuture<'_, Result<()>> {
    async move {
        ensure!(check::arrivals(trial).is_empty(), "bytes left before the kill");
        ensure!(trial.books().await?.signed().await?.is_empty(), "something was signed before the kill");
        Ok(())
    }
    .boxed()
}

fn some_left(trial: &Trial) -> futures::future::BoxFuture<'_, Result<()>> {
    async move {
        ensure!(!check::arrivals(trial).is_empty(), "nothing left before the kill");
        Ok(())
    }
    .boxed()
}

fn some_landed(trial: &Trial) -> futures::future::BoxFuture<'_, Result<()>> {
    async move {
        let mut trips = 0;
        for side in trial.world.sides() {
            trips += trial.trips(side).await?.len();
        }
        ensure!(trips > 0, "no trip had taken effect before the kill:\n{}", trial.service.told.tail(30));
        Ok(())
    }
    .boxed()
}

fn no_node_told(trial: &Trial) -> futures::future::BoxFuture<'_, Result<()>> {
    async move {
        let arrivals = check::arrivals(trial);
        ensure!(!arrivals.is_empty(), "nothing left before the kill");
        for side in trial.world.sides() {
            for hash in arrivals.keys() {
                let known: Value = side.node.rpc.call("eth_getTransactionByHash", json!([hash])).await?;
                ensure!(known.is_null(), "a node has {hash}");
            }
        }
        Ok(())
    }
    .boxed()
}

/// Postgres answers within a tenth of a second or the journal takes the decision: the kill has to come before that.
/// A busy machine may miss it, and then tries again.
async fn before_row(seed: u64) -> Result<Outcome> {
    for attempt in 0..3 {
        let mut scene = Scene::start(seed + 1_000 * attempt, Tuning::default()).await?;
        let mut books = scene.trial.books().await?;
        books.hold_attempts().await?;
        let pid = scene.trial.service.pid();
        let moment = Moment::Told(Step::Decide);
        let trap =
            Trap::set(&scene.trial.world, &scene.trial.service, moment, move || signal(pid, Signal::KILL));
        let play = scene.play();
        let at = trap.sprung().await?;
        scene.trial.service.kill().await?;
        books.end_waiting().await?;
        drop(books);
        if !check::arrivals(&scene.trial).is_empty() {
            on_record(&scene.trial).await?;
            continue;
        }
        nothing_left(&scene.trial).await?;
        Trap::clear(&scene.trial.world);
        let back = revive(&mut scene, at).await?;
        check::all_closed(&scene.trial, PATIENCE).await?;
        play.finish().await?;
        check::one_settled_incident(&scene.trial).await?;
        return Ok(check::verdict(&scene, Expect::default()).await?.noting(back));
    }
    bail!("three times the journal was faster than the kill")
}

/// Closures that run out while the service is dead and after it came back: gates open by themselves, and nothing
/// closes them again without a new reason.
async fn while_recovering(seed: u64) -> Result<Outcome> {
    let tuning = Tuning { halt_secs: 20 * 60, ..Tuning::default() };
    let mut scene = Scene::start(seed, tuning).await?;
    let pid = scene.trial.service.pid();
    let moment = Moment::Told(Step::Recover);
    let trap = Trap::set(&scene.trial.world, &scene.trial.service, moment, move || signal(pid, Signal::KILL));
    let play = scene.play();
    let at = trap.sprung().await?;
    scene.trial.service.kill().await?;
    on_record(&scene.trial).await?;
    Trap::clear(&scene.trial.world);
    let back = revive(&mut scene, at).await?;
    check::all_closed(&scene.trial, PATIENCE).await?;
    play.finish().await?;
    check::one_settled_incident(&scene.trial).await?;
    let outcome = check::verdict(&scene, Expect::default()).await?;
    let closing = trips(&scene).await?;
    let deadline = Instant::now() + PATIENCE;
    for side in scene.trial.world.sides() {
        while side.closed().await? {
            ensure!(Instant::now() < deadline, "{} does not open by itself", side.caip2());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
    let told = |line: &crate::timeline::Line| {
        line.step == Some(Step::Recover) && line.detail().contains("opened by itself")
    };
    scene.trial.service.told.wait("a gate that opens by itself", PATIENCE, told).await?;
    ensure!(trips(&scene).await? == closing, "a gate was tripped again although nothing new happened");
    ensure!(
        check::replays(&scene.trial.service).await?,
        "after the way back a fresh engine decides otherwise"
    );
    Ok(outcome.noting(back).noting("both gates opened by themselves"))
}

async fn trips(scene: &Scene) -> Result<BTreeSet<alloy::primitives::B256>> {
    let mut out = BTreeSet::new();
    for domain in [Domain::Ethereum, Domain::Moonbeam] {
        out.extend(scene.trial.trips(scene.trial.side(domain)).await?.iter().map(|trip| trip.actionId));
    }
    Ok(out)
}
