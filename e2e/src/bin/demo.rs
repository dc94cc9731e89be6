//! The Nomad attack of 1 August 2022, replayed onto real nodes, and stopped.

use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use e2e::demo::{self, Options, Script};
use e2e::process::unless_interrupted;
use e2e::scenario::Domain;
use e2e::scenario::corridor::Attack;
use e2e::screen::{Screen, Tone};
use eyre::{Result, bail};

/// Two EVM nodes, a bridge with Nomad's flaw between them, Postgres, `portcullis run` as its own process, and the attack
/// of 1 August 2022 with its recorded ids, amounts, order and gaps. Where nodes of Cosmos and
/// Solana are there, their chains are sides of the same bridge.
#[derive(Debug, Parser)]
#[command(
    name = "demo",
    after_help = "Examples:\n  demo                      three minutes, the whole attack, on all families whose nodes are there\n  demo --families evm       on two EVM nodes alone\n  demo --script false-mint  minted on the last family, locked nowhere: every side closes\n  demo --until 120 --json   the first two minutes of it, one line of JSON at the end\n  demo --keep               leaves everything running to explore; Ctrl-C cleans up"
)]
struct Args {
    /// Families of chains that take part; none named takes all whose nodes are there.
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    families: Vec<Family>,
    /// What is played.
    #[arg(long, default_value = "nomad")]
    script: Play,
    /// Gaps, finality windows, expiries and block times are divided by this.
    #[arg(long, default_value_t = 60.0)]
    factor: f64,
    /// Stop so many recorded seconds after the first false release.
    #[arg(long, value_name = "SECONDS")]
    until: Option<i64>,
    /// Recorded seconds of live traffic before the first false release.
    #[arg(long, default_value_t = 1_200, value_name = "SECONDS")]
    lead: i64,
    /// End with one line of JSON on standard output; the story goes to standard error.
    #[arg(long)]
    json: bool,
    /// Leave everything running at the end, until Ctrl-C.
    #[arg(long)]
    keep: bool,
    /// Use the compact scenario even where the recorded events are.
    #[arg(long)]
    compact: bool,
    /// Chooses all keys.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Folder for chains, configuration, logs and data; none makes one that goes with the play.
    #[arg(long, value_name = "DIR")]
    dir: Option<std::path::PathBuf>,
}

/// A family of chains that can take part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Family {
    /// Two nodes with a past; in every play.
    Evm,
    /// A side whose validators sign each block.
    Cosmos,
    /// A side of slots, where nothing can be proven and operators report.
    Solana,
}

/// What can be played.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Play {
    /// The attack of 1 August 2022.
    Nomad,
    /// Released on Ethereum, burned nowhere on the last family that takes part.
    FalseRelease,
    /// Minted on the last family that takes part, locked nowhere on Ethereum.
    FalseMint,
    /// Honest traffic between all sides.
    Honest,
}

impl Play {
    fn script(self) -> Script {
        match self {
            Self::Nomad => Script::Nomad,
            Self::FalseRelease => Script::Corridor(Some(Attack::Release)),
            Self::FalseMint => Script::Corridor(Some(Attack::Mint)),
            Self::Honest => Script::Corridor(None),
        }
    }
}

impl Args {
    /// Whether the Cosmos chain takes part, and whether the Solana chain does.
    fn joining(&self) -> Result<(bool, bool)> {
        if self.families.is_empty() {
            let cosmos = e2e::tools::wasmd().is_ok() && e2e::tools::wasm_artifact("guard").is_ok();
            let solana = e2e::solana::node::available();
            return Ok((cosmos || (self.script != Play::Nomad && !solana), solana));
        }
        if !self.families.contains(&Family::Evm) {
            bail!("the bridge's escrow is on an EVM chain: say --families evm, or evm,cosmos,solana");
        }
        let takes_part = |family| self.families.contains(&family);
        let joining = (takes_part(Family::Cosmos), takes_part(Family::Solana));
        if joining == (false, false) && self.script != Play::Nomad {
            bail!(
                "this script goes through the chain of another family: say --families evm,cosmos or evm,solana"
            );
        }
        Ok(joining)
    }
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let args = Args::parse();
    let mut screen = Screen::new(args.json);
    let (cosmos, solana) = args.joining()?;
    let options = Options {
        factor: args.factor,
        until: args.until,
        lead: args.lead,
        script: args.script.script(),
        cosmos,
        solana,
        compact: args.compact,
        seed: args.seed,
        dir: args.dir.clone(),
        ..Options::default()
    };
    // Whatever is dropped on the way out ends its own processes, the service before the nodes.
    unless_interrupted(play(options, &args, &mut screen)).await
}

async fn play(options: Options, args: &Args, screen: &mut Screen) -> Result<ExitCode> {
    let finished = demo::run(options, screen).await?;
    finished.summary.show(screen);
    let broken = finished.summary.broken_promises();
    for promise in &broken {
        screen.say(Tone::Bad, format!("NOT AS PROMISED: {promise}"));
    }
    if args.keep {
        keep(&finished, screen);
    }
    if args.json {
        println!("{}", finished.summary.json());
    }
    if args.keep {
        std::future::pending::<()>().await;
    }
    let demo::Finished { service, world, .. } = finished;
    // The database's last checkpoint needs its nodes no more, but its folder.
    drop(service);
    drop(world);
    Ok(if broken.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn keep(finished: &demo::Finished, screen: &Screen) {
    screen.say(Tone::Plain, "");
    screen.say(Tone::Title, "Everything goes on running. Ctrl-C ends it.");
    let config = finished.service.config.display();
    screen.say(Tone::Plain, format!("API        {}/api/v1/incidents", finished.service.api()));
    screen.say(Tone::Plain, format!("metrics    {}/metrics", finished.service.api()));
    screen.say(Tone::Plain, format!("folder     {}", finished.world.dir.display()));
    let id = finished.summary.incident.as_deref().unwrap_or("ID");
    screen.say(Tone::Plain, format!("incident   portcullis incidents show {id} --config {config}"));
    screen.say(Tone::Plain, format!("replay     portcullis replay --incident {id} --config {config}"));
    for side in finished.world.sides() {
        screen.say(Tone::Plain, format!("{:<10} {}", side.deployed.domain.name(), side.node.rpc.url()));
    }
    if let Some(zone) = &finished.world.zone {
        screen.say(Tone::Plain, format!("{:<10} {}", Domain::Cosmos.name(), zone.node.rpc.url()));
    }
    if let Some(cluster) = &finished.world.cluster {
        screen.say(Tone::Plain, format!("{:<10} {}", Domain::Solana.name(), cluster.node.urls().0));
    }
}
