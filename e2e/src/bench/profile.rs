//! Where the service's time goes: samples of its stacks, folded into a flame graph.
//!
//! Samples are taken by `perf` on the processor's clock in user space, which needs no privileges for processes of the
//! same user. The picture is drawn here.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use eyre::{Result, WrapErr, bail};
use rustix::process::Signal;
use tokio::process::Command;

use crate::process::Process;

/// Samples per second and thread: no multiple of anything that the service does by the clock.
const FREQUENCY: &str = "997";
/// How long the sampler may take to write its file.
const WRITE_PATIENCE: Duration = Duration::from_secs(60);
/// Width of the picture and height of a row, pixels.
const WIDTH: f64 = 1_600.0;
const ROW: f64 = 17.0;
/// Narrower boxes are left out, pixels.
const NARROWEST: f64 = 0.6;
/// Width of a letter, pixels.
const LETTER: f64 = 6.6;

/// A running sampler.
#[derive(Debug)]
pub struct Sampler {
    process: Process,
    file: PathBuf,
}

impl Sampler {
    /// Begins to sample a process.
    ///
    /// # Errors
    /// When there is no `perf`.
    pub fn start(pid: u32, file: &Path) -> Result<Self> {
        let mut command = Command::new("perf");
        command
            .args(["record", "--quiet", "-e", "cpu-clock:u", "-F", FREQUENCY, "--call-graph", "dwarf,16384"])
            .args(["-p", &pid.to_string(), "-o"])
            .arg(file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let process = Process::spawn("perf", &mut command, WRITE_PATIENCE)
            .wrap_err("a profile needs `perf` on the path (package linux-perf)")?;
        Ok(Self { process, file: file.to_path_buf() })
    }

    /// Ends sampling and gives every stack with how often it was seen, outermost function first.
    ///
    /// # Errors
    /// When nothing was sampled.
    pub async fn stacks(mut self) -> Result<BTreeMap<String, u64>> {
        crate::process::signal(self.process.pid(), Signal::INT);
        self.process.stop().await?;
        let output = Command::new("perf")
            .args(["script", "--no-inline", "-F", "comm,ip,sym", "-i"])
            .arg(&self.file)
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .output()
            .await
            .wrap_err("`perf script` does not start")?;
        let stacks = fold(&String::from_utf8_lossy(&output.stdout));
        if stacks.is_empty() {
            bail!("`perf` saw nothing: perhaps /proc/sys/kernel/perf_event_paranoid is above 2");
        }
        Ok(stacks)
    }
}

/// Folds the text of `perf script`: blocks of one line for the thread and one line per function, innermost first.
fn fold(text: &str) -> BTreeMap<String, u64> {
    let mut stacks = BTreeMap::new();
    for block in text.split("\n\n") {
        let mut lines = block.lines().filter(|line| !line.is_empty());
        if lines.next().is_none() {
            continue;
        }
        let mut names: Vec<&str> = lines.filter_map(symbol).collect();
        names.reverse();
        names.dedup();
        if !names.is_empty() {
            *stacks.entry(names.join(";")).or_insert(0) += 1;
        }
    }
    stacks
}

/// The function of a line `  7f00 name+0x1f`; a semicolon would be taken for the next one.
fn symbol(line: &str) -> Option<&str> {
    let (_, name) = line.trim_start().split_once(' ')?;
    let name = name.rsplit_once("+0x").map_or(name, |(name, _)| name);
    let name = name.split(';').next().unwrap_or(name);
    // The hash at the end of each name says nothing to people.
    Some(name.rsplit_once("::h").filter(|(_, hash)| hash.len() == 16).map_or(name, |(name, _)| name).trim())
}

/// A function with all that it called.
#[derive(Debug, Default)]
struct Frame {
    count: u64,
    inner: BTreeMap<String, Frame>,
}

impl Frame {
    fn of(stacks: &BTreeMap<String, u64>) -> Self {
        let mut root = Self::default();
        for (stack, count) in stacks {
            root.count += count;
            let mut at = &mut root;
            for name in stack.split(';') {
                at = at.inner.entry(name.to_owned()).or_default();
                at.count += count;
            }
        }
        root
    }

    fn depth(&self) -> usize {
        self.inner.values().map(Self::depth).max().unwrap_or(0) + 1
    }

    fn draw(
        &self,
        name: &str,
        (x, level): (f64, usize),
        whole: (u64, usize),
        out: &mut String,
    ) -> Result<()> {
        let width = WIDTH * self.count as f64 / whole.0 as f64;
        if width < NARROWEST {
            return Ok(());
        }
        let y = ROW * (whole.1 - level) as f64;
        let share = 100.0 * self.count as f64 / whole.0 as f64;
        let room = ((width - 4.0) / LETTER).max(0.0) as usize;
        let shown: String = if room < 3 { String::new() } else { name.chars().take(room).collect() };
        let (name, shown) = (escaped(name), escaped(&shown));
        writeln!(
            out,
            "<g><title>{name} ({} samples, {share:.2} %)</title><rect x=\"{x:.1}\" y=\"{y:.1}\" \
             width=\"{width:.1}\" height=\"{:.1}\" fill=\"{}\" rx=\"1\"/><text x=\"{:.1}\" y=\"{:.1}\">{shown}</text></g>",
            self.count,
            ROW - 1.0,
            colour(&name),
            x + 2.0,
            y + ROW - 5.0,
        )?;
        let mut at = x;
        for (name, inner) in &self.inner {
            inner.draw(name, (at, level + 1), whole, out)?;
            at += WIDTH * inner.count as f64 / whole.0 as f64;
        }
        Ok(())
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// A warm colour that a name always has.
fn colour(name: &str) -> String {
    let sum = name.bytes().fold(7u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(byte)));
    format!("rgb({},{},{})", 205 + sum % 50, 90 + (sum >> 8) % 120, 40 + (sum >> 16) % 40)
}

/// The picture: the width of a box is the share of samples in which the function was on the stack.
///
/// # Errors
/// Practically never: when a number cannot be written.
pub fn flame_graph(stacks: &BTreeMap<String, u64>, title: &str) -> Result<String> {
    let root = Frame::of(stacks);
    let depth = root.depth();
    let height = ROW * (depth as f64 + 2.0);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" \
         font-family=\"monospace\" font-size=\"11\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"4\" y=\"12\">{}</text>\n",
        escaped(title)
    );
    root.draw("all", (0.0, 0), (root.count, depth), &mut out)?;
    out.push_str("</svg>\n");
    Ok(out)
}

/// Share of samples, percent, in which a function whose name holds one of the words was on the stack.
#[must_use]
pub fn share(stacks: &BTreeMap<String, u64>, words: &[&str]) -> f64 {
    let all: u64 = stacks.values().sum();
    let hits: u64 = stacks
        .iter()
        .filter(|(stack, _)| words.iter().any(|word| stack.contains(word)))
        .map(|(_, count)| count)
        .sum();
    100.0 * hits as f64 / all.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOLD: &str = "tokio-rt-worker 1:\n\t  55 inner::h0123456789abcdef+0x1f\n\t  66 outer<A>+0x2\n\n\
                        tokio-rt-worker 1:\n\t  56 inner::h0123456789abcdef+0x3f\n\t  66 outer<A>+0x2\n\n\
                        main 2:\n\t  66 outer<A>+0x9\n\n";

    #[test]
    fn stacks_are_folded_and_drawn_as_wide_as_they_were_seen() {
        let stacks = fold(TOLD);
        assert_eq!(stacks.get("outer<A>;inner"), Some(&2));
        assert_eq!(stacks.get("outer<A>"), Some(&1));
        assert!((share(&stacks, &["inner"]) - 66.7).abs() < 0.1);
        let picture = flame_graph(&stacks, "a & b").unwrap();
        assert!(picture.contains("outer&lt;A&gt; (3 samples, 100.00 %)") && picture.contains("a &amp; b"));
        assert!(picture.contains("inner (2 samples, 66.67 %)"));
        assert_eq!(picture.matches("<rect").count(), 4, "background, all, outer, inner");
    }
}
