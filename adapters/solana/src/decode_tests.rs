use super::*;
use crate::SolanaConfig;
use portcullis_verifier::TransferKind;
use serde_json::json;

const PROGRAM: B256 = B256::repeat_byte(0x11);
const MINT: B256 = B256::repeat_byte(0x22);
const DEMO: B256 = B256::repeat_byte(0x33);
const BLOCK: BlockRef = BlockRef { height: 9, hash: B256::repeat_byte(9) };

fn decoder() -> Decoder {
    let (program, mint, demo) = (address::shown(PROGRAM), address::shown(MINT), address::shown(DEMO));
    let escrow = address::shown(B256::repeat_byte(0x44));
    let fields = json!({ "remote": { "constant": "2" }, "message_id": "@tx", "asset": "mint", "amount": "amount",
                         "recipient": "destination_owner", "sender": "source_owner" });
    let config: SolanaConfig = serde_json::from_value(json!({
        "chain": "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp",
        "endpoints": [{ "operator": "a", "http": "http://127.0.0.1:1" }],
        "contracts": [
            {
                "bridge": "demo", "address": program, "domain": "1", "ignored": ["data Said"],
                "mappings": [
                    {
                        "kind": "release",
                        "signature": format!("data Released(demo: key = {demo}, id: bytes32, amount: u64, to: key)"),
                        "fields": { "remote": { "constant": "2" }, "message_id": "id", "asset": { "constant": MINT.to_string() },
                                    "amount": "amount", "recipient": "to" },
                    },
                    {
                        "kind": { "admin": "route" },
                        "signature": format!("call 0x07(value: u32be) accounts(_, demo = {demo}, new)"),
                        "fields": { "value": "new" },
                    },
                ],
            },
            {
                "bridge": "demo", "address": format!("mint:{mint}"), "domain": "1",
                "mappings": [
                    { "kind": "mint", "signature": "mint", "fields": { "remote": { "constant": "2" }, "message_id": "@tx",
                        "asset": "mint", "amount": "amount", "recipient": "destination" } },
                    { "kind": "burn", "signature": "burn", "fields": { "remote": { "constant": "2" }, "message_id": "@tx",
                        "asset": "mint", "amount": "amount", "recipient": "source" } },
                    { "kind": "lock", "signature": format!("transfer(to = {escrow})"), "fields": fields },
                ],
            },
        ],
    }))
    .unwrap();
    config.compile().unwrap().decoder.clone()
}

fn record(program: B256, what: What) -> Record {
    Record { transaction: 3, id: B256::repeat_byte(0x77), index: 5, program, what, holdings: Vec::new() }
}

fn events(record: &Record) -> Vec<Event> {
    let observations = decoder().observations(record, BLOCK, 100);
    assert_eq!(decoder().concerns(record), !observations.is_empty());
    observations.iter().map(|one| one.event().clone()).collect()
}

fn one(events: Vec<Event>) -> [Event; 1] {
    events.try_into().unwrap_or_else(|all| panic!("one event: {all:?}"))
}

fn logged(parts: &[&[u8]]) -> Record {
    record(PROGRAM, What::Data(parts.iter().map(|part| part.to_vec()).collect()))
}

fn called(program: B256, data: &[u8], accounts: &[B256]) -> Record {
    record(program, What::Call { data: data.to_vec(), accounts: accounts.to_vec() })
}

fn reason(event: &Event) -> &str {
    let Event::Unmapped { reason, .. } = event else { panic!("unmapped: {event:?}") };
    reason
}

#[test]
fn data_with_its_name_in_front_is_read_by_its_layout() {
    let values = [DEMO.as_slice(), &[4; 32], &9_u64.to_le_bytes(), &[5; 32]].concat();
    let [Event::Transfer(transfer)] = one(events(&logged(&[b"Released", &values]))) else {
        panic!("a transfer")
    };
    assert_eq!((transfer.kind, transfer.amount), (TransferKind::Release, U256::from(9)));
    assert_eq!((transfer.message_id, transfer.recipient), (B256::repeat_byte(4), B256::repeat_byte(5)));
    assert_eq!((transfer.asset, transfer.local), (MINT, B256::with_last_byte(1)));
    let same = decoder().observations(&logged(&[b"Released", &values]), BLOCK, 100);
    assert_eq!(same[0].raw(), data_digest(PROGRAM, &[b"Released", &values]));
}

/// SECURITY: anybody may make an account of his own with the bridge's program and let it log the same.
#[test]
fn what_names_another_account_of_the_same_program_is_somebody_else_s() {
    let values = [[0x99; 32].as_slice(), &[4; 32], &9_u64.to_le_bytes(), &[5; 32]].concat();
    assert_eq!(events(&logged(&[b"Released", &values])), []);
}

#[test]
fn what_is_not_understood_is_kept_with_its_reason() {
    let long = [DEMO.as_slice(), &[4; 32], &9_u64.to_le_bytes(), &[5; 31]].concat();
    assert!(reason(&events(&logged(&[b"Released", &long]))[0]).contains("`recipient`"));
    assert!(reason(&events(&logged(&[b"Renamed", &long]))[0]).starts_with("Renamed: no mapping"));
    assert!(reason(&events(&logged(&[b"ReleasedX"]))[0]).contains("no mapping"), "a name is whole");
    assert!(reason(&events(&logged(&[&[0xff, 0]]))[0]).starts_with("0xff00: "));
    assert!(reason(&events(&record(PROGRAM, What::CutOff))[0]).contains("cut off"));
    assert_eq!(events(&logged(&[b"Said", b"anything"])), [], "ignored by configuration");
}

#[test]
fn a_call_is_read_with_its_accounts_and_others_are_none_of_ours() {
    let new = B256::repeat_byte(0x55);
    let [Event::Admin(change)] = one(events(&called(PROGRAM, &[7, 0, 0, 0, 1], &[new, DEMO, new]))) else {
        panic!("a change")
    };
    assert_eq!((change.kind, change.value, change.contract), (AdminKind::Route, new, PROGRAM));
    assert_eq!(events(&called(PROGRAM, &[7, 0, 0, 0, 1], &[new, new, new])), [], "another account");
    assert_eq!(events(&called(PROGRAM, &[8], &[])), [], "programs are called for much");
    assert_eq!(events(&called(B256::repeat_byte(0x12), &[7, 0, 0, 0, 1], &[new, DEMO, new])), []);
}

fn token(data: &[u8], accounts: &[B256]) -> Record {
    called(address::constant("TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA"), data, accounts)
}

fn amount(tag: u8, amount: u64) -> Vec<u8> {
    [&[tag][..], &amount.to_le_bytes()].concat()
}

fn kinds(record: &Record) -> Vec<(TransferKind, u64)> {
    let transfers = events(record).into_iter().filter_map(|event| match event {
        Event::Transfer(transfer) => Some((transfer.kind, transfer.amount.to::<u64>())),
        _ => None,
    });
    transfers.collect()
}

#[test]
fn mints_burns_and_transfers_of_a_token_are_ledger_events() {
    let (a, b, escrow) = (B256::repeat_byte(1), B256::repeat_byte(2), B256::repeat_byte(0x44));
    assert_eq!(kinds(&token(&amount(7, 5), &[MINT, a, b])), [(TransferKind::Mint, 5)]);
    assert_eq!(kinds(&token(&amount(14, 6), &[MINT, a, b])), [(TransferKind::Mint, 6)]);
    assert_eq!(kinds(&token(&amount(15, 7), &[a, MINT, b])), [(TransferKind::Burn, 7)]);
    assert_eq!(kinds(&token(&amount(7, 5), &[a, MINT, b])), [], "another token");
    let checked = |to| token(&amount(12, 8), &[a, MINT, to, b]);
    assert_eq!(kinds(&checked(b)), [], "not into the escrow");
    // Who owns the accounts stands in the balances.
    let mut lock = checked(escrow);
    lock.holdings = vec![
        Holding { account: a, mint: MINT, owner: Some(B256::repeat_byte(0xa)) },
        Holding { account: escrow, mint: MINT, owner: Some(B256::repeat_byte(0xe)) },
    ];
    let [Event::Transfer(transfer)] = one(events(&lock)) else { panic!("a lock") };
    assert_eq!((transfer.sender, transfer.recipient), (Some(B256::repeat_byte(0xa)), B256::repeat_byte(0xe)));
    // A plain transfer does not name the mint; the configured account does.
    let mut plain = token(&amount(3, 9), &[a, escrow, b]);
    plain.holdings = lock.holdings.clone();
    assert_eq!(kinds(&plain), [(TransferKind::Lock, 9)]);
    plain.holdings.iter_mut().for_each(|one| one.mint = B256::repeat_byte(0xff));
    assert_eq!(kinds(&plain), [], "an account of another token");
}

/// SECURITY: a mint could hide among calls that are bundled in one.
#[test]
fn what_is_bundled_in_one_call_is_read_one_by_one() {
    let (a, b) = (B256::repeat_byte(1), B256::repeat_byte(2));
    let mut data = vec![255, 2, 9];
    data.extend(amount(3, 1));
    data.extend([3, 9]);
    data.extend(amount(7, 1_000_000));
    let bundle = token(&data, &[a, b, MINT, a, b]);
    assert_eq!(kinds(&bundle), [(TransferKind::Mint, 1_000_000)]);
    let cut = token(&data[..data.len() - 1], &[a, b, MINT, a, b]);
    assert!(reason(&events(&cut)[0]).contains("bundled"), "what cannot be read is kept");
}

#[test]
fn a_fee_that_is_withheld_does_not_arrive_and_hidden_amounts_are_told() {
    let (a, escrow, owner) = (B256::repeat_byte(1), B256::repeat_byte(0x44), B256::repeat_byte(2));
    let mut data = vec![26, 1];
    data.extend(100_u64.to_le_bytes());
    data.push(6);
    data.extend(3_u64.to_le_bytes());
    let mut moved = called(address::constant(TOKEN_2022), &data, &[a, MINT, escrow, owner]);
    let held = |account| Holding { account, mint: MINT, owner: Some(owner) };
    moved.holdings = vec![held(a), held(escrow)];
    assert_eq!(kinds(&moved), [(TransferKind::Lock, 97)]);
    let hidden = called(address::constant(TOKEN_2022), &[27, 7], &[a, MINT, escrow]);
    assert!(reason(&events(&hidden)[0]).contains("confidential"));
}

fn changes(record: &Record) -> Vec<(AdminKind, B256)> {
    let changes = events(record).into_iter().filter_map(|event| match event {
        Event::Admin(change) => Some((change.kind, change.value)),
        _ => None,
    });
    changes.collect()
}

#[test]
fn who_may_mint_freeze_or_pause_is_told_without_a_mapping() {
    let new = B256::repeat_byte(0xcc);
    for role in [0, 1, 8, 16] {
        let with = [&[6, role, 1][..], new.as_slice()].concat();
        assert_eq!(changes(&token(&with, &[MINT, B256::ZERO])), [(AdminKind::Owner, new)]);
        assert_eq!(changes(&token(&[6, role, 0], &[MINT, B256::ZERO])), [(AdminKind::Owner, B256::ZERO)]);
    }
    let cut = [&[6, 0, 1][..], &new.as_slice()[..31]].concat();
    assert!(reason(&events(&token(&cut, &[MINT, B256::ZERO]))[0]).contains("ends before"));
    let pause = called(address::constant(TOKEN_2022), &[44, 1], &[MINT, B256::ZERO]);
    assert_eq!(changes(&pause), [(AdminKind::Parameter, B256::with_last_byte(1))]);
    assert_eq!(events(&token(&[6, 2, 0], &[B256::repeat_byte(1), B256::ZERO])), [], "an account of somebody");
}

#[test]
fn code_that_is_exchanged_and_who_may_do_so_are_told_without_a_mapping() {
    let loader = address::constant("BPFLoaderUpgradeab1e11111111111111111111111");
    let (code, _) = address::derived(&[PROGRAM.as_slice()], loader).unwrap();
    let (buffer, new) = (B256::repeat_byte(0xb0), B256::repeat_byte(0xcc));
    let call = |tag: u32, accounts: &[B256]| called(loader, &tag.to_le_bytes(), accounts);
    assert_eq!(changes(&call(3, &[code, PROGRAM, buffer])), [(AdminKind::Upgrade, buffer)]);
    assert_eq!(changes(&call(4, &[code, new, new])), [(AdminKind::Owner, new)]);
    assert_eq!(changes(&call(4, &[code, new])), [(AdminKind::Owner, B256::ZERO)], "nobody any more");
    assert_eq!(changes(&call(7, &[code, buffer, new])), [(AdminKind::Owner, new)]);
    assert_eq!(changes(&call(5, &[code, new, new, PROGRAM])), [(AdminKind::Upgrade, B256::ZERO)]);
    assert_eq!(changes(&call(3, &[code, new, buffer])), [], "another program");
    assert_eq!(changes(&call(6, &[code, PROGRAM])), [], "room only");
    let fourth = address::constant("LoaderV411111111111111111111111111111111111");
    assert_ne!(fourth, B256::ZERO);
    let deploy = called(fourth, &3_u32.to_le_bytes(), &[PROGRAM, new]);
    assert_eq!(changes(&deploy), [(AdminKind::Upgrade, PROGRAM)]);
}
