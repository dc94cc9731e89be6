#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use portcullis_verifier::{ActionClass, ActionId, BlockRef, IncidentId, Level, U256};

use super::*;

fn action() -> Action {
    Action {
        id: ActionId(B256::ZERO),
        chain: "cosmos:test-1".parse().unwrap(),
        target: B256::repeat_byte(1),
        scope: B256::repeat_byte(2),
        level: Level::Closed,
        until: 1_700_000_600,
        until_height: 9,
        incident: IncidentId(B256::repeat_byte(3)),
        generation: 4,
        class: ActionClass::Halt,
        value_at_risk_micro_usd: 0,
        reasons: Vec::new(),
    }
}

fn word() -> U256 {
    Field::ClosedUntil.place(100)
        | Field::LimitedUntil.place(200)
        | Field::LimitedUntilHeight.place(50)
        | U256::from(3).wrapping_shl(176)
        | U256::from(1)
}

#[test]
fn a_trip_is_written_as_the_contract_reads_it() {
    let message: Value = serde_json::from_slice(&trip_message(&action(), B256::repeat_byte(5))).unwrap();
    let trip = &message["trip"];
    assert_eq!(trip["scope"], "02".repeat(32));
    assert_eq!(trip["incident"], "03".repeat(32));
    assert_eq!(trip["record"], "05".repeat(32));
    assert_eq!((&trip["level"], &trip["until"]), (&json!(2), &json!(1_700_000_600)));
    assert_eq!((&trip["until_height"], &trip["generation"]), (&json!(9), &json!(4)));
    assert_eq!(trip.as_object().unwrap().len(), 7);
    assert_eq!(message.as_object().unwrap().len(), 1, "and nothing else is asked");
}

#[test]
fn the_word_lies_where_the_contract_keeps_it() {
    let key = scope_key(B256::repeat_byte(0xab));
    assert_eq!(key[..7], *b"\0\x05scope");
    assert_eq!(key[7..], [0xab; 32]);
}

#[test]
fn closed_runs_out_into_limited_and_limited_into_open_by_time_and_height() {
    let level = |time, height| ScopeWord(word()).level_at(time, height);
    assert_eq!(level(99, 60), Level::Closed);
    assert_eq!(level(100, 60), Level::Limited);
    assert_eq!(level(200, 49), Level::Limited, "a chain that stood still does not wake up open");
    assert_eq!(level(200, 50), Level::Open);
    assert_eq!(ScopeWord(word() | U256::from(2 << 8)).level_at(999, 999), Level::Closed);
    assert_eq!(ScopeWord(U256::ZERO).level_at(999, 999), Level::Closed, "what is not registered is closed");
}

#[test]
fn fields_stand_where_the_contract_packs_them() {
    let block = BlockRef { height: 7, hash: B256::ZERO };
    let report = ScopeWord(word()).report(block, 99);
    assert!(report.registered && report.generation == 3 && report.until == 100);
    assert_eq!((report.level, report.until_height), (Level::Closed, 0));
    let full = ScopeWord(Field::ClosedUntil.place(u64::MAX));
    assert_eq!(full.get(Field::ClosedUntilHeight), 0, "what does not fit stays in its field");
    assert_eq!(ScopeWord(U256::MAX).generation(), u32::MAX);
}

#[test]
fn the_effect_is_looked_for_where_it_was_asked_for() {
    assert_eq!(effect_field(&action()), Field::ClosedUntil);
    assert_eq!(effect_field(&Action { until: 0, ..action() }), Field::ClosedUntilHeight);
    assert_eq!(effect_field(&Action { level: Level::Limited, ..action() }), Field::LimitedUntil);
    let by_height = Action { level: Level::Limited, until: 0, ..action() };
    assert_eq!(effect_field(&by_height), Field::LimitedUntilHeight);
}

#[test]
fn a_signed_trip_carries_the_same_request_and_its_deadline() {
    let message: Value =
        serde_json::from_slice(&signed_message(&action(), B256::repeat_byte(5), &[0xab; 65])).unwrap();
    let plain: Value = serde_json::from_slice(&trip_message(&action(), B256::repeat_byte(5))).unwrap();
    let signed = &message["trip_signed"];
    assert_eq!(signed["request"], plain["trip"]);
    assert_eq!((&signed["deadline"], &signed["signature"]), (&json!(1_700_000_600), &json!("ab".repeat(65))));
    assert_eq!(deadline(&Action { until: 0, ..action() }), u64::MAX);
}

#[test]
fn signed_trips_are_digested_as_the_contracts_vectors_say() {
    let path = format!("{}/../../contracts/vectors/digests.json", env!("CARGO_MANIFEST_DIR"));
    let vectors: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let text = |word: &Value| {
        let mut padded = [0u8; 32];
        let bytes = word.as_str().unwrap().as_bytes();
        padded[..bytes.len()].copy_from_slice(bytes);
        B256::from(padded)
    };
    let mut compared = 0;
    for vector in vectors["actions"].as_array().unwrap() {
        let of = |key: &str| vector[key].as_str().unwrap();
        let Ok(chain) = of("caip2").parse() else { continue };
        let action = Action {
            chain,
            target: of("guard").parse().unwrap(),
            scope: of("scope").parse().unwrap(),
            level: [Level::Open, Level::Limited, Level::Closed]
                [usize::try_from(vector["level"].as_u64().unwrap()).unwrap()],
            until: of("until").parse().unwrap(),
            until_height: of("untilHeight").parse().unwrap(),
            incident: IncidentId(text(&vector["incident"])),
            generation: u32::try_from(vector["generation"].as_u64().unwrap()).unwrap(),
            ..action()
        };
        assert_eq!(trip::gate_id(&action).to_string(), of("actionId"), "{vector}");
        let digest = digest_until(&action, text(&vector["record"]), of("deadline").parse().unwrap());
        assert_eq!(digest.to_string(), of("message"), "{vector}");
        compared += 1;
    }
    assert!(compared >= 4, "{compared} vectors");
}

#[test]
fn no_message_of_ours_opens_anything() {
    // SECURITY: of everything that a guard or gate accepts and that changes it, this family writes trips and nothing else.
    for message in [trip_message(&action(), B256::ZERO), signed_message(&action(), B256::ZERO, &[0; 65])] {
        let message: Value = serde_json::from_slice(&message).unwrap();
        let names: Vec<&String> = message.as_object().unwrap().keys().collect();
        assert!(names == ["trip"] || names == ["trip_signed"], "{names:?}");
    }
}

#[test]
fn what_a_gate_closes_is_read_as_it_tells_it() {
    let told = r#"[
        { "target": { "switch": { "circuit": { "type_url": "/a.B" } }, "from_level": 2 }, "id": "00", "mark": "open", "closed": null },
        { "target": { "switch": { "pausable": { "account": "wasm1x" } }, "from_level": 1 }, "id": "01", "mark": "open", "closed": true }
    ]"#;
    let targets: Vec<GateTargetView> = serde_json::from_str(told).unwrap();
    assert_eq!(targets.iter().map(GateTargetView::message).collect::<Vec<_>>(), [Some("/a.B"), None]);
    let open = |level| targets.iter().filter_map(|one| one.open_because(level)).collect::<Vec<_>>();
    assert_eq!(open(2), ["/a.B is open"], "the other one says itself that it is closed");
    assert_eq!(open(1), [""; 0], "the limited level asks for the other one only");
}

#[test]
fn a_mark_tells_why_a_target_is_open() {
    let told = |mark: &str| {
        let switch = json!({ "pausable": { "account": "wasm1x" } });
        let view = json!({ "target": { "switch": switch, "from_level": 1 }, "mark": mark, "closed": null });
        serde_json::from_value::<GateTargetView>(view).unwrap().open_because(2)
    };
    for closed in ["ours", "found", "stuck"] {
        assert_eq!(told(closed), None, "{closed}");
    }
    for (mark, why) in [("failed", "refused to close"), ("doubtful", "closed once"), ("new", "this version")]
    {
        assert!(told(mark).is_some_and(|text| text.starts_with("wasm1x") && text.contains(why)), "{mark}");
    }
}

#[test]
fn a_gate_keeps_what_it_enforces_beside_what_was_asked_for() {
    let scope = B256::repeat_byte(7);
    let key = enforced_key(scope);
    assert_eq!(key[..10], *b"\x00\x08enforced");
    assert_eq!((key.len(), &key[10..]), (42, scope.as_slice()));
    assert_ne!(key, scope_key(scope));
}
