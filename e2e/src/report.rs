//! What remains of a play: the numbers, as one line of JSON and as a table.

use comfy_table::{Cell, CellAlignment, Color, ContentArrangement, Table, presets};
use serde::Serialize;

use crate::screen::{Screen, Tone, dollars};

/// How far a moment lies after the first false release.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct After {
    /// Milliseconds, played time.
    pub ms: f64,
    /// Blocks of the chain concerned.
    pub blocks: i64,
}

/// One chain's containment, measured from outside.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Contained {
    /// CAIP-2.
    pub chain: String,
    /// From the head with the first false release, as the first endpoint pushed it to the service, to the bytes at
    /// every endpoint of this chain, milliseconds.
    pub observed_to_broadcast_ms: Option<f64>,
    /// Blocks from the first false release (or what was the head of this chain then) to the one that closed the gate.
    pub landed_blocks_after: Option<i64>,
    /// Whether the gate was closed on chain.
    pub closed: bool,
    /// `proven`, `reported k/n`, or `none`.
    pub effect: String,
    /// Name for people.
    #[serde(skip)]
    pub name: String,
    /// Whether what this chain does can be proven, and is not only reported.
    #[serde(skip)]
    pub provable: bool,
    /// When the bytes were at every endpoint.
    #[serde(skip)]
    pub broadcast: Option<After>,
    /// When the block that closed the gate was seen.
    #[serde(skip)]
    pub landed: Option<After>,
    /// When the service had proven the effect.
    #[serde(skip)]
    pub confirmed: Option<After>,
    /// Place of the trip in its block, and how many of the attackers' transactions came after it there.
    #[serde(skip)]
    pub ahead_of: Option<(u64, usize)>,
}

/// Everything that is told at the end.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Summary {
    /// Incident as the service names it.
    pub incident: Option<String>,
    /// Families of chains in the play.
    pub families: Vec<String>,
    /// Chain time of the first false release, seconds since 1970.
    pub first_false_release_ts: Option<u64>,
    /// One per chain.
    pub contain: Vec<Contained>,
    /// What the false releases that landed on the watched corridor took, USD.
    pub lost_usd: f64,
    /// The same in the recording, with nobody to stop them.
    pub lost_without_us_usd: f64,
    /// What the sibling corridors lost, USD.
    pub siblings_lost_usd: f64,
    /// Gates closed without an attack behind it.
    pub false_halts: u64,
    /// Whether the logged inputs give the same decisions again.
    pub replay_equal: bool,
    /// The attack begins on a chain whose blocks come at their own times: played sixty times as fast, whether another
    /// chain's block falls between a head and the answer to it is chance, so blocks count from where the bytes were handed
    /// over. So they do beside a chain of slots, whose node alone keeps most of a processor busy.
    #[serde(skip)]
    pub unaligned: bool,
    /// Nobody attacks: nothing may be closed.
    #[serde(skip)]
    pub calm: bool,
    /// What the siblings lost in the recording, USD.
    #[serde(skip)]
    pub siblings_without_us_usd: f64,
    /// When the service saw, proved and decided.
    #[serde(skip)]
    pub steps: Vec<(&'static str, Option<After>)>,
    /// Honest deliveries that found the gate closed: how many, and their value in micro-USD.
    #[serde(skip)]
    pub delayed: (usize, u128),
    /// False releases that landed and that were refused.
    #[serde(skip)]
    pub attacks: (usize, usize),
}

impl Contained {
    /// What can be proven is proven. What cannot is reported by at least two operators, and never called proven.
    fn effect_as_promised(&self) -> bool {
        if self.provable {
            return self.effect == "proven";
        }
        let voices = self.effect.strip_prefix("reported ").and_then(|text| text.split_once('/'));
        voices.and_then(|(agreeing, _)| agreeing.parse::<u64>().ok()).is_some_and(|agreeing| agreeing >= 2)
    }

    /// Blocks within which the gate closes: the next one, or of slots the one in progress or the next.
    fn blocks_promised(&self) -> i64 {
        if self.provable { 1 } else { 2 }
    }
}

impl Summary {
    /// One line for machines.
    #[must_use]
    pub fn json(&self) -> String {
        // Strings, numbers and lists of them always serialise.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// What the demonstration promises, and where it was not kept.
    #[must_use]
    pub fn broken_promises(&self) -> Vec<String> {
        let mut out = Vec::new();
        let mut must = |kept: bool, what: String| {
            if !kept {
                out.push(what);
            }
        };
        must(self.false_halts == 0, format!("{} false halts", self.false_halts));
        if self.calm {
            for side in self.contain.iter().filter(|side| side.closed) {
                must(false, format!("{} is closed", side.name));
            }
            return out;
        }
        must(self.incident.is_some(), "no gate was closed".to_owned());
        for side in &self.contain {
            must(side.closed, format!("{} is not closed", side.name));
            must(side.effect_as_promised(), format!("the effect on {} is {}", side.name, side.effect));
            let landed = match (self.unaligned, side.landed, side.broadcast) {
                (true, Some(landed), Some(broadcast)) => Some(landed.blocks - broadcast.blocks),
                _ => side.landed_blocks_after,
            };
            must(
                landed.is_some_and(|b| b <= side.blocks_promised()),
                format!("{} closed after {landed:?} blocks", side.name),
            );
        }
        must(self.lost_usd <= 9_200_000.0, format!("{} USD were lost", self.lost_usd));
        must(self.siblings_lost_usd <= 0.0, format!("the siblings lost {} USD", self.siblings_lost_usd));
        must(self.replay_equal, "the replay is not equal".to_owned());
        out
    }

    /// The closing tables.
    pub fn show(&self, screen: &Screen) {
        screen.say(Tone::Plain, "");
        screen.say(Tone::Title, "From the first false release");
        screen.say(Tone::Plain, self.times(screen));
        screen.say(Tone::Plain, "");
        screen.say(Tone::Title, "Money");
        screen.say(Tone::Plain, self.money(screen));
        let (landed, refused) = self.attacks;
        let (count, value) = self.delayed;
        screen.say(
            Tone::Plain,
            format!(
                "{landed} false releases landed, {refused} were refused. False halts: {}. Honest deliveries that have to \
                 wait: {count} ({}).",
                self.false_halts,
                dollars(value)
            ),
        );
        let equal =
            if self.replay_equal { "the same decisions, byte for byte" } else { "NOT the same decisions" };
        screen.say(Tone::Plain, format!("Replayed through a fresh engine, the logged inputs give {equal}."));
    }

    fn times(&self, screen: &Screen) -> Table {
        let mut table = blank(screen);
        let names = self.contain.iter().map(|side| side.name.as_str());
        table.set_header(["step"].into_iter().chain(names));
        let show = |after: Option<After>| match after {
            Some(after) => format!("{:.3} s   {:>+3} blocks", after.ms / 1e3, after.blocks),
            None => "—".to_owned(),
        };
        for (step, after) in &self.steps {
            let mut row = vec![Cell::new(step)];
            row.extend(self.contain.iter().enumerate().map(|(index, _)| {
                // What is seen, proven and decided is one incident, not one per chain.
                Cell::new(if index == 0 { show(*after) } else { "〃".to_owned() })
            }));
            table.add_row(row);
        }
        type Pick = fn(&Contained) -> Option<After>;
        let rows: [(&str, Pick); 3] =
            [("broadcast", |s| s.broadcast), ("landed", |s| s.landed), ("effect shown", |s| s.confirmed)];
        for (step, pick) in rows {
            let cells = self.contain.iter().map(|side| Cell::new(show(pick(side))));
            table.add_row([Cell::new(step)].into_iter().chain(cells));
        }
        let ahead = self.contain.iter().map(|side| match side.ahead_of {
            Some((place, after)) => {
                Cell::new(format!("place {place} of its block, ahead of {after} attackers"))
            }
            None => Cell::new("—"),
        });
        table.add_row([Cell::new("place")].into_iter().chain(ahead));
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        table
    }

    fn money(&self, screen: &Screen) -> Table {
        let mut table = blank(screen);
        table.set_header(["", "lost", "lost without us", "kept"]);
        let rows = [
            ("watched corridors", self.lost_usd, self.lost_without_us_usd),
            ("sibling corridors", self.siblings_lost_usd, self.siblings_without_us_usd),
        ];
        for (name, lost, without) in rows {
            let micro = |usd: f64| dollars((usd.max(0.0) * 1e6) as u128);
            let kept = if without > 0.0 {
                format!("{:.1} %", (1.0 - lost / without) * 100.0)
            } else {
                "—".to_owned()
            };
            let tint = |cell: Cell, colour| if screen.colour() { cell.fg(colour) } else { cell };
            table.add_row([
                Cell::new(name),
                tint(Cell::new(micro(lost)), Color::Red),
                Cell::new(micro(without)),
                tint(Cell::new(kept), Color::Green),
            ]);
        }
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        table
    }
}

fn blank(screen: &Screen) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Disabled);
    if !screen.colour() {
        table.force_no_tty();
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept() -> Summary {
        let side = Contained {
            chain: "eip155:7".to_owned(),
            landed_blocks_after: Some(1),
            closed: true,
            effect: "proven".to_owned(),
            provable: true,
            ..Contained::default()
        };
        Summary {
            incident: Some("0x00".to_owned()),
            families: vec!["evm".to_owned()],
            contain: vec![side],
            lost_usd: 9_188_343.6,
            lost_without_us_usd: 159_580_000.0,
            replay_equal: true,
            ..Summary::default()
        }
    }

    #[test]
    fn the_json_line_has_the_promised_names_and_no_others() {
        let value: serde_json::Value = serde_json::from_str(&kept().json()).unwrap();
        let names: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
        let mut promised = vec![
            "incident",
            "families",
            "first_false_release_ts",
            "contain",
            "lost_usd",
            "lost_without_us_usd",
            "siblings_lost_usd",
            "false_halts",
            "replay_equal",
        ];
        promised.sort_unstable();
        let mut found = names;
        found.sort_unstable();
        assert_eq!(found, promised);
        let side: Vec<&String> = value["contain"][0].as_object().unwrap().keys().collect();
        assert_eq!(side.len(), 5, "{side:?}");
    }

    #[test]
    fn a_kept_promise_is_silent_and_a_broken_one_is_named() {
        assert_eq!(kept().broken_promises(), Vec::<String>::new());
        let mut broken = kept();
        broken.lost_usd = 13_780_000.0;
        broken.contain[0].effect = "reported 2/3".to_owned();
        broken.replay_equal = false;
        assert_eq!(broken.broken_promises().len(), 3);
        let reported = |effect: &str, blocks| {
            let mut told = kept();
            let side = &mut told.contain[0];
            (side.provable, side.effect, side.landed_blocks_after) = (false, effect.to_owned(), Some(blocks));
            told.broken_promises().len()
        };
        assert_eq!([reported("reported 2/3", 2), reported("reported 3/3", 0)], [0, 0]);
        // Nobody may call proven what nobody can prove; one voice is too few, and three slots are too many.
        assert_eq!(["proven", "reported 1/3", "landed"].map(|effect| reported(effect, 1)), [1, 1, 1]);
        assert_eq!(reported("reported 2/3", 3), 1);
        let calm = Summary { calm: true, contain: vec![Contained::default()], ..Summary::default() };
        assert_eq!(calm.broken_promises(), Vec::<String>::new());
        assert_eq!(Summary { calm: true, ..kept() }.broken_promises().len(), 1);
    }
}
