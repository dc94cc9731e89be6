//! Time that nobody spent listening, clocks that are set, and closures that do not take effect in time.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    reason = "tests fail by panicking"
)]

mod common;

use common::*;
use portcullis_core::{
    Effect,
    effect::Cause,
    input::{Body, Command, GateState, Outcome},
    limits,
};
use portcullis_verifier::{Action, Level, Status};

const NOW: u64 = T0 + 3 * FINALITY;
const HOUR_MS: u64 = 3_600_000;

/// A funded bridge whose chains stall after ten minutes, both delivered up to now.
fn scene() -> Run {
    let mut config = config();
    for chain in &mut config.chains {
        chain.stall_after_secs = 600;
    }
    let mut run = Run::with(config);
    run.fund(50_000_000).until(NOW);
    run
}

/// A false release that is proven: both gates are asked to close.
fn struck() -> Run {
    let mut run = scene();
    run.see(Move::release(7, 50_000, NOW + 12));
    run.prove_all();
    assert_eq!(actions(&run).len(), 2);
    run
}

fn actions(run: &Run) -> Vec<Action> {
    run.decisions().into_iter().flat_map(|decision| decision.actions.clone()).collect()
}

fn stalls(run: &Run) -> bool {
    run.causes().contains(&Cause::StalledChain)
}

/// Wakes the engine whenever it asked to be, as the service does, up to a moment; gives how often that was.
fn wake_until(run: &mut Run, to_ms: u64) -> usize {
    let mut woken = 0;
    loop {
        let asked = run.effects.iter().filter_map(|effect| match effect {
            Effect::Deadline { at_ms } => Some(*at_ms),
            _ => None,
        });
        let Some(next) = asked.filter(|at| *at > run.now_ms && *at <= to_ms).min() else { break };
        run.tick(next);
        woken += 1;
    }
    run.now_ms = run.now_ms.max(to_ms);
    woken
}

#[test]
fn a_service_that_was_down_finds_no_chain_standing_still() {
    // Down for longer than the bound, with and without saying so; and for less, with a bound that ends just after.
    for (down_ms, says_so) in [(HOUR_MS, true), (HOUR_MS, false), (599_000, true)] {
        for first in 0..3 {
            let mut run = scene();
            run.now_ms += down_ms;
            if says_so {
                run.body(Body::Resumed);
            }
            match first {
                0 => run.body(Body::Tick),
                1 => run.body(Body::Progress(progress(home(), NOW + 12))),
                _ => run.body(Body::Observed(Move::release(7, 5_000, NOW + 12).observation())),
            };
            run.tick(run.now_ms + 2_000);
            assert!(!stalls(&run), "{down_ms} {says_so} {first}: the backlog is on its way");
            assert!(!run.causes().contains(&Cause::DarkSource), "a source that is on its way is not dark");
            let to_ms = run.now_ms + 600_000;
            wake_until(&mut run, to_ms);
            assert!(stalls(&run), "{down_ms} {says_so} {first}: whoever listens and hears nothing says so");
        }
    }
}

#[test]
fn value_that_waited_while_nobody_listened_waits_anew() {
    let mut run = scene();
    run.see(Move::release(7, 5_000_000, NOW + 3_000));
    run.now_ms += HOUR_MS;
    run.body(Body::Resumed);
    assert!(!run.causes().contains(&Cause::WaitingValue));
    run.body(Body::Observed(Move::burn(7, 5_000_000, NOW + 3_000 - FINALITY).observation()));
    let to_ms = run.now_ms + limits::WAITING_LIMIT_MS;
    wake_until(&mut run, to_ms);
    assert!(!run.causes().contains(&Cause::WaitingValue), "its source came with the backlog");

    let mut alone = scene();
    alone.see(Move::release(7, 5_000_000, NOW + 3_000));
    alone.now_ms += HOUR_MS;
    alone.body(Body::Resumed);
    alone.tick(alone.now_ms + limits::WAITING_GRACE_MS);
    assert!(alone.causes().contains(&Cause::WaitingValue), "no more than a moment is granted");
}

#[test]
fn a_clock_set_by_an_hour_stalls_nothing_expires_nothing_and_floods_nobody() {
    for forward in [true, false] {
        let mut run = struck();
        run.effective();
        let before = run.effects.len();
        if forward {
            run.now_ms += HOUR_MS;
        }
        // Set back, the log's time stands still: the shell clamps it.
        for n in 0..20 {
            let time = NOW + 24 + 12 * n;
            run.body(Body::Progress(progress(home(), time)));
            run.body(Body::Progress(progress(away(), time)));
            run.body(Body::Tick);
        }
        assert!(!stalls(&run), "forward {forward}");
        assert_eq!(actions(&run).len(), 2, "forward {forward}: what holds is not asked for again");
        assert!(run.effects.len() - before < 10, "{:?}", &run.effects[before..]);
        // The attack goes on: the gates are closed, and stay so for as long as asked.
        run.body(Body::Observed(Move::release(8, 50_000, NOW + 300).observation()));
        assert!(run.engine.gates().iter().all(|gate| gate.asked.unwrap().2 > NOW + 300));
    }
}

#[test]
fn a_closure_that_does_not_take_effect_is_asked_anew_while_it_still_lasts() {
    let mut run = struck();
    let first = actions(&run);
    let end_ms = (NOW + 4 * EXPIRY) * 1_000;
    wake_until(&mut run, end_ms);
    let all = actions(&run);
    for chain in [home(), away()] {
        let asked: Vec<_> = all.iter().filter(|a| a.chain == chain).collect();
        assert!(asked.len() >= 7 && asked.len() <= 9, "{}", asked.len());
        for pair in asked.windows(2) {
            assert!(pair[1].until > pair[0].until && pair[1].until_height >= pair[0].until_height);
            assert_ne!(pair[1].id, pair[0].id, "a new extension, not the old action");
        }
    }
    // At every moment the last one asked would still last for nearly half of its length.
    let mut asked_until = first[0].until;
    for (input, effects) in &run.log {
        assert!(asked_until * 1_000 + 1_000 >= input.at_ms + EXPIRY * 500 || input.at_ms < first[0].until);
        for effect in &effects.list {
            if let Effect::Contain(decision) = effect {
                asked_until = decision.actions[0].until;
            }
        }
    }
}

#[test]
fn what_took_effect_is_left_to_run_out() {
    let mut proven = struck();
    proven.effective();
    let mut reported = struck();
    for (target, action) in [slug("home"), slug("away")].into_iter().zip(actions(&reported)) {
        reported.body(Body::Gate(GateState {
            target,
            height: height(NOW + 24),
            level: Level::Closed,
            until: action.until,
            until_height: action.until_height,
            generation: 0,
            proven: false,
        }));
    }
    for mut run in [proven, reported] {
        wake_until(&mut run, (NOW + 4 * EXPIRY) * 1_000);
        assert_eq!(actions(&run).len(), 2, "the way back needs no one");
    }
}

#[test]
fn nobody_who_said_no_is_asked_to_close_longer() {
    let stop = |run: &mut Run| {
        for action in actions(run) {
            run.body(Body::Command(Command::Stop {
                action: action.id,
                by: slug("me"),
                reason: String::new(),
            }));
        }
    };
    let dismiss = |run: &mut Run| {
        let incident = run.engine.incidents()[0].id;
        run.body(Body::Command(Command::FalseAlarm { incident, by: slug("me"), reason: String::new() }));
    };
    let distrust = |run: &mut Run| {
        for target in [slug("home"), slug("away")] {
            let mode = portcullis_core::config::Mode::Observe;
            run.body(Body::Command(Command::SetMode { target, mode, by: slug("me") }));
        }
    };
    let undo = |run: &mut Run| {
        let release = Move::release(7, 50_000, NOW + 12).observation();
        run.body(Body::Observed(release.with_status(Status::Retracted)));
    };
    for (n, no) in [stop as fn(&mut Run), dismiss, distrust, undo].into_iter().enumerate() {
        let mut run = struck();
        no(&mut run);
        wake_until(&mut run, (NOW + 4 * EXPIRY) * 1_000);
        assert_eq!(actions(&run).len(), 2, "{n}");
    }
}

#[test]
fn a_failure_after_expiry_is_a_new_extension() {
    let mut run = struck();
    let first = actions(&run)[0].clone();
    run.effective();
    run.at(first.until + 600);
    run.body(Body::Landed { action: first.id, outcome: Outcome::Reorged });
    let detail = String::from("out of gas");
    run.body(Body::Landed { action: first.id, outcome: Outcome::Reverted { detail } });
    let to_ms = run.now_ms + 60_000;
    wake_until(&mut run, to_ms);
    let last = actions(&run).last().cloned().unwrap();
    assert!(last.chain == first.chain && last.id != first.id);
    assert!(last.until >= first.until + 600 + EXPIRY / 2, "it holds from the moment it lands");
}

#[test]
fn an_action_is_asked_again_although_its_incident_was_joined_with_another() {
    let mut run = scene();
    run.see(Move::release(8, 50_000, NOW + 1_500));
    run.prove_all();
    let asked = actions(&run);
    assert_eq!(asked.len(), 2);
    let quiet = run.engine.config().rules.quiet_secs;
    // An earlier one arrives late: the incident begins with it now, under its name.
    run.body(Body::Observed(Move::release(7, 50_000, NOW + 12).observation()));
    let views = run.engine.incidents();
    assert!(views.len() == 1 && quiet > 1_500, "{views:?}");
    let detail = String::from("out of gas");
    run.body(Body::Landed { action: asked[0].id, outcome: Outcome::Reverted { detail } });
    let to_ms = run.now_ms + 60_000;
    wake_until(&mut run, to_ms);
    let again = actions(&run).split_off(2);
    assert!(again.iter().any(|a| a.chain == asked[0].chain && a.incident == views[0].id), "{again:?}");
}

#[test]
fn a_closure_on_a_chain_that_is_not_seen_is_reckoned_from_now() {
    for stalled in [true, false] {
        let mut run = scene();
        if !stalled {
            run.body(Body::SourceFailed {
                chain: home(),
                operator: None,
                since_ms: 1,
                detail: String::new(),
            });
        }
        // The gate's chain was last seen long ago; the other one goes on.
        let late = NOW + 3 * EXPIRY;
        wake_until(&mut run, late * 1_000);
        run.chain_until(away(), late);
        run.see(Move::mint(9, 50_000, late + 12));
        run.chain_until(home(), NOW + 12);
        run.chain_until(away(), late + 24);
        run.body(Body::SourceRecovered { chain: home() });
        run.chain_until(home(), late - FINALITY + 24);
        run.prove_all();
        let asked = actions(&run);
        assert_eq!(asked.len(), 2, "{:?}", run.causes());
        assert!(asked.iter().all(|a| a.until >= late + 12 + EXPIRY), "{asked:?}");
    }
}

#[test]
fn opening_is_nothing_that_can_be_asked_for() {
    let mut run = struck();
    let open = Command::Contain {
        targets: Vec::new(),
        level: Level::Open,
        by: slug("ada"),
        reason: String::from("enough"),
    };
    let effects = run.body(Body::Command(open));
    assert!(matches!(effects.list.as_slice(), [Effect::Notify(_)]), "{effects:?}");
}

const DAY: u64 = 86_400;

/// A funded bridge on a machine whose clock is ahead by so many seconds, both chains delivered up to now.
fn ahead_by(secs: u64) -> Run {
    let mut run = Run::new();
    run.now_ms += secs * 1_000;
    run.body(Body::Resumed);
    run.fund(50_000_000).until(NOW);
    run
}

/// Progress while the chain is caught up with: its operators are at `head` already.
fn catching_up(run: &mut Run, chain: portcullis_verifier::ChainId, time: u64, head: u64) {
    let progress = portcullis_verifier::Progress { head_time: head, ..progress(chain, time) };
    run.body(Body::Progress(progress));
}

#[test]
fn a_clock_that_is_ahead_hides_no_attack_at_the_head() {
    for days in [0, 1, 3, 400] {
        let mut run = ahead_by(days * DAY);
        run.see(Move::release(7, 50_000, NOW + 12));
        run.chain_until(home(), NOW + 12);
        run.prove_all();
        let asked = actions(&run);
        assert_eq!(asked.len(), 2, "{days} days ahead");
        assert!(asked.iter().all(|a| a.level == Level::Closed && a.until > NOW + 12), "{asked:?}");
    }
}

#[test]
fn history_that_is_caught_up_with_closes_nothing_and_what_follows_at_the_head_does() {
    // The machine's clock is right, or ahead, or as far behind as the chains were.
    for (ahead_days, silent) in [(30, true), (33, true), (0, false)] {
        let mut run = ahead_by(ahead_days * DAY);
        let head = NOW + 30 * DAY;
        for chain in [home(), away()] {
            catching_up(&mut run, chain, NOW, head);
        }
        run.body(Body::Observed(Move::release(7, 50_000, NOW + 12).observation()));
        catching_up(&mut run, home(), NOW + 12, head);
        run.prove_all();
        assert!(run.causes().contains(&Cause::Unbacked), "it is on record");
        assert_eq!(actions(&run).is_empty(), silent, "{ahead_days} days ahead");

        run.until(head);
        assert_eq!(actions(&run).is_empty(), silent, "what was history stays history");
        run.see(Move::release(8, 50_000, head + 12));
        run.prove_all();
        assert!(actions(&run).iter().any(|a| a.until > head + 12), "{ahead_days} days ahead");
    }
}

#[test]
fn operators_from_the_future_make_no_history_while_the_clock_objects() {
    let mut run = ahead_by(0);
    run.see(Move::release(7, 50_000, NOW + 12));
    catching_up(&mut run, home(), NOW + 12, NOW + 400 * DAY);
    run.prove_all();
    assert_eq!(actions(&run).len(), 2);
}

#[test]
fn what_the_clock_alone_called_history_is_decided_anew_once_the_chain_is_heard() {
    let mut run = Run::new();
    run.now_ms += 3 * DAY * 1_000;
    run.chain_until(away(), NOW + FINALITY);
    // The first batch of a chain: what was seen comes before how far it is delivered.
    run.body(Body::Observed(Move::release(7, 50_000, NOW + 12).observation()));
    run.prove_all();
    assert!(run.causes().contains(&Cause::Unbacked) && actions(&run).is_empty());
    catching_up(&mut run, home(), NOW + 12, NOW + 12);
    run.prove_all();
    assert_eq!(actions(&run).len(), 2, "it is at the head");

    let mut behind = Run::new();
    behind.now_ms += 3 * DAY * 1_000;
    behind.chain_until(away(), NOW + FINALITY);
    behind.body(Body::Observed(Move::release(7, 50_000, NOW + 12).observation()));
    catching_up(&mut behind, home(), NOW + 12, NOW + 12 + 3 * DAY);
    behind.prove_all();
    assert!(actions(&behind).is_empty(), "it is history");
}

#[test]
fn an_attack_on_the_chain_at_its_head_is_not_made_history_by_the_other_chain() {
    let mut run = ahead_by(40 * DAY);
    // The other chain's time runs a week ahead, and its own signal is the latest of the incident.
    let week = 7 * DAY;
    run.see(Move::mint(9, 50_000, NOW + 20));
    catching_up(&mut run, away(), NOW + 20, NOW + week);
    run.see(Move::release(7, 50_000, NOW + 12));
    run.chain_until(home(), NOW + 24);
    run.prove_all();
    assert!(!actions(&run).is_empty(), "{:?}", run.causes());
}
