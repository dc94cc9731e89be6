//! `portcullis run`.

use std::{process::ExitCode, sync::Arc, time::Duration};

use clap::Args;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use portcullis_verifier::Slug;
use tokio::{net::TcpListener, sync::watch};
use tokio_util::sync::CancellationToken;

use super::{CliError, ConfigArg, EXIT_GOOD, open, print_json, reload::Reload};
use crate::{
    api::{self, ApiState, Expected, Names, Watched},
    budget,
    config::Loaded,
    notify::{Notifier, Pager},
    service::{self, Options, ServiceError},
    telemetry::{Status, now_ms},
    wiring,
};

/// Pause between two sweeps of old samples out of the metrics.
const UPKEEP: Duration = Duration::from_secs(5);

/// Exit code of an end that took too long.
const EXIT_LATE: i32 = 124;

/// Arguments of `portcullis run`.
#[derive(Debug, Args)]
pub(super) struct RunArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// Name of this process's log among those of the same group. Processes of one name take turns; processes of
    /// different names each decide for themselves.
    #[arg(
        long,
        value_name = "NAME",
        default_value = "main",
        env = "PORTCULLIS_REPLICA",
        hide_env_values = true
    )]
    replica: Slug,
}

pub(super) async fn run(args: &RunArgs, json: bool) -> Result<ExitCode, CliError> {
    let loaded = open::config(&args.config.config).map_err(CliError::Config)?;
    for warning in &loaded.warnings.list {
        let line = warning.place.as_ref().map_or(0, |place| place.line);
        tracing::warn!(code = %warning.code, line, fix = %warning.fix, "{}", warning.what);
    }
    let stop = CancellationToken::new();
    stop_on_signals(stop.clone())?;
    let metrics = collect_metrics(&stop)?;
    // Bound before anything else is started: a second service on one address ends here, without side effects.
    let address = loaded.config.api.listen;
    let listen = |source| CliError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(listen)?;
    let address = listener.local_addr().map_err(listen)?;
    let opened = open::record_or_wait(&loaded.config.store).await?;
    let served = serve(&loaded, &args.replica, &opened, (listener, metrics), stop.clone(), || {
        tracing::info!(%address, "the API answers");
        if json { print_json(&serde_json::json!({ "listening": address })) } else { Ok(()) }
    })
    .await;
    stop.cancel();
    if matches!(served, Err(CliError::Service(ServiceError::InUse { .. }))) {
        // The server belongs to the process that was here first.
        opened.close().await;
    } else {
        opened.close_owned().await;
    }
    served.map(|()| ExitCode::from(EXIT_GOOD))
}

async fn serve(
    loaded: &Loaded,
    replica: &Slug,
    opened: &open::Opened,
    (listener, metrics): (TcpListener, PrometheusHandle),
    stop: CancellationToken,
    listening: impl FnOnce() -> Result<(), CliError>,
) -> Result<(), CliError> {
    let wired = {
        let loaded = loaded.clone();
        // Opening keystores is slow on purpose.
        tokio::task::spawn_blocking(move || wiring::wire(&loaded)).await.map_err(CliError::Task)?
    };
    let wired = wired.map_err(CliError::Config)?;
    let status = Arc::new(Status::default());
    // Nothing speaks to engines yet but the service itself; the near end is closed at once.
    let (_nobody, commands) = service::commands();
    let (pager, direct) = Pager::new();
    let (changes, far_changes) = service::changes();
    let groups: Vec<_> = wired.groups.iter().map(|wiring| wiring.engine_config.group).collect();
    let (near_expected, far_expected) = watch::channel(expected(loaded, now_ms()));
    let options = Options {
        data_dir: loaded.config.store.data_dir.clone(),
        replica: *replica,
        stop: stop.clone(),
        status: Arc::clone(&status),
        operate: loaded.config.operate(),
        commands,
        changes: far_changes,
        pager: pager.clone(),
    };
    let (config, store) = (loaded.config.notify.clone(), opened.store.clone());
    let notifier = Notifier { config, store, direct, status: Arc::clone(&status) };
    let notifying = tokio::spawn(notifier.run(stop.clone()));
    let reload = Reload {
        running: loaded.clone(),
        store: opened.store.clone(),
        changes,
        expected: near_expected,
        status: Arc::clone(&status),
    };
    let reloading = tokio::spawn(reload.watch(hangups()?, stop.clone()));
    let state = ApiState {
        store: opened.store.clone(),
        status: Arc::clone(&status),
        expected: far_expected,
        metrics: Some(metrics),
        names: Arc::new(Names::suiting(loaded.config.api.listen)),
    };
    listening()?;
    let api = tokio::spawn(api::serve(listener, state, stop.clone()));
    let readable = service::until_readable(&opened.store, &groups, &status, &pager, &stop).await;
    let served = match readable {
        Ok(true) => service::run(wired, opened.store.clone(), options).await.map_err(CliError::Service),
        Ok(false) => Ok(()),
        Err(error) => Err(error.into()),
    };
    stop.cancel();
    reloading.abort();
    if let Ok(Ok(Err(error))) = tokio::time::timeout(UPKEEP, notifying).await {
        tracing::error!(code = error.code(), %error, "nobody was told anything by webhook");
    }
    let api = api.await.map_err(CliError::Task)?.map_err(CliError::Serve);
    served.and(api)
}

/// What should be watched, for the judgement of health. A chain on which no bridge stands is a warning of the file
/// (PC-0108): nobody observes it, so that it stays silent says nothing of the service.
pub(super) fn expected(loaded: &Loaded, since_ms: u64) -> Expected {
    let observed = loaded.config.chains.iter().filter(|chain| loaded.config.observes(chain.id.value));
    let chains = observed.map(|chain| {
        let watched = Watched {
            stall_after_ms: chain.stall_after_secs.saturating_mul(1_000),
            operators: chain.endpoints.len(),
            quorum: chain.quorum,
            can_contain: chain.signer.is_some(),
        };
        (chain.id.value, watched)
    });
    Expected { chains: chains.collect(), since_ms }
}

fn collect_metrics(stop: &CancellationToken) -> Result<PrometheusHandle, CliError> {
    let handle =
        PrometheusBuilder::new().install_recorder().map_err(|error| CliError::Metrics(error.to_string()))?;
    let (sweeper, stop) = (handle.clone(), stop.clone());
    tokio::spawn(async move {
        while tokio::time::timeout(UPKEEP, stop.cancelled()).await.is_err() {
            sweeper.run_upkeep();
        }
    });
    Ok(handle)
}

/// SIGHUP: the configuration is read again.
fn hangups() -> Result<tokio::signal::unix::Signal, CliError> {
    tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup()).map_err(CliError::Signals)
}

/// Ctrl-C and SIGTERM end the service gracefully; a second one ends it at once, which is safe at any step.
fn stop_on_signals(stop: CancellationToken) -> Result<(), CliError> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt()).map_err(CliError::Signals)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(CliError::Signals)?;
    tokio::spawn(async move {
        for last in [false, true] {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if last {
                tracing::warn!("ending at once");
                std::process::exit(130);
            }
            stop.cancel();
            tracing::info!("ending gracefully; a second signal ends at once");
            end_in_time();
        }
    });
    Ok(())
}

/// Ends the process when a graceful end takes too long, which is as safe as a second signal. On a thread of its own:
/// what keeps the end from coming may keep every other thread as well.
fn end_in_time() {
    let wait = || {
        std::thread::sleep(budget::GRACE);
        tracing::error!(
            code = "PC-0284",
            "the end took too long; what is durable is taken up by the next start"
        );
        std::process::exit(EXIT_LATE);
    };
    if let Err(error) = std::thread::Builder::new().name("end".to_owned()).spawn(wait) {
        tracing::warn!(%error, "nobody watches how long the end takes");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = include_str!("../../../docs/examples/portcullis.toml");

    /// `/healthz` stayed at 503 for good: it waited for the first block of a chain that nobody observes.
    #[test]
    fn a_chain_without_a_bridge_is_not_waited_for() {
        let idle = r#"[[chain]]
id = "eip155:10"
start_height = 1
endpoints = [
    { operator = "alpha", http = "https://optimism.alpha.example" },
    { operator = "beta", http = "https://optimism.beta.example" },
    { operator = "own", http = "http://127.0.0.1:8555" },
]

[store]"#;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("portcullis.toml");
        std::fs::write(&file, EXAMPLE.replacen("[store]", idle, 1)).unwrap();
        let loaded = open::config(&file).map_err(|problems| problems.to_string()).unwrap();
        let warned: Vec<_> = loaded.warnings.list.iter().map(|warning| warning.code.as_str()).collect();
        assert_eq!((loaded.config.chains.len(), warned), (3, vec!["PC-0108"]));
        let watched: Vec<String> = expected(&loaded, 0).chains.keys().map(ToString::to_string).collect();
        assert_eq!(watched, ["eip155:1", "eip155:1284"]);
    }
}
