//! What the service tells while it works: its JSON log, line by line, and in it the timeline of the seven verbs.

use std::fmt;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use eyre::{Result, WrapErr, bail};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::sync::broadcast;

use crate::clock;

/// The target under which the service tells its timeline.
const TARGET: &str = "portcullis::timeline";
/// Lines that a slow listener may be behind before it misses some.
const BACKLOG: usize = 16_384;

/// One of the seven verbs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// Seen on a chain.
    Observe,
    /// Put to a proof.
    Verify,
    /// Joined with what else is known.
    Correlate,
    /// Answered with a plan.
    Decide,
    /// Signed and sent.
    Contain,
    /// Landed, and its effect proven.
    Confirm,
    /// On the way back.
    Recover,
}

impl Step {
    /// All of them, in order.
    pub const ALL: [Self; 7] = [
        Self::Observe,
        Self::Verify,
        Self::Correlate,
        Self::Decide,
        Self::Contain,
        Self::Confirm,
        Self::Recover,
    ];

    /// The verb.
    #[must_use]
    pub fn verb(self) -> &'static str {
        match self {
            Self::Observe => "observe",
            Self::Verify => "verify",
            Self::Correlate => "correlate",
            Self::Decide => "decide",
            Self::Contain => "contain",
            Self::Confirm => "confirm",
            Self::Recover => "recover",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|step| step.verb() == text)
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.verb())
    }
}

/// One line of the service's log.
#[derive(Debug, Clone)]
pub struct Line {
    /// When it was written, microseconds since 1970.
    pub at_us: i64,
    /// Which step, where it is a line of the timeline.
    pub step: Option<Step>,
    /// All fields.
    pub fields: Value,
    /// The line as it was.
    pub text: String,
}

impl Line {
    /// A field as text, empty where there is none.
    #[must_use]
    pub fn field(&self, name: &str) -> String {
        match self.fields.get(name) {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        }
    }

    /// The sentence for people.
    #[must_use]
    pub fn detail(&self) -> String {
        let detail = self.field("detail");
        if detail.is_empty() { self.field("message") } else { detail }
    }

    fn parse(text: String) -> Self {
        let value: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
        let fields = value.get("fields").cloned().unwrap_or_else(|| value.clone());
        let told = value.get("target").and_then(Value::as_str) == Some(TARGET);
        let step = fields.get("step").and_then(Value::as_str).filter(|_| told).and_then(Step::parse);
        let written =
            value.get("timestamp").and_then(Value::as_str).and_then(parse_time).unwrap_or_else(clock::now_us);
        // A step may be told after it happened; then its own time counts. Within the same millisecond the log's is finer.
        let happened = fields.get("at_ms").and_then(Value::as_i64).map(|ms| ms * 1_000);
        let at_us =
            happened.filter(|us| written.div_euclid(1_000) != us.div_euclid(1_000)).unwrap_or(written);
        Self { at_us, step, fields, text }
    }
}

/// Everything a service told so far, and what it tells from now on.
#[derive(Debug, Clone)]
pub struct Told {
    lines: Arc<Mutex<Vec<Line>>>,
    live: broadcast::Sender<Line>,
}

impl Default for Told {
    fn default() -> Self {
        Self { lines: Arc::default(), live: broadcast::Sender::new(BACKLOG) }
    }
}

impl Told {
    /// Reads a service's output until it ends, and appends it to a file.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn listen(&self, output: impl AsyncRead + Unpin + Send + 'static, file: &Path) -> Result<()> {
        let mut file = File::options().create(true).append(true).open(file)?;
        let me = self.clone();
        tokio::spawn(async move {
            let mut lines = BufReader::new(output).lines();
            while let Ok(Some(text)) = lines.next_line().await {
                // The file is for people who look afterwards; a full disk must not end the play.
                let _full = writeln!(file, "{text}");
                let line = Line::parse(text);
                me.lines.lock().unwrap_or_else(PoisonError::into_inner).push(line.clone());
                let _nobody = me.live.send(line);
            }
        });
        Ok(())
    }

    /// Everything so far.
    #[must_use]
    pub fn lines(&self) -> Vec<Line> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Lines of the timeline so far.
    #[must_use]
    pub fn steps(&self) -> Vec<Line> {
        self.lines().into_iter().filter(|line| line.step.is_some()).collect()
    }

    /// What comes from now on.
    #[must_use]
    pub fn follow(&self) -> broadcast::Receiver<Line> {
        self.live.subscribe()
    }

    /// Waits until a line is there for which `wanted` holds, looking from the beginning.
    ///
    /// # Errors
    /// When none comes within `patience`; the error holds the last lines.
    pub async fn wait(&self, what: &str, patience: Duration, wanted: impl Fn(&Line) -> bool) -> Result<Line> {
        let deadline = Instant::now() + patience;
        let mut looked = 0;
        loop {
            let lines = self.lines();
            if let Some(line) = lines.iter().skip(looked).find(|line| wanted(line)) {
                return Ok(line.clone());
            }
            looked = lines.len();
            if Instant::now() > deadline {
                let last: Vec<&str> =
                    lines.iter().rev().take(20).rev().map(|line| line.text.as_str()).collect();
                bail!("waited {patience:?} for {what}; the service's last lines:\n{}", last.join("\n"));
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// The last lines, for an error message.
    #[must_use]
    pub fn tail(&self, count: usize) -> String {
        let lines = self.lines();
        let last: Vec<&str> =
            lines.iter().skip(lines.len().saturating_sub(count)).map(|line| line.text.as_str()).collect();
        last.join("\n")
    }
}

/// Microseconds since 1970 of an RFC 3339 time in UTC, such as `2022-08-01T21:32:31.123456Z`.
pub(crate) fn parse_time(text: &str) -> Option<i64> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let number = |text: &str| text.parse::<i64>().ok();
    let mut date = date.splitn(3, '-').map(number);
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let mut time = time.splitn(3, ':').map(number);
    let (hour, minute, second) = (time.next()??, time.next()??, time.next()??);
    let micros: String = fraction.chars().chain("000000".chars()).take(6).collect();
    // Days from civil, Howard Hinnant: years begin in March, so that the leap day is the last of its year.
    let shifted = if month <= 2 { year - 1 } else { year };
    let era = shifted.div_euclid(400);
    let of_era = shifted.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    Some((((days * 24 + hour) * 60 + minute) * 60 + second) * 1_000_000 + number(&micros)?)
}

/// Reads the timeline that the API keeps of an incident.
///
/// # Errors
/// When nobody answers, or not with JSON.
pub async fn get_json(url: &str) -> Result<Value> {
    let answer = crate::tools::http_client()?
        .get(url)
        .timeout(Duration::from_secs(5))
        .send()
        .await
        .wrap_err_with(|| format!("{url}: no answer"))?;
    let status = answer.status();
    let text = answer.text().await?;
    if !status.is_success() {
        bail!("{url}: {status}: {text}");
    }
    serde_json::from_str(&text).wrap_err_with(|| format!("{url}: not JSON"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_the_log_are_read_to_the_microsecond() {
        assert_eq!(parse_time("2022-08-01T21:32:31Z"), Some(1_659_389_551_000_000));
        assert_eq!(parse_time("2024-02-29T00:00:00.5Z"), Some(1_709_164_800_500_000));
        assert_eq!(parse_time("yesterday"), None);
    }

    #[test]
    fn only_lines_of_the_timeline_have_a_step() {
        let told = r#"{"timestamp":"2022-08-01T21:32:31.000001Z","level":"INFO","fields":{"message":"x","step":"decide","chain":"eip155:1"},"target":"portcullis::timeline"}"#;
        let line = Line::parse(told.to_owned());
        assert_eq!((line.step, line.at_us), (Some(Step::Decide), 1_659_389_551_000_001));
        assert_eq!((line.field("chain").as_str(), line.detail().as_str()), ("eip155:1", "x"));
        let other = Line::parse(told.replace("::timeline", "::store"));
        assert_eq!(other.step, None);
        assert_eq!(Line::parse("plain words".to_owned()).step, None);
    }
}
