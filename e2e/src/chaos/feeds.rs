//! What the endpoints bring: late, twice, in another order, as garbage, or not at all.

use alloy::primitives::U256;
use eyre::{Result, ensure};
use futures::FutureExt;
use tokio::time::{Duration, Instant, sleep};

use super::check::{self, Expect};
use super::lies::{liar, named};
use super::scene::Scene;
use super::{Case, Outcome};
use crate::clock::Factor;
use crate::lab::{OPERATORS, Setup, Side, World};
use crate::proxy::{Fault, Leg, Mode, Nth, Rule};
use crate::scenario::{self, Actor, Scenario};
use crate::service::{Service, Tuning};
use crate::trial::{PATIENCE, Trial};

pub(super) const CASES: &[Case] = &[
    Case {
        name: "feeds-mixed",
        fault: "heads and logs come late, twice, in another order, or not at all, from every endpoint",
        injected: "pushes of all operators: 25 % doubled, 20 % swapped, 40 % up to 400 ms late, 10 % lost",
        quick: false,
        run: |seed| mixed(seed).boxed(),
    },
    Case {
        name: "feeds-garbage",
        fault: "one endpoint answers with HTML, 200 MB, deep JSON, wrong ids, halves, stale answers and 429",
        injected: "every request to one operator of each chain, chosen by seed",
        quick: true,
        run: |seed| garbage(seed).boxed(),
    },
    Case {
        name: "feeds-silent-socket",
        fault: "the push sockets of two of three endpoints fall silent in the middle, just before the attack",
        injected: "half-open websockets; requests over HTTP go on",
        quick: false,
        run: |seed| silent(seed).boxed(),
    },
    Case {
        name: "feeds-all-silent",
        fault: "the push sockets of all endpoints of one chain fall silent at once, just before the attack",
        injected: "half-open websockets; requests over HTTP go on; no socket is called silent within fifty blocks",
        quick: false,
        run: |seed| all_silent(seed, FAST).boxed(),
    },
    Case {
        name: "feeds-all-silent-slow",
        fault: "the same on chains whose blocks take ten times as long",
        injected: "half-open websockets; blocks of two seconds, and no socket is called silent within ten",
        quick: false,
        run: |seed| all_silent(seed, SLOW).boxed(),
    },
    Case {
        name: "feeds-honest-dark",
        fault: "two endpoints of the attacked chain go dark before the attack, then the last one for 10 s",
        injected: "connections closed and refused",
        quick: false,
        run: |seed| dark(seed).boxed(),
    },
    Case {
        name: "feeds-source-dark",
        fault: "every endpoint of the source is dark while value leaves the other side: a Hold by itself",
        injected: "connections closed and refused; releases for messages that nobody sent",
        quick: true,
        run: |seed| source_dark(seed).boxed(),
    },
];

/// How fast a play goes, and what a silence of all sockets may cost in it.
struct Pace {
    /// Divides all times.
    factor: f64,
    /// After so long a socket is called silent, milliseconds.
    silence_ms: u64,
    /// The gates are closed so many blocks after the first false release, at the latest.
    blocks: i64,
}

/// Blocks of 200 ms, in which even an undisturbed service of a busy machine takes several.
const FAST: Pace = Pace { factor: 60.0, silence_ms: 10_000, blocks: 20 };
/// Blocks of two seconds.
const SLOW: Pace = Pace { factor: 6.0, silence_ms: 20_000, blocks: 3 };

fn struck(scene: &Scene) -> u64 {
    scene.trial.world.sides().iter().map(|side| side.struck()).sum()
}

async fn mixed(seed: u64) -> Result<Outcome> {
    let scene = Scene::start(seed, Tuning::default()).await?;
    let late = Fault::Delay { least: Duration::ZERO, most: Duration::from_millis(400) };
    // The first rule that holds decides, so that the shares are those of what the rules above it left.
    let rules = [
        Rule::everywhere("eth_subscription", Fault::Lose(Leg::Reply)).when(Nth::Percent(10)),
        Rule::everywhere("eth_subscription", Fault::Twice).when(Nth::Percent(25)),
        Rule::everywhere("eth_subscription", Fault::Swap).when(Nth::Percent(20)),
        Rule::everywhere("eth_subscription", late).when(Nth::Percent(40)),
    ];
    for side in scene.trial.world.sides() {
        side.disturb(seed, &rules);
    }
    scene.trial.play().await?;
    let outcome = check::verdict(&scene, Expect::default()).await?;
    ensure!(struck(&scene) > 20, "only {} pushes were disturbed", struck(&scene));
    Ok(outcome.noting(format!("{} pushes disturbed", struck(&scene))))
}

async fn garbage(seed: u64) -> Result<Outcome> {
    const OVERSIZE: usize = 200 << 20;
    let liar = liar(seed);
    let scene = Scene::start(seed, Tuning::default()).await?;
    let faults = [
        Fault::Html,
        Fault::Deep { levels: 100_000 },
        Fault::WrongId,
        Fault::Cut,
        Fault::TooMany { retry_after_secs: 86_400 },
        Fault::Stale,
        Fault::Lose(Leg::Reply),
    ];
    let oversize = ["eth_getBlockReceipts", "eth_getLogs"]
        .map(|method| Rule::at(liar, method, Fault::Huge { bytes: OVERSIZE }).when(Nth::Percent(25)));
    let any = faults.map(|fault| Rule::at(liar, "*", fault).when(Nth::Percent(20)));
    let rules: Vec<Rule> = oversize.into_iter().chain(any).collect();
    for side in scene.trial.world.sides() {
        side.disturb(seed, &rules);
    }
    scene.trial.play().await?;
    let outcome = check::verdict(&scene, Expect::default()).await?;
    named(&scene.trial, liar, &["garbage", "dark", "dissent"]).await?;
    ensure!(struck(&scene) > 10, "only {} answers were disturbed", struck(&scene));
    Ok(outcome.noting(format!("{} answers of {liar} were none; it was named", struck(&scene))))
}

async fn silent(seed: u64) -> Result<Outcome> {
    // Fifty blocks go by before a silent socket is called silent: the attack must not have as long.
    let scene = Scene::start(seed, Tuning { silence_ms: 10_000, ..Tuning::default() }).await?;
    let honest = liar(seed);
    let side = &scene.trial.world.ethereum;
    let rules: Vec<Rule> = OPERATORS
        .into_iter()
        .filter(|name| *name != honest)
        .map(|name| Rule::at(name, "newHeads", Fault::HalfOpen))
        .collect();
    side.disturb(seed, &rules);
    scene.trial.play().await?;
    let outcome = check::verdict(&scene, Expect::default()).await?;
    for name in OPERATORS.into_iter().filter(|name| *name != honest) {
        named(&scene.trial, name, &["dark"]).await?;
    }
    let latest = outcome.closed.iter().map(|closed| closed.blocks_after).max().unwrap_or(0);
    ensure!(latest <= 20, "closed {latest} blocks after the first false release");
    Ok(outcome.noting("the silent ones were named"))
}

async fn all_silent(seed: u64, pace: Pace) -> Result<Outcome> {
    let script = scenario::compact::load(&scenario::compact_path(), 60)?.until(60);
    let tuning = Tuning { silence_ms: pace.silence_ms, ..Tuning::default() };
    let scene = played(seed, script, Factor::new(pace.factor), &tuning).await?;
    let side = &scene.trial.world.ethereum;
    side.disturb(seed, &[Rule::everywhere("newHeads", Fault::HalfOpen)]);
    scene.trial.play().await?;
    let outcome = check::verdict(&scene, Expect::default()).await?;
    let latest = outcome.closed.iter().map(|closed| closed.blocks_after).max().unwrap_or(0);
    ensure!(latest <= pace.blocks, "closed {latest} blocks after the first false release");
    Ok(outcome)
}

/// A service that watches a play and knows its past.
async fn played(seed: u64, scenario: Scenario, factor: Factor, tuning: &Tuning) -> Result<Scene> {
    let world = World::build(Setup { scenario, factor, seed, dir: None }).await?;
    let service = Service::start(&world, tuning).await?;
    let scene = Scene::of(Trial { service, world });
    scene.caught_up().await?;
    Ok(scene)
}

/// Takes endpoints off the net.
fn darken(side: &Side, operators: &[&str]) {
    for proxy in side.operators.iter().filter(|proxy| operators.contains(&proxy.operator.as_str())) {
        proxy.set_mode(Mode::Dark);
    }
}

fn light(side: &Side) {
    for proxy in &side.operators {
        proxy.set_mode(Mode::Faithful);
    }
}

async fn dark(seed: u64) -> Result<Outcome> {
    let scene = Scene::start(seed, Tuning { silence_ms: 1_500, ..Tuning::default() }).await?;
    let last = liar(seed);
    let side = &scene.trial.world.ethereum;
    let others: Vec<&str> = OPERATORS.into_iter().filter(|name| *name != last).collect();
    darken(side, &others);
    let play = scene.play();
    scene.first_false_release().await?;
    sleep(Duration::from_secs(2)).await;
    darken(side, &[last]);
    sleep(Duration::from_secs(10)).await;
    ensure!(!side.closed().await?, "closed through endpoints that were dark");
    light(side);
    let back = Instant::now();
    check::all_closed(&scene.trial, PATIENCE).await?;
    let after = back.elapsed();
    play.finish().await?;
    let outcome = check::verdict(&scene, Expect::default()).await?;
    ensure!(outcome.paged, "nobody was told of the darkness");
    Ok(outcome.noting(format!("closed {:.1} s after the endpoints were back", after.as_secs_f64())))
}

/// The trial's attack, but for messages that nobody ever sent: only the source could tell that.
async fn unsent(seed: u64, tuning: &Tuning) -> Result<Scene> {
    let mut script = scenario::compact::load(&scenario::compact_path(), 60)?.until(60);
    for transfer in script.live.iter_mut().filter(|transfer| transfer.actor != Actor::Honest) {
        transfer.message_id += 900_000;
        // Small enough that no other rule than that of darkness asks for more.
        transfer.amount /= U256::from(100_u64);
    }
    played(seed, script, Factor::new(60.0), tuning).await
}

async fn source_dark(seed: u64) -> Result<Outcome> {
    let scene = unsent(seed, &Tuning { silence_ms: 1_000, ..Tuning::default() }).await?;
    let (source, attacked) = (&scene.trial.world.moonbeam, &scene.trial.world.ethereum);
    darken(source, &OPERATORS);
    // Darkness has to be known before value leaves; it is told to people by then.
    wait_for_fault(&scene, "must agree").await?;
    let play = scene.play();
    let first = scene.first_false_release().await?;
    closed(attacked).await?;
    let held = first.seen.elapsed();
    ensure!(!source.closed().await?, "closed through endpoints that were dark");
    let reasons = causes(&scene).await?;
    ensure!(reasons.iter().any(|cause| cause.contains("dark")), "closed for another reason: {reasons:?}");
    light(source);
    play.finish().await?;
    let outcome = check::verdict(&scene, Expect::default()).await?;
    Ok(outcome
        .noting(format!("held by itself after {} ms; the source closed when it was back", held.as_millis())))
}

/// Waits until nothing gets out of one chain.
async fn closed(side: &Side) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while !side.closed().await? {
        ensure!(Instant::now() < deadline, "{} is still open", side.caip2());
        sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

async fn wait_for_fault(scene: &Scene, word: &str) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let faults = scene.trial.books().await?.faults().await?;
        if faults.iter().any(|view| view.contains(word)) {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "no fault like {word:?}: {faults:?}");
        sleep(Duration::from_millis(50)).await;
    }
}

/// Reasons of all incidents, as the service tells them.
async fn causes(scene: &Scene) -> Result<Vec<String>> {
    let page = scene.trial.service.get("/api/v1/incidents").await?;
    let mut out = Vec::new();
    for incident in page["incidents"].as_array().into_iter().flatten() {
        let id = incident["id"].as_str().unwrap_or_default().parse()?;
        out.push(scene.trial.service.incident(id).await?["reasons"].to_string().to_lowercase());
    }
    Ok(out)
}
