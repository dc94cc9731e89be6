//! `portcullis run` as a process of its own, with a configuration file as a stranger would write it.

mod config;

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use alloy::primitives::B256;
use eyre::{Result, WrapErr, bail, eyre};
use portcullis_rpc::loopback::free_port;
use rustix::process::Signal;
use serde_json::Value;
use tokio::process::Command;

use crate::lab::World;
use crate::process::{Process, alive, signal};
use crate::timeline::{Told, get_json};

pub use config::{EVENTS, write_config};

/// The bridge's name in the configuration; its key in the guards is the hash of it.
pub const BRIDGE: &str = "nomad-demo";
/// Data folder of the first service in that of the world; the private database lies in it.
pub const MAIN_FOLDER: &str = "data";
/// How long a polite end may take: the database writes its last checkpoint.
const STOP_PATIENCE: Duration = Duration::from_secs(15);

/// What a test may want otherwise.
#[derive(Debug, Clone)]
pub struct Tuning {
    /// Closure of a halt, recorded seconds.
    pub halt_secs: u64,
    /// Closure of a hold, recorded seconds.
    pub hold_secs: u64,
    /// A silent endpoint is dark after so long, milliseconds.
    pub silence_ms: u64,
    /// What happened longer ago is history, and nothing is closed for it, recorded seconds.
    pub quiet_secs: u64,
    /// How far automation may go.
    pub mode: &'static str,
    /// Whether another account carries trips that the tripper's own cannot send.
    pub carrier: bool,
    /// Variables of the service's environment.
    pub env: Vec<(String, String)>,
    /// Name of its log among those of the same group.
    pub replica: &'static str,
    /// Its data folder in that of the world. A service in another folder than the first needs a DATABASE_URL.
    pub folder: &'static str,
    /// What starts it: program and arguments that go before the service's own; none where it starts by itself.
    pub wrapper: Vec<String>,
}

impl Default for Tuning {
    fn default() -> Self {
        Self {
            halt_secs: 6 * 3_600,
            hold_secs: 900,
            silence_ms: 4_000,
            quiet_secs: 86_400,
            mode: "halt",
            carrier: false,
            env: Vec::new(),
            replica: "main",
            folder: MAIN_FOLDER,
            wrapper: Vec::new(),
        }
    }
}

/// A running service.
#[derive(Debug)]
pub struct Service {
    process: Process,
    /// Everything it told, over all its lives.
    pub told: Told,
    /// Its configuration file.
    pub config: PathBuf,
    data: PathBuf,
    log: PathBuf,
    api: String,
    tuning: Tuning,
}

impl Service {
    /// Writes the configuration, starts the service, and waits until it says that it is healthy.
    ///
    /// # Errors
    /// When it ends, or does not get healthy; the error holds its last words.
    pub async fn start(world: &World, tuning: &Tuning) -> Result<Self> {
        let mut service = Self::begin(world, tuning)?;
        service.healthy(Duration::from_secs(60)).await?;
        Ok(service)
    }

    /// As [`Service::start`], without waiting for anything.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn begin(world: &World, tuning: &Tuning) -> Result<Self> {
        let port = free_port()?;
        let config = write_config(world, tuning, port)?;
        Self::begin_at(&world.dir, config, port, tuning)
    }

    /// Starts the service on a configuration of a world in `dir` whose API listens at `port`.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn begin_at(dir: &Path, config: PathBuf, port: u16, tuning: &Tuning) -> Result<Self> {
        let data = dir.join(tuning.folder);
        let log = dir.join(format!("{}.service.log", tuning.folder));
        let told = Told::default();
        let process = spawn(&config, &log, &told, tuning)?;
        let api = format!("http://127.0.0.1:{port}");
        Ok(Self { process, told, config, data, log, api, tuning: tuning.clone() })
    }

    /// Where its API is.
    #[must_use]
    pub fn api(&self) -> &str {
        &self.api
    }

    /// Its folder with journal, kill switches and the private database.
    #[must_use]
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Waits until it says that it is healthy.
    ///
    /// # Errors
    /// When it ends, or takes longer than `patience`.
    pub async fn healthy(&mut self, patience: Duration) -> Result<()> {
        let deadline = Instant::now() + patience;
        loop {
            let answer = get_json(&format!("{}/healthz", self.api)).await;
            let Err(why) = answer else { return Ok(()) };
            if self.process.ended() {
                bail!("the service ended:\n{}", self.told.tail(30));
            }
            if Instant::now() > deadline {
                return Err(
                    why.wrap_err(format!("the service does not get healthy:\n{}", self.told.tail(30)))
                );
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
    }

    /// What its group is doing, in the words of its health; none while it does not answer.
    pub async fn phase(&self) -> Option<String> {
        // A service that is not well says so with another status, and why all the same.
        let client = crate::tools::http_client().ok()?;
        let answer = client.get(format!("{}/healthz", self.api)).timeout(Duration::from_secs(5)).send().await;
        let health: Value = answer.ok()?.json().await.ok()?;
        Some(health.pointer("/groups/0/phase")?.as_str()?.to_owned())
    }

    /// Waits until its group does something.
    ///
    /// # Errors
    /// When that does not come within `patience`.
    pub async fn until_phase(&self, wanted: &str, patience: Duration) -> Result<()> {
        let deadline = Instant::now() + patience;
        loop {
            let phase = self.phase().await;
            if phase.as_deref() == Some(wanted) {
                return Ok(());
            }
            if Instant::now() > deadline {
                bail!("{phase:?} and not {wanted} after {patience:?}:\n{}", self.told.tail(30));
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// How others reach its private database.
    ///
    /// # Errors
    /// When it has none that runs.
    pub fn database_url(&self) -> Result<String> {
        let socket = crate::books::socket(&self.data)?;
        Ok(format!("postgres://portcullis@localhost/portcullis?host={}", socket.replace('/', "%2F")))
    }

    /// Reads from its API.
    ///
    /// # Errors
    /// When it does not answer with JSON.
    pub async fn get(&self, path: &str) -> Result<Value> {
        get_json(&format!("{}{path}", self.api)).await
    }

    /// Everything that the service has on record of an incident.
    ///
    /// # Errors
    /// When it does not answer, or knows no such incident.
    pub async fn incident(&self, id: B256) -> Result<Value> {
        let said = self.get(&format!("/api/v1/incidents/{id}")).await?;
        // One record per log that knows the incident; one replica runs here.
        let one = if let Value::Array(many) = said { many.into_iter().next() } else { Some(said) };
        one.ok_or_else(|| eyre!("the service knows no incident {id}"))
    }

    /// `kill -9`. Its private database goes on without it, as it would on a real machine: the next life has to cope.
    ///
    /// # Errors
    /// When it cannot be waited for.
    pub async fn kill(&mut self) -> Result<()> {
        self.process.kill().await
    }

    /// A new life after [`Service::kill`]: same configuration, same data.
    ///
    /// # Errors
    /// As [`Service::start`].
    pub async fn restart(&mut self) -> Result<()> {
        self.process = spawn(&self.config, &self.log, &self.told, &self.tuning)?;
        self.healthy(Duration::from_secs(60)).await
    }

    /// Waits until it ends by itself or by a signal, and gives its exit code; none when a signal ended it.
    ///
    /// # Errors
    /// When it does not end within `patience`.
    pub async fn ended(&mut self, patience: Duration) -> Result<Option<i32>> {
        self.process.ends(patience).await
    }

    /// Asks it to end and waits.
    ///
    /// # Errors
    /// When it cannot be waited for.
    pub async fn stop(&mut self) -> Result<()> {
        self.process.stop().await
    }

    /// Process id of its private database, where it has one.
    #[must_use]
    pub fn postgres(&self) -> Option<u32> {
        find_postgres(&self.data)
    }

    /// Runs another command of the service's binary on the same configuration, and gives code and standard output.
    ///
    /// # Errors
    /// When it does not start, or takes longer than a minute.
    pub async fn cli(&self, args: &[&str]) -> Result<(i32, String)> {
        let mut command = Command::new(crate::tools::portcullis()?);
        command.args(args).arg("--config").arg(&self.config).kill_on_drop(true).stdin(Stdio::null());
        environment(&mut command, &self.tuning.env);
        let output = tokio::time::timeout(Duration::from_secs(60), command.output())
            .await
            .wrap_err_with(|| format!("portcullis {} takes too long", args.join(" ")))??;
        let code = output.status.code().ok_or_else(|| eyre!("portcullis {} was killed", args.join(" ")))?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        if text.is_empty() && code != 0 {
            bail!("portcullis {}: {}", args.join(" "), String::from_utf8_lossy(&output.stderr));
        }
        Ok((code, text))
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.process.end();
        // After a kill the database has no parent: it ends here, by its id.
        if let Some(pid) = self.postgres() {
            signal(pid, Signal::INT);
            let deadline = Instant::now() + Duration::from_secs(5);
            while alive(pid) && Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    }
}

fn environment(command: &mut Command, env: &[(String, String)]) {
    command.env_remove("DATABASE_URL").env_remove("RUST_LOG").envs(env.iter().cloned());
}

fn spawn(config: &Path, log: &Path, told: &Told, tuning: &Tuning) -> Result<Process> {
    let portcullis = crate::tools::portcullis()?;
    let mut command = match tuning.wrapper.split_first() {
        Some((program, args)) => {
            let mut command = Command::new(program);
            command.args(args).arg(portcullis);
            command
        }
        None => Command::new(portcullis),
    };
    command
        .args(["run", "--log-format", "json", "--replica", tuning.replica, "--config"])
        .arg(config)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    environment(&mut command, &tuning.env);
    let mut process = Process::spawn("portcullis", &mut command, STOP_PATIENCE)?;
    let output = process.child().and_then(|child| child.stderr.take());
    told.listen(output.ok_or_else(|| eyre!("the service has no output"))?, log)?;
    Ok(process)
}

/// Process id of the private database in a data folder: the first line of the server's own file, if that is alive.
#[must_use]
pub fn find_postgres(data: &Path) -> Option<u32> {
    let text = std::fs::read_to_string(crate::books::find(data)?).ok()?;
    let pid = text.lines().next()?.trim().parse().ok()?;
    alive(pid).then_some(pid)
}
