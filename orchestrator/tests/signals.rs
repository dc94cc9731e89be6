//! A service that is asked to end does so, whatever became of whoever reads its logs.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    reason = "tests fail by panicking"
)]

mod support;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use support::open_folder;

/// Within which an end that is asked for has to come: less than the service allows itself before it cuts the end short.
const GRACE: Duration = Duration::from_secs(20);

/// Within which it has to be there: its private database is made first.
const START: Duration = Duration::from_secs(60);

/// The service as a process of its own, on endpoints where nobody listens. Killed with the test.
struct Process {
    child: Child,
    folder: tempfile::TempDir,
}

/// The same endpoints at ports of loopback, so that nobody is asked for a name.
fn on_loopback(text: &str) -> String {
    let text = text.replace("https://", "http://").replace("wss://", "ws://");
    let mut parts = text.split("://");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        out.push_str("://");
        match part.split_once(".example\"") {
            Some((host, rest)) if !host.contains('"') => {
                // One port for each name: two operators at one address are one.
                let port = 1_000 + host.bytes().map(u32::from).sum::<u32>();
                out.push_str(&format!("127.0.0.1:{port}\"{rest}"));
            }
            _ => out.push_str(part),
        }
    }
    out
}

/// Starts it and waits until its API answers; gives what reads its logs.
fn start(filter: &str) -> (Process, ChildStderr) {
    let folder = open_folder();
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/examples/portcullis.toml");
    let mut text = on_loopback(&std::fs::read_to_string(example).unwrap());
    text = text.replacen("listen = \"127.0.0.1:7420\"", "listen = \"127.0.0.1:0\"", 1);
    let config = folder.path().join("portcullis.toml");
    std::fs::write(&config, text).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
    command.env_remove("DATABASE_URL").env("PORTCULLIS_LOG", filter);
    command.args(["run", "--json", "--config"]).arg(&config);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut said = BufReader::new(child.stdout.take().unwrap());
    let logs = child.stderr.take().unwrap();
    let process = Process { child, folder };
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut line = String::new();
        let _count = said.read_line(&mut line);
        tell.send(line)
    });
    let line = told.recv_timeout(START).expect("its API does not answer");
    assert!(line.contains("listening"), "{line:?}");
    (process, logs)
}

impl Process {
    fn signal(&self, name: &str) {
        let status = Command::new("kill").args([name, &self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
    }

    /// Asks it to end and waits.
    fn ends(&mut self) -> ExitStatus {
        self.signal("-TERM");
        let asked = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(asked.elapsed() < GRACE, "it does not end");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until its group asks the database for its log, or whatever else keeps the logs busy.
    fn has_begun(&self) {
        let since = Instant::now();
        let data = self.folder.path().join("portcullis-data/journal");
        while !data.exists() {
            assert!(since.elapsed() < Duration::from_secs(60), "no journal was opened");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _buried = self.child.wait();
        support::crash(&self.folder.path().join("portcullis-data/postgres/data"));
    }
}

#[test]
fn it_ends_when_the_reader_of_its_logs_is_gone() {
    let (mut process, logs) = start("info");
    process.has_begun();
    drop(logs);
    assert_eq!(process.ends().code(), Some(0));
}

#[test]
fn it_ends_when_the_reader_of_its_logs_stands_still() {
    // Enough lines to fill a pipe many times before anything is asked.
    let (mut process, logs) = start("trace");
    process.has_begun();
    assert_eq!(process.ends().code(), Some(0));
    drop(logs);
}
