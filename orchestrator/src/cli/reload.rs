//! The configuration file while the service runs: a changed one is checked as a whole and swapped in, or changes nothing
//! and says why.
//!
//! The file is looked at every second, and at once on SIGHUP. An editor may write it in pieces: between two looks it must
//! have stayed the same. SIGHUP also reads again what the file names (keystores, files with URLs).

use std::{path::PathBuf, sync::Arc, time::Duration};

use portcullis_verifier::{B256, keccak256};
use tokio::{
    signal::unix::Signal,
    sync::{mpsc, watch},
};
use tokio_util::sync::CancellationToken;

use super::{open, run::expected};
use crate::{
    api::Expected,
    config::{Loaded, Problems, loosen::loosened},
    notify::{NotifyConfig, Severity, Webhook, operational},
    service::Change,
    store::Store,
    telemetry::{Status, now_ms},
    wiring,
};

/// How often the file is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// Why a changed configuration is not used.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReloadError {
    /// It has mistakes.
    #[error("PC-0262: the changed configuration cannot be used, and the running one stays:\n{0}")]
    Invalid(Problems),
    /// It changes what is fixed.
    #[error("PC-0263: {} cannot change while the service runs: restart it to have the change", .0.join(", "))]
    Fixed(Vec<&'static str>),
    /// It takes something away from the protection.
    #[error("PC-0264: the change loosens a running service ({}): restart it, if that is meant", .0.join("; "))]
    Loosens(Vec<String>),
    /// A task of this program ended unexpectedly.
    #[error("PC-0417: a part of the program ended unexpectedly")]
    Task(#[source] tokio::task::JoinError),
}

impl ReloadError {
    /// The code under which the documentation explains it.
    pub(super) fn code(&self) -> &'static str {
        match self {
            Self::Invalid(_) => "PC-0262",
            Self::Fixed(_) => "PC-0263",
            Self::Loosens(_) => "PC-0264",
            Self::Task(_) => "PC-0417",
        }
    }
}

/// Watches the file of a running configuration.
pub(super) struct Reload {
    /// What is in use.
    pub(super) running: Loaded,
    /// Where messages to people wait.
    pub(super) store: Store,
    /// To the service.
    pub(super) changes: mpsc::Sender<Change>,
    /// To the judgement of health.
    pub(super) expected: watch::Sender<Expected>,
    /// Says whether the file on disk is in use.
    pub(super) status: Arc<Status>,
}

/// What of a configuration's text was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Look {
    /// Its digest; zero where it cannot be read.
    digest: B256,
}

impl Reload {
    /// Runs until told to stop.
    pub(super) async fn watch(mut self, mut hangups: Signal, stop: CancellationToken) {
        let file = self.running.config.file.clone();
        let mut judged = Look { digest: keccak256(&self.running.source) };
        let mut last = judged;
        loop {
            let asked = tokio::select! {
                () = stop.cancelled() => return,
                Some(()) = hangups.recv() => true,
                () = tokio::time::sleep(LOOK) => false,
            };
            let now = look(&file).await;
            let settled = std::mem::replace(&mut last, now) == now;
            if asked || (settled && now != judged) {
                judged = now;
                self.take(file.clone()).await;
            }
        }
    }

    async fn page(&self, text: &str) {
        // One message per text and hour: the same mistake made again tomorrow is told again.
        let at_ms = now_ms();
        let said = format!("{text}\n(hour {})", at_ms.div_euclid(3_600_000));
        let page = operational(Severity::Page, "config_refused", &said, at_ms);
        if let Err(error) = self.store.put_message(&page).await {
            tracing::warn!(code = error.code(), %error, "nobody is paged for it");
        }
    }

    /// Takes the file as it is now, or says why not.
    async fn take(&mut self, file: PathBuf) {
        let running = self.running.clone();
        // Opening keystores is slow on purpose.
        let judged = tokio::task::spawn_blocking(move || judge(&running, &file));
        match judged.await.map_err(ReloadError::Task).and_then(|judged| judged) {
            Ok((loaded, change)) => {
                let since_ms = self.expected.borrow().since_ms.max(now_ms());
                self.expected.send_replace(expected(&loaded, since_ms));
                self.running = loaded;
                self.status.config(None);
                metrics::counter!("portcullis_config_changes_total", "result" => "taken").increment(1);
                tracing::info!("the changed configuration is taken");
                // The service ends only with this task.
                let _taken = self.changes.send(change).await;
            }
            Err(error) => {
                metrics::counter!("portcullis_config_changes_total", "result" => "refused").increment(1);
                tracing::error!(code = error.code(), %error, "the changed configuration is not in use");
                let text = error.to_string();
                self.page(&text).await;
                self.status.config(Some(text.lines().next().unwrap_or_default().to_owned()));
            }
        }
    }
}

async fn look(file: &std::path::Path) -> Look {
    let text = tokio::fs::read(file).await;
    Look { digest: text.map_or(B256::ZERO, keccak256) }
}

/// Everything that must hold before a changed file may replace a running configuration.
fn judge(running: &Loaded, file: &std::path::Path) -> Result<(Loaded, Change), ReloadError> {
    let loaded = open::config(file).map_err(ReloadError::Invalid)?;
    let fixed = fixed(running, &loaded);
    if !fixed.is_empty() {
        return Err(ReloadError::Fixed(fixed));
    }
    let looser = loosened(&running.config, &loaded.config);
    if !looser.is_empty() {
        return Err(ReloadError::Loosens(looser));
    }
    let wired = wiring::wire(&loaded).map_err(ReloadError::Invalid)?;
    let operate = loaded.config.operate();
    Ok((loaded, Change { wired, operate }))
}

/// What differs and is bound to the start of the process.
fn fixed(running: &Loaded, changed: &Loaded) -> Vec<&'static str> {
    use secrecy::ExposeSecret;
    let url =
        |loaded: &Loaded| loaded.config.store.database_url.as_ref().map(|url| url.expose_secret().to_owned());
    let told = |loaded: &Loaded| {
        let NotifyConfig { webhooks, heartbeat } = loaded.config.notify.clone();
        let secret = |hook: &Webhook| hook.secret.expose_secret().to_owned();
        let hooks: Vec<_> =
            webhooks.iter().map(|hook| (hook.id, hook.url.clone(), hook.least, secret(hook))).collect();
        (hooks, heartbeat.map(|beat| (beat.url, beat.every_secs)))
    };
    let mut found = Vec::new();
    if running.config.store.data_dir != changed.config.store.data_dir {
        found.push("[store] data_dir");
    }
    if url(running) != url(changed) {
        found.push("[store] database_url_file");
    }
    if running.config.api != changed.config.api {
        found.push("[api]");
    }
    if running.config.operate().spending != changed.config.operate().spending {
        found.push("what containment may spend in an hour, or the list of chains");
    }
    if told(running) != told(changed) {
        found.push("[notify]");
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = include_str!("../../../docs/examples/portcullis.toml");

    /// Judges the example with one edit against the example.
    fn edited(from: &str, to: &str) -> Result<Loaded, ReloadError> {
        assert!(EXAMPLE.contains(from), "{from}");
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("portcullis.toml");
        std::fs::write(&file, EXAMPLE).unwrap();
        let running = open::config(&file).map_err(|p| p.to_string()).unwrap();
        std::fs::write(&file, EXAMPLE.replacen(from, to, 1)).unwrap();
        judge(&running, &file).map(|(loaded, _)| loaded)
    }

    #[test]
    fn a_good_change_is_taken_and_each_bad_one_says_why() {
        let taken = edited("flow_hold_bps = 2_500", "flow_hold_bps = 2_000").unwrap();
        assert_eq!(taken.config.rules.flow_hold_bps, 2_000);
        for (from, to, code) in [
            ("flow_hold_bps = 2_500", "flow_hold_bps = 0x", "PC-0262"),
            ("flow_hold_bps", "flow_hold_pbs", "PC-0262"),
            ("Deposited(uint32 indexed", "Deposited(unit32 indexed", "PC-0262"),
            ("data_dir = \"portcullis-data\"", "data_dir = \"elsewhere\"", "PC-0263"),
            ("127.0.0.1:7420", "127.0.0.1:7421", "PC-0263"),
            ("flow_hold_bps = 2_500", "flow_hold_bps = 2_600", "PC-0264"),
        ] {
            let refused = edited(from, to).unwrap_err();
            assert_eq!(refused.code(), code, "{to}: {refused}");
            assert!(refused.to_string().starts_with(code));
        }
        assert!(
            edited("flow_hold_bps", "flow_hold_pbs").unwrap_err().to_string().contains("portcullis.toml:")
        );
    }

    #[test]
    fn a_file_that_is_gone_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("portcullis.toml");
        std::fs::write(&file, EXAMPLE).unwrap();
        let running = open::config(&file).map_err(|p| p.to_string()).unwrap();
        std::fs::remove_file(&file).unwrap();
        assert_eq!(judge(&running, &file).map(|_| ()).unwrap_err().code(), "PC-0262");
    }
}
