//! What a gate closes, what it opens again, and what it does not touch.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    missing_docs
)]

mod support;

use portcullis_breaker::Word;
use portcullis_gate::msg::{ExecuteMsg, QueryMsg, Switch, Target};
use portcullis_gate::state::Mark;
use support::{Fixture, SEND, START, TAIL, pausable};

#[test]
fn a_trip_pauses_and_after_expiry_anyone_restores() {
    let mut fixture = Fixture::new();
    fixture.add(fixture.pausable(2));
    assert_eq!(fixture.trip(2, 3_600), ["Tripped level=2", "TargetClosed ours=true"]);
    assert!(fixture.paused());
    assert_eq!(fixture.restore(), [""; 0], "while it is closed nothing is restored");
    fixture.wait(3_600);
    assert_eq!(fixture.restore(), ["TargetRestored byGate=true"]);
    assert!(!fixture.paused());
    assert_eq!(fixture.restore(), [""; 0]);
}

#[test]
fn a_target_of_the_limited_level_stays_closed_until_that_ends_and_limiting_is_charged() {
    let mut fixture = Fixture::new();
    fixture.add(fixture.pausable(1));
    assert_eq!(fixture.trip(1, 14_400), ["Tripped level=1", "TargetClosed ours=true"]);
    fixture.wait(14_400);
    fixture.trip(1, 14_400);
    fixture.wait(14_400);
    fixture.trip(1, 14_400);
    fixture.wait(14_400);
    assert_eq!(fixture.trip(1, 60), ["TripClipped granted=0", "TripIgnored reason=3"], "the budget is spent");
    assert_eq!(fixture.restore(), ["TargetRestored byGate=true"]);
}

#[test]
fn the_releaser_opens_at_once_and_a_hold_closes() {
    let mut fixture = Fixture::new();
    fixture.add(fixture.pausable(2));
    let scope = fixture.scope;
    let held = fixture.must("guardian", &ExecuteMsg::Hold { scope, level: 2 });
    assert_eq!(held, ["Held level=2", "TargetClosed ours=true"]);
    fixture.wait(1_000_000);
    assert_eq!(fixture.restore(), [""; 0], "a hold does not expire");
    assert_eq!(fixture.release(), ["Released", "TargetRestored byGate=true"]);
    assert!(!fixture.paused());
}

#[test]
fn what_was_closed_before_is_found_and_stays_closed() {
    let mut fixture = Fixture::new();
    fixture.add(fixture.pausable(2));
    let gate = fixture.gate.clone();
    fixture.tell(&gate, &pausable::Msg::Pause {});
    assert_eq!(fixture.trip(2, 60), ["Tripped level=2", "TargetFound"]);
    fixture.wait(60);
    assert_eq!(fixture.restore(), [""; 0]);
    assert!(fixture.paused());
    assert_eq!(fixture.targets()[0].mark, Mark::Found);
}

#[test]
fn who_refuses_does_not_undo_the_trip_and_is_tried_again() {
    for mood in ["refuses", "pretends"] {
        let mut fixture = Fixture::new();
        fixture.add(fixture.pausable(2));
        fixture.add(fixture.send());
        fixture.mood(mood);
        assert_eq!(
            fixture.trip(2, 3_600),
            ["Tripped level=2", "TargetFailed closing=true", "TargetClosed ours=true"],
            "{mood}: the other one is closed"
        );
        assert_eq!(fixture.targets()[0].mark, Mark::Failed);
        fixture.mood("good");
        assert_eq!(fixture.enforce(), ["TargetClosed ours=true"]);
        assert_eq!(fixture.trip(2, 0), ["TripIgnored reason=2"], "nothing is left to do");
        fixture.mood(mood);
        fixture.wait(3_600);
        assert_eq!(fixture.restore(), ["TargetFailed closing=false", "TargetRestored byGate=true"]);
        assert_eq!(fixture.targets()[0].mark, Mark::Stuck);
        fixture.mood("good");
        assert_eq!(fixture.restore(), ["TargetRestored byGate=true"], "{mood}: anyone tries again");
        assert!(!fixture.paused());
    }
}

#[test]
fn what_cannot_be_read_is_closed_and_left_closed() {
    let mut fixture = Fixture::new();
    fixture.add(fixture.pausable(2));
    fixture.mood("silent");
    assert_eq!(fixture.trip(2, 60), ["Tripped level=2", "TargetFailed closing=true"]);
    fixture.mood("good");
    assert!(fixture.paused());
    assert_eq!(fixture.enforce(), ["TargetFound"]);
    fixture.wait(60);
    assert_eq!(fixture.restore(), [""; 0]);
    assert!(fixture.paused());
}

#[test]
fn a_target_that_falls_silent_while_it_is_closed_stays_the_gates_to_open() {
    let mut fixture = Fixture::new();
    fixture.add(fixture.pausable(2));
    fixture.trip(2, 60);
    fixture.mood("silent");
    assert_eq!(fixture.enforce(), ["TargetFailed closing=true"]);
    assert_eq!(fixture.targets()[0].mark, Mark::Doubtful);
    fixture.mood("good");
    fixture.wait(60);
    assert_eq!(fixture.restore(), ["TargetRestored byGate=true"]);
    assert!(!fixture.paused());
}

#[test]
fn what_others_opened_meanwhile_is_closed_again_or_counts_as_restored() {
    let mut fixture = Fixture::new();
    fixture.add(fixture.pausable(2));
    let gate = fixture.gate.clone();
    fixture.trip(2, 3_600);
    fixture.tell(&gate, &pausable::Msg::Unpause {});
    assert_eq!(fixture.enforce(), ["TargetClosed ours=true"]);
    fixture.tell(&gate, &pausable::Msg::Unpause {});
    fixture.wait(3_600);
    assert_eq!(fixture.restore(), ["TargetRestored byGate=false"]);
}

#[test]
fn the_circuit_is_tripped_one_type_per_message_and_reset_after_expiry() {
    let mut fixture = Fixture::new();
    let more = ["/ibc.applications.transfer.v1.MsgTransfer", "/cosmos.bank.v1beta1.MsgMultiSend"];
    fixture.add(fixture.send());
    for type_url in more {
        fixture.permit(type_url, true);
        fixture.add(Target { switch: Switch::Circuit { type_url: type_url.to_owned() }, from_level: 2 });
    }
    // One of three is closed already, and takes none of the others with it.
    fixture.circuit(more[0], true);
    assert_eq!(
        fixture.trip(2, 60),
        ["Tripped level=2", "TargetClosed ours=true", "TargetFailed closing=true", "TargetClosed ours=true"]
    );
    assert!(fixture.is_disabled(SEND) && fixture.is_disabled(more[0]) && fixture.is_disabled(more[1]));
    fixture.wait(60);
    assert_eq!(fixture.restore(), ["TargetRestored byGate=true", "TargetRestored byGate=true"]);
    assert!(!fixture.is_disabled(SEND) && !fixture.is_disabled(more[1]));
    assert!(fixture.is_disabled(more[0]), "closed by others, opened by others");
}

#[test]
fn a_second_trip_of_a_closed_type_fails_nothing_and_says_nothing() {
    let mut fixture = Fixture::new();
    fixture.add(fixture.send());
    fixture.trip(2, 60);
    assert_eq!(fixture.trip(2, 120), ["Tripped level=2"]);
    assert_eq!(fixture.enforce(), [""; 0]);
    assert_eq!(fixture.targets()[0].mark, Mark::Ours);
    fixture.circuit(SEND, false);
    assert_eq!(fixture.enforce(), ["TargetClosed ours=true"], "others had opened it");
}

#[test]
fn a_type_that_others_opened_counts_as_restored_and_one_without_permission_does_not() {
    let mut fixture = Fixture::new();
    fixture.add(fixture.send());
    fixture.trip(2, 60);
    fixture.wait(60);
    fixture.permit(SEND, false);
    assert_eq!(fixture.restore(), ["TargetFailed closing=false"]);
    assert_eq!(fixture.targets()[0].mark, Mark::Stuck);
    fixture.permit(SEND, true);
    fixture.circuit(SEND, false);
    assert_eq!(fixture.restore(), ["TargetRestored byGate=false"]);
    assert!(!fixture.is_disabled(SEND), "the probe was taken back");
    assert_eq!(fixture.targets()[0].mark, Mark::Open);
}

#[test]
fn without_permission_the_trip_stands_and_says_what_failed() {
    let mut fixture = Fixture::new();
    fixture.add(fixture.send());
    fixture.permit(SEND, false);
    assert_eq!(fixture.trip(2, 60), ["Tripped level=2", "TargetFailed closing=true"]);
    assert_eq!(fixture.enforced(), (0, 0, START + 60 + TAIL), "nothing is enforced of the closure");
    let level: u8 = fixture.ask(&QueryMsg::LevelOf { scope: fixture.scope });
    assert_eq!((level, fixture.is_disabled(SEND)), (2, false), "before set-up is sealed a scope is closed");
    fixture.permit(SEND, true);
    assert_eq!(fixture.enforce(), ["TargetClosed ours=true"]);
    assert_eq!(fixture.enforced().1, START + 60);
}

#[test]
fn a_closed_type_that_others_opened_and_the_gate_may_not_close_again_is_doubtful() {
    let mut fixture = Fixture::new();
    fixture.add(fixture.send());
    fixture.trip(2, 60);
    assert_eq!(fixture.enforced().1, START + 60);
    fixture.circuit(SEND, false);
    fixture.permit(SEND, false);
    assert_eq!(fixture.trip(2, 120), ["Tripped level=2", "TargetFailed closing=true"]);
    assert_eq!(fixture.targets()[0].mark, Mark::Doubtful);
    assert_eq!(fixture.enforced().1, 0, "what the gate closed once says nothing of now");
    // Others close it: x/circuit says so before it looks at permissions.
    fixture.circuit(SEND, true);
    assert_eq!(fixture.enforce(), [""; 0]);
    assert_eq!((fixture.targets()[0].mark, fixture.enforced().1), (Mark::Ours, START + 120));
}

#[test]
fn one_target_that_does_not_follow_takes_back_what_the_others_are_worth() {
    let mut fixture = Fixture::new();
    assert_eq!(fixture.enforced(), (0, 0, 0));
    fixture.trip(2, 60);
    assert_eq!(fixture.enforced(), (0, 0, 0), "a scope without targets closes nothing");
    fixture.add(fixture.pausable(1));
    fixture.add(fixture.send());
    assert_eq!(fixture.enforced(), (0, 0, 0), "added while it is closed, and not closed yet");
    fixture.permit(SEND, false);
    fixture.enforce();
    assert_eq!(
        fixture.enforced(),
        (0, 0, START + 60 + TAIL),
        "the limited level asks for the other one only"
    );
    fixture.permit(SEND, true);
    fixture.enforce();
    assert_eq!(fixture.enforced(), (0, START + 60, START + 60 + TAIL));
    let gate = fixture.gate.clone();
    fixture.tell(&gate, &pausable::Msg::Unpause {});
    fixture.mood("refuses");
    fixture.enforce();
    assert_eq!(fixture.enforced(), (0, 0, 0), "others opened it, and it refuses");
    fixture.mood("good");
    fixture.enforce();
    let scope = fixture.scope;
    fixture.must("guardian", &ExecuteMsg::Hold { scope, level: 2 });
    assert_eq!(fixture.enforced(), (2, START + 60, START + 60 + TAIL));
    fixture.release();
    assert_eq!(fixture.enforced(), (0, 0, 0));
    fixture.permit(SEND, false);
    fixture.trip(2, 120);
    assert_eq!(fixture.enforced().1, 0);
    fixture.must("owner", &ExecuteMsg::RemoveTarget { scope, index: 1 });
    assert_eq!(fixture.enforced().1, START + 120, "what refused belongs to the scope no more");
}

#[test]
fn a_trip_for_another_generation_closes_nothing() {
    let mut fixture = Fixture::new();
    fixture.add(fixture.pausable(2));
    let request = portcullis_breaker::TripRequest {
        scope: fixture.scope,
        level: 2,
        until: START + 60,
        until_height: 0,
        incident: Word::ZERO,
        record: Word::ZERO,
        generation: 1,
    };
    assert_eq!(fixture.must("tripper", &ExecuteMsg::Trip(request)), ["TripIgnored reason=1"]);
    assert!(!fixture.paused());
}

fn circuit(type_url: &str) -> Target {
    Target { switch: Switch::Circuit { type_url: type_url.into() }, from_level: 2 }
}

#[test]
fn targets_that_do_not_hold_are_refused() {
    let mut fixture = Fixture::new();
    let (scope, other) = (fixture.scope, fixture.other);
    let refused = |fixture: &mut Fixture, scope: Word, target: Target, wanted: &str| {
        let error = fixture.call("owner", &ExecuteMsg::AddTarget { scope, target }).unwrap_err();
        assert!(error.starts_with(wanted), "{error}");
    };
    for lockout in [
        "/cosmwasm.wasm.v1.MsgExecuteContract",
        "/cosmos.circuit.v1.MsgResetCircuitBreaker",
        "/cosmos.circuit.v1.MsgTripCircuitBreaker",
        "/cosmos.gov.v1.MsgVote",
        "",
        "/",
        "cosmos.bank.v1beta1.MsgSend",
        "/cosmos.bank.v1beta1.Msg Send",
    ] {
        refused(&mut fixture, scope, circuit(lockout), "InvalidTarget");
    }
    for from_level in [0, 3] {
        let target = Target { from_level, ..fixture.pausable(2) };
        refused(&mut fixture, scope, target, "InvalidTarget");
    }
    let account = fixture.account("nobody").to_string();
    let person = Target { switch: Switch::Pausable { account }, from_level: 2 };
    refused(&mut fixture, scope, person, "InvalidTarget");
    let target = fixture.pausable(2);
    refused(&mut fixture, Word([7; 32]), target.clone(), "ScopeUnregistered");
    fixture.mood("silent");
    refused(&mut fixture, scope, target.clone(), "TargetSilent");
    fixture.mood("good");
    fixture.add(target.clone());
    refused(&mut fixture, other, target, "TargetTaken");
    for number in 1..16 {
        fixture.add(circuit(&format!("/a.b.Msg{number}")));
    }
    refused(&mut fixture, scope, circuit("/a.b.Msg16"), "TooManyTargets");
}

#[test]
fn what_the_gate_keeps_closed_stays_listed_and_the_way_out_is_late() {
    let mut fixture = Fixture::new();
    fixture.add(fixture.pausable(2));
    fixture.add(fixture.send());
    fixture.must("owner", &ExecuteMsg::Seal {});
    fixture.trip(2, 60);
    let (scope, account) = (fixture.scope, fixture.target.to_string());
    let late = |fixture: &mut Fixture, call: &ExecuteMsg| {
        assert!(fixture.call("owner", call).unwrap_err().starts_with("NotScheduled"));
        fixture.must("owner", &ExecuteMsg::Schedule { call: Box::new(call.clone()) });
        assert!(fixture.call("owner", call).unwrap_err().starts_with("NotReady"));
        fixture.wait(14_400);
        fixture.call("owner", call)
    };
    let remove = ExecuteMsg::RemoveTarget { scope, index: 0 };
    let to = fixture.account("heir").to_string();
    let back = ExecuteMsg::HandBack { account, to: to.clone() };
    assert!(late(&mut fixture, &remove).unwrap_err().starts_with("TargetHeld"));
    fixture.restore();
    assert!(late(&mut fixture, &back).unwrap_err().starts_with("TargetHeld"), "it is listed");
    let unknown = ExecuteMsg::RemoveTarget { scope, index: 2 };
    assert!(late(&mut fixture, &unknown).unwrap_err().starts_with("TargetUnknown"));
    assert_eq!(fixture.call("owner", &remove).unwrap(), ["OperationExecuted", "TargetRemoved"]);
    assert_eq!(fixture.targets()[0].target, fixture.send(), "the last one took its place");
    assert_eq!(fixture.call("owner", &back).unwrap(), ["OperationExecuted", "HandedBack"]);
    let owner: String =
        fixture.app.wrap().query_wasm_smart(&fixture.target, &pausable::Ask::Owner {}).unwrap();
    assert_eq!(owner, to);
}

#[test]
fn the_owner_takes_over_what_is_offered_and_nobody_else_does() {
    let mut fixture = Fixture::new();
    let take = ExecuteMsg::TakeOver { account: fixture.target.to_string() };
    assert!(fixture.call("stranger", &take).unwrap_err().starts_with("NotOwner"));
    assert_eq!(fixture.must("owner", &take), [""; 0]);
}

#[test]
fn a_mark_lies_where_proofs_read_it() {
    let mut fixture = Fixture::new();
    fixture.add(fixture.pausable(2));
    let id = fixture.targets()[0].id;
    let key = [&[0, 6][..], b"target", &id.0].concat();
    let raw = |fixture: &Fixture| -> Vec<u8> {
        fixture.app.wrap().query_wasm_raw(&fixture.gate, key.clone()).unwrap().unwrap()
    };
    let value = |time: u64, mark: u8| [&time.to_be_bytes()[3..], &[mark]].concat();
    assert_eq!(raw(&fixture), value(START, 1));
    fixture.wait(5);
    fixture.trip(2, 60);
    assert_eq!(raw(&fixture), value(START + 5, 2));
    fixture.wait(60);
    fixture.restore();
    assert_eq!(raw(&fixture), value(START + 65, 1));
}
