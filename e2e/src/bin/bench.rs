//! Figures with their floors; the last line is one JSON object.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use e2e::bench::{
    Figure, catchup, day, engine, latency, memory, mixed, percentile, profile, proofs, scale, shreds, slots,
    table,
};
use e2e::process::unless_interrupted;
use e2e::scenario::data_dir;
use e2e::vitals;
use eyre::{Result, WrapErr, bail};

/// What containment, engine and proofs cost on this machine, beside the bare minimum of the same run.
#[derive(Debug, Parser)]
#[command(
    name = "bench",
    after_help = "Examples:\n  bench                     every figure: a table, then one line of JSON; about a quarter of an hour\n  bench --quick             the same with fewer rounds, in some minutes\n  bench --only engine,scale some of them\n  bench --json              the line of JSON only\n  bench --profile           where the time of a containment goes: a flame graph and the service's own clocks"
)]
struct Args {
    /// One line of JSON and nothing else on standard output.
    #[arg(long)]
    json: bool,
    /// Only these, separated by commas.
    #[arg(long, value_delimiter = ',', value_name = "NAME")]
    only: Vec<Part>,
    /// Fewer rounds, smaller sizes: a look, not a measurement.
    #[arg(long)]
    quick: bool,
    /// Shows where the time of a containment goes; needs `perf`.
    #[arg(long)]
    profile: bool,
    /// Attacks to time; default: 60, with --quick 20.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: Option<u16>,
    /// Internal: measures an engine up to so many messages and tells it as JSON.
    #[arg(long, hide = true)]
    probe_memory: Option<u64>,
}

/// What can be measured alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Inputs per second through the engine.
    Engine,
    /// A recorded year through the engine.
    Year,
    /// Bytes and time per remembered message.
    Memory,
    /// Proofs of a block.
    Proofs,
    /// From a head to the bytes at every endpoint, on real nodes.
    Latency,
    /// The same on a bridge between two families, on real nodes of both.
    Mixed,
    /// The same on a bridge with a chain of slots, and how soon a trip is in a block there.
    Slots,
    /// Catching up with a chain.
    CatchUp,
    /// A day of blocks: memory.
    Day,
    /// Two hundred bridges in one process.
    Scale,
}

type Figures = BTreeMap<&'static str, Figure>;

impl Args {
    fn wants(&self, part: Part) -> bool {
        if self.only.is_empty() { !self.profile || part == Part::Latency } else { self.only.contains(&part) }
    }

    fn rounds(&self) -> usize {
        usize::from(self.rounds.unwrap_or(if self.quick { 20 } else { 60 }))
    }
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    unless_interrupted(run(Args::parse())).await
}

async fn run(args: Args) -> Result<ExitCode> {
    if let Some(most) = args.probe_memory {
        println!("{}", serde_json::to_string(&memory::probe(most)?)?);
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("load of this machine: {:.2}", vitals::load());
    let mut figures = Figures::new();
    // What is alone in this process comes first, so that no node takes its processor.
    if args.wants(Part::Engine) {
        let rate = engine::rate()?;
        figures.insert("engine_inputs_per_s", Figure::at_least(rate.engine, "1/s", rate.hashed, 1e6));
    }
    if args.wants(Part::Year) {
        year(&mut figures)?;
    }
    if args.wants(Part::Proofs) {
        proofs(&mut figures)?;
        votes_and_shreds(&args, &mut figures)?;
    }
    if args.wants(Part::Memory) {
        remembered(&args, &mut figures).await?;
    }
    if args.wants(Part::Latency) {
        head_to_bytes(&args, &mut figures).await?;
    }
    if args.wants(Part::Mixed) {
        head_to_bytes_mixed(&args, &mut figures).await?;
    }
    if args.wants(Part::Slots) {
        slot_to_bytes(&args, &mut figures).await?;
    }
    if args.wants(Part::CatchUp) {
        catch_up(&mut figures).await?;
    }
    if args.wants(Part::Day) {
        one_day(&args, &mut figures).await?;
    }
    if args.wants(Part::Scale) {
        many_bridges(&args, &mut figures).await?;
    }
    if figures.is_empty() {
        bail!("nothing was measured");
    }
    if !args.json {
        println!("{}", table(&figures));
    }
    println!("{}", serde_json::to_string(&figures)?);
    Ok(ExitCode::SUCCESS)
}

fn year(figures: &mut Figures) -> Result<()> {
    let folder = data_dir().join("nomad");
    if !folder.join("events.jsonl.gz").is_file() {
        eprintln!("SKIPPED: no recorded year at {}; set PORTCULLIS_DATA", folder.display());
        return Ok(());
    }
    let year = engine::year(&folder)?;
    eprintln!("the Nomad year: {} inputs", year.inputs);
    figures.insert("nomad_year", Figure::at_most(year.engine, "ms", year.hashed, 50.0));
    Ok(())
}

fn proofs(figures: &mut Figures) -> Result<()> {
    let Some(folder) = proofs::block_dir() else {
        eprintln!("SKIPPED: no vectors at {}; set PORTCULLIS_VECTORS", proofs::vectors_dir().display());
        return Ok(());
    };
    let proofs = proofs::measure(&folder)?;
    let mut put = |name, cost: proofs::Cost, times: f64| {
        // The budget is a multiple of the floor of the same run.
        let figure = Figure::at_most(cost.verify, "µs", cost.hashed, cost.hashed * times);
        figures.insert(name, figure);
    };
    put("account_proof", proofs.account, 1.4);
    put("receipts_root", proofs.receipts, 1.3);
    Ok(())
}

fn votes_and_shreds(args: &Args, figures: &mut Figures) -> Result<()> {
    let Some(folder) = shreds::block_dir() else {
        eprintln!(
            "SKIPPED: no block in shreds under {}; set PORTCULLIS_VECTORS",
            proofs::vectors_dir().display()
        );
        return Ok(());
    };
    let measured = shreds::measure(&folder, args.quick)?;
    let mut put = |name, cost: proofs::Cost, times: f64| {
        figures.insert(name, Figure::at_most(cost.verify, "µs", cost.hashed, cost.hashed * times));
    };
    put("tally_1000_votes", measured.tally, 1.05);
    put("tally_on_two_cores", measured.tally_on_two, 0.6);
    put("tally_up_to_two_thirds", measured.tally_early, 0.7);
    put("shred_paths", measured.paths, 1.5);
    put("testnet_block", measured.block, 1.3);
    Ok(())
}

async fn remembered(args: &Args, figures: &mut Figures) -> Result<()> {
    let most = if args.quick { 1_000_000 } else { 10_000_000 };
    let growth = memory::measure(&std::env::current_exe()?, most).await?;
    for (size, cost) in &growth.cost {
        eprintln!("{size:>9} messages remembered: {cost:>7.1} ns per input");
    }
    // What cannot be left out of a message: its key and what it stood for (32 bytes each), and its verdict.
    figures.insert("bytes_per_message", Figure::at_most(growth.bytes, "B", 64.0, 200.0));
    let costs = || growth.cost.iter().map(|(_, cost)| *cost);
    let (least, most) = (costs().fold(f64::INFINITY, f64::min), costs().fold(0.0, f64::max));
    figures.insert("cost_growth", Figure::at_most(most, "ns", least, least * 2.0));
    // Why it grows at all: memory is far away. What an input costs more, beside one look-up in a table of as many keys.
    figures.insert("cost_growth_by_look_ups", Figure::told(most - least, "ns", growth.look_up));
    Ok(())
}

async fn head_to_bytes(args: &Args, figures: &mut Figures) -> Result<()> {
    let measured = latency::measure(args.rounds(), args.profile, |round, total, floor| {
        eprintln!("round {:>3}: {total:>8.3} ms, floor {floor:>7.3} ms", round + 1);
    })
    .await?;
    let (p50, p99, floor) = measured.p50_p99_floor();
    figures.insert("head_to_bytes_p50", Figure::at_most(p50, "ms", floor, 5.0));
    figures.insert("head_to_bytes_p99", Figure::at_most(p99, "ms", percentile(&measured.floor, 0.99), 20.0));
    if args.profile {
        explain(&measured)?;
    }
    Ok(())
}

/// A round takes some ten seconds here: blocks come once a second, and closures have to run out.
async fn head_to_bytes_mixed(args: &Args, figures: &mut Figures) -> Result<()> {
    if let Err(missing) = e2e::tools::wasmd() {
        eprintln!("SKIPPED: {missing}");
        return Ok(());
    }
    let rounds = if args.quick { 4 } else { 12 };
    let measured = mixed::measure(rounds, |line| eprintln!("{line}")).await?;
    let [(p50, floor), (p99, floor99)] = mixed::Latency::figures(&measured.told, &measured.told_floor);
    figures.insert("mixed_head_to_bytes_p50", Figure::at_most(p50, "ms", floor, 5.0));
    figures.insert("mixed_head_to_bytes_p99", Figure::told(p99, "ms", floor99));
    let [(p50, floor), (p99, floor99)] = mixed::Latency::figures(&measured.proven, &measured.proven_floor);
    figures.insert("mixed_proving_head_to_bytes_p50", Figure::told(p50, "ms", floor));
    figures.insert("mixed_proving_head_to_bytes_p99", Figure::told(p99, "ms", floor99));
    Ok(())
}

async fn slot_to_bytes(args: &Args, figures: &mut Figures) -> Result<()> {
    if !e2e::solana::node::available() {
        eprintln!("SKIPPED: no node of a chain of slots; run `cargo xtask setup`");
        return Ok(());
    }
    let (rounds, runs) = if args.quick { (4, 20) } else { (args.rounds().min(30), 100) };
    let measured = slots::measure(rounds, runs, |line| eprintln!("{line}")).await?;
    let share = |samples: &[f64], share| percentile(samples, share);
    let (p50, floor) = (share(&measured.told, 0.5), share(&measured.floor, 0.5));
    figures.insert("slots_head_to_bytes_p50", Figure::at_most(p50, "ms", floor, 5.0));
    let (p99, floor) = (share(&measured.told, 0.99), share(&measured.floor, 0.99));
    figures.insert("slots_head_to_bytes_p99", Figure::told(p99, "ms", floor));
    let [trips, payments] =
        [&measured.trips, &measured.payments].map(|landed| slots::Slots::within_two(landed));
    // As many per cent as runs allow: 99 of 100.
    let budget = (runs as f64 * 0.99).floor();
    figures.insert("slots_landed_within_two", Figure::at_least(trips, "trips", payments, budget));
    Ok(())
}

/// Where the time went: from outside, by the service's own clocks, and by samples.
fn explain(measured: &latency::Latency) -> Result<()> {
    let rows = [
        ("head → first endpoint", &measured.first),
        ("head → every endpoint", &measured.total),
        ("floor: round trips", &measured.trips),
        ("floor: commit", &measured.commit),
    ];
    for (name, samples) in rows {
        eprintln!(
            "{name:<24} p10 {:>8.3}  p50 {:>8.3}  p90 {:>8.3}  p99 {:>8.3} ms",
            percentile(samples, 0.1),
            percentile(samples, 0.5),
            percentile(samples, 0.9),
            percentile(samples, 0.99)
        );
    }
    for (name, p50, p99) in &measured.spans {
        eprintln!("{name:<90} p50 {p50:>8.3}  p99 {p99:>8.3} ms");
    }
    let path = flame_path();
    let title = "portcullis run during containments, user time";
    std::fs::write(&path, profile::flame_graph(&measured.stacks, title)?)
        .wrap_err_with(|| format!("cannot write {}", path.display()))?;
    eprintln!("flame graph: {}", path.display());
    Ok(())
}

/// Beside this program: a build's folder is never part of a repository.
fn flame_path() -> PathBuf {
    let me = std::env::current_exe().unwrap_or_default();
    me.parent().map_or_else(PathBuf::new, PathBuf::from).join("flame.svg")
}

async fn catch_up(figures: &mut Figures) -> Result<()> {
    let caught =
        catchup::measure(catchup::BLOCKS, |mined| eprintln!("{mined} blocks to catch up with")).await?;
    let share = 0.9 * caught.bare;
    figures.insert("catch_up", Figure::at_least(caught.observed, "blocks/s", caught.bare, share));
    Ok(())
}

async fn one_day(args: &Args, figures: &mut Figures) -> Result<()> {
    let blocks = if args.quick { day::BLOCKS / 6 } else { day::BLOCKS };
    let day = day::measure(blocks, |line| eprintln!("{line}")).await?;
    eprintln!("{} blocks of each chain, {} messages from quarter to quarter", day.blocks, day.messages);
    let (last, second) = (day.last_without_messages() / 1e6, day.second / 1e6);
    figures.insert("day_memory", Figure::at_most(last, "MB", second, second * 1.1));
    Ok(())
}

async fn many_bridges(args: &Args, figures: &mut Figures) -> Result<()> {
    let rounds = if args.quick { 10 } else { args.rounds().min(40) };
    let one = scale::measure(1, 1, |line| eprintln!("{line}")).await?;
    let many = scale::measure(200, rounds, |line| eprintln!("{line}")).await?;
    let (p50, p99) = (percentile(&many.total, 0.5), percentile(&many.total, 0.99));
    figures.insert(
        "scale_head_to_bytes_p50",
        Figure::told(p50, "ms", one.total.first().copied().unwrap_or(p50)),
    );
    figures.insert("scale_head_to_bytes_p99", Figure::at_most(p99, "ms", p50, 20.0));
    figures.insert(
        "scale_processor",
        Figure::told(many.processor * 100.0, "% of a core", one.processor * 100.0),
    );
    figures
        .insert("scale_database", Figure::told(many.database * 100.0, "% of a core", one.database * 100.0));
    figures.insert("scale_memory", Figure::told(many.resident / 1e6, "MB", one.resident / 1e6));
    figures.insert("scale_rows_per_observation", Figure::told(many.rows, "rows", 2.0));
    figures.insert("scale_stray_trips", Figure::at_most(many.strays as f64, "trips", rounds as f64, 0.0));
    Ok(())
}
