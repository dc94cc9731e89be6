//! A trial with somebody who looks on: what every block held, and when the first false release came.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use eyre::{Result, bail, ensure};
use tokio::task::JoinHandle;

use crate::lab::Play;
use crate::nodes::Head;
use crate::scenario::Domain;
use crate::service::Tuning;
use crate::trial::{Attack, PATIENCE, Trial};
use crate::watch::{Chronicle, Watch};

/// A trial that is watched from its first block on.
#[derive(Debug)]
pub struct Scene {
    /// World and service.
    pub trial: Trial,
    seen: Arc<Mutex<Seen>>,
    task: JoinHandle<()>,
}

/// What was seen so far.
#[derive(Debug, Default)]
pub struct Seen {
    /// Every block.
    pub chronicle: Chronicle,
    /// The block with the first false release, as it was seen then; a reorganisation does not change that.
    pub first: Option<Head>,
}

impl Scene {
    /// The first minute of the recorded attack at a sixtieth of its time, and a service that watches it and knows the past.
    ///
    /// # Errors
    /// As [`Trial::start`], and when the service does not catch up.
    pub async fn start(seed: u64, tuning: Tuning) -> Result<Self> {
        let scene = Self::of(Trial::start(seed, tuning).await?);
        scene.caught_up().await?;
        Ok(scene)
    }

    /// Waits until the record holds everything that the chains do: what a fault hides afterwards was known before.
    ///
    /// # Errors
    /// When that does not come within [`PATIENCE`].
    pub async fn caught_up(&self) -> Result<()> {
        let gap = super::check::settled_gap(&self.trial).await?;
        ensure!(gap.is_none(), "the service does not catch up with the past: {gap:?}");
        Ok(())
    }

    /// As [`Scene::start`], in a folder that somebody chose.
    ///
    /// # Errors
    /// As [`Trial::start`].
    pub async fn start_in(dir: &Path, seed: u64, tuning: Tuning) -> Result<Self> {
        let scene = Self::of(Trial::start_in(Some(dir.to_path_buf()), seed, tuning).await?);
        scene.caught_up().await?;
        Ok(scene)
    }

    /// Looks on at a trial from now on. Call it before the play begins.
    #[must_use]
    pub fn of(trial: Trial) -> Self {
        let seen = Arc::<Mutex<Seen>>::default();
        let (mut watch, attack) = (Watch::start(&trial.world), Attack::of(&trial.world));
        let task = tokio::spawn({
            let seen = Arc::clone(&seen);
            async move {
                while let Some(block) = watch.blocks.recv().await {
                    let mut seen = lock(&seen);
                    let is_first = seen.first.is_none()
                        && block.side == Domain::Ethereum
                        && block.receipts.iter().any(|receipt| attack.is_in(receipt));
                    if is_first {
                        seen.first = Some(block.head);
                    }
                    seen.chronicle.add(block);
                }
            }
        });
        Self { trial, seen, task }
    }

    /// Lets everybody act; see [`crate::lab::World::play`].
    #[must_use]
    pub fn play(&self) -> Play {
        self.trial.world.play()
    }

    /// The block with the first false release, if it came yet.
    #[must_use]
    pub fn first(&self) -> Option<Head> {
        lock(&self.seen).first
    }

    /// Waits for the block with the first false release.
    ///
    /// # Errors
    /// When none comes within [`PATIENCE`].
    pub async fn first_false_release(&self) -> Result<Head> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(head) = self.first() {
                return Ok(head);
            }
            if Instant::now() > deadline {
                bail!("no false release came");
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// What was seen so far.
    pub fn seen(&self) -> MutexGuard<'_, Seen> {
        lock(&self.seen)
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    // A task that panicked while it held the lock left whole blocks.
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}
