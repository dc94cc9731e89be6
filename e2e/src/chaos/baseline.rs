//! No fault at all: what the others are held against.

use eyre::Result;
use futures::FutureExt;

use super::check::{self, Expect};
use super::scene::Scene;
use super::{Case, Outcome};
use crate::service::Tuning;

pub(super) const CASES: &[Case] = &[Case {
    name: "none",
    fault: "nothing goes wrong but the attack itself",
    injected: "nothing is done",
    quick: false,
    run: |seed| none(seed).boxed(),
}];

async fn none(seed: u64) -> Result<Outcome> {
    let scene = Scene::start(seed, Tuning::default()).await?;
    scene.trial.play().await?;
    check::verdict(&scene, Expect::default()).await
}
