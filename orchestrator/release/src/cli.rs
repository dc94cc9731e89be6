//! What a person types, and what it answers.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use portcullis_verifier::B256;
use url::Url;

use crate::{Gate, Key, Offer, Seen, Signed, error::ReleaseError, text};

const AFTER: &str = "\
Exit codes: 0 done; 1 nothing was sent, because --yes is missing; 2 the command line cannot be understood; 4 refused or
broken (codes PC-05xx, explained in docs/errors).

Name several endpoints of different operators: all of them must say the same, or nothing is shown or signed.";

/// What a person types.
#[derive(Debug, Parser)]
#[command(
    name = "portcullis-release",
    version,
    about = "Shows what a gate holds, and signs and sends the release that ends it.",
    after_help = AFTER,
    max_term_width = 110
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Answer with one JSON document on standard output.
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show level, until, generation, roles, and who closed it. Needs no key.
    #[command(after_help = "\
Example:
  portcullis-release show --rpc https://a.example --rpc https://b.example --guard 0x… --scope 0x…

The scope stands in `portcullis check` and in every trip. The last line is what `sign` and `send` take as --seen.")]
    Show {
        #[command(flatten)]
        place: Place,
    },
    /// Sign the release and print it. Sends nothing.
    #[command(after_help = "\
Example:
  portcullis-release sign --rpc https://a.example --guard 0x… --scope 0x… --seen 0:1659411151 \\
      --keystore releaser.json --password-file releaser.password")]
    Sign {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        release: ReleaseArgs,
    },
    /// Sign the release, hand it to every endpoint, and wait until the gate is open. Without --yes only say what would reopen.
    #[command(after_help = "\
Example:
  portcullis-release send --rpc https://a.example --guard 0x… --scope 0x… --seen 0:1659411151 \\
      --keystore releaser.json --password-file releaser.password --to limited --yes")]
    Send {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        release: ReleaseArgs,
        /// Really send it.
        #[arg(long)]
        yes: bool,
    },
}

/// Which gate, and who is asked about it.
#[derive(Debug, Args)]
struct Place {
    /// JSON-RPC endpoint over HTTP; repeat it for every operator.
    #[arg(long = "rpc", value_name = "URL", required = true)]
    endpoints: Vec<Url>,
    /// Guard or Gate contract.
    #[arg(long, value_name = "ADDRESS")]
    guard: String,
    /// Scope, 32 bytes.
    #[arg(long, value_name = "SCOPE")]
    scope: B256,
    /// Blocks before the head that are searched for who closed it.
    #[arg(long, value_name = "BLOCKS", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    look_back: u64,
}

#[derive(Debug, Args)]
struct ReleaseArgs {
    /// What was seen, as the last line of `show` says: a trip that came in between is not undone unseen.
    #[arg(long, value_name = "GENERATION:UNTIL")]
    seen: Seen,
    /// How far to open.
    #[arg(long, value_enum, default_value_t = To::Open)]
    to: To,
    /// Encrypted keystore of the releaser.
    #[arg(long, value_name = "FILE")]
    keystore: PathBuf,
    /// File with its password.
    #[arg(long, value_name = "FILE")]
    password_file: PathBuf,
    /// Tip per gas, in gwei.
    #[arg(long, value_name = "GWEI", default_value_t = 2, value_parser = clap::value_parser!(u64).range(0..=10_000))]
    tip_gwei: u64,
    /// Highest fee per gas, in gwei; default: twice the base fee and the tip.
    #[arg(long, value_name = "GWEI", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    max_fee_gwei: Option<u64>,
}

/// How far to open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum To {
    /// Fully.
    Open,
    /// To the tighter limits, for the gate's own tail.
    Limited,
}

impl To {
    pub(crate) fn number(self) -> u8 {
        match self {
            Self::Open => 0,
            Self::Limited => 1,
        }
    }
}

/// What is printed, and whether it was done.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) text: String,
    pub(crate) yes: bool,
}

fn done(text: String) -> Answer {
    Answer { text, yes: true }
}

impl Cli {
    pub(crate) async fn execute(&self) -> Result<Answer, ReleaseError> {
        match &self.command {
            Command::Show { place } => {
                let gate = place.gate()?;
                let view = gate.view(place.look_back).await?;
                Ok(done(if self.json { text::json(&view) } else { text::show(&view) }))
            }
            Command::Sign { place, release } => {
                let gate = place.gate()?;
                let signed = release.sign(&gate, place.look_back).await?;
                Ok(done(if self.json { text::json(&signed) } else { text::signed(&signed) }))
            }
            Command::Send { place, release, yes } => self.send(place, release, *yes).await,
        }
    }

    async fn send(&self, place: &Place, release: &ReleaseArgs, yes: bool) -> Result<Answer, ReleaseError> {
        let gate = place.gate()?;
        let signed = release.sign(&gate, place.look_back).await?;
        if !yes {
            let text = if self.json { text::json(&signed) } else { text::unsent(&signed) };
            return Ok(Answer { text, yes: false });
        }
        let landed = gate.send(&signed, place.look_back).await?;
        Ok(done(if self.json { text::json(&landed) } else { text::landed(&landed) }))
    }
}

impl Place {
    fn gate(&self) -> Result<Gate, ReleaseError> {
        Gate::new(&self.endpoints, &self.guard, self.scope)
    }
}

impl ReleaseArgs {
    async fn sign(&self, gate: &Gate, look_back: u64) -> Result<Signed, ReleaseError> {
        let key = Key::open(&self.keystore, &self.password_file)?;
        let offer = Offer::gwei(self.tip_gwei, self.max_fee_gwei);
        gate.sign(&key, self.seen, self.to, offer, look_back).await
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent_and_nothing_is_signed_unseen() {
        Cli::command().debug_assert();
        let scope = format!("0x{}", "ab".repeat(32));
        let sign = |seen: Option<&str>| {
            let mut words = vec![
                "portcullis-release",
                "sign",
                "--rpc",
                "http://x",
                "--guard",
                "0x0",
                "--scope",
                scope.as_str(),
            ];
            words.extend(["--keystore", "k", "--password-file", "p"]);
            words.extend(seen.into_iter().flat_map(|seen| ["--seen", seen]));
            Cli::try_parse_from(words).map(|_| ())
        };
        assert!(sign(Some("3:1659411151")).is_ok());
        assert!(sign(None).is_err());
        assert!(sign(Some("3")).is_err());
        assert!(sign(Some("-1:0")).is_err());
    }
}
