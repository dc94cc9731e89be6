//! What commands open: the configuration, and the record behind it.

use std::{path::Path, time::Duration};

use secrecy::ExposeSecret;

use super::CliError;
use crate::{
    config::{self, Loaded, Problems, model::StoreConfig},
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
    let loaded = config::load(file)?;
    let family = wiring::check(&loaded);
    if family.errors() == 0 {
        return Ok(loaded);
    }
    let mut all = loaded.warnings.list;
    all.extend(family.list);
    Err(Problems::new(file, all))
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
    let named = std::env::var(DATABASE_URL).ok().filter(|url| !url.is_empty());
    let url = named.or_else(|| config.database_url.as_ref().map(|url| url.expose_secret().to_owned()));
    if let Some(url) = url {
        return Ok(Opened { store: Store::connect_url(&url).await?, cluster: None });
    }
    let cluster = Cluster::start(&config.data_dir.join(CLUSTER_FOLDER)).await?;
    let store = Store::connect(cluster.connect_options()).await?;
    Ok(Opened { store, cluster: Some(cluster) })
}

impl Opened {
    /// Closes the record, and ends the private server unless it was running before.
    pub(super) async fn close(self) {
        self.store.close(CLOSE).await;
        let Some(cluster) = self.cluster.filter(|cluster| !cluster.taken_over()) else { return };
        if let Err(error) = cluster.stop().await {
            tracing::warn!(code = error.code(), %error, "the private Postgres goes on; the next start takes it over");
        }
    }
}
