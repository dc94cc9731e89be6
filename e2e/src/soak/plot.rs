//! The soak as a picture: memory above, events and attacks below.

use eyre::{Result, eyre};
use plotters::prelude::{
    ChartBuilder, Circle, IntoDrawingArea, IntoFont, LineSeries, PathElement, RGBColor, SVGBackend, WHITE,
};

use super::{Outcome, Sample, warm_up};

const SIZE: (u32, u32) = (960, 640);
const MEMORY: RGBColor = RGBColor(31, 90, 160);
const MESSAGES: RGBColor = RGBColor(150, 150, 150);
const EVENTS: RGBColor = RGBColor(40, 130, 70);
const ATTACKS: RGBColor = RGBColor(190, 40, 40);
/// What a remembered message may cost, bytes.
const MESSAGE_BYTES: f64 = 200.0;

/// Draws an outcome as SVG.
///
/// # Errors
/// When there is nothing to draw.
pub fn svg(outcome: &Outcome) -> Result<String> {
    let mut text = String::new();
    draw(outcome, &mut text).map_err(|error| eyre!("the plot cannot be drawn: {error}"))?;
    Ok(text)
}

fn megabytes(sample: &Sample) -> f64 {
    sample.resident as f64 / 1e6
}

fn draw(outcome: &Outcome, text: &mut String) -> Result<(), Box<dyn std::error::Error>> {
    let root = SVGBackend::with_string(text, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let (above, below) = root.split_vertically(SIZE.1 / 2);
    let minutes = outcome.secs / 60.0;
    let top = outcome.samples.iter().map(megabytes).fold(1.0, f64::max) * 1.15;
    let mut chart = ChartBuilder::on(&above)
        .caption(
            "resident memory of the service, MB (grey: less 200 B per message since the warm-up)",
            ("sans-serif", 15),
        )
        .margin(12)
        .x_label_area_size(28)
        .y_label_area_size(56)
        .build_cartesian_2d(0.0..minutes, 0.0..top)?;
    chart.configure_mesh().x_desc("minutes").label_style(("sans-serif", 12).into_font()).draw()?;
    let at = |sample: &Sample| sample.at / 60.0;
    chart.draw_series(LineSeries::new(outcome.samples.iter().map(|s| (at(s), megabytes(s))), MEMORY))?;
    let warm = warm_up(outcome.secs);
    let base = outcome.samples.iter().find(|sample| sample.at >= warm).map_or(0, |sample| sample.emitted);
    let less = |sample: &Sample| {
        let messages = sample.emitted.saturating_sub(base) as f64 / 2.0;
        (at(sample), megabytes(sample) - messages * MESSAGE_BYTES / 1e6)
    };
    let after = outcome.samples.iter().filter(|sample| sample.at >= warm);
    chart.draw_series(LineSeries::new(after.map(less), MESSAGES))?;

    let rates: Vec<(f64, f64)> = rates(&outcome.samples);
    let top = rates.iter().map(|(_, rate)| *rate).fold(1.0, f64::max) * 1.15;
    let slowest = outcome.attacks.iter().filter_map(|attack| attack.last_ms).fold(1.0, f64::max) * 1.15;
    let mut chart = ChartBuilder::on(&below)
        .caption("events per second (green, left); attacks: milliseconds from head to the last endpoint (red, right)", ("sans-serif", 15))
        .margin(12)
        .x_label_area_size(28)
        .y_label_area_size(56)
        .right_y_label_area_size(56)
        .build_cartesian_2d(0.0..minutes, 0.0..top)?
        .set_secondary_coord(0.0..minutes, 0.0..slowest);
    chart.configure_mesh().x_desc("minutes").label_style(("sans-serif", 12).into_font()).draw()?;
    chart.configure_secondary_axes().label_style(("sans-serif", 12).into_font()).draw()?;
    chart.draw_series(LineSeries::new(rates, EVENTS))?;
    let hits: Vec<(f64, f64)> =
        outcome.attacks.iter().filter_map(|attack| Some((attack.at / 60.0, attack.last_ms?))).collect();
    chart.draw_secondary_series(
        hits.iter().map(|(x, y)| PathElement::new(vec![(*x, 0.0), (*x, *y)], ATTACKS)),
    )?;
    chart.draw_secondary_series(hits.iter().map(|point| Circle::new(*point, 3, ATTACKS)))?;
    root.present()?;
    Ok(())
}

/// Events per second, over ten seconds each.
fn rates(samples: &[Sample]) -> Vec<(f64, f64)> {
    let pairs = samples.iter().zip(samples.iter().skip(10)).step_by(5);
    pairs
        .map(|(one, two)| {
            let events = two.emitted.saturating_sub(one.emitted) as f64;
            (two.at / 60.0, events / (two.at - one.at).max(0.001))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::soak::Attack;

    #[test]
    fn every_attack_is_in_the_picture() {
        let sample = |at: u64| Sample {
            at: at as f64,
            resident: 100_000_000,
            emitted: at * 2_000,
            service: 0.0,
            database: 0.0,
        };
        let attack = |at: f64| Attack { bridge: 0, at, first_ms: Some(3.0), last_ms: Some(4.0) };
        let outcome = Outcome {
            samples: (0..300).map(sample).collect(),
            attacks: vec![attack(120.0), attack(200.0)],
            emitted: 600_000,
            lost: 0,
            surplus: 0,
            strays: 0,
            consumed_ms: Vec::new(),
            secs: 300.0,
            machine_load: 0.0,
        };
        let text = svg(&outcome).unwrap();
        assert!(text.starts_with("<svg") && text.trim_end().ends_with("</svg>"));
        assert_eq!(text.matches("<circle").count(), 2);
    }
}
