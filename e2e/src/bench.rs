//! Figures with their floors: what is measured, and what the same machine needs for the bare minimum of it in the same
//! run. A ratio travels between machines; a time does not.

pub mod catchup;
pub mod day;
pub mod engine;
pub mod latency;
pub mod memory;
pub mod mixed;
pub mod profile;
pub mod proofs;
pub mod scale;
pub mod shreds;
pub mod slots;

use std::collections::BTreeMap;

use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;

/// One figure.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Figure {
    /// What was measured.
    pub value: f64,
    /// Of what.
    pub unit: &'static str,
    /// The bare minimum, measured in the same run.
    pub floor: f64,
    /// Value by floor.
    pub ratio: f64,
    /// What the project promises, in the same unit; none where a figure is only told.
    pub budget: Option<f64>,
    /// Whether it is kept.
    pub ok: bool,
}

impl Figure {
    /// A figure that should be small.
    #[must_use]
    pub fn at_most(value: f64, unit: &'static str, floor: f64, budget: f64) -> Self {
        Self {
            value: round(value),
            unit,
            floor: round(floor),
            ratio: round(value / floor),
            budget: Some(round(budget)),
            ok: value <= budget,
        }
    }

    /// A figure without a promise.
    #[must_use]
    pub fn told(value: f64, unit: &'static str, floor: f64) -> Self {
        Self { budget: None, ok: true, ..Self::at_most(value, unit, floor, value) }
    }

    /// A figure that should be large.
    #[must_use]
    pub fn at_least(value: f64, unit: &'static str, floor: f64, budget: f64) -> Self {
        Self { ok: value >= budget, ..Self::at_most(value, unit, floor, budget) }
    }
}

/// Figures for people.
#[must_use]
pub fn table(figures: &BTreeMap<&'static str, Figure>) -> String {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY).force_no_tty();
    table.set_header(["figure", "value", "unit", "floor or peer", "ratio", "budget", ""]);
    for (name, figure) in figures {
        let budget = figure.budget.map_or_else(|| "–".to_owned(), |budget| budget.to_string());
        let kept = match (figure.budget, figure.ok) {
            (None, _) => "",
            (Some(_), true) => "kept",
            (Some(_), false) => "NOT KEPT",
        };
        table.add_row([
            (*name).to_owned(),
            figure.value.to_string(),
            figure.unit.to_owned(),
            figure.floor.to_string(),
            figure.ratio.to_string(),
            budget,
            kept.to_owned(),
        ]);
    }
    for column in [1, 3, 4, 5] {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.to_string()
}

/// Four digits are more than any of this is worth.
fn round(value: f64) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return value;
    }
    let scale = 10f64.powi(3 - value.abs().log10().floor() as i32);
    (value * scale).round() / scale
}

/// The value below which `share` of the samples lie; zero when there are none.
#[must_use]
pub fn percentile(samples: &[f64], share: f64) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().saturating_sub(1);
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1).min(last)).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_samples() {
        let samples: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!(percentile(&samples, 0.5), 50.0);
        assert_eq!(percentile(&samples, 0.99), 99.0);
        assert_eq!(percentile(&samples, 1.0), 100.0);
        assert_eq!(percentile(&[], 0.5), 0.0);
    }

    #[test]
    fn a_budget_is_kept_or_not() {
        assert!(Figure::at_most(4.9, "ms", 1.0, 5.0).ok);
        assert!(!Figure::at_most(5.1, "ms", 1.0, 5.0).ok);
        assert!(Figure::at_least(2e6, "1/s", 1e7, 1e6).ok);
        assert_eq!(Figure::at_most(2.34567, "ms", 2.0, 5.0).value, 2.346);
    }
}
