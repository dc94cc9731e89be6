//! The soak: the real service and a real database under a steady load, with attacks hidden in it at times that only
//! the seed knows.
//!
//! *Who is in the play.* [`crate::stub::world`] makes the chains and their traffic. [`run`] samples what the service
//! needs, lets attacks happen, and in the end compares, block by block, what happened with what the database holds.
//! [`plot`] draws it.

pub mod plot;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use eyre::{Result, eyre};
use serde::Serialize;
use tokio::sync::mpsc;

use crate::bench::{Figure, percentile};
use crate::books::Books;
use crate::clock;
use crate::service::Service;
use crate::stub::Rng;
use crate::stub::world::{Spec, Struck, StubWorld};
use crate::vitals;

/// Bridges of the soak, each between two chains of its own.
const BRIDGES: usize = 5;
/// Age of a message before it is delivered, seconds.
const FINALITY_SECS: u64 = 30;
/// Closure of a halt, seconds: a bridge is attacked again after it.
const HALT_SECS: u64 = 45;
/// Share of the run in which memory may still find its size: caches, pools, the cursor's window.
const WARM_UP: f64 = 0.2;
/// Shortest warm-up, seconds: the window of blocks that can be undone has to fill (a minute), every bridge's connections
/// have to have carried a block's receipts, and the samples of the metrics have to have been everywhere once. A shorter run
/// measures this more than what a longer one keeps.
const WARM_UP_SECS: f64 = 240.0;
/// What a remembered message may cost, bytes; the service forgets none.
pub(crate) const MESSAGE_BYTES: f64 = 200.0;
/// How long the last records may take to reach the tables for people.
const SETTLE: Duration = Duration::from_secs(300);
/// How long a containment may take before the attack counts as missed.
const CONTAIN: Duration = Duration::from_secs(30);

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Options {
    /// How long.
    pub minutes: f64,
    /// Observations per second.
    pub rate: f64,
    /// Attacks.
    pub attacks: usize,
    /// Chooses everything that is random.
    pub seed: u64,
    /// Where it lives; none makes a folder that goes with it.
    pub dir: Option<std::path::PathBuf>,
}

/// One look at the service.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Sample {
    /// Seconds since the load began.
    pub at: f64,
    /// Resident memory, bytes.
    pub resident: u64,
    /// Events that the chains had emitted.
    pub emitted: u64,
    /// Processor time of the service, seconds.
    pub service: f64,
    /// Processor time of the database, seconds.
    pub database: f64,
}

/// One attack and what became of it.
#[derive(Debug, Clone, Serialize)]
pub struct Attack {
    /// Which bridge.
    pub bridge: usize,
    /// Seconds since the load began.
    pub at: f64,
    /// Milliseconds from its head to the first endpoint that had a trip; none when it was missed.
    pub first_ms: Option<f64>,
    /// To the last endpoint of both chains.
    pub last_ms: Option<f64>,
}

/// What came out.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    /// Every second.
    pub samples: Vec<Sample>,
    /// Every attack.
    pub attacks: Vec<Attack>,
    /// Events that the chains emitted.
    pub emitted: u64,
    /// Of them, those that the database does not hold.
    pub lost: u64,
    /// Events that it holds twice, or that no chain emitted.
    pub surplus: u64,
    /// Trips for gates that nobody had attacked.
    pub strays: usize,
    /// Milliseconds from a block's head to the moment at which the engine had consumed its last event, by block.
    pub consumed_ms: Vec<f64>,
    /// Seconds of load.
    pub secs: f64,
    /// Load of the machine, one-minute average at the end.
    pub machine_load: f64,
}

/// Seconds of warm-up of a run.
#[must_use]
pub fn warm_up(secs: f64) -> f64 {
    (secs * WARM_UP).max(WARM_UP_SECS).min(secs * 0.5)
}

/// Runs it. `told` hears a line from time to time.
///
/// # Errors
/// When the world or the service does not start, or the database does not answer.
pub async fn run(options: &Options, mut told: impl FnMut(&str)) -> Result<Outcome> {
    let spec = Spec {
        chains: 2 * BRIDGES,
        bridges: (0..BRIDGES).map(|at| (2 * at, 2 * at + 1)).collect(),
        pace: Duration::from_secs(1),
        step_secs: None,
        begins: clock::now_secs().saturating_sub(60),
        finality_secs: FINALITY_SECS,
        halt_secs: HALT_SECS,
        rate: options.rate,
        seed: options.seed,
    };
    let world = StubWorld::build(spec, options.dir.clone()).await?;
    let (service, struck) = world.start().await?;
    told("the service is healthy; the load begins");
    let mut play = Play::new(options, &world, &service, struck);
    let attacked = play.attacks(&mut told).await;
    attacked.map_err(|error| error.wrap_err(service.told.tail(20)))?;
    let Play { samples, attacks, begun, .. } = play;
    let secs = begun.elapsed().as_secs_f64();
    world.rest();
    told("the load has ended; comparing what happened with what is on record");
    let mut books = Books::open(service.data()).await?;
    settle(&mut books).await?;
    let (lost, surplus, consumed_ms) = compare(&world, &mut books).await?;
    let bridges: Vec<usize> = attacks.iter().map(|attack| attack.bridge).collect();
    let (strays, emitted) = (world.strays(&bridges), world.traffic().emitted());
    Ok(Outcome {
        samples,
        attacks,
        emitted,
        lost,
        surplus,
        strays,
        consumed_ms,
        secs,
        machine_load: vitals::load(),
    })
}

struct Play<'w> {
    world: &'w StubWorld,
    service: &'w Service,
    begun: Instant,
    ends: Duration,
    /// Seconds at which attacks are due, and at which bridge and side.
    due: Vec<(f64, usize, usize)>,
    struck: mpsc::UnboundedReceiver<Struck>,
    samples: Vec<Sample>,
    attacks: Vec<Attack>,
}

impl<'w> Play<'w> {
    fn new(
        options: &Options,
        world: &'w StubWorld,
        service: &'w Service,
        struck: mpsc::UnboundedReceiver<Struck>,
    ) -> Self {
        let secs = options.minutes * 60.0;
        // From the moment at which all traffic flows: what the first attack needs for the first time (connections with
        // room for a block's receipts, the ways that prove and sign) belongs to the warm-up as well.
        let (from, to) = ((2 * FINALITY_SECS) as f64, secs - 20.0);
        let mut rng = Rng::new(options.seed ^ 0xa77a_c4e5);
        // One in each part of the run, at a moment of it that nobody can guess: a closed bridge cannot be attacked.
        let part = (to - from).max(1.0) / options.attacks.max(1) as f64;
        let due = (0..options.attacks)
            .map(|at| {
                let within = rng.below(1_000) as f64 / 1_000.0;
                (from + part * (at as f64 + within), at % BRIDGES, rng.below(2) as usize)
            })
            .collect();
        Self {
            world,
            service,
            begun: Instant::now(),
            ends: Duration::from_secs_f64(secs),
            due,
            struck,
            samples: Vec::new(),
            attacks: Vec::new(),
        }
    }

    /// Samples every second and lets each attack happen when it is due.
    async fn attacks(&mut self, told: &mut impl FnMut(&str)) -> Result<()> {
        let mut ticks = tokio::time::interval(Duration::from_secs(1));
        let mut next = 0;
        while self.begun.elapsed() < self.ends {
            ticks.tick().await;
            self.sample()?;
            let at = self.begun.elapsed().as_secs_f64();
            if let Some((due, bridge, side)) = self.due.get(next).copied()
                && due <= at
            {
                self.world.traffic().attack(next, bridge, side);
                self.attacks.push(Attack { bridge, at, first_ms: None, last_ms: None });
                next += 1;
            }
            while let Ok(struck) = self.struck.try_recv() {
                self.follow(&struck, told).await;
            }
            if self.samples.len().is_multiple_of(60) {
                told(&self.line());
            }
        }
        Ok(())
    }

    async fn follow(&mut self, struck: &Struck, told: &mut impl FnMut(&str)) {
        let Some(attack) = self.attacks.get_mut(struck.attack) else { return };
        match self.world.contained(attack.bridge, &struck.block, CONTAIN).await {
            Ok((first, last)) => {
                (attack.first_ms, attack.last_ms) = (Some(first), Some(last));
                told(&format!(
                    "attack {} at {:.0} s: first endpoint after {first:.2} ms, last after {last:.2} ms",
                    struck.attack + 1,
                    attack.at
                ));
            }
            Err(error) => told(&format!("attack {} was MISSED: {error}", struck.attack + 1)),
        }
    }

    fn sample(&mut self) -> Result<()> {
        let pid = self.service.pid();
        let database = self.service.postgres().map_or(0.0, vitals::processor_with_children);
        self.samples.push(Sample {
            at: self.begun.elapsed().as_secs_f64(),
            resident: vitals::resident(pid)?,
            emitted: self.world.traffic().emitted(),
            service: vitals::processor(pid),
            database,
        });
        Ok(())
    }

    fn line(&self) -> String {
        let Some(last) = self.samples.last() else { return String::new() };
        format!(
            "{:>5.0} s: {} events, {:.0}/s, {:.1} MB resident, load {:.1}",
            last.at,
            last.emitted,
            last.emitted as f64 / last.at.max(1.0),
            last.resident as f64 / 1e6,
            vitals::load()
        )
    }
}

/// Waits until the tables for people hold everything that the log does, and the log grows no more.
async fn settle(books: &mut Books) -> Result<()> {
    let deadline = Instant::now() + SETTLE;
    let mut before = -1;
    loop {
        let behind = books.count("SELECT COALESCE(sum(next_seq - views_seq), 0)::bigint FROM logs").await?;
        let now = books.count("SELECT COALESCE(sum(next_seq), 0)::bigint FROM logs").await?;
        if behind == 0 && now == before {
            return Ok(());
        }
        before = now;
        if Instant::now() > deadline {
            return Err(eyre!("the record is still {behind} rows behind after {SETTLE:?}"));
        }
        tokio::time::sleep(Duration::from_secs(3)).await;
    }
}

/// Block by block: what was emitted and is not on record, what is on record too often, and when it was consumed.
async fn compare(world: &StubWorld, books: &mut Books) -> Result<(u64, u64, Vec<f64>)> {
    let recorded = books.blocks().await?;
    let mut by_hash: BTreeMap<_, _> = recorded.into_iter().map(|block| (block.hash, block)).collect();
    let (mut lost, mut surplus, mut consumed) = (0, 0, Vec::new());
    let traffic = world.traffic();
    for (chain, blocks) in traffic.truth() {
        for (hash, known) in blocks {
            let Some(found) = by_hash.remove(hash) else {
                lost += known.events;
                continue;
            };
            lost += known.events.saturating_sub(found.different);
            surplus += found.events.saturating_sub(found.different);
            if found.different == known.events && found.places != known.places {
                // As many, but others.
                (lost, surplus) = (lost + 1, surplus + 1);
            }
            if found.chain == world.chains[*chain].caip2()
                && let Some((_, pushed_us)) = known.pushed.get()
            {
                consumed.push((found.consumed_ms as f64) - (*pushed_us as f64) / 1e3);
            }
        }
    }
    surplus += by_hash.values().map(|block| block.events).sum::<u64>();
    Ok((lost, surplus, consumed))
}

impl Outcome {
    /// The figures that the project promises of a soak.
    #[must_use]
    pub fn figures(&self) -> BTreeMap<&'static str, Figure> {
        let mut out = BTreeMap::new();
        let asked = self.attacks.len() as f64;
        let times: Vec<f64> = self.attacks.iter().filter_map(|attack| attack.last_ms).collect();
        out.insert("contained", Figure::at_least(times.len() as f64, "attacks", asked, asked));
        let emitted = self.emitted as f64;
        out.insert("lost", Figure::at_most(self.lost as f64, "observations", emitted, 0.0));
        out.insert("surplus", Figure::at_most(self.surplus as f64, "observations", emitted, 0.0));
        out.insert("strays", Figure::at_most(self.strays as f64, "trips", asked, 0.0));
        out.insert("rate", Figure::told(emitted / self.secs, "1/s", emitted / self.secs));
        let (p50, p99) = (percentile(&times, 0.5), percentile(&times, 0.99));
        out.insert("head_to_bytes_p50", Figure::told(p50, "ms", p50));
        out.insert("head_to_bytes_p99", Figure::told(p99, "ms", p50));
        let consumed = |share| percentile(&self.consumed_ms, share);
        out.insert("consumed_p50", Figure::told(consumed(0.5), "ms", consumed(0.5)));
        out.insert("consumed_p99", Figure::told(consumed(0.99), "ms", consumed(0.5)));
        if let Some((warm, end, messages)) = self.memory() {
            let beyond = end - warm - messages * MESSAGE_BYTES;
            out.insert("growth_beyond_messages", Figure::at_most(beyond / 1e6, "MB", warm / 1e6, warm / 1e7));
            out.insert("growth_per_message", Figure::told((end - warm) / messages, "B", MESSAGE_BYTES));
        }
        if let Some(last) = self.samples.last() {
            let share = |secs: f64| 100.0 * secs / last.at;
            let (service, database) = (share(last.service), share(last.database));
            out.insert("service_processor", Figure::told(service, "% of a core", database));
        }
        out
    }

    /// Resident memory after the warm-up and at the end, bytes, and how many messages came between.
    #[must_use]
    pub fn memory(&self) -> Option<(f64, f64, f64)> {
        let warm = warm_up(self.secs);
        let window = (self.secs - warm) / 10.0;
        let within = |from: f64| {
            let some = self.samples.iter().filter(|sample| (from..from + window).contains(&sample.at));
            let some: Vec<&Sample> = some.collect();
            let of =
                |what: fn(&Sample) -> f64| percentile(&some.iter().map(|s| what(s)).collect::<Vec<_>>(), 0.5);
            (!some.is_empty()).then(|| (of(|s| s.resident as f64), of(|s| s.emitted as f64)))
        };
        let (first, last) = (within(warm)?, within(self.secs - window)?);
        // A message is two events: sent and delivered.
        Some((first.0, last.0, ((last.1 - first.1) / 2.0).max(1.0)))
    }
}
