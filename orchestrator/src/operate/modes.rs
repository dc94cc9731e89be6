//! The ladder of trust: what a gate's record must show before automation may go a step further. Pure.

use portcullis_core::config::Mode;
use serde::Serialize;

use crate::store::trust::TrustRow;

/// Milliseconds of a day.
const DAY_MS: i64 = 86_400_000;

/// What a step asks for. Days are of watching, drills and canaries are in a row up to now, quiet days are without a
/// false alarm about this gate.
struct Step {
    to: Mode,
    days: i64,
    drills: i64,
    canaries: i64,
    quiet_days: i64,
}

/// An hourly drill makes 24 a day, a daily canary 7 a week. Each step trusts more, so each asks for more.
const LADDER: [Step; 5] = [
    Step { to: Mode::Shadow, days: 1, drills: 1, canaries: 0, quiet_days: 0 },
    Step { to: Mode::Advise, days: 7, drills: 24, canaries: 0, quiet_days: 7 },
    Step { to: Mode::Limit, days: 14, drills: 24, canaries: 1, quiet_days: 30 },
    Step { to: Mode::Hold, days: 30, drills: 168, canaries: 7, quiet_days: 30 },
    Step { to: Mode::Halt, days: 60, drills: 168, canaries: 14, quiet_days: 90 },
];

/// One thing that a step asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Criterion {
    /// What is asked for.
    pub need: String,
    /// What the record says.
    pub have: String,
    /// Whether that suffices.
    pub met: bool,
}

/// The words of the modes, as the configuration and the record write them.
pub const WORDS: [(&str, Mode); 6] = [
    ("observe", Mode::Observe),
    ("shadow", Mode::Shadow),
    ("advise", Mode::Advise),
    ("limit", Mode::Limit),
    ("hold", Mode::Hold),
    ("halt", Mode::Halt),
];

/// A mode as people write it.
#[must_use]
pub fn word(mode: Mode) -> &'static str {
    WORDS.iter().find(|(_, known)| *known == mode).map_or("observe", |(word, _)| word)
}

/// A mode as the record writes it; what cannot be read trusts nothing.
#[must_use]
pub fn mode_of(word: &str) -> Mode {
    WORDS.iter().find(|(known, _)| *known == word).map_or(Mode::Observe, |(_, mode)| *mode)
}

/// The step above a mode; none above the last.
#[must_use]
pub fn next(mode: Mode) -> Option<Mode> {
    LADDER.iter().map(|step| step.to).find(|to| *to > mode)
}

/// What the steps up to a mode ask for, against what the record says now (milliseconds since 1970).
#[must_use]
pub fn criteria(row: &TrustRow, to: Mode, now_ms: i64) -> Vec<Criterion> {
    let Some(step) = LADDER.iter().find(|step| step.to == to) else { return Vec::new() };
    let days = now_ms.saturating_sub(row.since_ms).div_euclid(DAY_MS);
    let quiet = row.last_false_ms.map(|at_ms| now_ms.saturating_sub(at_ms).div_euclid(DAY_MS));
    let count = |need: i64, have: i64, what: &str| Criterion {
        need: format!("{need} {what}"),
        have: have.to_string(),
        met: have >= need,
    };
    let mut list = vec![count(step.days, days, "days watched")];
    list.push(count(step.drills, row.drills_passed, "drills passed in a row"));
    list.push(Criterion {
        need: "the last drill passed".to_owned(),
        have: row.last_drill_ok.map_or("none yet", |ok| if ok { "it did" } else { "it did not" }).to_owned(),
        met: row.last_drill_ok == Some(true),
    });
    if step.canaries > 0 {
        list.push(count(step.canaries, row.canaries_landed, "canaries landed and proven in a row"));
    }
    if step.quiet_days > 0 {
        list.push(Criterion {
            need: format!("no false decision in {} days", step.quiet_days),
            have: quiet.map_or_else(|| "none ever".to_owned(), |days| format!("{days} days ago")),
            met: quiet.is_none_or(|days| days >= step.quiet_days),
        });
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> TrustRow {
        TrustRow {
            group_id: "g".into(),
            replica: "main".into(),
            target: "home".into(),
            chain: "test:1".into(),
            configured: "observe".into(),
            mode: "observe".into(),
            until_ms: None,
            why: None,
            since_ms: 0,
            decisions: 3,
            false_decisions: 0,
            last_false_ms: None,
            drills_passed: 24,
            last_drill_ok: Some(true),
            canaries_landed: 0,
            last_canary_ms: None,
            effects_proven: 0,
        }
    }

    fn unmet(row: &TrustRow, to: Mode, day: i64) -> Vec<String> {
        criteria(row, to, day.saturating_mul(DAY_MS)).into_iter().filter(|c| !c.met).map(|c| c.need).collect()
    }

    #[test]
    fn each_step_asks_for_at_least_as_much_as_the_one_before() {
        for pair in LADDER.windows(2) {
            let [low, high] = pair else { continue };
            assert!(low.to < high.to && low.days < high.days && low.drills <= high.drills);
            assert!(low.canaries <= high.canaries && low.quiet_days <= high.quiet_days);
        }
        assert_eq!(next(Mode::Observe), Some(Mode::Shadow));
        assert_eq!(next(Mode::Halt), None);
        assert!(WORDS.iter().all(|(text, mode)| word(*mode) == *text && mode_of(text) == *mode));
        assert_eq!(mode_of("boundless"), Mode::Observe);
    }

    #[test]
    fn the_record_meets_or_lacks_each_criterion() {
        assert_eq!(unmet(&row(), Mode::Shadow, 1), Vec::<String>::new());
        assert_eq!(unmet(&row(), Mode::Shadow, 0), ["1 days watched"]);
        assert_eq!(unmet(&row(), Mode::Limit, 14), ["1 canaries landed and proven in a row"]);
        let wrong = TrustRow { last_false_ms: Some(8 * DAY_MS), ..row() };
        assert_eq!(unmet(&wrong, Mode::Advise, 10), ["no false decision in 7 days"]);
        assert_eq!(unmet(&wrong, Mode::Advise, 15), Vec::<String>::new());
        let failing = TrustRow { drills_passed: 0, last_drill_ok: Some(false), ..row() };
        assert_eq!(unmet(&failing, Mode::Shadow, 9), ["1 drills passed in a row", "the last drill passed"]);
        let never = TrustRow { drills_passed: 0, last_drill_ok: None, ..row() };
        assert_eq!(unmet(&never, Mode::Shadow, 9).len(), 2, "what was never drilled did not pass");
    }
}
