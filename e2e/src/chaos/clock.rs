//! The machine's clock is stepped by an hour while the service runs. Service and database see the step, chains do not.
//!
//! The step is made by libfaketime, which a Debian package of that name brings; without it these cases are skipped.

use std::path::PathBuf;

use eyre::{Result, ensure};
use futures::FutureExt;

use super::check::{self, Expect};
use super::scene::Scene;
use super::{Case, Outcome};
use crate::service::Tuning;
use crate::trial::{FACTOR, PATIENCE};

/// Where the library may be, besides the folder that PORTCULLIS_FAKETIME names.
const PLACES: [&str; 4] = [
    "/usr/lib/x86_64-linux-gnu/faketime",
    "/usr/lib/aarch64-linux-gnu/faketime",
    "/usr/lib/faketime",
    "/usr/lib64/faketime",
];

pub(super) const CASES: &[Case] = &[
    Case {
        name: "clock-forward",
        fault: "the clock jumps an hour ahead, and the attack follows",
        injected: "libfaketime under service and database, +1 h while they run",
        quick: false,
        run: |seed| stepped(seed, "+3600").boxed(),
    },
    Case {
        name: "clock-back",
        fault: "the clock falls an hour back, and the attack follows",
        injected: "libfaketime under service and database, -1 h while they run",
        quick: false,
        run: |seed| stepped(seed, "-3600").boxed(),
    },
];

/// The library that steps clocks, where there is one.
fn library() -> Option<PathBuf> {
    let named = std::env::var_os("PORTCULLIS_FAKETIME").map(PathBuf::from);
    let folders = named.into_iter().chain(PLACES.iter().map(PathBuf::from));
    folders.map(|folder| folder.join("libfaketimeMT.so.1")).find(|file| file.is_file())
}

async fn stepped(seed: u64, by: &str) -> Result<Outcome> {
    let Some(library) = library() else {
        return Ok(Outcome::skip("no libfaketime: install it, or name its folder in PORTCULLIS_FAKETIME"));
    };
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("offset");
    std::fs::write(&file, "+0\n")?;
    // The database runs as another user, and reads the same file.
    readable(folder.path(), 0o755)?;
    readable(&file, 0o644)?;
    let env = [
        ("LD_PRELOAD", library.display().to_string()),
        ("FAKETIME_TIMESTAMP_FILE", file.display().to_string()),
        ("FAKETIME_NO_CACHE", "1".to_owned()),
        // What is measured by the monotonic clock goes on as on a machine whose clock is set.
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
        ("FAKETIME_DISABLE_SHM", "1".to_owned()),
    ];
    let env = env.map(|(name, value)| (name.to_owned(), value)).to_vec();
    // The step is an hour of real time: so is the day after which something counts as history.
    let quiet_secs = (86_400.0 * FACTOR) as u64;
    let scene = Scene::start(seed, Tuning { env, quiet_secs, ..Tuning::default() }).await?;
    std::fs::write(&file, format!("{by}\n"))?;
    let play = scene.play();
    check::all_closed(&scene.trial, PATIENCE).await?;
    play.finish().await?;
    check::one_settled_incident(&scene.trial).await?;
    let outcome = check::verdict(&scene, Expect { same_clock: false, ..Expect::default() }).await?;
    let moved = off_by_secs(&scene).await?;
    ensure!((3_500..3_700).contains(&moved.abs()), "the clock is off by {moved} s only");
    for side in scene.trial.world.sides() {
        let now = side.node.rpc.head().await?.timestamp;
        let until = scene.trial.trips(side).await?.iter().map(|trip| trip.until).max().unwrap_or(0);
        ensure!(until > now, "{} was closed until {until}, which is past at {now}", side.caip2());
        ensure!(until < now + 2 * 3_600, "{} was closed for hours: until {until} at {now}", side.caip2());
    }
    Ok(outcome.noting(format!("clocks off by {moved} s")))
}

/// How far the clock that service and database see lies from this machine's.
async fn off_by_secs(scene: &Scene) -> Result<i64> {
    let query = "SELECT extract(epoch FROM clock_timestamp())::bigint";
    let seen = scene.trial.books().await?.count(query).await?;
    Ok(seen - i64::try_from(crate::clock::now_secs())?)
}

fn readable(path: &std::path::Path, mode: u32) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    Ok(std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?)
}
