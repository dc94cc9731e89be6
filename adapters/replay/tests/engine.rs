//! The engine behind two simulated chains: what it makes of them does not depend on what was undone, hidden or late.
#![expect(clippy::unwrap_used, clippy::arithmetic_side_effects, reason = "tests fail by panicking")]

mod support;

use portcullis_core::{
    Effect, Engine, EngineConfig, Input,
    config::{Asset, AssetForm, Bridge, Chain, Mode, Playbook, Rules, Side, Target},
    effect::Cause,
    input::Body,
};
use portcullis_replay::{
    config::recorded,
    sim::{Behaviour, Delivery, SimNet},
};
use portcullis_verifier::{ActionClass, B256, Event, FaultKind, Transfer, TransferKind, U256, Verdict};
use support::{GENESIS, Receiver, net, operators, slug};

const HOME: u64 = 1;
const AWAY: u64 = 2;
const FINALITY: u64 = 1_800;

fn word(number: u64) -> B256 {
    B256::from(U256::from(number))
}

fn transfer(kind: TransferKind, local: u64, id: u64, dollars: u64) -> Event {
    Event::Transfer(Transfer {
        kind,
        bridge: slug("b"),
        local: word(local),
        remote: word(HOME + AWAY - local),
        message_id: word(id),
        asset: word(0x10 + local),
        amount: U256::from(dollars) * U256::from(1_000_000u64),
        sender: None,
        recipient: word(0xbeef),
    })
}

fn config(home: &SimNet, away: &SimNet) -> EngineConfig {
    let sides = [(home, HOME), (away, AWAY)];
    let chain = |net: &SimNet| Chain {
        id: net.config().chain,
        operators: operators(),
        quorum: 2,
        stall_after_secs: 1_000_000_000,
    };
    let target = |(net, domain): (&SimNet, u64)| Target {
        id: slug(net.config().chain.reference()),
        chain: net.config().chain,
        address: word(domain),
        bridge: slug("b"),
        scope: word(domain),
        mode: Mode::Halt,
        max_secs: 86_400,
        block_secs: 12,
    };
    let form = |domain: u64| AssetForm {
        domain: word(domain),
        asset: word(0x10 + domain),
        decimals: 6,
        home: domain == HOME,
    };
    EngineConfig {
        group: slug("g"),
        chains: vec![chain(home), chain(away)],
        bridges: vec![Bridge {
            id: slug("b"),
            finality_secs: FINALITY,
            skew_secs: 0,
            sides: sides
                .iter()
                .map(|(net, d)| Side { chain: net.config().chain, domain: word(*d) })
                .collect(),
            unwatched: Vec::new(),
            assets: vec![Asset {
                name: slug("usd"),
                forms: vec![form(HOME), form(AWAY)],
                micro_usd: Some(1_000_000),
            }],
        }],
        targets: sides.map(target).to_vec(),
        rules: Rules::default(),
        playbooks: vec![Playbook {
            id: slug("halt"),
            class: ActionClass::Halt,
            needs: recorded(),
            expiry_secs: 7_200,
            targets: Vec::new(),
        }],
    }
}

/// An engine behind two simulated chains.
struct World {
    home: Receiver,
    away: Receiver,
    engine: Engine,
    now_ms: u64,
    effects: Vec<Effect>,
}

impl World {
    fn new() -> Self {
        let (home, away) = (net("sim:home", 12), net("sim:away", 12));
        let engine = Engine::new(config(&home, &away)).unwrap();
        let (home, away) = (Receiver::new(&home), Receiver::new(&away));
        let mut world = Self { home, away, engine, now_ms: GENESIS * 1_000, effects: Vec::new() };
        // Funds the escrow, and lets the message that did it arrive.
        world.home.net.block(vec![transfer(TransferKind::Lock, HOME, 1, 50_000_000)]);
        world.pass(FINALITY + 60);
        world.away.net.block(vec![transfer(TransferKind::Mint, AWAY, 1, 50_000_000)]);
        world.pass(FINALITY);
        world
    }

    /// Both chains make empty blocks for so long.
    fn pass(&mut self, secs: u64) {
        self.home.net.produce(secs / 12, 0);
        self.away.net.produce(secs / 12, 0);
        self.pump();
    }

    fn step(&mut self, body: Body) {
        let effects = self.engine.step(&Input { at_ms: self.now_ms, body }).list;
        for effect in effects {
            if let Effect::RequestEvidence { claim, .. } = &effect {
                let body = Body::Proved { claim: claim.id(), verdict: Verdict::Proven(recorded()) };
                self.step(body);
            }
            self.effects.push(effect);
        }
    }

    /// Hands to the engine what the followers deliver.
    fn pump(&mut self) {
        for receiver in [&mut self.away, &mut self.home] {
            receiver.settle();
        }
        let deliveries: Vec<Delivery> =
            self.away.deliveries.drain(..).chain(self.home.deliveries.drain(..)).collect();
        for delivery in deliveries {
            for observation in delivery.observations {
                self.now_ms = self.now_ms.max(observation.time() * 1_000);
                self.step(Body::Observed(observation));
            }
            if let Some(progress) = delivery.progress {
                self.now_ms = self.now_ms.max(progress.time * 1_000);
                self.step(Body::Progress(progress));
            }
        }
    }

    fn causes(&self) -> Vec<Cause> {
        let mut causes: Vec<Cause> = self.engine.signals().map(|signal| signal.cause).collect();
        causes.sort();
        causes.dedup();
        causes
    }

    fn halts(&self) -> usize {
        let halts = self.effects.iter().filter(|effect| match effect {
            Effect::Contain(decision) => decision.class == ActionClass::Halt && decision.actions.len() == 2,
            _ => false,
        });
        halts.count()
    }
}

#[test]
fn a_false_release_halts_both_sides_and_a_reorg_that_removes_it_retracts_it() {
    let mut world = World::new();
    assert_eq!((world.causes(), world.halts()), (vec![], 0));
    let before = world.engine.ledger().messages;
    world.home.net.block(vec![transfer(TransferKind::Release, HOME, 7, 2_000_000)]);
    world.pump();
    assert_eq!((world.causes(), world.halts()), (vec![Cause::Unbacked], 1));
    assert!(world.home.net.reorg(1, 0));
    world.pump();
    assert_eq!(world.causes(), []);
    assert!(world.engine.incidents().is_empty());
    assert!(world.effects.iter().any(|effect| matches!(effect, Effect::Retract(_))));
    assert!(world.engine.ledger().messages >= before);
}

#[test]
fn one_operator_that_hides_the_source_is_named_and_hides_nothing() {
    let mut world = World::new();
    assert!(world.away.net.behave(slug("b"), Behaviour::LieAboutEvents));
    world.away.net.block(vec![transfer(TransferKind::Burn, AWAY, 7, 2_000_000)]);
    world.pass(FINALITY + 60);
    assert!(world.away.ledger.told(Some(slug("b")), &[FaultKind::DissentLogs]));
    world.home.net.block(vec![transfer(TransferKind::Release, HOME, 7, 2_000_000)]);
    world.pass(120);
    assert_eq!((world.causes(), world.halts()), (vec![Cause::EndpointDissent], 0));
    world.away.net.heal();
    world.away.net.block(vec![transfer(TransferKind::Burn, AWAY, 8, 1)]);
    world.pass(60);
    assert_eq!(world.causes(), [], "it answers as it should again");
}

#[test]
fn an_outage_of_the_source_delays_the_verdict_and_loses_nothing() {
    let mut world = World::new();
    for name in operators() {
        assert!(world.away.net.behave(name, Behaviour::Refuse));
    }
    world.away.net.block(vec![transfer(TransferKind::Burn, AWAY, 7, 500_000)]);
    world.pass(FINALITY + 60);
    world.home.net.block(vec![transfer(TransferKind::Release, HOME, 7, 500_000)]);
    world.pass(60);
    assert!(world.away.ledger.told(None, &[FaultKind::Dark]), "the outage is told");
    assert!(!world.causes().contains(&Cause::Unbacked), "not seen is not absent: {:?}", world.causes());
    world.away.net.heal();
    world.pass(60);
    assert_eq!((world.causes(), world.halts()), (vec![], 0));
    assert_eq!(world.engine.ledger().open, 0, "the release found its source");
}
