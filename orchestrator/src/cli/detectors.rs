//! `portcullis detectors`: what makes the service speak, who can provoke it, and how far it goes.

use std::process::ExitCode;

use comfy_table::{ContentArrangement, Table, presets};
use portcullis_core::{Card, cards};

use super::{CliError, EXIT_GOOD, format::class_name, print, print_json};

/// Columns of the table where no terminal says how many there are.
const WIDTH: u16 = 110;

pub(super) fn detectors(json: bool) -> Result<ExitCode, CliError> {
    if json {
        let list: Vec<serde_json::Value> = cards().map(|card| entry(&card)).collect();
        print_json(&list)?;
    } else {
        print(&format!("{}\n", table()))?;
    }
    Ok(ExitCode::from(EXIT_GOOD))
}

fn entry(card: &Card) -> serde_json::Value {
    serde_json::json!({
        "name": card.name,
        "cause": card.cause,
        "provoked_by": card.provoked_by,
        "cost": card.cost,
        "highest": card.highest,
    })
}

fn table() -> Table {
    let mut table = Table::new();
    table.load_style(presets::ASCII_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Dynamic);
    if !table.is_tty() {
        table.set_width(WIDTH);
    }
    table.set_header(["detector", "goes as far as", "who can provoke it", "at what cost"]);
    for card in cards() {
        table.add_row([card.name, class_name(card.highest), card.provoked_by, card.cost]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_detector_says_who_provokes_it_and_at_what_cost() {
        assert!(cards().count() >= 8);
        for card in cards() {
            let entry = entry(&card);
            for key in ["name", "cause", "provoked_by", "cost", "highest"] {
                assert!(
                    entry[key].as_str().is_some_and(|text| !text.is_empty()),
                    "{} has no {key}",
                    card.name
                );
            }
        }
        assert!(table().to_string().contains("goes as far as"));
    }
}
