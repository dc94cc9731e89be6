//! What commands open: the configuration, and the record behind it.

use std::{path::Path, time::Duration};

use portcullis_core::Engine;
use secrecy::ExposeSecret;

use super::CliError;
use crate::{
    config::{self, Code, Loaded, Problem, Problems, model::StoreConfig},
    store::{Store, cluster::Cluster},
    wiring,
};

/// Variable that names a server and goes before the configuration.
const DATABASE_URL: &str = "DATABASE_URL";

/// Folder of the private server inside the data directory.
const CLUSTER_FOLDER: &str = "postgres";

/// Time that open statements may take when the record is closed.
const CLOSE: Duration = Duration::from_secs(5);

/// Reads a configuration and lets families judge their parts.
///
/// # Errors
/// Every problem at once.
pub(super) fn config(file: &Path) -> Result<Loaded, Problems> {
    config::load(file, |loaded| {
        let mut found = wiring::check(loaded).list;
        found.extend(engine_problems(loaded));
        found
    })
}

/// What the engine refuses although every part of the file reads well.
fn engine_problems(loaded: &Loaded) -> Vec<Problem> {
    let refused = loaded.config.engines().into_iter().filter_map(|engine| {
        let group = engine.group;
        let bridge = loaded.config.bridges.iter().find(|bridge| bridge.group == group);
        let at = bridge.map_or(0..0, |bridge| bridge.id.at.clone());
        let error = Engine::new(engine).err()?;
        let what = format!("the engine refuses the group {group}: {error}");
        let fix = "change the part of the bridge that the message names".to_owned();
        Some(loaded.problem(Code::EngineRefuses, &at, what, fix))
    });
    refused.collect()
}

/// The record, with the private server behind it where no other is named.
pub(super) struct Opened {
    pub(super) store: Store,
    cluster: Option<Cluster>,
}

/// Opens the record: `DATABASE_URL`, then the configuration's server, then a private one in the data directory.
///
/// # Errors
/// When it does not answer, or no private server can be had.
pub(super) async fn record(config: &StoreConfig) -> Result<Opened, CliError> {
    match url(config) {
        Some(url) => Ok(Opened { store: Store::connect_url(&url).await?, cluster: None }),
        None => private(config).await,
    }
}

/// As [`record`], for the service: a server that somebody else runs may be away for now.
///
/// # Errors
/// When its URL does not parse, or no private server can be had.
pub(super) async fn record_or_wait(config: &StoreConfig) -> Result<Opened, CliError> {
    match url(config) {
        Some(url) => Ok(Opened { store: Store::lazily_url(&url)?, cluster: None }),
        None => private(config).await,
    }
}

/// The server that is named, if one is.
fn url(config: &StoreConfig) -> Option<String> {
    let named = std::env::var(DATABASE_URL).ok().filter(|url| !url.is_empty());
    named.or_else(|| config.database_url.as_ref().map(|url| url.expose_secret().to_owned()))
}

async fn private(config: &StoreConfig) -> Result<Opened, CliError> {
    let cluster = Cluster::start(&config.data_dir.join(CLUSTER_FOLDER)).await?;
    let store = Store::connect(cluster.connect_options()).await?;
    Ok(Opened { store, cluster: Some(cluster) })
}

impl Opened {
    /// Closes the record after reading it. The private server ends, unless it was running before: then a service
    /// uses it.
    pub(super) async fn close(self) {
        let used = self.cluster.as_ref().is_some_and(Cluster::taken_over);
        self.end(!used).await;
    }

    /// Closes the record that this process owned: its private server ends even where an earlier life started it.
    pub(super) async fn close_owned(self) {
        self.end(true).await;
    }

    async fn end(self, server: bool) {
        self.store.close(CLOSE).await;
        let Some(cluster) = self.cluster else { return };
        if !server {
            return cluster.abandon();
        }
        if let Err(error) = cluster.stop().await {
            tracing::warn!(code = error.code(), %error, "the private Postgres goes on; the next start takes it over");
        }
    }
}
