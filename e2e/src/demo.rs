//! The demonstration from beginning to end.

pub mod facts;
mod tell;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use eyre::{Result, WrapErr};
use tokio::sync::broadcast::error::RecvError;

use crate::clock::Factor;
use crate::lab::{Play, Setup, World};
use crate::proxy::What;
use crate::report::Summary;
use crate::scenario::{self, Domain, Scenario, corridor};
use crate::screen::{Screen, Tone};
use crate::service::{Service, Tuning};
use crate::watch::Watch;
use facts::Facts;

/// The live part begins twenty recorded minutes before the first false release.
const LEAD_SECS: i64 = 1_200;
/// Three recorded hours of honest traffic are laid down before that.
const HISTORY_SECS: i64 = 3 * 3_600;
/// How long after the last transaction containment may still be confirmed.
const SETTLE: Duration = Duration::from_secs(10);

/// What is played.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Script {
    /// The attack of 1 August 2022.
    #[default]
    Nomad,
    /// An attack through the corridor of a side that joins; none is honest traffic alone.
    Corridor(Option<corridor::Attack>),
}

/// What somebody asked for.
#[derive(Debug, Clone)]
pub struct Options {
    /// Divides all times.
    pub factor: f64,
    /// Stop so many recorded seconds after the first false release.
    pub until: Option<i64>,
    /// Recorded seconds of live traffic before the first false release.
    pub lead: i64,
    /// What is played.
    pub script: Script,
    /// Whether a chain whose validators sign each block joins the bridge. Scripts of a corridor have it where they have no
    /// other.
    pub cosmos: bool,
    /// Whether a chain of slots joins the bridge. Then an attack through a corridor goes through its own.
    pub solana: bool,
    /// By how many seconds the first chain's clock is ahead of the others'.
    pub skew_secs: u64,
    /// Use the compact scenario even where the recorded events are.
    pub compact: bool,
    /// Chooses all keys.
    pub seed: u64,
    /// Where the play lives; none makes a folder that goes with it.
    pub dir: Option<PathBuf>,
    /// How the service is tuned.
    pub tuning: Tuning,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            factor: 60.0,
            until: None,
            lead: LEAD_SECS,
            script: Script::Nomad,
            cosmos: false,
            solana: false,
            skew_secs: 0,
            compact: false,
            seed: 1,
            dir: None,
            tuning: Tuning::default(),
        }
    }
}

/// A finished play whose world still runs.
#[derive(Debug)]
pub struct Finished {
    /// What is told at the end.
    pub summary: Summary,
    /// The service. Ends before the world.
    pub service: Service,
    /// The world.
    pub world: World,
    /// What became of every transaction.
    pub facts: Facts,
}

/// Plays it.
///
/// # Errors
/// When a tool is missing, or a part of the world breaks down. A service that does not stop the attack is no error: the
/// summary says so.
pub async fn run(options: Options, screen: &mut Screen) -> Result<Finished> {
    let script = script(&options)?;
    screen.say(Tone::Title, title(&options));
    screen.say(Tone::Plain, format!("Script: {}. All times divided by {}.", script.origin, options.factor));
    let begun = Instant::now();
    let factor = Factor::new(options.factor);
    let setup = Setup { scenario: script, factor, seed: options.seed, dir: options.dir.clone() };
    let world = World::build(setup).await.wrap_err("the world cannot be built")?;
    tell::world(screen, &world, begun.elapsed());
    if options.skew_secs > 0 {
        world.ethereum.node.rpc.hurry(options.skew_secs).await?;
    }
    let begun = Instant::now();
    let service = Service::start(&world, &options.tuning).await.wrap_err("the service does not start")?;
    screen.say(
        Tone::Plain,
        format!(
            "`portcullis run` is healthy after {:.1} s, caught up with all chains.",
            begun.elapsed().as_secs_f64()
        ),
    );
    screen.say(Tone::Plain, "");
    let facts = live(&world, &service, screen).await?;
    let mut summary = facts.summary(&world, &service).await?;
    summary.calm = options.script == Script::Corridor(None);
    Ok(Finished { summary, service, world, facts })
}

/// The script that somebody asked for.
///
/// # Errors
/// When a file of it is missing or does not parse.
pub fn script(options: &Options) -> Result<Scenario> {
    let corridors = |mut script| {
        for side in joining(options) {
            script = corridor::open(script, side, &corridor::path(side))?;
        }
        Ok::<_, eyre::Report>(script)
    };
    let mut script = match options.script {
        Script::Nomad => corridors(scenario::load(options.compact, options.lead, HISTORY_SECS)?)?,
        Script::Corridor(attack) => {
            let script = scenario::compact::load(&scenario::compact_path(), options.lead)?;
            let through = joining(options).pop().unwrap_or(Domain::Cosmos);
            corridor::attacked(corridors(script)?, through, attack)?
        }
    };
    if let Some(secs) = options.until {
        script = script.until(secs);
    }
    Ok(script)
}

/// Sides of other families, in the order in which they join.
fn joining(options: &Options) -> Vec<Domain> {
    let alone = options.script != Script::Nomad && !options.solana;
    let cosmos = (options.cosmos || alone).then_some(Domain::Cosmos);
    cosmos.into_iter().chain(options.solana.then_some(Domain::Solana)).collect()
}

fn title(options: &Options) -> &'static str {
    match (options.script, !joining(options).is_empty()) {
        (Script::Nomad, false) => {
            "Portcullis: the Nomad bridge attack of 1 August 2022, replayed onto two real nodes"
        }
        (Script::Nomad, true) => {
            "Portcullis: the Nomad bridge attack of 1 August 2022, replayed onto real nodes of several families"
        }
        (Script::Corridor(None), _) => "Portcullis: honest traffic between nodes of several families",
        (Script::Corridor(Some(corridor::Attack::Release)), _) => {
            "Portcullis: value released on one family that nobody burned on the other"
        }
        (Script::Corridor(Some(corridor::Attack::Mint)), _) => {
            "Portcullis: value minted on one family that nobody locked on the other"
        }
    }
}

/// The live part, told as it happens.
async fn live(world: &World, service: &Service, screen: &mut Screen) -> Result<Facts> {
    let mut watch = Watch::start(world);
    let mut told = service.told.follow();
    let mut play = world.play();
    screen.set_zero(play.zero.unix_us);
    screen.now("play", Tone::Title, "live traffic begins; the first false release is due at 0");
    let mut teller = tell::Teller::new(world);
    let mut facts = Facts { zero_us: play.zero.unix_us, ..Facts::default() };
    let mut settle: Option<Instant> = None;
    let mut pulse = tokio::time::interval(Duration::from_millis(50));
    loop {
        tokio::select! {
            Some(sent) = play.sent.recv() => {
                teller.sent(screen, world, &sent);
                facts.sent.push(sent);
            }
            Some(seen) = watch.blocks.recv() => {
                teller.block(screen, world, &seen, &facts.sent);
                facts.chronicle.add(seen);
            }
            line = told.recv() => match line {
                Ok(line) => teller.line(screen, &line),
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => eyre::bail!("the service's log ended"),
            },
            _ = pulse.tick() => {
                if settle.is_none() && play.over() {
                    settle = Some(Instant::now());
                }
                if settle.is_some_and(|since| settled(since, world, &facts)) {
                    break;
                }
            }
        }
    }
    end(play, &mut watch, &mut facts).await?;
    Ok(facts)
}

/// Over when all gates' effects had time to be proven, or when there was nothing to stop.
fn settled(since: Instant, world: &World, facts: &Facts) -> bool {
    let closed = world
        .places()
        .iter()
        .all(|place| facts.chronicle.first_trip(place.domain(), place.guard(), 0).is_some());
    // A few blocks after the last transaction, so that the last receipts are there too.
    let slow = world.zone.is_some() || world.cluster.is_some();
    let pace = if slow { crate::cosmos::zone::PACE / 3 } else { world.factor.block_time() };
    let rest = pace * 10 + Duration::from_millis(500);
    since.elapsed() > if closed { rest } else { SETTLE }
}

/// Takes what came while nobody looked.
async fn end(mut play: Play, watch: &mut Watch, facts: &mut Facts) -> Result<()> {
    play.stop();
    while let Ok(sent) = play.sent.try_recv() {
        facts.sent.push(sent);
    }
    facts.sent.extend(play.finish().await?);
    while let Ok(seen) = watch.blocks.try_recv() {
        facts.chronicle.add(seen);
    }
    Ok(())
}
