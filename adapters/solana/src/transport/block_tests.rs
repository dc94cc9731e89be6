use super::*;
use crate::{SolanaConfig, decode::Whose};

const PROGRAM: &str = "Guard11111111111111111111111111111111111111";
const MINT: &str = "So11111111111111111111111111111111111111112";
const TOKEN: &str = "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA";
const OTHER: &str = "Memo1UhkJRfHyvLMcVucJwxXeuD728EqVDDwQDxFMNo";

fn key(byte: u8) -> String {
    address::shown(B256::repeat_byte(byte))
}

fn decoder() -> Decoder {
    let config: SolanaConfig = serde_json::from_value(json!({
        "chain": "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp",
        "endpoints": [{ "operator": "a", "http": "http://127.0.0.1:1" }],
        "contracts": [
            {
                "bridge": "demo", "address": PROGRAM, "domain": "1",
                "mappings": [{
                    "kind": "release",
                    "signature": "data Released(id: bytes32, amount: u64, recipient: key)",
                    "fields": { "remote": { "constant": "2" }, "message_id": "id", "asset": { "constant": "3" },
                                "amount": "amount", "recipient": "recipient" },
                }],
            },
            {
                "bridge": "demo", "address": format!("mint:{MINT}"), "domain": "1",
                "mappings": [{
                    "kind": "mint", "signature": "mint",
                    "fields": { "remote": { "constant": "2" }, "message_id": "@tx", "asset": "mint",
                                "amount": "amount", "recipient": "destination_owner" },
                }],
            },
        ],
    }))
    .unwrap();
    let decoder = config.compile().unwrap().decoder.clone();
    assert!(matches!(decoder.contracts[1].whose, Whose::Mint(_)));
    decoder
}

fn data(parts: &[&[u8]]) -> String {
    let parts: Vec<String> = parts.iter().map(|part| BASE64_STANDARD.encode(part)).collect();
    format!("Program data: {}", parts.join(" "))
}

fn released() -> String {
    let values = [[4; 32].as_slice(), &9_u64.to_le_bytes(), &[5; 32]].concat();
    data(&[b"Released", &values])
}

/// A call of the program through another one, in a transaction of its own.
fn transaction(signature: u8, err: serde_json::Value, logs: &[String]) -> serde_json::Value {
    json!({
        "transaction": {
            "signatures": [bs58::encode([signature; 64]).into_string()],
            "message": {
                "accountKeys": [key(1), OTHER],
                "instructions": [{ "programIdIndex": 1, "accounts": [0, 2], "data": "" }],
                "recentBlockhash": key(9),
            },
        },
        "meta": {
            "err": err,
            "innerInstructions": [{ "index": 0, "instructions": [
                { "programIdIndex": 3, "accounts": [0, 2], "data": bs58::encode([7]).into_string() },
            ]}],
            "logMessages": logs,
            // The program is looked up in a table.
            "loadedAddresses": { "writable": [key(3)], "readonly": [PROGRAM] },
            "preTokenBalances": [], "postTokenBalances": [],
        },
        "version": 0,
    })
}

fn wrapped(inside: &[String]) -> Vec<String> {
    let mut logs = vec![format!("Program {OTHER} invoke [1]"), format!("Program {PROGRAM} invoke [2]")];
    logs.extend(inside.iter().cloned());
    logs.extend([format!("Program {PROGRAM} success"), format!("Program {OTHER} success")]);
    logs
}

fn block(transactions: &[serde_json::Value]) -> serde_json::Value {
    json!({
        "blockhash": key(20), "previousBlockhash": key(19), "parentSlot": 7, "blockTime": 1_700_000_000,
        "blockHeight": 6, "transactions": transactions,
    })
}

fn read(block: &serde_json::Value) -> Result<Told, RpcError> {
    read_block(&decoder(), 9, &block.to_string())
}

#[test]
fn what_a_watched_program_logs_is_found_through_other_programs_and_tables_of_keys() {
    let told = read(&block(&[transaction(1, json!(null), &wrapped(&[released()]))])).unwrap();
    assert_eq!((told.block.height, told.parent.height, told.time), (9, 7, 1_700_000_000));
    let [record] = told.records.as_slice() else { panic!("one record: {:?}", told.records) };
    assert_eq!((record.transaction, record.index), (0, 2), "behind the two calls");
    assert_eq!(record.id, transaction_id(&[1; 64]));
    assert_eq!(address::shown(record.program), PROGRAM);
}

#[test]
fn what_a_failed_transaction_logged_has_not_happened_and_keeps_its_places() {
    let failed = transaction(1, json!({ "InstructionError": [0, { "Custom": 1 }] }), &wrapped(&[released()]));
    let told = read(&block(&[failed, transaction(2, json!(null), &wrapped(&[released()]))])).unwrap();
    let places: Vec<(u32, u32)> = told.records.iter().map(|one| (one.transaction, one.index)).collect();
    assert_eq!(places, [(1, 4)]);
}

/// SECURITY: who calls the program can fill the log first.
#[test]
fn a_log_that_was_cut_off_is_kept_as_not_known() {
    let cut = vec![format!("Program {OTHER} invoke [1]"), "Log truncated".to_owned()];
    let told = read(&block(&[transaction(1, json!(null), &cut)])).unwrap();
    let [record] = told.records.as_slice() else { panic!("one record: {:?}", told.records) };
    assert_eq!(record.what, What::CutOff);
}

#[test]
fn a_mint_is_found_with_the_owner_of_what_it_went_to() {
    let mint = json!({
        "transaction": {
            "signatures": [bs58::encode([3; 64]).into_string()],
            "message": {
                "accountKeys": [key(1), key(2), MINT, TOKEN],
                "instructions": [{ "programIdIndex": 3, "accounts": [2, 1, 0],
                    "data": bs58::encode([&[7][..], &5_u64.to_le_bytes()].concat()).into_string() }],
            },
        },
        "meta": { "err": null, "innerInstructions": null, "logMessages": [],
            "preTokenBalances": [{ "accountIndex": 1, "mint": MINT, "owner": key(8) }] },
    });
    let told = read(&block(std::slice::from_ref(&mint))).unwrap();
    let [record] = told.records.as_slice() else { panic!("one record: {:?}", told.records) };
    let owner = record.holdings.first().and_then(|holding| holding.owner);
    assert_eq!(owner, Some(B256::repeat_byte(8)));
    let mut elsewhere = mint;
    elsewhere["transaction"]["message"]["accountKeys"][2] = json!(key(77));
    assert_eq!(read(&block(&[elsewhere])).unwrap().records, [], "another token");
}

#[test]
fn equal_digests_mean_equal_records() {
    let one = read(&block(&[transaction(1, json!(null), &wrapped(&[released()]))])).unwrap();
    let none = read(&block(&[transaction(1, json!(null), &wrapped(&[]))])).unwrap();
    let twice = read(&block(&[transaction(1, json!(null), &wrapped(&[released(), released()]))])).unwrap();
    let other = read(&block(&[transaction(2, json!(null), &wrapped(&[released()]))])).unwrap();
    let again = read(&block(&[transaction(1, json!(null), &wrapped(&[released()]))])).unwrap();
    assert_eq!(one, again);
    for different in [none, twice, other] {
        assert_ne!(different.digest, one.digest);
    }
}

#[test]
fn what_is_no_block_is_garbage_and_never_an_empty_one() {
    let good = block(&[transaction(1, json!(null), &wrapped(&[released()]))]);
    assert!(read(&good).is_ok());
    let spoil = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut spoiled = good.clone();
        change(&mut spoiled);
        read(&spoiled)
    };
    let changes: [&dyn Fn(&mut serde_json::Value); 12] = [
        &|block| block["blockhash"] = json!("0OIl"),
        &|block| block["previousBlockhash"] = json!(null),
        &|block| block["parentSlot"] = json!(9),
        &|block| block["parentSlot"] = json!(-1),
        &|block| block["blockTime"] = json!(null),
        &|block| block["transactions"] = json!(null),
        &|block| block["transactions"][0]["meta"] = json!(null),
        &|block| block["transactions"][0]["meta"]["logMessages"] = json!(null),
        &|block| block["transactions"][0]["transaction"]["signatures"] = json!([]),
        &|block| {
            block["transactions"][0]["transaction"]["message"]["instructions"][0]["programIdIndex"] = json!(9)
        },
        &|block| block["transactions"][0]["meta"]["loadedAddresses"] = json!(null),
        &|block| {
            block["transactions"][0]["meta"]["innerInstructions"][0]["instructions"][0]["accounts"] =
                json!([200])
        },
    ];
    for (at, change) in changes.iter().enumerate() {
        assert!(matches!(spoil(change), Err(RpcError::Garbage { .. })), "change {at}");
    }
    assert!(
        matches!(read_block(&decoder(), 9, "null"), Err(RpcError::Server { .. })),
        "not there is not empty"
    );
    let text = good.to_string();
    for end in (0..text.len()).step_by(37) {
        assert!(read_block(&decoder(), 9, text.get(..end).unwrap()).is_err(), "cut at {end}");
    }
}
