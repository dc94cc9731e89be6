//! A gate whose accounts somebody else writes, for money: who fills what a block may write to them keeps trips out of it.
//!
//! The attacker is real: transactions as heavy as the heaviest that a block takes, each of which locks the accounts, is charged
//! for them, and fails. That it fills the blocks is read from the blocks themselves: each says what its transactions cost.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::panic
)]

mod support;

use std::{
    cell::Cell,
    time::{Duration, Instant},
};

use futures::future::join_all;
use portcullis_adapter::{Action, Attempt, Contain, Landing, Level};
use portcullis_solana::{
    Solana, SolanaContainer, address,
    config::GateKind,
    devnet::{Call, Devnet, account},
    signer::Signer,
};
use portcullis_verifier::B256;
use serde_json::{Value, json};
use support::{
    gate::{Gate, RECORD, fund, paid},
    node_available,
};

/// What a block may spend on transactions that write one account, compute units: two fifths of what it may spend at all.
const ACCOUNT_UNITS: u64 = 40_000_000;
/// What the attacker sends in the time of a slot, more than a block can take: signatures that a transaction claims to hold, for each
/// of which a block counts 6,690 compute units; compute units that it asks for beside them; and how many.
const LOAD: [(u8, u32, usize); 3] = [(255, 1_400_000, 32), (32, 100_000, 6), (3, 20_000, 60)];
/// So many times that much it sends at once when it begins, and at least so many of its transactions have to wait before anything is
/// said of it: a block that is full in the end may have had room in between.
const AHEAD: usize = 4;
const WAITING: u64 = 250;
/// What a block keeps for the heaviest of them: where it has no more left for an account, the next of those does not go in, and who
/// pays less waits behind them.
const KEPT_UNITS: u64 = 3_130_000;
/// The usual time of a slot.
const SLOT: Duration = Duration::from_millis(400);
/// Slots within which containment lands, however much is paid against it.
const WITHIN_SLOTS: u64 = 8;
/// Heads without landing after which the lane above signs at the next step, and the step from which another account carries.
const BUMP_AFTER_HEADS: u64 = 2;
const CARRY_BUMP: u16 = 2;

fn word(text: &str) -> B256 {
    address::read(text).unwrap()
}

/// What a transaction may use, and what it pays for each unit.
fn priced(units: u32, price: u64) -> [Call; 2] {
    let program = word("ComputeBudget111111111111111111111111111111");
    let call =
        |number: u8, value: &[u8]| Call { program, accounts: Vec::new(), data: [&[number], value].concat() };
    [call(2, &units.to_le_bytes()), call(3, &price.to_le_bytes())]
}

/// Somebody who does not want trips to land.
struct Attacker {
    /// Accounts that each transaction writes.
    locked: Vec<B256>,
    /// Micro-lamports per compute unit.
    price: u64,
    sent: Cell<u32>,
}

impl Attacker {
    fn new(locked: Vec<B256>, price: u64) -> Self {
        Self { locked, price, sent: Cell::new(0) }
    }

    /// A transaction that claims so many signatures of another chain's kind, holds none, and is charged for all.
    fn heavy(&self, claimed: u8, units: u32) -> Vec<Call> {
        self.sent.set(self.sent.get() + 1);
        let data = [&[claimed][..], &self.sent.get().to_le_bytes()].concat();
        let accounts = self.locked.iter().map(|account| (*account, false, true)).collect();
        let program = word("KeccakSecp256k11111111111111111111111111111");
        let mut calls = priced(units, self.price).to_vec();
        calls.push(Call { program, accounts, data });
        calls
    }

    /// Sends more than blocks can take, for as long as it is let.
    async fn go_on(&self, node: &Devnet) {
        let (key, mut ahead) = (account(5).unwrap(), AHEAD);
        loop {
            let began = Instant::now();
            let recent = node.recent().await.unwrap();
            let each = LOAD.iter().flat_map(|(claimed, units, each)| vec![(*claimed, *units); *each * ahead]);
            let calls: Vec<Vec<Call>> = each.map(|(claimed, units)| self.heavy(claimed, units)).collect();
            join_all(calls.iter().map(|calls| async { node.hand(&[&key], calls, recent).await.unwrap() }))
                .await;
            ahead = 1;
            tokio::time::sleep(SLOT.saturating_sub(began.elapsed())).await;
        }
    }
}

/// What a confirmed block spent on transactions that write an account, as the chain counts it, and what those paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Spent {
    slot: u64,
    units: u64,
    lamports: u64,
    /// How many there were.
    count: u64,
}

async fn spent(node: &Devnet, slot: u64, written: B256) -> Option<Spent> {
    let params = json!([slot, { "commitment": "confirmed", "encoding": "jsonParsed", "rewards": false,
        "transactionDetails": "full", "maxSupportedTransactionVersion": 0 }]);
    let block = node.ask("getBlock", params).await.ok().filter(|block| !block.is_null())?;
    let written = address::shown(written);
    let writes = |one: &&Value| {
        let keys = one["transaction"]["message"]["accountKeys"].as_array().unwrap();
        keys.iter().any(|key| key["pubkey"] == written.as_str() && key["writable"] == true)
    };
    let (mut units, mut lamports, mut count) = (0, 0, 0);
    for one in block["transactions"].as_array().unwrap().iter().filter(writes) {
        units += one["meta"]["costUnits"].as_u64().expect("a node that says what a transaction costs");
        lamports += one["meta"]["fee"].as_u64().unwrap();
        count += 1;
    }
    Some(Spent { slot, units, lamports, count })
}

async fn slot(node: &Devnet, commitment: &str) -> u64 {
    node.ask("getSlot", json!([{ "commitment": commitment }])).await.unwrap().as_u64().unwrap()
}

/// Waits until two blocks in a row have no room for the next of the attacker's transactions, and more of them wait than the
/// next block can take.
async fn full(node: &Devnet, written: B256, attacker: &Attacker) -> Vec<Spent> {
    let began = Instant::now();
    let (mut seen, mut next): (Vec<Spent>, u64) = (Vec::new(), slot(node, "confirmed").await);
    loop {
        assert!(began.elapsed() < Duration::from_secs(60), "the attacker fills no blocks: {seen:?}");
        if next <= slot(node, "confirmed").await
            && let Some(spent) = spent(node, next, written).await
        {
            seen.push(spent);
            next += 1;
        } else {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let last = &seen[seen.len().saturating_sub(2)..];
        let taken: u64 = seen.iter().map(|spent| spent.count).sum();
        let waiting = u64::from(attacker.sent.get()).saturating_sub(taken);
        if waiting >= WAITING
            && last.len() == 2
            && last.iter().all(|spent| spent.units + KEPT_UNITS > ACCOUNT_UNITS)
        {
            return last.to_vec();
        }
    }
}

/// How a containment went.
#[derive(Debug)]
struct Contained {
    /// Slot that was being worked through when the first bytes were handed over.
    handed: u64,
    /// Slot of the block that held the first trip.
    landed: u64,
    attempt: Attempt,
    signed: Vec<Attempt>,
}

/// Contains as the lane above does: two heads without landing, and what signing needs is read anew and the next step signed; from
/// the second raise on another account carries the signature beside it.
async fn contain(gate: &Gate, container: &SolanaContainer, action: &Action) -> Contained {
    let (began, handed) = (Instant::now(), slot(&gate.node, "processed").await);
    let (mut bump, mut signed): (u16, Vec<Attempt>) = (0, Vec::new());
    loop {
        let mut fresh = container.sign(action, RECORD, bump).await.unwrap();
        if bump >= CARRY_BUMP {
            fresh.extend(container.carry(action, RECORD, bump).await.unwrap());
        }
        let head = slot(&gate.node, "confirmed").await;
        for attempt in &fresh {
            let sent = container.broadcast(attempt).await;
            assert!(sent.replies.iter().all(|reply| reply.accepted), "{sent:?}");
        }
        bump = fresh.iter().map(|attempt| attempt.bump).max().unwrap().max(bump) + 1;
        signed.extend(fresh);
        while slot(&gate.node, "confirmed").await < head + BUMP_AFTER_HEADS {
            assert!(began.elapsed() < Duration::from_secs(60), "nothing lands");
            for attempt in &signed {
                if let Ok(Landing::Included(block)) = container.landing(attempt).await {
                    let attempt = attempt.clone();
                    return Contained { handed, landed: block.height, attempt, signed };
                }
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        container.warm().await.unwrap();
    }
}

impl Gate {
    /// On a chain with slots of the usual length, with somebody who can pay for an attack.
    async fn under_pressure() -> Self {
        let gate = Self::with(GateKind::Guard, None).await;
        let rich = account(0).unwrap();
        fund(&gate.node, &rich, account(4).unwrap().account()).await;
        let key = account(5).unwrap();
        gate.node
            .send(&[&rich], &[paid(rich.account(), key.account(), 1_000_000_000_000_000)])
            .await
            .unwrap();
        gate
    }

    /// As a service has it that has been running for a while: it knows the gate, and what others paid before.
    async fn settled(&self) -> SolanaContainer {
        let container = self.container(&Solana::new(self.config()).unwrap());
        container.gate(self.breaker, self.scope).await.unwrap();
        container.warm().await.unwrap();
        container
    }

    /// Contains while somebody fills accounts, `filled` the one that is looked at: how it went. Then, with the attack still going
    /// on, what `behind` looks at.
    async fn contained_under<T>(
        &self,
        container: &SolanaContainer,
        attacker: &Attacker,
        filled: B256,
        action: Action,
        behind: impl AsyncFnOnce(&Contained) -> T,
    ) -> (Vec<Spent>, Contained, T) {
        let played = async {
            let full = full(&self.node, filled, attacker).await;
            let late = self.bystander(filled).await;
            let contained = contain(self, container, &action).await;
            let seen = behind(&contained).await;
            (full, late, contained, seen)
        };
        let (full, late, contained, seen) = tokio::select! {
            () = attacker.go_on(&self.node) => unreachable!("it goes on"),
            played = played => played,
        };
        assert!(contained.landed - contained.handed <= WITHIN_SLOTS, "{contained:?}");
        assert_eq!(self.node.landed(&late).await.unwrap(), None, "the attack keeps everybody else out");
        let report = container.gate(self.breaker, self.scope).await.unwrap();
        assert_eq!(report.level, Level::Closed);
        (full, contained, seen)
    }

    /// Somebody else's payment into an account of the gate, that asks for as much as a trip and pays what is usual.
    async fn bystander(&self, to: B256) -> [u8; 64] {
        let key = account(4).unwrap();
        let recent = self.node.recent().await.unwrap();
        let mut calls = priced(100_000, 50_000).to_vec();
        calls.push(paid(key.account(), to, 1));
        self.node.hand(&[&key], &calls, recent).await.unwrap()
    }
}

fn told(what: &str, full: &[Spent], contained: &Contained) {
    let most = full.iter().map(|spent| spent.units).max().unwrap();
    let paid = full.iter().map(|spent| spent.lamports).max().unwrap();
    println!(
        "{what}: blocks spent up to {most} of {ACCOUNT_UNITS} units on the account, for {paid} lamports each; handed over in slot {}, \
         landed in slot {} ({} later) at step {} for {} micro-lamports per unit",
        contained.handed,
        contained.landed,
        contained.landed - contained.handed,
        contained.attempt.bump,
        contained.attempt.fee,
    );
}

/// Whoever fills the first account of a scope, and pays more than a trip ever may, closes nothing out: the second account closes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_second_account_closes_while_somebody_who_cannot_be_outbid_fills_the_first() {
    if !node_available() {
        return;
    }
    let gate = Gate::under_pressure().await;
    let container = gate.settled().await;
    let attacker = Attacker::new(vec![gate.lane(0)], 4_000_000_000);
    let during =
        async |contained: &Contained| spent(&gate.node, contained.landed, gate.lane(0)).await.unwrap();
    let (full, contained, during) =
        gate.contained_under(&container, &attacker, gate.lane(0), gate.action(1, 600), during).await;
    told("first account filled at four times the cap", &full, &contained);
    assert!(
        during.units + KEPT_UNITS > ACCOUNT_UNITS,
        "{during:?}: the attack was over when the trip landed"
    );
    for attempt in contained.signed.iter().filter(|attempt| writes(attempt, gate.lane(0))) {
        assert_eq!(
            container.landing(attempt).await.unwrap(),
            Landing::Pending,
            "the first account is filled"
        );
    }
    assert!(writes(&contained.attempt, gate.lane(1)));
}

/// Whether signed bytes name an account.
fn writes(attempt: &Attempt, account: B256) -> bool {
    attempt.bytes.windows(32).any(|window| window == account.as_slice())
}

/// Every account that a trip can write is filled: whoever pays more comes first, and that is the trip.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fees_escalate_past_somebody_who_fills_every_account_that_a_trip_writes() {
    if !node_available() {
        return;
    }
    let gate = Gate::under_pressure().await;
    let container = gate.settled().await;
    let locked = vec![gate.lane(0), gate.lane(1), gate.tripper(), account(1).unwrap().account()];
    let attacker = Attacker::new(locked, 3_000_000);
    // Who comes now knows what others pay, and begins above it, with both accounts.
    let next = async |_: &Contained| container.sign(&gate.action(3, 900), RECORD, 0).await.unwrap();
    let (full, contained, next) =
        gate.contained_under(&container, &attacker, gate.lane(1), gate.action(2, 600), next).await;
    told("every account filled", &full, &contained);
    assert!(contained.attempt.fee > 3_000_000, "it was outbid: {contained:?}");
    assert_eq!(next.len(), 2, "both accounts at once");
    assert!(next.iter().all(|attempt| attempt.fee > 3_000_000 && attempt.bump > 0), "{next:?}");
}

/// Nobody fills anything, and writing to the gate's accounts has become dear: the first trip already pays more than others do. Past
/// what is configured it pays what it may, and people are told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_trip_outbids_a_spike_of_fees_up_to_the_cap_and_says_when_the_cap_is_too_low() {
    if !node_available() {
        return;
    }
    let gate = Gate::start().await;
    let container = gate.settled().await;
    let calm = container.sign(&gate.action(1, 600), RECORD, 0).await.unwrap();
    assert_eq!((calm.len(), calm[0].bump), (1, 0), "nobody else pays anything");
    let (rich, cap) = (account(0).unwrap(), 1_000_000_000);
    for (price, within) in [(3_000_000, true), (4 * cap, false)] {
        let mut calls = priced(10_000, price).to_vec();
        calls.push(paid(rich.account(), gate.lane(1), 1));
        gate.node.send(&[&rich], &calls).await.unwrap();
        // A node tells what was paid in a slot a moment after it calls the slot confirmed.
        let (began, mut first): (Instant, Vec<Attempt>) = (Instant::now(), Vec::new());
        while first.len() < 2 || first[0].fee < u128::from(price.min(cap)) {
            assert!(began.elapsed() < Duration::from_secs(20), "the price is not seen: {first:?}");
            container.warm().await.unwrap();
            first = container.sign(&gate.action(2, 600), RECORD, 0).await.unwrap();
        }
        println!("others pay {price}: the first trip pays {} (step {})", first[0].fee, first[0].bump);
        assert_eq!(first.len(), 2, "both accounts at once");
        assert_eq!(first[0].fee > u128::from(price), within);
        assert!(within || first[0].fee == u128::from(cap), "{}", first[0].fee);
        let ready = container.rehearse(&gate.action(2, 600)).await.unwrap();
        let fee = ready.iter().find(|ready| ready.check.as_str() == "fee").unwrap();
        assert_eq!((fee.ok, fee.detail.contains("PC-0969")), (within, !within), "{fee:?}");
    }
}
