//! The targets behind libFuzzer. `cargo xtask fuzz` builds it with coverage counters and starts it.
//!
//! `PORTCULLIS_FUZZ_TARGET` names the target. `PORTCULLIS_FUZZ_CORPUS` names a folder that its seeds are written to
//! before the first input is read. `PORTCULLIS_FUZZ_LIST=1` lists the targets and ends.

#![no_main]
#![allow(unsafe_code, reason = "the engine finds its entry point by an exported symbol")]
#![allow(missing_docs, reason = "that symbol is for the engine only")]

use std::{env, fs, path::Path, sync::OnceLock};

use portcullis_fuzz::{TARGETS, Target, find};

static TARGET: OnceLock<Target> = OnceLock::new();

libfuzzer_sys::fuzz_target!(
    init: {
        if env::var_os("PORTCULLIS_FUZZ_LIST").is_some() {
            for target in TARGETS {
                println!("{}\t{}\t{}", target.name, target.most_bytes, target.what);
            }
            std::process::exit(0);
        }
        let name = env::var("PORTCULLIS_FUZZ_TARGET").unwrap_or_default();
        let Some(target) = find(&name) else {
            eprintln!("PORTCULLIS_FUZZ_TARGET names no target: {name:?}");
            std::process::exit(2);
        };
        if let Some(folder) = env::var_os("PORTCULLIS_FUZZ_CORPUS") {
            if let Err(error) = write_seeds(target, Path::new(&folder)) {
                eprintln!("the seeds could not be written: {error}");
                std::process::exit(2);
            }
        }
        TARGET.get_or_init(|| *target);
    },
    |data: &[u8]| {
        if let Some(target) = TARGET.get() {
            (target.feed)(data);
        }
    }
);

fn write_seeds(target: &Target, folder: &Path) -> std::io::Result<()> {
    fs::create_dir_all(folder)?;
    let seeds = (target.seeds)().into_iter().enumerate().map(|(at, bytes)| (format!("seed-{at:03}"), bytes));
    for (name, bytes) in seeds.chain(target.regressions()) {
        fs::write(folder.join(name), bytes)?;
    }
    Ok(())
}
