//! Some thousand random schedules of everything that can go wrong; and that such a simulation finds what is planted.
#![allow(
    unreachable_pub,
    missing_docs,
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    reason = "tests fail by panicking"
)]

mod common;

#[path = "../examples/schedules/check.rs"]
mod check;
#[path = "../examples/schedules/choice.rs"]
mod choice;
#[path = "../examples/schedules/faults.rs"]
mod faults;
#[path = "../examples/schedules/shell.rs"]
mod shell;
#[path = "../examples/schedules/subject.rs"]
mod subject;
#[path = "../examples/schedules/watch.rs"]
mod watch;
#[path = "../examples/schedules/world.rs"]
mod world;

use check::{examine, on_one_line, shrink};
use choice::{Choice, OPS, schedule};
use subject::Defect;

/// Schedules in a normal test run; `examples/schedules` runs a million.
const SCHEDULES: u64 = 3_000;

/// Another seed than the example's default, so that the two look at different ones.
const SEED: u64 = 41;

#[test]
fn thousands_of_schedules_break_no_invariant() {
    let half = |which: u64| {
        let mut sum = check::Tally::default();
        for number in (which..SCHEDULES).step_by(2) {
            let found = schedule(SEED, number);
            match examine(&found, Defect::None) {
                Ok(tally) => sum.add(&tally),
                Err(violation) => {
                    let short = shrink(&found, Defect::None, violation.invariant);
                    let violation = examine(&short, Defect::None).unwrap_err();
                    panic!("{violation:?}\n--choices \"{}\"", on_one_line(&short));
                }
            }
        }
        sum
    };
    let sum = std::thread::scope(|scope| {
        let halves = [0, 1].map(|which| scope.spawn(move || half(which)));
        let mut sum = check::Tally::default();
        for half in halves {
            sum.add(&half.join().unwrap());
        }
        sum
    });
    for ((_, name, _), count) in OPS.iter().zip(sum.choices) {
        assert!(count > 0, "{name} was never chosen");
    }
    assert!(sum.claims > SCHEDULES / 4 && sum.actions > SCHEDULES / 4, "{sum:?}");
}

#[test]
fn planted_defects_are_found_and_made_short() {
    for (defect, invariant, most) in [
        (Defect::ForgetsRetractions, 4, 2),
        (Defect::LosesObservations, 4, 1),
        (Defect::UndecidedIsNo, 4, 3),
        (Defect::ShortensClosures, 7, 4),
        (Defect::IsUnsteady, 2, 0),
        (Defect::HearsSilence, 4, 2),
    ] {
        let found = (0..2_000u64).map(|number| schedule(SEED, number)).find_map(|found| {
            let violation = examine(&found, defect).err()?;
            Some((found, violation))
        });
        let (found, violation) = found.unwrap_or_else(|| panic!("{defect:?} was not found"));
        assert_eq!(violation.invariant, invariant, "{defect:?}: {violation:?}");
        let short = shrink(&found, defect, invariant);
        assert!(short.len() <= most, "{defect:?}: {}", on_one_line(&short));
        assert!(examine(&short, Defect::None).is_ok(), "{defect:?}: nothing else is wrong with {short:?}");
    }
}

#[test]
fn a_schedule_reads_as_it_is_written() {
    let written = schedule(SEED, 5);
    let read: Vec<Choice> = on_one_line(&written).split(' ').map(|one| one.parse().unwrap()).collect();
    assert_eq!(read, written);
    assert!("steal.2".parse::<Choice>().is_ok());
    assert!("swim.1.1".parse::<Choice>().is_err() && "steal.x".parse::<Choice>().is_err());
    assert_eq!(schedule(SEED, 5), written, "a function of seed and number");
    assert_ne!(schedule(SEED + 1, 5), written);
}
