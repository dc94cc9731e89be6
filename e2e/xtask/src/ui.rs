//! What a person sees while something takes long: a bar or a spinner with the time that has passed, and headings.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// A running step on standard error. On a terminal it moves; elsewhere it is one line at the start and one at the end.
pub(crate) struct Step {
    bar: ProgressBar,
    what: String,
    since: Instant,
    terminal: bool,
}

impl Step {
    /// Starts a step of unknown length.
    pub(crate) fn spinner(what: &str) -> Self {
        Self::new(what, ProgressBar::new_spinner(), "{spinner:.cyan} {msg}  {elapsed}")
    }

    /// Starts a step of `total` parts; see [`Step::at`].
    pub(crate) fn bar(what: &str, total: u64) -> Self {
        Self::new(
            what,
            ProgressBar::new(total),
            "{spinner:.cyan} {msg}  [{bar:24.cyan/dim}] {pos}/{len}  {elapsed}",
        )
    }

    fn new(what: &str, bar: ProgressBar, template: &str) -> Self {
        let terminal = std::io::stderr().is_terminal();
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("━╸─"));
        }
        bar.set_message(what.to_owned());
        if terminal {
            bar.enable_steady_tick(Duration::from_millis(120));
        } else {
            eprintln!("… {what}");
        }
        Self { bar, what: what.to_owned(), since: Instant::now(), terminal }
    }

    /// So many parts are done.
    pub(crate) fn at(&self, position: u64) {
        self.bar.set_position(position);
    }

    /// Ends the step well; `note` says what came out.
    pub(crate) fn done(self, note: &str) {
        self.bar.finish_and_clear();
        eprintln!("✓ {}  {note}  {}", self.what, elapsed(self.since.elapsed()));
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        if !self.bar.is_finished() {
            self.bar.finish_and_clear();
            if !self.terminal {
                eprintln!("✗ {}  {}", self.what, elapsed(self.since.elapsed()));
            }
        }
    }
}

/// A heading on standard output, set apart so that a long log can be searched by eye.
pub(crate) fn heading(title: &str) {
    println!("\n━━━ {title} {}", "━".repeat(72usize.saturating_sub(title.chars().count())));
}

/// A duration for people: `0.4 s`, `12.3 s`, `4 m 05 s`.
pub(crate) fn elapsed(duration: Duration) -> String {
    let seconds = duration.as_secs();
    if seconds >= 60 {
        format!("{} m {:02} s", seconds / 60, seconds % 60)
    } else {
        format!("{}.{} s", seconds, duration.subsec_millis() / 100)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elapsed_is_short_and_has_a_unit() {
        assert_eq!(elapsed(Duration::from_millis(420)), "0.4 s");
        assert_eq!(elapsed(Duration::from_millis(12_390)), "12.3 s");
        assert_eq!(elapsed(Duration::from_secs(245)), "4 m 05 s");
    }
}
