//! A run that is asked to end takes everything with it that it started.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// Ids of processes that were started for what lies in this folder.
fn working_in(dir: &Path) -> Vec<i32> {
    let dir = dir.to_string_lossy().into_owned();
    let entries = std::fs::read_dir("/proc").expect("the list of processes");
    let ids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    ids.filter(|id| {
        let words = std::fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
        *id != std::process::id().cast_signed() && String::from_utf8_lossy(&words).contains(&dir)
    })
    .collect()
}

#[test]
fn a_soak_that_is_asked_to_end_leaves_no_service_and_no_database_behind() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut soak = Command::new(env!("CARGO_BIN_EXE_soak"))
        .args(["--minutes", "3", "--rate", "50", "--attacks", "1", "--dir"])
        .arg(dir.path())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the soak starts");
    let told = BufReader::new(soak.stderr.take().expect("its words"));
    // Read to the end on a thread of its own, so that the soak never waits for its reader.
    let (healthy, heard) = std::sync::mpsc::channel();
    let reader = std::thread::spawn(move || {
        let mut all = Vec::new();
        for line in told.lines().map_while(Result::ok) {
            if line.contains("the service is healthy") {
                let _told = healthy.send(());
            }
            all.push(line);
        }
        all
    });
    let up = heard.recv_timeout(Duration::from_secs(120)).is_ok();
    let before = working_in(dir.path());
    kill_process(Pid::from_child(&soak), Signal::TERM).expect("it is asked to end");
    let status = soak.wait().expect("it ends");
    let all = reader.join().expect("its words");
    assert!(up, "{all:?}");
    assert!(before.len() > 2, "the service and its database were at work: {before:?}");
    assert_eq!(status.code(), Some(130), "{all:?}");
    let since = Instant::now();
    while !working_in(dir.path()).is_empty() && since.elapsed() < Duration::from_secs(10) {
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(working_in(dir.path()), Vec::<i32>::new(), "left behind: {all:?}");
}
