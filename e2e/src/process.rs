//! Child processes that never outlive this one by accident.

use std::future::Future;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use eyre::{Result, WrapErr, eyre};
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};

/// Sends a signal to one process by its id. A process that is gone already is fine.
pub fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _gone = kill_process(pid, signal);
    }
}

/// Sends a signal to a process and to everything that it started, the process itself first.
///
/// A server whose children were told first would start new ones.
pub fn signal_family(pid: u32, how: Signal) {
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    signal(pid, how);
    for child in children.split_whitespace().filter_map(|child| child.parse().ok()) {
        signal(child, how);
    }
}

/// Resolves when somebody presses Ctrl-C or politely asks this process to end.
///
/// # Errors
/// When signals cannot be listened for.
pub async fn interrupted() -> Result<()> {
    let mut term = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        pressed = tokio::signal::ctrl_c() => pressed?,
        _ = term.recv() => {}
    }
    Ok(())
}

/// Does `work` until it is done, or until [`interrupted`]: then the work is dropped, and with it every process that it
/// started ends; the exit code is 130, as shells have it.
///
/// # Errors
/// Whatever the work ends with, and when signals cannot be listened for.
pub async fn unless_interrupted(work: impl Future<Output = Result<ExitCode>>) -> Result<ExitCode> {
    tokio::select! {
        done = work => done,
        stopped = interrupted() => {
            stopped?;
            eprintln!("interrupted: ending what was started");
            Ok(ExitCode::from(130))
        }
    }
}

/// Whether a process with this id is there.
#[must_use]
pub fn alive(pid: u32) -> bool {
    i32::try_from(pid)
        .ok()
        .and_then(Pid::from_raw)
        .is_some_and(|pid| rustix::process::test_kill_process(pid).is_ok())
}

/// A started process. Dropping it ends it: first politely, then for good.
#[derive(Debug)]
pub struct Process {
    name: String,
    pid: u32,
    child: Option<Child>,
    patience: Duration,
}

impl Process {
    /// Starts a command. `patience` is how long a polite request to end may take before the process is killed.
    ///
    /// # Errors
    /// When it does not start.
    pub fn spawn(name: &str, command: &mut Command, patience: Duration) -> Result<Self> {
        // A process group of its own: Ctrl-C in the terminal reaches us, and we end the children in order.
        let child = command
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .wrap_err_with(|| format!("{name} does not start: {:?}", command.as_std().get_program()))?;
        let pid = child.id().ok_or_else(|| eyre!("{name} ended at once"))?;
        Ok(Self { name: name.to_owned(), pid, child: Some(child), patience })
    }

    /// Process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// The child, for taking its pipes.
    pub fn child(&mut self) -> Option<&mut Child> {
        self.child.as_mut()
    }

    /// True when it ended by itself.
    pub fn ended(&mut self) -> bool {
        self.child.as_mut().is_none_or(|child| !matches!(child.try_wait(), Ok(None)))
    }

    /// Waits until it ends, and gives its exit code; none when a signal ended it.
    ///
    /// # Errors
    /// When it does not end within `patience`.
    pub async fn ends(&mut self, patience: Duration) -> Result<Option<i32>> {
        let Some(child) = self.child.as_mut() else { return Ok(None) };
        let status = tokio::time::timeout(patience, child.wait())
            .await
            .wrap_err_with(|| format!("{} does not end within {patience:?}", self.name))??;
        self.child = None;
        Ok(status.code())
    }

    /// `kill -9`, and waits until it is gone.
    ///
    /// # Errors
    /// When the operating system cannot say that it is gone.
    pub async fn kill(&mut self) -> Result<()> {
        if let Some(mut child) = self.child.take() {
            signal(self.pid, Signal::KILL);
            child.wait().await.wrap_err_with(|| format!("{} cannot be waited for", self.name))?;
        }
        Ok(())
    }

    /// Asks it to end and waits; kills it when that takes longer than its patience.
    ///
    /// # Errors
    /// When the operating system cannot say that it is gone.
    pub async fn stop(&mut self) -> Result<()> {
        if let Some(child) = self.child.as_mut() {
            signal(self.pid, Signal::TERM);
            if tokio::time::timeout(self.patience, child.wait()).await.is_ok() {
                self.child = None;
                return Ok(());
            }
        }
        self.kill().await
    }
}

impl Process {
    /// As [`Process::stop`], for places that cannot wait asynchronously. Blocks the thread for at most its patience.
    pub fn end(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        signal(self.pid, Signal::TERM);
        let deadline = Instant::now() + self.patience;
        while Instant::now() < deadline {
            if !matches!(child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        signal(self.pid, Signal::KILL);
        while matches!(child.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_dropped_process_is_gone_and_a_killed_one_too() {
        let mut command = Command::new("sleep");
        let one = Process::spawn("sleep", command.arg("60"), Duration::from_secs(2)).unwrap();
        let pid = one.pid();
        assert!(alive(pid));
        drop(one);
        assert!(!alive(pid));
        let mut two =
            Process::spawn("sleep", Command::new("sleep").arg("60"), Duration::from_secs(2)).unwrap();
        assert!(!two.ended());
        two.kill().await.unwrap();
        assert!(!alive(two.pid()) && two.ended());
    }

    #[tokio::test]
    async fn a_missing_program_says_which() {
        let error =
            Process::spawn("ghost", &mut Command::new("no-such-program"), Duration::ZERO).unwrap_err();
        assert!(format!("{error:#}").contains("no-such-program"));
    }
}
