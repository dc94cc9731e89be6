//! `portcullis stakes`: makes the table of stakes that a person then pins.

use std::{
    fs::Permissions,
    io::{self, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Args;
use portcullis_verifier::ChainId;

use super::{CliError, ConfigArg, EXIT_GOOD, open, print, print_json};
use crate::wiring::{self, StakesMade};

/// Arguments of `portcullis stakes`.
#[derive(Debug, Args)]
pub(super) struct StakesArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// Chain of the configuration whose voters are asked for.
    #[arg(long, value_name = "CHAIN")]
    chain: ChainId,
    /// File to make; one that is there already is not overwritten.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Take the table from the bank manifest of a snapshot instead of asking operators.
    #[arg(long, value_name = "FILE", requires = "epoch")]
    manifest: Option<PathBuf>,
    /// Epoch of the manifest to take.
    #[arg(long, value_name = "EPOCH", requires = "manifest")]
    epoch: Option<u64>,
}

pub(super) async fn stakes(args: &StakesArgs, json: bool) -> Result<ExitCode, CliError> {
    let loaded = open::config(&args.config.config).map_err(CliError::Config)?;
    let chain = loaded.config.chains.iter().find(|chain| chain.id.value == args.chain);
    let chain = chain.ok_or_else(|| CliError::NoStakes(format!("{} is not configured", args.chain)))?;
    let made = match (&args.manifest, args.epoch) {
        (Some(path), Some(epoch)) => {
            let file = |source| CliError::StakesFile { path: path.clone(), source };
            wiring::stakes_of(chain, &std::fs::read(path).map_err(file)?, epoch)
        }
        _ => wiring::stakes_now(&loaded, chain).await,
    };
    let made = made.map_err(CliError::NoStakes)?;
    write(&args.out, &made.bytes)
        .map_err(|source| CliError::StakesFile { path: args.out.clone(), source })?;
    if json {
        print_json(&serde_json::json!({
            "chain": args.chain, "file": args.out, "sha256": made.sha256, "epoch": made.epoch,
            "first_slot": made.slots.0, "last_slot": made.slots.1, "voters": made.voters,
            "voters_without_key": made.mute, "stake": made.stake.to_string(), "agreeing": made.agreeing,
            "others": made.others,
        }))?;
    } else {
        print(&describe(&args.out, &made))?;
    }
    Ok(ExitCode::from(EXIT_GOOD))
}

/// Makes the file whole, or not at all: it is written beside, and gets its name when it is on the disk.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // The service may run as somebody else than the person who makes the table; nothing in it is secret.
    let mut file = tempfile::Builder::new().permissions(Permissions::from_mode(0o644)).tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist_noclobber(path)?;
    Ok(())
}

/// What was made, what pinning it means, and the line to pin it with.
fn describe(out: &Path, made: &StakesMade) -> String {
    let source = if made.agreeing.is_empty() {
        "from the manifest".to_owned()
    } else {
        format!("as {} tell it alike at this moment", made.agreeing.join(", "))
    };
    let mut text = format!(
        "Epoch {} (slots {} to {}): {} voters with {} lamports, {} of them without a key, {source}.\n",
        made.epoch, made.slots.0, made.slots.1, made.voters, made.stake, made.mute
    );
    for other in &made.others {
        text.push_str(&format!("  not alike: {other}\n"));
    }
    text.push_str(&format!(
        "\nNothing on the chain proves this table. Whoever pins it trusts these words, as they stand now, for the whole epoch.\n\
         Compare its SHA-256 with one that somebody else made from other sources, then write at the chain:\n\n  \
         stakes = {{ file = \"{}\", sha256 = \"{}\", epoch = {} }}\n",
        out.display(),
        made.sha256,
        made.epoch
    ));
    text
}

#[cfg(test)]
mod tests {
    use portcullis_verifier::B256;

    use super::*;

    #[test]
    fn who_makes_a_table_is_told_what_pinning_it_means_and_how_it_is_pinned() {
        let made = StakesMade {
            epoch: 812,
            slots: (350_784_000, 351_215_999),
            voters: 900,
            mute: 2,
            stake: 380_000_000_000_000_000,
            bytes: vec![1],
            sha256: B256::repeat_byte(0xab),
            agreeing: vec!["alpha".to_owned(), "own".to_owned()],
            others: vec!["gamma: no answer".to_owned()],
        };
        let text = describe(Path::new("stakes-812.bin"), &made);
        for wanted in [
            "as alpha, own tell it alike at this moment",
            "900 voters",
            "2 of them without a key",
            "not alike: gamma: no answer",
            "Nothing on the chain proves this table",
            "epoch = 812 }",
            &format!("sha256 = \"{}\"", B256::repeat_byte(0xab)),
        ] {
            assert!(text.contains(wanted), "{wanted}: {text}");
        }
        let by_hand = describe(Path::new("x"), &StakesMade { agreeing: Vec::new(), ..made });
        assert!(by_hand.contains("from the manifest"), "{by_hand}");
    }

    #[test]
    fn a_file_that_is_there_is_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("stakes.bin");
        write(&path, b"one").unwrap();
        assert_eq!(write(&path, b"two").unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read(&path).unwrap(), b"one");
        let left = std::fs::read_dir(folder.path()).unwrap();
        assert_eq!(left.count(), 1, "nothing lies beside it");
    }
}
