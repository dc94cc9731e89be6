use super::*;
use crate::{config::CosmosConfig, transport::RawEvent};
use portcullis_verifier::{AdminKind, TransferKind};
use serde_json::json;

const CONTRACT_TEXT: &str = "wasm14hj2tavq8fpesdwxxcu44rty3hh90vhujrvcmstl4zr3txmfvw9s0phg4d";
const ACCOUNT: &str = "wasm1l3e9pgs3mmwuwrh95fecme0s0qtn2880rkrwqj";
const DIGITS: &str = "00000000000000000000000000000000000000000000000000000000000000ab";

fn decoder() -> Decoder {
    let text = format!(
        r#"
chain = "cosmos:portcullis-1"
prefix = "wasm"
endpoints = [{{ operator = "a", http = "http://127.0.0.1:1" }}]
trust = {{ height = 5, hash = "0x{DIGITS}" }}

[[contracts]]
bridge = "demo"
address = "{CONTRACT_TEXT}"
domain = "7"
ignored = ["wasm(action=approve)"]

[[contracts.mappings]]
kind = "release"
signature = "wasm-released(origin, message_id)"
recorded = true
fields = {{ remote = "origin", message_id = "message_id", asset = "token", amount = "amount", recipient = "recipient" }}

[[contracts.mappings]]
kind = {{ admin = "upgrade" }}
signature = "wasm(action=upgrade)"
fields = {{ value = "root as hex" }}

[[contracts]]
bridge = "demo"
address = "module:bank"
domain = "7"

[[contracts.mappings]]
kind = "mint"
signature = "coinbase(amount.denom=usd)"
fields = {{ remote = {{ constant = "8" }}, asset = "amount.denom", message_id = "@tx", amount = "amount.amount", recipient = "minter" }}

[[channels]]
bridge = "tokens"
domain = "1"
remote = "2"
channel = "channel-0"
counterparty_channel = "channel-7"
"#
    );
    let config: CosmosConfig = toml::from_str(&text).unwrap();
    config.compile().unwrap().decoder
}

fn event(kind: &str, attributes: &[(&str, &str)]) -> RawEvent {
    let attributes: Vec<_> =
        attributes.iter().map(|(key, value)| json!({ "key": key, "value": value })).collect();
    serde_json::from_value(json!({ "type": kind, "attributes": attributes })).unwrap()
}

fn decoded(event: RawEvent) -> Vec<Observation> {
    let placed = Placed { transaction: Some(0), index: 3, event };
    let block = BlockRef { height: 9, hash: B256::repeat_byte(9) };
    decoder().observations(&placed, block, B256::repeat_byte(0x77), 1)
}

/// The only thing that an event means.
fn meaning(event: RawEvent) -> Event {
    let mut all = decoded(event);
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0).event().clone()
}

fn reason(event: RawEvent) -> String {
    match meaning(event) {
        Event::Unmapped { reason, .. } => reason,
        other => panic!("it was understood: {other:?}"),
    }
}

fn released(change: &[(&str, &str)]) -> RawEvent {
    let mut attributes = vec![
        ("_contract_address", CONTRACT_TEXT),
        ("origin", "0x65766d31"),
        ("message_id", "12"),
        ("token", "nomad/usdc"),
        ("amount", "340282366920938463463374607431768211456"),
        ("recipient", ACCOUNT),
        ("msg_index", "0"),
    ];
    for (key, value) in change {
        attributes.retain(|(known, _)| known != key);
        if *value != "-" {
            attributes.push((key, value));
        }
    }
    event("wasm-released", &attributes)
}

#[test]
fn a_contracts_event_is_read_as_it_is_mapped() {
    let Event::Transfer(transfer) = meaning(released(&[])) else { panic!("a transfer") };
    assert_eq!(transfer.kind, TransferKind::Release);
    assert_eq!(transfer.local, B256::from(U256::from(7)));
    assert_eq!(transfer.remote, B256::from(U256::from(0x6576_6d31_u64)));
    assert_eq!(transfer.message_id, B256::from(U256::from(12)));
    assert_eq!(transfer.asset, keccak256("nomad/usdc"));
    assert_eq!(transfer.amount, U256::from(1) << 128, "amounts have 256 bits");
    let account = crate::config::account("wasm", ACCOUNT).unwrap();
    assert_eq!(transfer.recipient, B256::left_padding_from(&account));
}

#[test]
fn a_recipient_may_be_written_in_digits_and_an_address_of_another_chain() {
    for text in [DIGITS.to_owned(), format!("0x{DIGITS}"), "0xab".to_owned()] {
        let Event::Transfer(transfer) = meaning(released(&[("recipient", &text)])) else { panic!("{text}") };
        assert_eq!(transfer.recipient, B256::with_last_byte(0xab), "{text}");
    }
}

#[test]
fn what_cannot_be_read_is_kept_with_its_reason_and_never_dropped() {
    let cases: [(&[(&str, &str)], &str); 9] = [
        (&[("amount", "-5")], "`amount`: it is not a decimal number"),
        (&[("amount", "1e3")], "`amount`: it is not a decimal number"),
        (&[("amount", "")], "`amount`: it is not a decimal number"),
        (&[("amount", "-")], "`amount`: the event has no such attribute"),
        (&[("recipient", "wasm1nobody")], "`recipient`: it is not an address"),
        (&[("token", "-")], "`asset`: the event has no such attribute"),
        (&[("origin", "0xzz")], "`remote`: it is not up to 32 bytes"),
        (&[("message_id", "-")], "no mapping has this event"),
        (&[("amount", &"9".repeat(78)[..])], "`amount`: the number has more than 256 bits"),
    ];
    for (change, expected) in cases {
        let said = reason(released(change));
        assert!(said.contains(expected), "{change:?}: {said}");
    }
}

#[test]
fn an_attribute_that_stands_twice_is_believed_in_neither_place() {
    let mut twice = released(&[]);
    twice.attributes.push(twice.attributes.iter().find(|one| one.key == "amount").unwrap().clone());
    assert!(reason(twice).contains("twice"));
}

#[test]
fn others_cannot_speak_for_a_contract_nor_a_contract_for_a_module() {
    let other = released(&[("_contract_address", ACCOUNT)]);
    assert_eq!(decoded(other), []);
    let nobody = event("transfer", &[("_contract_address", CONTRACT_TEXT), ("action", "upgrade")]);
    assert_eq!(decoded(nobody), []);
    let forged = event("wasm-coinbase", &[("minter", ACCOUNT), ("amount", "5usd")]);
    assert_eq!(decoded(forged), []);
}

#[test]
fn unknown_events_of_a_contract_are_shown_and_ignored_ones_are_not() {
    let of = |kind, action| event(kind, &[("_contract_address", CONTRACT_TEXT), ("action", action)]);
    assert!(reason(of("wasm", "other")).contains("no mapping has this event"));
    assert_eq!(decoded(of("wasm", "approve")), []);
    let upgrade = event(
        "wasm",
        &[("_contract_address", CONTRACT_TEXT), ("action", "upgrade"), ("root", &"cd".repeat(32))],
    );
    let Event::Admin(change) = meaning(upgrade) else { panic!("a change") };
    assert_eq!((change.kind, change.value), (AdminKind::Upgrade, B256::repeat_byte(0xcd)));
}

#[test]
fn a_recorded_event_goes_by_the_digest_of_its_record() {
    let attributes = [
        ("origin", "0x65766d31"),
        ("message_id", "12"),
        ("token", "nomad/usdc"),
        ("amount", "340282366920938463463374607431768211456"),
        ("recipient", ACCOUNT),
    ];
    let digest = recorded_digest("wasm-released", attributes);
    let contract = B256::try_from(crate::config::account("wasm", CONTRACT_TEXT).unwrap().as_slice()).unwrap();
    let seen = decoded(released(&[]));
    assert_eq!(seen.first().unwrap().raw(), recorded_raw(contract, digest));
    let key = decoder().record(&released(&[]), recorded_raw(contract, digest)).unwrap();
    assert_eq!(key, contract_key(contract, &recorded_key(digest)));
    assert_eq!(decoder().record(&released(&[("amount", "1")]), recorded_raw(contract, digest)), None);
}

#[test]
fn coins_of_the_bank_are_chosen_by_their_name() {
    let mint = |amount: &str| event("coinbase", &[("minter", ACCOUNT), ("amount", amount)]);
    let Event::Transfer(transfer) = meaning(mint("7stake,5usd")) else { panic!("a transfer") };
    assert_eq!((transfer.kind, transfer.amount), (TransferKind::Mint, U256::from(5)));
    assert_eq!((transfer.asset, transfer.message_id), (keccak256("usd"), B256::repeat_byte(0x77)));
    assert_eq!(decoded(mint("7stake")), [], "of a module, only what a pattern matches is looked at");
    assert_eq!(decoded(mint("5usd,5usd")), [], "one coin twice is no coin");
    let placed = Placed { transaction: None, index: 0, event: mint("5usd") };
    let block = BlockRef { height: 9, hash: B256::ZERO };
    let seen = decoder().observations(&placed, block, B256::ZERO, 1);
    assert!(matches!(seen.first().unwrap().event(), Event::Unmapped { .. }), "no transaction, no message id");
}

fn packet(kind: &str, denom: &str, more: &[(&str, &str)]) -> RawEvent {
    let data =
        json!({ "denom": denom, "amount": "250", "sender": ACCOUNT, "receiver": "osmo-like" }).to_string();
    let hex: String = data.bytes().map(|byte| format!("{byte:02x}")).collect();
    let (near, far) = if kind == "write_acknowledgement" { ("dst", "src") } else { ("src", "dst") };
    let names = [
        format!("packet_{near}_port"),
        format!("packet_{near}_channel"),
        format!("packet_{far}_port"),
        format!("packet_{far}_channel"),
    ];
    let mut attributes: Vec<(&str, &str)> =
        names.iter().map(String::as_str).zip(["transfer", "channel-0", "transfer", "channel-7"]).collect();
    attributes.extend([("packet_sequence", "41"), ("packet_data_hex", hex.as_str())]);
    for (key, value) in more {
        attributes.retain(|(known, _)| known != key);
        attributes.push((key, value));
    }
    event(kind, &attributes)
}

const YES: &str = r#"{"result":"AQ=="}"#;

#[test]
fn a_packet_locks_or_burns_where_it_leaves_and_mints_or_releases_where_it_arrives() {
    let cases = [
        ("send_packet", "usd", TransferKind::Lock, "usd".to_owned()),
        ("send_packet", "transfer/channel-0/atom", TransferKind::Burn, voucher("transfer/channel-0/atom")),
        ("send_packet", "transfer/channel-9/atom", TransferKind::Lock, voucher("transfer/channel-9/atom")),
        ("write_acknowledgement", "atom", TransferKind::Mint, voucher("transfer/channel-0/atom")),
        ("write_acknowledgement", "transfer/channel-7/usd", TransferKind::Release, "usd".to_owned()),
        (
            "write_acknowledgement",
            "transfer/channel-7/transfer/channel-9/atom",
            TransferKind::Release,
            voucher("transfer/channel-9/atom"),
        ),
    ];
    for (kind, denom, expected, name) in cases {
        let Event::Transfer(transfer) = meaning(packet(kind, denom, &[("packet_ack", YES)])) else {
            panic!("{kind} {denom}")
        };
        assert_eq!(transfer.kind, expected, "{kind} {denom}");
        assert_eq!(transfer.asset, keccak256(&name), "{kind} {denom}");
        assert_eq!((transfer.message_id, transfer.amount), (B256::with_last_byte(41), U256::from(250)));
        assert_eq!((transfer.local, transfer.remote), (B256::with_last_byte(1), B256::with_last_byte(2)));
        assert_eq!(transfer.recipient, keccak256("osmo-like"), "an address of another kind goes by its text");
    }
}

fn voucher(path: &str) -> String {
    use sha2::{Digest, Sha256};
    let digits: String = Sha256::digest(path).iter().map(|byte| format!("{byte:02X}")).collect();
    format!("ibc/{digits}")
}

/// The most used voucher there is: ATOM on Osmosis.
#[test]
fn vouchers_are_named_as_the_chains_name_them() {
    assert_eq!(
        voucher("transfer/channel-0/uatom"),
        "ibc/27394FB092D2ECCD56123C74F36E4C1F926001CEADA9CA97EA622B25F41E5EB2"
    );
}

/// How a packet ends, as ibc-go writes it: the packet's own event, then the application's, with the message's number on
/// each; `other` stands for the events of transactions that do both at once.
fn ended(kind: &str, words: &[(&str, &[(&str, &str)])]) -> RawEvent {
    let mut all =
        vec![event("coin_spent", &[("msg_index", "0")]), packet(kind, "unused", &[("msg_index", "0")])];
    all[1].attributes.retain(|one| !one.key.starts_with("packet_data"));
    all.push(event("message", &[("module", "ibc_channel"), ("msg_index", "0")]));
    for (word, attributes) in words {
        let mut attributes = attributes.to_vec();
        attributes.push(("msg_index", "0"));
        all.push(event(word, &attributes));
    }
    // Another packet ends in the next message, with words of its own.
    let mut next = packet(kind, "unused", &[("packet_sequence", "42"), ("msg_index", "1")]);
    next.attributes.retain(|one| !one.key.starts_with("packet_data"));
    all.push(next);
    all.push(event("timeout", &[("refund_amount", "9"), ("msg_index", "1")]));
    all.push(event("fungible_token_packet", &[("error", "its own"), ("msg_index", "1")]));
    decoder().join(&mut all);
    all.swap_remove(1)
}

fn refunded(event: RawEvent) -> (B256, U256, B256) {
    let Event::Transfer(transfer) = meaning(event) else { panic!("a transfer") };
    assert_eq!(transfer.kind, TransferKind::Refund);
    assert_eq!(transfer.message_id, B256::with_last_byte(41));
    assert_eq!((transfer.local, transfer.remote), (B256::with_last_byte(1), B256::with_last_byte(2)));
    (transfer.asset, transfer.amount, transfer.recipient)
}

#[test]
fn a_time_out_and_a_refusal_give_the_message_s_value_back() {
    let sender = B256::left_padding_from(&crate::config::account("wasm", ACCOUNT).unwrap());
    let text = [("refund_receiver", ACCOUNT), ("refund_denom", "usd"), ("refund_amount", "250")];
    let json = r#"{"denom":{"base":"atom","trace":[{"port_id":"transfer","channel_id":"channel-0"}]},"amount":"250"}"#;
    let home = r#"{"denom":{"base":"usd","trace":[]},"amount":"250"}"#;
    let newest = |token| [("receiver", ACCOUNT), ("refund_tokens", token), ("memo", "")];
    let way = keccak256(voucher("transfer/channel-0/atom"));
    let amount = U256::from(250);
    let plain = ended("timeout_packet", &[("timeout", &text)]);
    assert_eq!(refunded(plain), (keccak256("usd"), amount, sender), "what was locked");
    let newest_home = ended("timeout_packet", &[("timeout", &newest(home))]);
    assert_eq!(refunded(newest_home), (keccak256("usd"), amount, sender));
    let burned = ended("timeout_packet", &[("timeout", &newest(json))]);
    assert_eq!(refunded(burned), (way, amount, sender), "what was burned is made again");

    let carried = [
        ("sender", ACCOUNT),
        ("receiver", "osmo-like"),
        ("denom", "transfer/channel-0/atom"),
        ("amount", "250"),
        ("acknowledgement", "error:\"ABCI code: 1\""),
    ];
    let refused: &[(&str, &str)] = &[("error", "ABCI code: 1")];
    let error = ended(
        "acknowledge_packet",
        &[("fungible_token_packet", &carried), ("fungible_token_packet", refused)],
    );
    assert_eq!(refunded(error), (way, amount, sender));
    let taken: &[(&str, &str)] = &[("success", "\u{1}")];
    let success =
        ended("acknowledge_packet", &[("fungible_token_packet", &carried), ("fungible_token_packet", taken)]);
    assert_eq!(decoded(success), [], "it arrived: nothing moved here");
}

#[test]
fn a_packet_s_end_of_which_the_application_says_nothing_or_too_much_is_shown() {
    assert!(reason(ended("timeout_packet", &[])).contains("packet 41: the application does not say"));
    assert!(reason(ended("acknowledge_packet", &[])).contains("packet 41: the application does not say"));
    let half: &[(&str, &str)] = &[("refund_receiver", ACCOUNT), ("refund_denom", "usd")];
    assert!(reason(ended("timeout_packet", &[("timeout", half)])).contains("does not say"));
    let text: &[(&str, &str)] =
        &[("refund_receiver", ACCOUNT), ("refund_denom", "usd"), ("refund_amount", "250")];
    let twice = ended("timeout_packet", &[("timeout", text), ("timeout", text)]);
    assert!(reason(twice).contains("twice"));
    let both: &[(&str, &str)] = &[("error", "x"), ("success", "y")];
    assert!(
        reason(ended("acknowledge_packet", &[("fungible_token_packet", both)])).contains("both yes and no")
    );
    let broken: &[(&str, &str)] = &[("receiver", ACCOUNT), ("refund_tokens", "{}")];
    assert!(reason(ended("timeout_packet", &[("timeout", broken)])).contains("refund_tokens"));
    let mut foreign = ended("timeout_packet", &[("timeout", text)]);
    let far = foreign.attributes.iter_mut().find(|one| one.key == "packet_dst_channel").unwrap();
    far.value = Some("channel-8".to_owned());
    assert!(reason(foreign).contains("its far end is transfer/channel-8"));
    // What another application's packet of the same transaction ended with is not joined.
    let mut other =
        vec![packet("timeout_packet", "usd", &[("packet_src_channel", "channel-1")]), event("timeout", text)];
    decoder().join(&mut other);
    assert!(other[0].attributes.iter().all(|one| !one.key.starts_with("timeout.")));
}

#[test]
fn refusals_and_foreign_ends_are_told_apart() {
    let refused = packet("write_acknowledgement", "atom", &[("packet_ack", r#"{"error":"ABCI code: 1"}"#)]);
    assert_eq!(decoded(refused), [], "nothing moved here; the other side gives it back");
    let neither = packet("write_acknowledgement", "atom", &[("packet_ack", "{}")]);
    assert!(reason(neither).contains("neither yes nor no"));
    let both = packet("write_acknowledgement", "atom", &[("packet_ack", r#"{"result":"AQ==","error":"x"}"#)]);
    assert!(reason(both).contains("neither yes nor no"));
    let foreign = packet("send_packet", "usd", &[("packet_dst_channel", "channel-8")]);
    assert!(reason(foreign).contains("its far end is transfer/channel-8"));
    let broken = packet("send_packet", "usd", &[("packet_data_hex", "zz")]);
    assert!(reason(broken).contains("not hexadecimal"));
    let empty = packet("send_packet", "usd", &[("packet_data_hex", "7b7d")]);
    assert!(reason(empty).contains("its content"));
    assert_eq!(decoded(packet("send_packet", "usd", &[("packet_src_channel", "channel-1")])), []);
}
