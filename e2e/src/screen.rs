//! What people see: one line per event, aligned, coloured on a terminal and plain elsewhere.

use std::fmt::Display;
use std::io::{IsTerminal, Write};

use crate::clock;
use crate::scenario::Domain;

/// How a line feels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// Of little weight.
    Quiet,
    /// Ordinary.
    Plain,
    /// Money is lost.
    Bad,
    /// Money is kept.
    Good,
    /// The service at work.
    Work,
    /// A heading.
    Title,
}

impl Tone {
    fn code(self) -> &'static str {
        match self {
            Self::Quiet => "2",
            Self::Plain => "0",
            Self::Bad => "1;31",
            Self::Good => "1;32",
            Self::Work => "36",
            Self::Title => "1",
        }
    }
}

/// Writes to standard output, or to standard error where standard output is for a machine.
#[derive(Debug)]
pub struct Screen {
    to_stderr: bool,
    colour: bool,
    zero_us: Option<i64>,
}

impl Screen {
    /// `json`: standard output is for a machine.
    #[must_use]
    pub fn new(json: bool) -> Self {
        let terminal = if json { std::io::stderr().is_terminal() } else { std::io::stdout().is_terminal() };
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self { to_stderr: json, colour: terminal && wanted, zero_us: None }
    }

    /// Whether somebody looks at a terminal.
    #[must_use]
    pub fn colour(&self) -> bool {
        self.colour
    }

    /// From now on times count from here, microseconds since 1970.
    pub fn set_zero(&mut self, zero_us: i64) {
        self.zero_us = Some(zero_us);
    }

    /// A line as it is.
    pub fn say(&self, tone: Tone, text: impl Display) {
        self.write(&self.paint(tone, &text.to_string()));
    }

    /// A line of the timeline: time, chain, verb, what.
    pub fn event(&self, at_us: i64, side: Option<Domain>, verb: &str, tone: Tone, text: impl Display) {
        let time = match self.zero_us {
            Some(zero) => format!("{:>+9.3} s", (at_us - zero) as f64 / 1e6),
            None => format!("{:>11}", ""),
        };
        let side = side.map_or("", Domain::name);
        let head = format!("{}  {:<9}", self.paint(Tone::Quiet, &time), side);
        self.write(&format!("{head} {}", self.paint(tone, &format!("{verb:<10} {text}"))));
    }

    /// A line of the timeline that happens now.
    pub fn now(&self, verb: &str, tone: Tone, text: impl Display) {
        self.event(clock::now_us(), None, verb, tone, text);
    }

    fn paint(&self, tone: Tone, text: &str) -> String {
        if self.colour && tone != Tone::Plain {
            format!("\x1b[{}m{text}\x1b[0m", tone.code())
        } else {
            text.to_owned()
        }
    }

    fn write(&self, line: &str) {
        // A closed pipe must not end the play: what it started still has to be ended in order.
        let _closed = if self.to_stderr {
            writeln!(std::io::stderr().lock(), "{line}")
        } else {
            writeln!(std::io::stdout().lock(), "{line}")
        };
    }
}

/// Micro-USD for people: `$9.19 M`, `$206 k`, `$17`.
#[must_use]
pub fn dollars(micro: u128) -> String {
    let usd = micro as f64 / 1e6;
    match usd {
        usd if usd >= 1e6 => format!("${:.2} M", usd / 1e6),
        usd if usd >= 1e4 => format!("${:.0} k", usd / 1e3),
        usd => format!("${usd:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_short() {
        assert_eq!(dollars(9_188_343_600_000), "$9.19 M");
        assert_eq!(dollars(206_400_000_000), "$206 k");
        assert_eq!(dollars(17_700_000), "$18");
        assert_eq!(dollars(0), "$0");
    }
}
