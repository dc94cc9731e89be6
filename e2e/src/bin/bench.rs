//! Figures with their floors; the last line is one JSON object.

use std::collections::BTreeMap;

use clap::Parser;
use e2e::bench::{Figure, catchup, engine, latency, percentile};
use e2e::scenario::data_dir;
use eyre::Result;

/// What containment and engine cost on this machine, beside the bare minimum of the same run.
#[derive(Debug, Parser)]
#[command(
    name = "bench",
    after_help = "Examples:\n  bench                a table, then one line of JSON\n  bench --json         the line of JSON only\n  bench --profile      where the time goes as well"
)]
struct Args {
    /// One line of JSON and nothing else on standard output.
    #[arg(long)]
    json: bool,
    /// Shows where the time goes.
    #[arg(long)]
    profile: bool,
    /// Attacks to time.
    #[arg(long, default_value_t = 40, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
}

#[tokio::main]
async fn main() -> Result<()> {
    let args = Args::parse();
    let mut figures: BTreeMap<&'static str, Figure> = BTreeMap::new();
    engines(&mut figures)?;
    let measured = latency::measure(usize::from(args.rounds), |round, total, floor| {
        eprintln!("round {:>3}: {total:>8.3} ms, floor {floor:>7.3} ms", round + 1);
    })
    .await?;
    let (p50, p99, floor) = measured.p50_p99_floor();
    figures.insert("head_to_bytes_p50", Figure::at_most(p50, "ms", floor, 5.0));
    figures.insert("head_to_bytes_p99", Figure::at_most(p99, "ms", percentile(&measured.floor, 0.99), 20.0));
    let caught =
        catchup::measure(catchup::BLOCKS, |mined| eprintln!("{mined} blocks to catch up with")).await?;
    let share = 0.9 * caught.bare;
    figures.insert("catch_up", Figure::at_least(caught.observed, "blocks/s", caught.bare, share));
    if args.profile {
        profile(&measured);
    }
    if !args.json {
        for (name, figure) in &figures {
            let kept = if figure.ok { "kept" } else { "NOT KEPT" };
            println!(
                "{name:<22} {:>12} {:<5} floor {:>10}  ratio {:>8}  budget {:>10} {kept}",
                figure.value, figure.unit, figure.floor, figure.ratio, figure.budget
            );
        }
    }
    println!("{}", serde_json::to_string(&figures)?);
    Ok(())
}

/// The engine alone. First, so that no node takes its processor.
fn engines(figures: &mut BTreeMap<&'static str, Figure>) -> Result<()> {
    let rate = engine::rate()?;
    figures.insert("engine_inputs_per_s", Figure::at_least(rate.engine, "1/s", rate.hashed, 1e6));
    let folder = data_dir().join("nomad");
    if folder.join("events.jsonl.gz").is_file() {
        let year = engine::year(&folder)?;
        eprintln!("the Nomad year: {} inputs", year.inputs);
        figures.insert("nomad_year", Figure::at_most(year.engine, "ms", year.hashed, 50.0));
    } else {
        eprintln!("SKIPPED: no recorded year at {}; set PORTCULLIS_DATA", folder.display());
    }
    Ok(())
}

fn profile(measured: &latency::Latency) {
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
}
