//! The description is what other programs are written against: a change of it is a change of this golden file.

use super::*;

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");

#[test]
fn the_description_is_the_golden_one() {
    let mut now = serde_json::to_string_pretty(&description()).unwrap();
    now.push('\n');
    let golden = std::fs::read_to_string(GOLDEN).unwrap();
    assert!(
        now == golden,
        "the API changed; if that is meant, write it down: portcullis openapi > orchestrator/openapi.json"
    );
}

#[test]
fn every_path_answers_to_get_only_and_says_what_it_answers() {
    let description = serde_json::to_value(description()).unwrap();
    let paths = description["paths"].as_object().unwrap();
    assert!(paths.len() >= 8);
    for (path, item) in paths {
        let methods: Vec<&String> = item.as_object().unwrap().keys().collect();
        assert_eq!(methods, ["get"], "{path} must not change anything");
        assert!(item["get"]["responses"]["200"].is_object(), "{path}");
        assert!(item["get"]["description"].is_string() || item["get"]["summary"].is_string(), "{path}");
    }
}
