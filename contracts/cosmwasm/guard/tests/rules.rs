//! What the vectors do not say: state as proofs read it, messages as they are spelled, and configuration that is refused.
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

use cosmwasm_std::{from_json, to_json_string};
use portcullis_breaker::{Block, ScopeWord, Word};
use portcullis_guard::msg::{ExecuteMsg, QueryMsg};
use support::{ANY, BUDGET, Fixture, GOLD, HEIGHT, MAX_BLOCKS, MAX_SECONDS, NORTH, START, limits};

/// The raw value of a scope, found by the key that the README states.
fn raw(fixture: &Fixture, scope: Word) -> Option<Vec<u8>> {
    let key = [&[0, 5][..], b"scope", &scope.0].concat();
    fixture.app.wrap().query_wasm_raw(&fixture.guard, key).unwrap()
}

#[test]
fn a_scope_lies_where_proofs_read_it_as_the_word_of_every_machine() {
    let mut fixture = Fixture::new();
    let scope = fixture.scope(NORTH, GOLD);
    let word = |hex: &str| Word::parse(hex).unwrap().0.to_vec();
    assert_eq!(raw(&fixture, fixture.scope(ANY, Word([9; 32]))), None, "not registered: no key");
    assert_eq!(
        raw(&fixture, scope).unwrap(),
        word("0000000000000000000000000000000000000000000000000000000000000001"),
    );
    assert!(fixture.trip("tripper", scope, 2, START + 3_600, HEIGHT + 10).unwrap());
    // generation 0, limited until height +610, limited until +10800, closed until height +10, closed until +3600
    let (limited_height, limited, height, closed) =
        (HEIGHT + 610, START + 10_800, HEIGHT + 10, START + 3_600);
    assert_eq!(
        raw(&fixture, scope).unwrap(),
        word(&format!(
            "00000000000000000000{limited_height:010x}{limited:010x}{height:010x}{closed:010x}0001"
        )),
    );
    fixture.must("guardian", &ExecuteMsg::Hold { scope, level: 2 });
    let (generation, closed_until) = (0, START + 3_600);
    assert_eq!(raw(&fixture, scope).unwrap()[30], 2, "held");
    fixture.must("releaser", &ExecuteMsg::Release { scope, to: 0, generation, closed_until });
    assert_eq!(
        raw(&fixture, scope).unwrap(),
        word("0000000000000000000100000000000000000000000000000000000000000001"),
    );
    let everything = raw(&fixture, fixture.scope(ANY, ANY)).unwrap();
    assert_eq!(everything[5], 3, "the kind: any asset and any corridor");
}

#[test]
fn a_word_is_read_as_it_was_written_and_nothing_else_is_read() {
    let word = ScopeWord {
        hold: 1,
        closed_until: (1 << 40) - 1,
        closed_until_height: 2,
        limited_until: 3,
        limited_until_height: 4,
        generation: u32::MAX,
        kind: 7,
    };
    let packed = word.pack().unwrap();
    assert_eq!(ScopeWord::unpack(&packed).unwrap(), word);
    assert!(ScopeWord { closed_until: 1 << 40, ..word }.pack().is_err(), "41 bits");
    for broken in [&packed[1..], &[&packed[..], &[1]].concat(), &[0; 32], &[1; 32], &[]] {
        assert!(ScopeWord::unpack(broken).is_err(), "{broken:?}");
    }
}

#[test]
fn a_chain_that_stood_still_does_not_wake_up_open() {
    let word = ScopeWord { closed_until: 100, closed_until_height: 50, ..ScopeWord::default() };
    let level = |time, height| word.level(Block { time, height });
    assert_eq!([level(99, 49), level(99, 50), level(1_000_000, 49), level(100, 50)], [2, 2, 2, 0]);
}

#[test]
fn messages_are_the_functions_in_snake_case_and_unknown_fields_are_refused() {
    let zeros = "0".repeat(64);
    let trip = format!(
        r#"{{"trip":{{"scope":"{zeros}","level":2,"until":18446744073709551615,"until_height":0,"incident":"{zeros}","record":"{zeros}","generation":0}}}}"#
    );
    let parsed: ExecuteMsg = from_json(&trip).unwrap();
    assert!(matches!(&parsed, ExecuteMsg::Trip(request) if request.until == u64::MAX));
    assert_eq!(to_json_string(&parsed).unwrap(), trip);
    for broken in [
        trip.replace(r#""level":2"#, r#""level":2,"force":true"#),
        trip.replace(r#""level":2"#, r#""level":256"#),
        r#"{"seal":{"now":true}}"#.to_owned(),
        trip.replace(r#""level":2"#, r#""level":2.0"#),
        trip.replace(&format!(r#""record":"{zeros}""#), r#""record":"00""#),
        trip.replace(&format!(r#""record":"{zeros}""#), &format!(r#""record":"0x{zeros}""#)),
        trip.replace(r#","generation":0"#, ""),
        r#"{"open":{}}"#.to_owned(),
        r#"{"seal":{},"trip":{}}"#.to_owned(),
        String::new(),
    ] {
        assert!(from_json::<ExecuteMsg>(&broken).is_err(), "{broken}");
    }
}

#[test]
fn schedules_inside_schedules_end() {
    let mut call = r#"{"seal":{}}"#.to_owned();
    for _ in 0..200 {
        call = format!(r#"{{"schedule":{{"call":{call}}}}}"#);
    }
    assert!(from_json::<ExecuteMsg>(&call).is_err());
}

#[test]
fn a_scheduled_call_is_exactly_that_call_whatever_its_spelling() {
    let mut fixture = Fixture::new();
    let account = fixture.account("heir").to_string();
    let call = ExecuteMsg::SetGuardian { account: account.clone() };
    let events = fixture.must("owner", &ExecuteMsg::Schedule { call: Box::new(call.clone()) });
    let id: Word = fixture.ask(&QueryMsg::OperationId { call: Box::new(call.clone()) });
    let field = |key: &str| events[0].attributes.iter().find(|field| field.key == key).unwrap().value.clone();
    assert_eq!(field("id"), id.to_string());
    assert_eq!(field("call"), format!(r#"{{"set_guardian":{{"account":"{account}"}}}}"#));
    fixture.at(START + MAX_SECONDS, HEIGHT);
    let other = ExecuteMsg::SetReleaser { account: account.clone() };
    assert!(fixture.call("owner", &other).unwrap_err().starts_with("NotScheduled"));
    let spelled = format!(r#"{{ "set_guardian" : {{ "account" : "{account}" }} }}"#);
    fixture.must("owner", &from_json(spelled).unwrap());
    assert!(fixture.call("owner", &call).unwrap_err().starts_with("NotScheduled"), "once");
}

#[test]
fn a_configuration_that_does_not_hold_is_refused() {
    let mut fixture = Fixture::empty();
    let good = fixture.config();
    assert!(fixture.instantiate(&good).is_ok());
    let year = 365 * 86_400;
    let mut refuse = |change: fn(&mut portcullis_guard::msg::InstantiateMsg, u32), wanted: &str| {
        let mut config = good.clone();
        change(&mut config, year);
        let error = fixture.instantiate(&config).unwrap_err();
        assert!(error.starts_with(wanted), "{error}");
    };
    refuse(|config, _| config.max_seconds = 0, "InvalidConfig");
    refuse(|config, year| config.max_seconds = year + 1, "InvalidConfig");
    refuse(|config, year| config.limited_tail_seconds = year + 1, "InvalidConfig");
    refuse(|config, _| config.budget_window_hours = 0, "InvalidConfig");
    refuse(|config, _| config.budget_window_hours = 2_161, "InvalidConfig");
    refuse(|config, _| config.owner = String::new(), "ZeroAccount");
    refuse(|config, _| config.releaser = Some(config.owner.clone()), "RoleConflict");
    refuse(|config, _| config.guardian = Some(config.owner.clone()), "RoleConflict");
    refuse(|config, _| config.owner = "not an address".to_owned(), "Std");
}

#[test]
fn without_height_bounds_none_is_granted_and_none_is_charged() {
    let mut fixture = Fixture::empty();
    let config = portcullis_guard::msg::InstantiateMsg { max_blocks: 0, ..fixture.config() };
    fixture.guard = fixture.instantiate(&config).unwrap();
    fixture.grant("tripper");
    let consumer = fixture.account("bridge").to_string();
    fixture.must("owner", &ExecuteMsg::RegisterBridge { bridge: support::BRIDGE, consumer });
    fixture.must("owner", &ExecuteMsg::RegisterScope(support::out(ANY, ANY)));
    fixture.must("owner", &ExecuteMsg::Seal {});
    let scope = fixture.scope(ANY, ANY);
    assert!(!fixture.trip("tripper", scope, 2, 0, HEIGHT + 100).unwrap(), "nothing to extend");
    assert!(fixture.trip("tripper", scope, 2, START + 60, HEIGHT + 100).unwrap());
    assert_eq!(fixture.state(scope).closed_until_height, 0);
    assert_eq!(fixture.left("tripper"), BUDGET - 60);
}

#[test]
fn blocks_are_charged_rounded_up_and_a_budget_buys_them_rounded_down() {
    let mut fixture = Fixture::new();
    let scope = fixture.scope(ANY, ANY);
    // 1,200 blocks cost 14,400 seconds: 12 each.
    assert!(fixture.trip("tripper", scope, 2, 0, HEIGHT + 1).unwrap());
    assert_eq!(fixture.left("tripper"), BUDGET - 12);
    assert!(fixture.trip("tripper", scope, 2, 0, u64::MAX).unwrap());
    assert_eq!(fixture.state(scope).closed_until_height, HEIGHT + MAX_BLOCKS);
    assert_eq!(fixture.left("tripper"), BUDGET - 14_400);
}

#[test]
fn nothing_leaves_before_set_up_is_sealed() {
    let mut fixture = Fixture::empty();
    let consumer = fixture.account("bridge").to_string();
    fixture.must("owner", &ExecuteMsg::RegisterBridge { bridge: support::BRIDGE, consumer });
    fixture.must("owner", &ExecuteMsg::RegisterScope(support::out(ANY, ANY)));
    assert!(fixture.check(NORTH, GOLD, 1).unwrap_err().starts_with("ForeignCaller"));
    let level: u8 = fixture.ask(&QueryMsg::LevelFor(support::out(NORTH, GOLD)));
    assert_eq!((level, fixture.level(fixture.scope(ANY, ANY))), (2, 2));
    fixture.must("owner", &ExecuteMsg::Seal {});
    fixture.check(NORTH, GOLD, 1).unwrap();
}

#[test]
fn what_fails_changes_nothing() {
    let mut fixture = Fixture::new();
    let unlimited = u128::MAX;
    let scope = fixture.scope(NORTH, GOLD);
    let escrow = fixture.scope(ANY, GOLD);
    for (corridor, hour) in [(ANY, unlimited), (NORTH, 10)] {
        let most = limits(unlimited, unlimited, unlimited, unlimited);
        let (normal, limited) = (limits(unlimited, hour, unlimited, unlimited), most);
        let bridge = support::BRIDGE;
        let call = ExecuteMsg::SetLimits { bridge, corridor, asset: GOLD, normal, limited };
        let _ = fixture.must("owner", &ExecuteMsg::Schedule { call: Box::new(call.clone()) });
        let (time, height) = fixture.now();
        fixture.at(time + MAX_SECONDS, height);
        fixture.must("owner", &call);
    }
    fixture.check(NORTH, GOLD, 7).unwrap();
    assert!(fixture.check(NORTH, GOLD, 4).unwrap_err().starts_with("LimitExceeded"));
    let hour = |fixture: &Fixture, scope| {
        fixture.ask::<portcullis_guard::msg::UsedResponse>(&QueryMsg::UsedOf { scope }).hour.to_string()
    };
    assert_eq!(hour(&fixture, scope), "7");
    // The escrow has no limit per hour, so that nothing is counted for it; and what was refused left no trace.
    assert_eq!(hour(&fixture, escrow), "0");
    fixture.check(NORTH, GOLD, 3).unwrap();
}
