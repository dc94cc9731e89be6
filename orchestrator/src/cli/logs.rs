//! Logs: text or JSON, on standard error, so that standard output stays for answers.
//!
//! Lines are written by a thread of their own. A pipe whose reader stands still is full after some hundred lines, and
//! who writes into it then waits until somebody reads: that must be no thread that observes, decides or contains.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use tracing_subscriber::{EnvFilter, fmt};

use super::{Cli, LogFormat};

/// Variable that chooses what is logged.
const FILTER: &str = "PORTCULLIS_LOG";

/// Lines that may wait for a slow reader: a minute of a busy service. What is above is dropped and counted; the record
/// of what was done lies in the database.
const LINES: usize = 16_384;

/// Time that the last lines of a process may take.
const FLUSH: Duration = Duration::from_millis(500);

/// Starts logging. The service tells what it does; other commands speak only of trouble.
///
/// The process's last lines are written when what this returns is dropped.
pub fn start(cli: &Cli) -> Logs {
    let quiet = if cli.is_service() { "info,sqlx=warn,hyper=warn,tungstenite=warn" } else { "warn" };
    let filter = EnvFilter::try_from_env(FILTER).unwrap_or_else(|_unset| EnvFilter::new(quiet));
    let (lines, logs) = writer(standard_error());
    // A reader of the logs that is gone must not end the service: the library would print its own trouble to the same
    // broken pipe, and panic there.
    let start = fmt().with_env_filter(filter).with_writer(move || lines.clone()).log_internal_errors(false);
    // A second start (in a test) keeps the first one's logs.
    let _already_started = match cli.log_format {
        LogFormat::Text => {
            use std::io::IsTerminal;
            start.with_ansi(io::stderr().is_terminal()).try_init()
        }
        LogFormat::Json => start.json().flatten_event(true).with_current_span(false).try_init(),
    };
    logs
}

/// Standard error without its lock, which a write that waits would keep from everybody else.
fn standard_error() -> Box<dyn Write + Send> {
    match io::stderr().as_fd().try_clone_to_owned() {
        Ok(own) => Box::new(File::from(own)),
        Err(_none_left) => Box::new(io::stderr()),
    }
}

/// Keeps logging until the end of the process.
#[derive(Debug)]
pub struct Logs {
    flush: SyncSender<Told>,
    flushed: Receiver<()>,
}

impl Drop for Logs {
    fn drop(&mut self) {
        // A reader that stands still, or a queue that is full, is not waited for.
        if self.flush.try_send(Told::End).is_ok() {
            let _written: Result<(), RecvTimeoutError> = self.flushed.recv_timeout(FLUSH);
        }
    }
}

/// What the writing thread is told.
#[derive(Debug)]
enum Told {
    Line(Vec<u8>),
    End,
}

/// The near end of the queue of lines.
#[derive(Debug, Clone)]
struct Lines(SyncSender<Told>);

impl Write for Lines {
    /// Takes a line whole, whatever becomes of it.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match self.0.try_send(Told::Line(line.to_vec())) {
            Ok(()) | Err(TrySendError::Disconnected(_)) => {}
            Err(TrySendError::Full(_)) => {
                metrics::counter!("portcullis_log_lines_dropped_total").increment(1);
            }
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A thread that writes lines, and its near ends.
fn writer(mut to: Box<dyn Write + Send>) -> (Lines, Logs) {
    let (queue, lines) = sync_channel(LINES);
    let (done, flushed) = sync_channel(1);
    let write = move || {
        while let Ok(Told::Line(line)) = lines.recv() {
            // Nobody can be told that nobody listens.
            let _gone = to.write_all(&line);
        }
        let _flushed = done.send(());
    };
    // Without a thread there are no logs, and the service does its work all the same.
    let _thread = std::thread::Builder::new().name("logs".to_owned()).spawn(write);
    (Lines(queue.clone()), Logs { flush: queue, flushed })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};
    use std::time::Instant;

    /// Remembers what is written; or stands still for good.
    #[derive(Clone, Default)]
    struct Reader {
        read: Arc<Mutex<Vec<u8>>>,
        stands_still: bool,
    }

    impl Write for Reader {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.stands_still {
                loop {
                    std::thread::park();
                }
            }
            self.read.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn every_line_is_written_in_order_before_the_process_ends() {
        let reader = Reader::default();
        let (mut lines, logs) = writer(Box::new(reader.clone()));
        for number in 0..100 {
            writeln!(lines, "{number}").unwrap();
        }
        drop(logs);
        let text = String::from_utf8(reader.read.lock().unwrap().clone()).unwrap();
        assert!(text.lines().map(|line| line.parse::<u32>().unwrap()).eq(0..100), "{text}");
    }

    #[test]
    fn who_writes_never_waits_for_a_reader_that_stands_still() {
        let (mut lines, logs) = writer(Box::new(Reader { stands_still: true, ..Reader::default() }));
        let began = Instant::now();
        for _ in 0..LINES.saturating_add(10) {
            lines.write_all(b"a line\n").unwrap();
        }
        drop(logs);
        assert!(began.elapsed() < Duration::from_secs(5), "it was waited for");
    }
}
