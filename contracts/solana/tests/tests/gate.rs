//! The gate over mints of Token-2022: it closes what a trip asks for, restores only what it closed itself, and freezes by people only.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use portcullis_solana_tests::address::text;
use portcullis_solana_tests::fixture::{Fixture, START, out};
use portcullis_solana_tests::token::{Mint, put_account, token_2022};
use portcullis_solana_tests::{Chain, Failed, Gate, Key, Landed, Word, events, r};

const GOLD: Word = [0x60; 32];
const TIN: Word = [0x64; 32];
const HELD: Word = [0x61; 32];

struct Held {
    f: Fixture,
    gate: Gate,
    scope: Word,
}

fn key(name: &str) -> Word {
    Key::named(name).address()
}

fn refused(outcome: Result<Landed, Failed>, code: u32, what: &str) {
    match outcome {
        Ok(_) => panic!("{what}: passed"),
        Err(failed) => assert_eq!(failed.code, Some(code), "{what}: {} {:#?}", failed.reason, failed.logs),
    }
}

impl Held {
    /// A gate that holds the pause and the freezing of gold, and nothing of tin, which is its target too.
    fn new() -> Self {
        let mut f = Fixture::empty("gate", &[]).unwrap();
        let (gate, owner, parts) = (Gate(f.guard), key("owner"), out("*", "*"));
        let scope = f.guard.scope_id(&parts);
        let mint = Mint {
            freezer: Some(f.guard.breaker),
            pausable: Some((f.guard.breaker, false)),
            ..Mint::default()
        };
        mint.put(&mut f.chain, &GOLD, 500).unwrap();
        Mint { pausable: Some((key("other"), false)), ..Mint::default() }
            .put(&mut f.chain, &TIN, 500)
            .unwrap();
        put_account(&mut f.chain, &token_2022(), &HELD, &GOLD, &key("suspect"), 500).unwrap();
        let register = f.guard.register_scope(&owner, &parts);
        f.send(&register, &["owner"]).unwrap();
        f.send(&gate.add_target(&owner, &scope, &GOLD, 2), &["owner"]).unwrap();
        f.send(&gate.add_target(&owner, &scope, &TIN, 2), &["owner"]).unwrap();
        f.send(&f.guard.of_owner(9, &owner), &["owner"]).unwrap();
        Self { f, gate, scope }
    }

    fn is_paused(&self, mint: &Word) -> bool {
        self.f.chain.account(mint).unwrap().1[202] == 1
    }

    fn mark(&self, mint: &Word) -> u8 {
        self.f.chain.account(&self.gate.target(mint)).unwrap().1[9]
    }

    /// Sends 32 or 33 and gives the names of its events.
    fn settle(&mut self, number: u8, mint: &Word) -> Vec<String> {
        let done = self.f.send(&self.gate.settle(number, &self.scope, mint), &["anybody"]).unwrap();
        events(&done.logs).into_iter().map(|event| event.name).collect()
    }

    fn trip(&mut self, lane: u8) {
        let trip = self.f.trip(&out("*", "*"));
        let generation = 0;
        let ix =
            self.f.guard.trip(&key("tripper"), &portcullis_solana_tests::Trip { generation, ..trip }, lane);
        self.f.send(&ix, &["tripper"]).unwrap();
    }

    fn release(&mut self, lane: u8) {
        let ix = self.f.guard.release(&key("releaser"), &self.scope, 0, (0, START + 3_600), lane);
        self.f.send(&ix, &["releaser"]).unwrap();
    }
}

#[test]
fn a_trip_pauses_the_mint_and_a_release_resumes_it() {
    let mut held = Held::new();
    assert_eq!(held.settle(32, &GOLD), Vec::<String>::new(), "nothing asks for it");
    held.trip(0);
    assert_eq!(held.settle(32, &GOLD), ["TargetClosed"]);
    assert!(held.is_paused(&GOLD));
    assert_eq!((held.mark(&GOLD), held.settle(32, &GOLD)), (2, vec![]), "it is closed already");
    assert_eq!(held.settle(33, &GOLD), Vec::<String>::new(), "not while the scope is closed");
    held.release(0);
    assert_eq!(held.settle(33, &GOLD), ["TargetRestored"]);
    assert!(!held.is_paused(&GOLD));
    assert_eq!(held.mark(&GOLD), 1);
}

#[test]
fn the_second_lane_closes_and_expiry_opens() {
    let mut held = Held::new();
    held.trip(1);
    assert_eq!(held.settle(32, &GOLD), ["TargetClosed"]);
    // One lane in both places would hide the other.
    let mut ix = held.gate.settle(33, &held.scope, &GOLD);
    ix.accounts[2] = ix.accounts[1];
    refused(held.f.send(&ix, &["anybody"]), 7000, "lane 0 twice");
    held.f.chain.at(START + 3_600, 2_000_000).unwrap();
    assert_eq!(held.settle(33, &GOLD), ["TargetRestored"]);
    assert!(!held.is_paused(&GOLD));
}

#[test]
fn what_cannot_be_closed_is_marked_and_takes_nothing_with_it() {
    let mut held = Held::new();
    held.trip(0);
    assert_eq!(held.settle(32, &TIN), ["TargetFailed"]);
    assert_eq!((held.mark(&TIN), held.is_paused(&TIN)), (4, false));
    let both = [held.gate.settle(32, &held.scope, &TIN), held.gate.settle(32, &held.scope, &GOLD)];
    held.f.must(&both, &[&Key::named("anybody")]).unwrap();
    assert!(held.is_paused(&GOLD), "in one transaction with one that failed");
}

#[test]
fn what_others_closed_stays_closed() {
    let mut held = Held::new();
    let paused = Mint { pausable: Some((held.f.guard.breaker, true)), ..Mint::default() };
    paused.put(&mut held.f.chain, &GOLD, 500).unwrap();
    held.trip(0);
    assert_eq!(held.settle(32, &GOLD), ["TargetFound"]);
    held.release(0);
    assert_eq!(held.settle(33, &GOLD), Vec::<String>::new());
    assert!(held.is_paused(&GOLD));
    assert_eq!(held.mark(&GOLD), 3);
}

#[test]
fn the_gates_signature_goes_to_token_2022_and_to_its_own_targets_only() {
    let mut held = Held::new();
    held.trip(0);
    let good = held.gate.settle(32, &held.scope, &GOLD);
    let mut program = good.clone();
    program.accounts[5] = r([3; 32]);
    refused(held.f.send(&program, &["anybody"]), 7000, "another program");
    let mut target = good.clone();
    target.accounts[3] = portcullis_solana_tests::w(held.gate.target(&TIN));
    refused(held.f.send(&target, &["anybody"]), 7000, "the target of another mint");
    let stranger = [0x65; 32];
    Mint { pausable: Some((held.f.guard.breaker, false)), ..Mint::default() }
        .put(&mut held.f.chain, &stranger, 1)
        .unwrap();
    refused(held.f.send(&held.gate.settle(32, &held.scope, &stranger), &["anybody"]), 7052, "no target");
    let mut readonly = good.clone();
    readonly.accounts[3].writable = false;
    refused(held.f.send(&readonly, &["anybody"]), 7000, "a target that cannot be marked");
    assert!(!held.is_paused(&GOLD));
    held.f.send(&good, &["anybody"]).unwrap();
}

#[test]
fn single_accounts_are_frozen_by_people_and_thawed_by_the_releaser() {
    let mut held = Held::new();
    let state = |held: &Held| held.f.chain.account(&HELD).unwrap().1[108];
    for name in ["tripper", "owner", "thief"] {
        refused(held.f.send(&held.gate.account(35, &key(name), &HELD, &GOLD), &[name]), 7014, name);
    }
    let mut unsigned = held.gate.account(35, &key("guardian"), &HELD, &GOLD);
    unsigned.accounts[0].signs = false;
    refused(held.f.send(&unsigned, &["thief"]), 7001, "without a signature");
    held.f.send(&held.gate.account(35, &key("guardian"), &HELD, &GOLD), &["guardian"]).unwrap();
    assert_eq!(state(&held), 2);
    refused(
        held.f.send(&held.gate.account(36, &key("guardian"), &HELD, &GOLD), &["guardian"]),
        7013,
        "guardian",
    );
    held.f.send(&held.gate.account(36, &key("releaser"), &HELD, &GOLD), &["releaser"]).unwrap();
    assert_eq!(state(&held), 1);
}

#[test]
fn the_way_out_waits_and_a_target_that_is_held_stays() {
    let mut held = Held::new();
    let (owner, gate) = (key("owner"), held.gate);
    refused(held.f.send(&gate.add_target(&owner, &held.scope, &GOLD, 2), &["owner"]), 7019, "not announced");
    held.trip(0);
    held.settle(32, &GOLD);
    let (remove, back) =
        (gate.remove_target(&owner, &held.scope, &GOLD), gate.hand_back(&owner, &GOLD, 0, &key("other")));
    for call in [&remove, &back] {
        held.f.send(&gate.0.schedule(&owner, &call.data), &["owner"]).unwrap();
    }
    refused(held.f.send(&remove, &["owner"]), 7020, "too early");
    held.f.chain.at(START + 14_400, 2_000_000).unwrap();
    refused(held.f.send(&remove, &["owner"]), 7053, "the gate keeps it closed");
    assert_eq!(held.settle(33, &GOLD), ["TargetRestored"]);
    refused(held.f.send(&back, &["owner"]), 7053, "still a target");
    held.f.send(&remove, &["owner"]).unwrap();
    held.f.send(&back, &["owner"]).unwrap();
    let mint = held.f.chain.account(&GOLD).unwrap().1;
    assert_eq!(mint[170..202], key("other"));
    assert!(held.f.chain.account(&gate.target(&GOLD)).is_none());
}

#[test]
fn a_target_needs_a_pause_and_a_level() {
    let mut f = Fixture::empty("gate", &[]).unwrap();
    let (gate, owner, scope) = (Gate(f.guard), key("owner"), f.guard.scope_id(&out("*", "*")));
    f.send(&f.guard.register_scope(&owner, &out("*", "*")), &["owner"]).unwrap();
    Mint::default().put(&mut f.chain, &GOLD, 1).unwrap();
    refused(f.send(&gate.add_target(&owner, &scope, &GOLD, 2), &["owner"]), 7050, "no pause");
    Mint { pausable: Some((f.guard.breaker, false)), ..Mint::default() }.put(&mut f.chain, &GOLD, 1).unwrap();
    refused(f.send(&gate.add_target(&owner, &scope, &GOLD, 3), &["owner"]), 7050, "no such level");
    refused(f.send(&gate.add_target(&owner, &text("nothing"), &GOLD, 2), &["owner"]), 7009, "no such scope");
    f.send(&gate.add_target(&owner, &scope, &GOLD, 1), &["owner"]).unwrap();
    refused(f.send(&gate.add_target(&owner, &scope, &GOLD, 2), &["owner"]), 7051, "twice");
}
