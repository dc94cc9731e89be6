//! The service is asked to end in the midst of a containment, or stands still for ten seconds.

use std::time::Duration;

use eyre::{Result, ensure};
use futures::FutureExt;
use rustix::process::Signal;

use super::check::{self, Expect};
use super::scene::Scene;
use super::trap::{Moment, Trap};
use super::{Case, Outcome};
use crate::process::signal;
use crate::service::Tuning;
use crate::trial::PATIENCE;

/// How long a process that stands still does so.
const FROZEN: Duration = Duration::from_secs(10);

pub(super) const CASES: &[Case] = &[
    Case {
        name: "term-contain",
        fault: "the service is asked to end while the bytes leave",
        injected: "SIGTERM at the first submission, then a new start",
        quick: false,
        run: |seed| asked_to_end(seed).boxed(),
    },
    Case {
        name: "freeze-observe",
        fault: "the service stands still for 10 s as the release comes",
        injected: "SIGSTOP as the first endpoint is about to show the log, SIGCONT",
        quick: false,
        run: |seed| frozen(seed, Moment::Shown).boxed(),
    },
    Case {
        name: "freeze-contain",
        fault: "the service stands still for 10 s while the bytes leave",
        injected: "SIGSTOP at the first submission, SIGCONT",
        quick: false,
        run: |seed| frozen(seed, Moment::Asked("eth_sendRawTransaction")).boxed(),
    },
];

async fn asked_to_end(seed: u64) -> Result<Outcome> {
    let mut scene = Scene::start(seed, Tuning::default()).await?;
    let pid = scene.trial.service.pid();
    let moment = Moment::Asked("eth_sendRawTransaction");
    let trap = Trap::set(&scene.trial.world, &scene.trial.service, moment, move || signal(pid, Signal::TERM));
    let play = scene.play();
    let at = trap.sprung().await?;
    let code = scene.trial.service.ended(Duration::from_secs(20)).await?;
    ensure!(code == Some(0), "it ended with {code:?}");
    let ended = at.elapsed();
    Trap::clear(&scene.trial.world);
    scene.trial.service.restart().await?;
    check::all_closed(&scene.trial, PATIENCE).await?;
    play.finish().await?;
    check::one_settled_incident(&scene.trial).await?;
    let outcome = check::verdict(&scene, Expect::default()).await?;
    Ok(outcome.noting(format!("ended within {:.1} s", ended.as_secs_f64())))
}

async fn frozen(seed: u64, moment: Moment) -> Result<Outcome> {
    let scene = Scene::start(seed, Tuning::default()).await?;
    let pid = scene.trial.service.pid();
    let trap = Trap::set(&scene.trial.world, &scene.trial.service, moment, move || signal(pid, Signal::STOP));
    let play = scene.play();
    trap.sprung().await?;
    tokio::time::sleep(FROZEN).await;
    signal(pid, Signal::CONT);
    Trap::clear(&scene.trial.world);
    check::all_closed(&scene.trial, PATIENCE).await?;
    play.finish().await?;
    check::one_settled_incident(&scene.trial).await?;
    check::verdict(&scene, Expect::default()).await
}
