//! What somebody who wants the guard open, shut for ever, or robbed of its rent can put into an instruction.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use portcullis_solana_tests::address::text;
use portcullis_solana_tests::fixture::{Fixture, START, caip2, config, flow, out};
use portcullis_solana_tests::{Chain, Failed, Guard, Ix, Key, Landed, Word, ed25519, r, sw, w};

const WRONG_ACCOUNT: u32 = 7000;
const NOT_SIGNED: u32 = 7001;
const MALFORMED: u32 = 7002;
const ALREADY_INITIALIZED: u32 = 7003;
const INVALID_SIGNATURE: u32 = 7007;
const SCOPE_UNREGISTERED: u32 = 7009;
const NOT_TRIPPER: u32 = 7015;
const ROLE_CONFLICT: u32 = 7016;
const DEADLINE_NOT_PASSED: u32 = 7024;
const SCOPE_CLOSED: u32 = 7030;
const FOREIGN_CALLER: u32 = 7031;
const ROUTE_STALE: u32 = 7036;

fn key(name: &str) -> Word {
    Key::named(name).address()
}

fn refused(outcome: Result<Landed, Failed>, code: u32, what: &str) {
    match outcome {
        Ok(_) => panic!("{what}: passed"),
        Err(failed) => assert_eq!(failed.code, Some(code), "{what}: {} {:#?}", failed.reason, failed.logs),
    }
}

/// Another guard of the same program, made by a stranger with itself in every role and nothing closed.
fn strangers_guard(f: &mut Fixture) -> Guard {
    let mut config = config();
    (config.owner, config.releaser, config.guardian) = (key("thief"), [0; 32], [0; 32]);
    let guard = Guard::of(f.guard.program, &key("thief"), &text("first"), caip2());
    let payer = key("thief");
    f.send(&guard.initialize(&payer, &payer, &text("first"), &config), &["thief"]).unwrap();
    f.send(&guard.register_bridge(&payer, &text("bridge"), &key("bridge")), &["thief"]).unwrap();
    f.send(&guard.register_scope(&payer, &out("*", "*")), &["thief"]).unwrap();
    f.send(&guard.grant_tripper(&payer, &key("accomplice"), 43_200), &["thief"]).unwrap();
    f.send(&guard.of_owner(9, &payer), &["thief"]).unwrap();
    guard
}

#[test]
fn nothing_is_made_twice() {
    let mut f = Fixture::new(&[]).unwrap();
    let guard = f.guard;
    let again = guard.initialize(&key("thief"), &key("creator"), &text("first"), &config());
    refused(f.send(&again, &["thief", "creator"]), ALREADY_INITIALIZED, "the breaker");
    // Without the creator's signature nobody takes its address, before or after.
    let mut unsigned = guard.initialize(&key("thief"), &key("creator"), &text("second"), &config());
    unsigned.accounts[1].signs = false;
    refused(f.send(&unsigned, &["thief"]), NOT_SIGNED, "the creator");
    let elsewhere = Guard::of(guard.program, &key("creator"), &text("second"), caip2());
    let mut other = elsewhere.initialize(&key("thief"), &key("thief"), &text("second"), &config());
    other.accounts[2] = w(elsewhere.breaker);
    refused(f.send(&other, &["thief"]), WRONG_ACCOUNT, "the address of somebody else's guard");
}

#[test]
fn lamports_that_were_sent_before_do_not_keep_an_account_from_being_made() {
    let mut f = Fixture::empty("guard", &[]).unwrap();
    let (guard, scope) = (f.guard, f.guard.scope_id(&out("*", "*")));
    for address in [guard.bridge(&text("bridge")), guard.scope(&scope, 0), guard.scope(&scope, 1)] {
        f.chain.put(&address, &[0; 32], 1_000_000, Vec::new()).unwrap();
    }
    // More than the rent, too.
    let route = guard.route_of(&flow("north", "gold"));
    f.chain.put(&route, &[0; 32], 9_000_000_000, Vec::new()).unwrap();
    f.register(&key("bridge")).unwrap();
    f.route(&flow("north", "gold")).unwrap();
    f.check(&flow("north", "gold"), 1).unwrap();
    for (address, length) in [(guard.scope(&scope, 0), 312), (guard.bridge(&text("bridge")), 112)] {
        let rent = (128 + length) * 6_960;
        assert_eq!(f.chain.lamports(&address), rent, "exactly what keeps it");
    }
    assert_eq!(f.chain.lamports(&route), 9_000_000_000);
}

#[test]
fn who_does_not_sign_or_has_no_right_trips_nothing() {
    let mut f = Fixture::new(&[]).unwrap();
    let (guard, trip) = (f.guard, f.trip(&out("*", "*")));
    let good = guard.trip(&key("tripper"), &trip, 0);
    let mut unsigned = good.clone();
    unsigned.accounts[0].signs = false;
    refused(f.send(&unsigned, &["thief"]), NOT_SIGNED, "the tripper's name without its signature");
    let mut borrowed = guard.trip(&key("thief"), &trip, 0);
    borrowed.accounts[3] = good.accounts[3];
    refused(f.send(&borrowed, &["thief"]), NOT_TRIPPER, "the tripper's account by another signer");
    refused(f.send(&guard.trip(&key("thief"), &trip, 0), &["thief"]), NOT_TRIPPER, "no account at all");
    let data = f.chain.account(&guard.tripper(&key("tripper"))).unwrap().1;
    let mut forged = data.clone();
    forged[48..80].copy_from_slice(&key("thief"));
    f.chain.put(&[7; 32], &[9; 32], 1_000_000_000, forged).unwrap();
    borrowed.accounts[3] = w([7; 32]);
    refused(f.send(&borrowed, &["thief"]), NOT_TRIPPER, "an account of the right bytes and another owner");
    f.send(&good, &["tripper"]).unwrap();
}

#[test]
fn accounts_of_another_guard_of_the_same_program_are_refused() {
    let mut f = Fixture::new(&[]).unwrap();
    let (guard, trip) = (f.guard, f.trip(&out("*", "*")));
    let foreign = strangers_guard(&mut f);
    // The stranger's tripper, with the stranger's breaker, against this guard's scope.
    let mut ix = foreign.trip(&key("accomplice"), &trip, 0);
    ix.accounts[2] = w(guard.scope(&trip.scope, 0));
    refused(f.send(&ix, &["accomplice"]), WRONG_ACCOUNT, "their breaker, our scope");
    let mut ix = guard.trip(&key("accomplice"), &trip, 0);
    ix.accounts[3] = w(foreign.tripper(&key("accomplice")));
    refused(f.send(&ix, &["accomplice"]), NOT_TRIPPER, "our breaker, their tripper");
    let mut ix = guard.trip(&key("tripper"), &trip, 0);
    ix.accounts[2] = w(foreign.scope(&trip.scope, 0));
    refused(f.send(&ix, &["tripper"]), WRONG_ACCOUNT, "our breaker, their scope");
    // A page of theirs, which knows no scope of ours.
    f.send(&guard.trip(&key("tripper"), &trip, 0), &["tripper"]).unwrap();
    let flow = flow("north", "gold");
    f.route(&flow).unwrap();
    f.send(&foreign.route(&key("thief"), &flow), &["thief"]).unwrap();
    let theirs = f.chain.account(&foreign.route_of(&flow)).unwrap().1;
    let mut ix = foreign.check(&key("bridge"), &flow, &[0; 32], &theirs);
    ix.accounts[1] = r(guard.breaker);
    refused(f.send(&ix, &["payer", "bridge"]), WRONG_ACCOUNT, "their bridge");
    ix.accounts[2] = r(guard.bridge(&flow.bridge));
    refused(f.send(&ix, &["payer", "bridge"]), ROUTE_STALE, "their page");
    refused(f.check(&flow, 1), SCOPE_CLOSED, "our own says what is so");
}

#[test]
fn a_check_sees_exactly_the_scopes_that_the_page_names() {
    let mut f = Fixture::new(&[]).unwrap();
    let (guard, flow) = (f.guard, flow("north", "gold"));
    let route = f.route(&flow).unwrap();
    let good = guard.check(&key("bridge"), &flow, &[0; 32], &route);
    f.send(&good, &["payer", "bridge"]).unwrap();
    assert_eq!(good.accounts.len(), 6 + 8, "four scopes of two lanes");
    type Spoil = fn(&mut Ix);
    let spoil: [(&str, u32, Spoil); 6] = [
        ("one scope less", MALFORMED, |ix| ix.accounts.truncate(ix.accounts.len() - 1)),
        ("two in another order", WRONG_ACCOUNT, |ix| ix.accounts.swap(6, 8)),
        ("one lane twice", WRONG_ACCOUNT, |ix| ix.accounts[7] = ix.accounts[6]),
        ("an empty account", WRONG_ACCOUNT, |ix| ix.accounts[12] = r([3; 32])),
        ("no signature of the bridge", NOT_SIGNED, |ix| ix.accounts[0].signs = false),
        ("another signer", FOREIGN_CALLER, |ix| ix.accounts[0].address = Key::named("payer").address()),
    ];
    for (what, code, change) in spoil {
        let mut ix = good.clone();
        change(&mut ix);
        let signers: &[&str] =
            if code == NOT_SIGNED || code == FOREIGN_CALLER { &["payer"] } else { &["payer", "bridge"] };
        refused(f.send(&ix, signers), code, what);
    }
    // The owner registers another scope: no page may leave it out from then on.
    let (owner, south) = (key("owner"), out("south", "*"));
    let call = guard.register_scope(&owner, &south);
    f.send(&guard.schedule(&owner, &call.data), &["owner"]).unwrap();
    f.chain.at(START + 14_400, 2_000_000).unwrap();
    f.send(&call, &["owner"]).unwrap();
    refused(f.check(&flow, 1), ROUTE_STALE, "a page from before");
    f.route(&flow).unwrap();
    f.check(&flow, 1).unwrap();
}

#[test]
fn a_page_cannot_be_made_to_leave_a_scope_out() {
    let mut f = Fixture::new(&[]).unwrap();
    let (guard, flow) = (f.guard, flow("north", "gold"));
    for place in 5..13 {
        let mut ix = guard.route(&key("thief"), &flow);
        ix.accounts[place] = r([3; 32]);
        refused(f.send(&ix, &["thief"]), WRONG_ACCOUNT, "an empty account in a scope's place");
    }
    let mut ix = guard.route(&key("thief"), &flow);
    ix.accounts[3] = w(guard.route_of(&other_flow()));
    refused(f.send(&ix, &["thief"]), WRONG_ACCOUNT, "the address of another page");
}

fn other_flow() -> portcullis_solana_tests::Flow {
    flow("south", "gold")
}

#[test]
fn what_must_change_must_be_writable_and_what_is_missing_must_be_shown() {
    let mut f = Fixture::new(&[]).unwrap();
    let (guard, trip) = (f.guard, f.trip(&out("*", "*")));
    for place in [2, 3] {
        let mut ix = guard.trip(&key("tripper"), &trip, 0);
        ix.accounts[place].writable = false;
        refused(f.send(&ix, &["tripper"]), WRONG_ACCOUNT, "read-only");
    }
    let unknown = f.trip(&out("south", "tin"));
    let mut ix = guard.trip(&key("tripper"), &unknown, 0);
    refused(f.send(&ix, &["tripper"]), SCOPE_UNREGISTERED, "a scope that is not there");
    ix.accounts[2] = w([3; 32]);
    refused(f.send(&ix, &["tripper"]), WRONG_ACCOUNT, "an empty account elsewhere");
    f.send(&guard.trip(&key("tripper"), &trip, 0), &["tripper"]).unwrap();
    let mut release = guard.release(&key("releaser"), &trip.scope, 0, (0, START + 3_600), 0);
    release.accounts[3] = w([3; 32]);
    refused(f.send(&release, &["releaser"]), WRONG_ACCOUNT, "another account than the book");
    // A role of one who trips: shown by another account than the one that tells.
    let mut ix = guard.person(17, &key("owner"), &key("tripper"));
    f.send(&guard.schedule(&key("owner"), &ix.data), &["owner"]).unwrap();
    f.chain.at(START + 14_400, 2_000_000).unwrap();
    refused(f.send(&ix, &["owner"]), ROLE_CONFLICT, "a tripper as guardian");
    ix.accounts[3] = r(guard.tripper(&key("nobody in particular")));
    refused(f.send(&ix, &["owner"]), WRONG_ACCOUNT, "the account of somebody else");
}

#[test]
fn each_lane_closes_by_itself_and_both_must_be_released() {
    let mut f = Fixture::new(&[]).unwrap();
    let (guard, trip, flow) = (f.guard, f.trip(&out("*", "*")), flow("north", "gold"));
    f.route(&flow).unwrap();
    let (first, second) = (guard.trip(&key("tripper"), &trip, 0), guard.trip(&key("second"), &trip, 1));
    let shared: Vec<_> =
        first.accounts.iter().filter(|one| one.writable && second.accounts.contains(one)).collect();
    assert!(shared.is_empty(), "who fills the writable use of one keeps the other: {shared:?}");
    f.send(&second, &["second"]).unwrap();
    refused(f.check(&flow, 1), SCOPE_CLOSED, "lane 1 alone");
    f.send(&first, &["tripper"]).unwrap();
    f.send(&guard.release(&key("releaser"), &trip.scope, 0, (0, START + 3_600), 1), &["releaser"]).unwrap();
    refused(f.check(&flow, 1), SCOPE_CLOSED, "lane 0 still");
    f.send(&guard.release(&key("releaser"), &trip.scope, 0, (0, START + 3_600), 0), &["releaser"]).unwrap();
    f.check(&flow, 1).unwrap();
}

#[test]
fn a_signature_counts_only_where_the_machine_has_checked_these_very_bytes() {
    let mut f = Fixture::new(&[]).unwrap();
    let (guard, trip, deadline) = (f.guard, f.trip(&out("*", "*")), START + 600);
    let (tripper, carrier) = (Key::named("tripper"), Key::named("carrier"));
    let message = guard.trip_message(&trip, deadline);
    let signed = |key: &Key, message: &Word| ed25519(key, message, &key.sign(message));
    let ix = guard.trip_signed(&carrier.address(), &tripper.address(), &trip, 0, (deadline, 0));
    let mut send = |proof: Ix, ix: &Ix| f.chain.send(&[proof, ix.clone()], &[&carrier]);
    refused(send(signed(&carrier, &message), &ix), NOT_TRIPPER, "somebody else's signature");
    refused(send(signed(&tripper, &[5; 32]), &ix), INVALID_SIGNATURE, "of something else");
    // Key and message read from another instruction than the one that was checked.
    let mut split = signed(&carrier, &message);
    split.data.extend(tripper.address());
    split.data[6..8].copy_from_slice(&(16_u16 + 128).to_le_bytes());
    assert!(send(split, &ix).is_err(), "the key of another, with a signature that is not its own");
    let mut indexed = signed(&tripper, &message);
    indexed.data[8..10].copy_from_slice(&0_u16.to_le_bytes());
    refused(send(indexed, &ix), INVALID_SIGNATURE, "an index instead of the instruction itself");
    let mut sysvar = ix.clone();
    sysvar.accounts[5] = r([3; 32]);
    refused(send(signed(&tripper, &message), &sysvar), WRONG_ACCOUNT, "another account than the sysvar");
    let mut wrong_index = ix.clone();
    let end = wrong_index.data.len() - 2;
    wrong_index.data[end] = 1;
    refused(
        send(signed(&tripper, &message), &wrong_index),
        INVALID_SIGNATURE,
        "the index of the trip itself",
    );
    let mut marker = ix.clone();
    marker.accounts[4] = w([3; 32]);
    refused(send(signed(&tripper, &message), &marker), WRONG_ACCOUNT, "another marker");
    send(signed(&tripper, &message), &ix).unwrap();
    let second = guard.trip_signed(&carrier.address(), &tripper.address(), &trip, 1, (deadline, 0));
    assert_eq!(send(signed(&tripper, &message), &second).unwrap().returned, [1], "once in each lane");
    assert_ne!(send(signed(&tripper, &message), &ix).unwrap().returned, [1], "and not twice");
}

#[test]
fn the_rent_of_a_marker_goes_back_to_who_paid_and_only_when_the_signature_is_void() {
    let mut f = Fixture::new(&[]).unwrap();
    let (guard, trip, deadline) = (f.guard, f.trip(&out("*", "*")), START + 600);
    let (tripper, carrier) = (Key::named("tripper"), Key::named("carrier"));
    let message = guard.trip_message(&trip, deadline);
    let proof = ed25519(&tripper, &message, &tripper.sign(&message));
    let ix = guard.trip_signed(&carrier.address(), &tripper.address(), &trip, 0, (deadline, 0));
    f.must(&[proof, ix], &[&carrier]).unwrap();
    let forget = guard.forget(&carrier.address(), &trip, 0);
    refused(f.send(&forget, &["thief"]), DEADLINE_NOT_PASSED, "too early");
    f.chain.at(deadline + 1, 2_000_000).unwrap();
    refused(f.send(&guard.forget(&key("thief"), &trip, 0), &["thief"]), WRONG_ACCOUNT, "to somebody else");
    let (before, rent) = (f.chain.lamports(&carrier.address()), f.chain.lamports(&guard.used(&trip, 0)));
    f.send(&forget, &["thief"]).unwrap();
    assert_eq!(f.chain.lamports(&carrier.address()), before + rent);
    assert!(f.chain.account(&guard.used(&trip, 0)).is_none());
    // Any other account of the program is no marker.
    let other = guard.ix(22, vec![w(key("thief")), w(guard.scope(&trip.scope, 0))], &[]);
    refused(f.send(&other, &["thief"]), WRONG_ACCOUNT, "a scope as a marker");
}

#[test]
fn an_instruction_of_another_length_or_number_is_refused() {
    let mut f = Fixture::new(&[]).unwrap();
    let good = f.guard.trip(&key("tripper"), &f.trip(&out("*", "*")), 0);
    for change in [-1_isize, 1] {
        let mut ix = good.clone();
        let length = ix.data.len().checked_add_signed(change).unwrap();
        ix.data.resize(length, 0);
        refused(f.send(&ix, &["tripper"]), MALFORMED, "another length");
    }
    for number in [23, 30, 255] {
        let mut ix = good.clone();
        ix.data[0] = number;
        refused(f.send(&ix, &["tripper"]), MALFORMED, "another number");
    }
    let none = Ix { program: f.guard.program, accounts: vec![sw(key("tripper"))], data: Vec::new() };
    refused(f.send(&none, &["tripper"]), MALFORMED, "nothing");
}
