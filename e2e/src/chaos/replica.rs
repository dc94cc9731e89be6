//! A second replica: one that waits for the lease and takes over, and one that acts beside the first.

use std::time::{Duration, Instant};

use eyre::{Result, ensure};
use futures::FutureExt;
use rustix::process::Signal;

use super::check::{self, Expect};
use super::scene::Scene;
use super::trap::{Moment, Trap};
use super::{Case, Outcome};
use crate::process::signal;
use crate::service::{Service, Tuning};
use crate::trial::{PATIENCE, Trial};

/// Within which a replica takes over.
const TAKEOVER: Duration = Duration::from_secs(2);
/// How long a leader that stands still does so.
const FROZEN: Duration = Duration::from_secs(10);
const SUBMIT: &str = "eth_sendRawTransaction";

pub(super) const CASES: &[Case] = &[
    Case {
        name: "replica-takes-over",
        fault: "the leader is killed before the attack; a second replica waits",
        injected: "SIGKILL as live traffic begins; one name, one lease",
        quick: true,
        run: |seed| takes_over(seed, None).boxed(),
    },
    Case {
        name: "replica-finishes",
        fault: "the leader is killed as the bytes leave; a second replica waits",
        injected: "SIGKILL at the first submission, never started again",
        quick: false,
        run: |seed| takes_over(seed, Some(Moment::Asked(SUBMIT))).boxed(),
    },
    Case {
        name: "replica-and-frozen-leader",
        fault: "the leader stands still, loses its lease, and wakes up again",
        injected: "SIGSTOP as the release is about to be shown, SIGCONT after 10 s",
        quick: false,
        run: |seed| leader_wakes_up(seed).boxed(),
    },
    Case {
        name: "replica-both-act",
        fault: "two replicas decide and act at once, with one key",
        injected: "two names, two logs, one database, both running",
        quick: false,
        run: |seed| both_act(seed).boxed(),
    },
];

/// A second service on the database of the first.
fn second(trial: &Trial, replica: &'static str) -> Result<Service> {
    let env = vec![("DATABASE_URL".to_owned(), trial.service.database_url()?)];
    Service::begin(&trial.world, &Tuning { env, replica, folder: "data-second", ..Tuning::default() })
}

/// Makes the one that leads the scene's service, and gives the one that waits. Which leads is theirs to settle: on a
/// machine that is too busy to renew a lease in time it changes hands.
async fn spare(scene: &mut Scene, mut other: Service) -> Result<Service> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let phases = (scene.trial.service.phase().await, other.phase().await);
        match (phases.0.as_deref(), phases.1.as_deref()) {
            (Some("running"), Some("standby")) => return Ok(other),
            (Some("standby"), Some("running")) => std::mem::swap(&mut scene.trial.service, &mut other),
            _ => ensure!(Instant::now() < deadline, "one leads and one waits, not {phases:?}"),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn takes_over(seed: u64, moment: Option<Moment>) -> Result<Outcome> {
    let mut scene = Scene::start(seed, Tuning::default()).await?;
    let other = second(&scene.trial, "main")?;
    let mut other = spare(&mut scene, other).await?;
    let pid = scene.trial.service.pid();
    let play;
    if let Some(moment) = moment {
        let world = &scene.trial.world;
        let trap = Trap::set(world, &scene.trial.service, moment, move || signal(pid, Signal::KILL));
        play = scene.play();
        trap.sprung().await?;
    } else {
        signal(pid, Signal::KILL);
        play = scene.play();
    }
    let killed = Instant::now();
    let before = leads(&other).await;
    other.until_phase("running", PATIENCE).await?;
    let took = killed.elapsed();
    scene.trial.service.kill().await?;
    Trap::clear(&scene.trial.world);
    let left = check::unrecorded(&scene.trial, true).await?;
    ensure!(left.is_empty(), "after the kill: {}", left.join("; "));
    // From here on the survivor is the one that is asked.
    std::mem::swap(&mut scene.trial.service, &mut other);
    let outcome = finish(&scene, play).await;
    scene.trial.service.stop().await?;
    Ok(outcome?.noting(within(took, before)?))
}

/// On a machine that is too busy to renew a lease in time, the second may lead already.
async fn leads(other: &Service) -> bool {
    other.phase().await.as_deref() == Some("running")
}

/// How long taking over took, where it was not done before the fault.
fn within(took: Duration, before: bool) -> Result<String> {
    if before {
        return Ok("the second had taken over before".to_owned());
    }
    ensure!(took <= TAKEOVER, "took over after {} ms", took.as_millis());
    Ok(format!("took over after {} ms", took.as_millis()))
}

async fn finish(scene: &Scene, play: crate::lab::Play) -> Result<Outcome> {
    check::all_closed(&scene.trial, PATIENCE).await?;
    play.finish().await?;
    check::one_settled_incident(&scene.trial).await?;
    check::verdict(scene, Expect::default()).await
}

/// The leader wakes up with a decision to make that the second has made meanwhile: it has to step back.
async fn leader_wakes_up(seed: u64) -> Result<Outcome> {
    let mut scene = Scene::start(seed, Tuning::default()).await?;
    let other = second(&scene.trial, "main")?;
    let mut other = spare(&mut scene, other).await?;
    let pid = scene.trial.service.pid();
    let world = &scene.trial.world;
    let trap = Trap::set(world, &scene.trial.service, Moment::Shown, move || signal(pid, Signal::STOP));
    let play = scene.play();
    let frozen = trap.sprung().await?;
    let before = leads(&other).await;
    other.until_phase("running", PATIENCE).await?;
    let took = frozen.elapsed();
    check::all_closed(&scene.trial, PATIENCE).await?;
    tokio::time::sleep(FROZEN.saturating_sub(frozen.elapsed())).await;
    signal(pid, Signal::CONT);
    // It finds the log gone on and its lease taken, and waits from then on.
    scene.trial.service.until_phase("standby", PATIENCE).await?;
    ensure!(leads(&other).await, "the second stepped back too");
    Trap::clear(&scene.trial.world);
    std::mem::swap(&mut scene.trial.service, &mut other);
    let outcome = finish(&scene, play).await;
    check::no_panic(&other)?;
    scene.trial.service.stop().await?;
    Ok(outcome?.noting(within(took, before)?).noting("the first stepped back"))
}

/// Both have a log of their own, see everything, decide, and sign with one key: one of two transactions with one nonce
/// lands, the other's replica signs anew or finds the gate closed.
async fn both_act(seed: u64) -> Result<Outcome> {
    let scene = Scene::start(seed, Tuning::default()).await?;
    let mut other = second(&scene.trial, "second")?;
    other.healthy(PATIENCE).await?;
    let play = scene.play();
    check::all_closed(&scene.trial, PATIENCE).await?;
    play.finish().await?;
    let deadline = Instant::now() + PATIENCE;
    let open = "SELECT count(*) FROM actions WHERE state <> 'effective'";
    let (logs, done) = ("SELECT count(DISTINCT replica) FROM decisions", "SELECT count(*) FROM actions");
    loop {
        let mut books = scene.trial.books().await?;
        if books.count(logs).await? == 2 && books.count(done).await? >= 4 && books.count(open).await? == 0 {
            break;
        }
        ensure!(Instant::now() < deadline, "not both are settled:\n{}", other.told.tail(40));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let outcome = check::verdict(&scene, Expect::default()).await;
    check::no_panic(&other)?;
    other.stop().await?;
    let mut trips = Vec::new();
    for side in scene.trial.world.sides() {
        trips.push(scene.trial.trips(side).await?.len().to_string());
    }
    Ok(outcome?.noting(format!("both logs decided; {} trips on chain", trips.join(" + "))))
}
