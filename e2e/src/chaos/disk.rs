//! The journal's disk is full. Nothing happens while the database answers; when it does not either, nothing may leave,
//! and everything leaves as soon as one of the two takes a record again.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use eyre::{Result, WrapErr, ensure, eyre};
use futures::FutureExt;
use rustix::process::Signal;

use super::check::{self, Expect};
use super::scene::Scene;
use super::trap::{Moment, Trap};
use super::{Case, Outcome};
use crate::process::signal_family;
use crate::service::Tuning;
use crate::trial::PATIENCE;

/// How long neither takes a record.
const NOWHERE: Duration = Duration::from_secs(5);

pub(super) const CASES: &[Case] = &[
    Case {
        name: "disk-full",
        fault: "the journal's disk is full while the database answers",
        injected: "a file system of 128 kB under the journal, filled up",
        quick: false,
        run: |seed| full(seed, false).boxed(),
    },
    Case {
        name: "disk-full-and-postgres-hangs",
        fault: "for 5 s neither journal nor database takes a record",
        injected: "as disk-full, and SIGSTOP to the database as the release is seen",
        quick: false,
        run: |seed| full(seed, true).boxed(),
    },
];

async fn full(seed: u64, hang: bool) -> Result<Outcome> {
    // The mount lives in a name space of the service's own, and goes with it.
    let probe = tokio::process::Command::new("unshare").args(["--mount", "true"]).output().await;
    if !probe.is_ok_and(|output| output.status.success()) {
        return Ok(Outcome::skip("a file system of its own for the journal needs root and unshare"));
    }
    let script =
        "mkdir -p \"$0/journal\" && mount -t tmpfs -o size=128k,mode=755 none \"$0/journal\" && exec \"$@\"";
    let dir = tempfile::tempdir()?;
    let world_dir = dir.path().join("world");
    let data = world_dir.join(crate::service::MAIN_FOLDER);
    let wrapper = ["unshare", "--mount", "sh", "-c", script].map(str::to_owned).to_vec();
    let wrapper = [wrapper, vec![data.display().to_string()]].concat();
    let scene = Scene::start_in(&world_dir, seed, Tuning { wrapper, ..Tuning::default() }).await?;
    let outcome = play(&scene, &data, hang).await;
    drop(scene);
    outcome
}

async fn play(scene: &Scene, data: &Path, hang: bool) -> Result<Outcome> {
    let trial = &scene.trial;
    let inside = PathBuf::from(format!("/proc/{}/root", trial.service.pid()));
    let journal = inside.join(data.strip_prefix("/")?).join("journal");
    fill(&journal)?;
    let mut note = "the journal took nothing".to_owned();
    let server = trial.service.postgres().ok_or_else(|| eyre!("the service runs no database"))?;
    let play = if hang {
        let moment = Moment::Shown;
        let trap =
            Trap::set(&trial.world, &trial.service, moment, move || signal_family(server, Signal::STOP));
        let play = scene.play();
        let since = trap.sprung().await?;
        let told = trial.service.told.wait("that nothing takes the record", NOWHERE, |line| {
            line.text.contains("nothing takes the record")
        });
        let told = told.await;
        tokio::time::sleep(NOWHERE.saturating_sub(since.elapsed())).await;
        let left = check::arrivals(trial).len();
        signal_family(server, Signal::CONT);
        Trap::clear(&trial.world);
        told?;
        ensure!(left == 0, "{left} transactions left although nothing had taken them");
        note = "nothing left while nothing took the record".to_owned();
        play
    } else {
        scene.play()
    };
    check::all_closed(trial, PATIENCE).await?;
    play.finish().await?;
    check::one_settled_incident(trial).await?;
    Ok(check::verdict(scene, Expect::default()).await?.noting(note))
}

/// Writes until nothing more goes in.
fn fill(folder: &Path) -> Result<()> {
    let filler = folder.join("filler");
    let mut file =
        std::fs::File::create(&filler).wrap_err_with(|| format!("cannot write {}", filler.display()))?;
    for _ in 0..1_024 {
        if file.write_all(&[0; 1_024]).is_err() {
            return Ok(());
        }
    }
    Err(eyre!("{} takes more than it should", folder.display()))
}
