//! Postgres is killed before, during and after the decision, hangs, or dies together with the service: containment goes
//! on, and what the journal took is brought in later.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use eyre::{Result, ensure, eyre};
use futures::FutureExt;
use rustix::process::Signal;

use super::check::{self, Expect};
use super::scene::Scene;
use super::trap::{Moment, Trap};
use super::{Case, Outcome};
use crate::process::{alive, signal, signal_family};
use crate::service::{Service, Tuning, find_postgres};
use crate::timeline::Step;
use crate::trial::{PATIENCE, Trial};

/// How long a database that hangs does so.
const HANG: Duration = Duration::from_secs(5);

pub(super) const CASES: &[Case] = &[
    Case {
        name: "postgres-before",
        fault: "the database is gone before the attack and stays away until all is closed",
        injected: "SIGKILL to server and backends, again whenever it comes back",
        quick: false,
        run: |seed| away(seed).boxed(),
    },
    Case {
        name: "postgres-during",
        fault: "the database dies as the decision is made",
        injected: "SIGKILL to server and backends at the line of decide",
        quick: true,
        run: |seed| dies(seed, Moment::Told(Step::Decide)).boxed(),
    },
    Case {
        name: "postgres-after",
        fault: "the database dies as the bytes leave",
        injected: "SIGKILL to server and backends at the first submission",
        quick: false,
        run: |seed| dies(seed, Moment::Asked("eth_sendRawTransaction")).boxed(),
    },
    Case {
        name: "postgres-hangs",
        fault: "the database takes connections and answers nothing for 5 s",
        injected: "SIGSTOP to server and backends as the release is seen",
        quick: false,
        run: |seed| hangs(seed).boxed(),
    },
    Case {
        name: "postgres-at-start",
        fault: "the database is away as the service starts, and value leaves meanwhile",
        injected: "the server's socket is moved away before the start, and back when a person was told",
        quick: true,
        run: |seed| at_start(seed).boxed(),
    },
    Case {
        name: "postgres-and-service",
        fault: "database and service die together, as in a power cut",
        injected: "SIGKILL to all of them at the first submission",
        quick: false,
        run: |seed| power_cut(seed).boxed(),
    },
];

fn database(service: &Service) -> Result<u32> {
    service.postgres().ok_or_else(|| eyre!("the service runs no database"))
}

/// Waits until a new server answers.
async fn returned(trial: &Trial, old: u32) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let new = trial.service.postgres().is_some_and(|pid| pid != old && alive(pid));
        if new && trial.books().await.is_ok() {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "the database does not come back");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// While the database is away every byte that left must lie in the journal.
async fn in_journal(trial: &Trial) -> Result<()> {
    let unrecorded = check::unrecorded(trial, true).await?;
    ensure!(unrecorded.is_empty(), "without a database: {}", unrecorded.join("; "));
    Ok(())
}

async fn dies(seed: u64, moment: Moment) -> Result<Outcome> {
    let scene = Scene::start(seed, Tuning::default()).await?;
    let trial = &scene.trial;
    let old = database(&trial.service)?;
    let trap = Trap::set(&trial.world, &trial.service, moment, move || signal_family(old, Signal::KILL));
    let play = scene.play();
    trap.sprung().await?;
    check::all_closed(trial, PATIENCE).await?;
    play.finish().await?;
    Trap::clear(&trial.world);
    returned(trial, old).await?;
    check::one_settled_incident(trial).await?;
    check::verdict(&scene, Expect::default()).await
}

async fn away(seed: u64) -> Result<Outcome> {
    let scene = Scene::start(seed, Tuning::default()).await?;
    let trial = &scene.trial;
    let old = database(&trial.service)?;
    let over = Arc::new(AtomicBool::new(false));
    let killer = tokio::spawn({
        let (over, data) = (Arc::clone(&over), trial.service.data().to_path_buf());
        async move {
            let mut kills = 0;
            while !over.load(Ordering::SeqCst) {
                if let Some(pid) = find_postgres(&data) {
                    signal_family(pid, Signal::KILL);
                    kills += 1;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            kills
        }
    });
    let play = scene.play();
    let closed = check::all_closed(trial, PATIENCE).await;
    let journal = in_journal(trial).await;
    over.store(true, Ordering::SeqCst);
    let kills: u32 = killer.await?;
    closed.and(journal)?;
    play.finish().await?;
    returned(trial, old).await?;
    check::one_settled_incident(trial).await?;
    Ok(check::verdict(&scene, Expect::default()).await?.noting(format!("killed {kills} times")))
}

async fn hangs(seed: u64) -> Result<Outcome> {
    let scene = Scene::start(seed, Tuning::default()).await?;
    let trial = &scene.trial;
    let pid = database(&trial.service)?;
    let moment = Moment::Shown;
    let trap = Trap::set(&trial.world, &trial.service, moment, move || signal_family(pid, Signal::STOP));
    let play = scene.play();
    let since = trap.sprung().await?;
    let closed = check::all_closed(trial, HANG).await;
    tokio::time::sleep(HANG.saturating_sub(since.elapsed())).await;
    signal_family(pid, Signal::CONT);
    closed?;
    play.finish().await?;
    Trap::clear(&trial.world);
    check::one_settled_incident(trial).await?;
    check::verdict(&scene, Expect::default()).await
}

async fn power_cut(seed: u64) -> Result<Outcome> {
    let mut scene = Scene::start(seed, Tuning::default()).await?;
    let (service, server) = (scene.trial.service.pid(), database(&scene.trial.service)?);
    let moment = Moment::Asked("eth_sendRawTransaction");
    let trap = Trap::set(&scene.trial.world, &scene.trial.service, moment, move || {
        signal(service, Signal::KILL);
        signal_family(server, Signal::KILL);
    });
    let play = scene.play();
    let at = trap.sprung().await?;
    scene.trial.service.kill().await?;
    Trap::clear(&scene.trial.world);
    scene.trial.service.restart().await?;
    let away = at.elapsed();
    // The next life may sign the same bytes again: the time of the row tells whether it was there before they left.
    check::all_closed(&scene.trial, PATIENCE).await?;
    play.finish().await?;
    check::one_settled_incident(&scene.trial).await?;
    let outcome = check::verdict(&scene, Expect::default()).await?;
    Ok(outcome.noting(format!("away for {:.1} s", away.as_secs_f64())))
}

/// A server that listens where nobody finds it: connecting fails as if it were down. Comes back when this is dropped.
struct Hidden {
    socket: PathBuf,
    aside: PathBuf,
}

impl Hidden {
    fn of(service: &Service) -> Result<Self> {
        let socket = PathBuf::from(crate::books::socket(service.data())?).join(".s.PGSQL.5432");
        let aside = socket.with_extension("aside");
        std::fs::rename(&socket, &aside)?;
        Ok(Self { socket, aside })
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        // Should it fail, the case fails with a database that does not come back.
        let _shown = std::fs::rename(&self.aside, &self.socket);
    }
}

/// The next life runs elsewhere, on the database of the first. Without its log it must not decide; with it, it contains
/// what happened meanwhile.
async fn at_start(seed: u64) -> Result<Outcome> {
    let mut scene = Scene::start(seed, Tuning::default()).await?;
    let env = vec![("DATABASE_URL".to_owned(), scene.trial.service.database_url()?)];
    scene.trial.service.kill().await?;
    let hidden = Hidden::of(&scene.trial.service)?;
    let tuning = Tuning { env, folder: "data-second", ..Tuning::default() };
    let mut next = Service::begin(&scene.trial.world, &tuning)?;
    next.until_phase("waiting", PATIENCE).await?;
    let play = scene.play();
    scene.first_false_release().await?;
    told(&next, "PC-0216").await?;
    for side in scene.trial.world.sides() {
        ensure!(!side.closed().await?, "{} was closed without a log", side.caip2());
    }
    drop(hidden);
    let back = Instant::now();
    std::mem::swap(&mut scene.trial.service, &mut next);
    check::all_closed(&scene.trial, PATIENCE).await?;
    let after = back.elapsed();
    play.finish().await?;
    check::one_settled_incident(&scene.trial).await?;
    let outcome = check::verdict(&scene, Expect::default()).await;
    scene.trial.service.stop().await?;
    Ok(outcome?.noting(format!("closed {} ms after the database was back", after.as_millis())))
}

/// Waits until the service says something.
async fn told(service: &Service, word: &str) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while !service.told.lines().iter().any(|line| line.text.contains(word)) {
        ensure!(Instant::now() < deadline, "no {word}:\n{}", service.told.tail(20));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}
