//! A guard in process with everybody who speaks to it.

use crate::address::{keccak256, text};
use crate::{Chain, Config, Failed, Flow, Guard, Ix, Key, Landed, Parts, Svm, Trip, Word, program};

/// When the tests begin: a multiple of 42 hours.
pub const START: u64 = 1_700_092_800;
/// The slot of that.
pub const SLOT: u64 = 1_000_000;

/// A chain with a sealed guard: bridge `bridge`, whose consumer is the key of that name; everything, north, gold and north gold are
/// registered; `tripper` and `second` trip.
#[derive(Debug)]
pub struct Fixture {
    /// The chain.
    pub chain: Svm,
    /// The guard.
    pub guard: Guard,
}

/// The chain that guards of the tests believe to be on.
#[must_use]
pub fn caip2() -> Word {
    keccak256(&[b"solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp"])
}

/// An outflow's scope.
#[must_use]
pub fn out(corridor: &str, asset: &str) -> Parts {
    Parts { bridge: text("bridge"), direction: 2, corridor: text(corridor), asset: text(asset) }
}

/// A flow of the bridge.
#[must_use]
pub fn flow(corridor: &str, asset: &str) -> Flow {
    Flow { bridge: text("bridge"), corridor: text(corridor), asset: text(asset) }
}

/// Constants and roles as the vectors have them.
#[must_use]
pub fn config() -> Config {
    Config {
        owner: Key::named("owner").address(),
        releaser: Key::named("releaser").address(),
        guardian: Key::named("guardian").address(),
        caip2: caip2(),
        max_seconds: 14_400,
        max_blocks: 1_200,
        limited_tail_seconds: 7_200,
        limited_tail_blocks: 600,
        budget_window_hours: 48,
    }
}

impl Fixture {
    /// The guard's program and these.
    ///
    /// # Errors
    /// When a program is missing, or something refuses.
    pub fn new(more: &[&str]) -> crate::Result<Self> {
        let mut fixture = Self::empty("guard", more)?;
        fixture.register(&Key::named("bridge").address())?;
        Ok(fixture)
    }

    /// A guard, or a gate, that nothing was told yet.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn empty(name: &str, more: &[&str]) -> crate::Result<Self> {
        let mut chain = Svm::new(&[&[name], more].concat())?;
        chain.at(START, SLOT)?;
        let (owner, creator) = (Key::named("owner"), Key::named("creator"));
        let guard = Guard::of(program(name), &creator.address(), &text("first"), caip2());
        let mut fixture = Self { chain, guard };
        let begin = guard.initialize(&owner.address(), &creator.address(), &text("first"), &config());
        fixture.must(&[begin], &[&owner, &creator])?;
        for name in ["tripper", "second"] {
            let grant = guard.grant_tripper(&owner.address(), &Key::named(name).address(), 43_200);
            fixture.must(&[grant], &[&owner])?;
        }
        Ok(fixture)
    }

    /// The bridge with this consumer and its scopes; then set-up is sealed.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn register(&mut self, consumer: &Word) -> crate::Result<()> {
        let (guard, owner) = (self.guard, Key::named("owner"));
        let address = owner.address();
        self.must(&[guard.register_bridge(&address, &text("bridge"), consumer)], &[&owner])?;
        for (corridor, asset) in [("*", "*"), ("north", "*"), ("*", "gold"), ("north", "gold")] {
            self.must(&[guard.register_scope(&address, &out(corridor, asset))], &[&owner])?;
        }
        self.must(&[guard.of_owner(9, &address)], &[&owner])?;
        Ok(())
    }

    /// Sends what must succeed.
    ///
    /// # Errors
    /// When it does not.
    pub fn must(&mut self, instructions: &[Ix], signers: &[&Key]) -> crate::Result<Landed> {
        let sent = self.chain.send(instructions, signers);
        sent.map_err(|failed| format!("{}: {:#?}", failed.reason, failed.logs).into())
    }

    /// Sends one instruction, signed by these names; the first pays.
    ///
    /// # Errors
    /// As the program says.
    pub fn send(&mut self, ix: &Ix, names: &[&str]) -> Result<Landed, Failed> {
        let keys: Vec<Key> = names.iter().map(|name| Key::named(name)).collect();
        self.chain.send(std::slice::from_ref(ix), &keys.iter().collect::<Vec<_>>())
    }

    /// A trip of a scope for an hour.
    #[must_use]
    pub fn trip(&self, parts: &Parts) -> Trip {
        Trip {
            scope: self.guard.scope_id(parts),
            level: 2,
            until: START + 3_600,
            until_height: 0,
            incident: [1; 32],
            record: [2; 32],
            generation: 0,
        }
    }

    /// The page of a flow, written anew.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn route(&mut self, flow: &Flow) -> crate::Result<Vec<u8>> {
        let (guard, payer) = (self.guard, Key::named("payer"));
        self.must(&[guard.route(&payer.address(), flow)], &[&payer])?;
        Ok(self.chain.account(&guard.route_of(flow)).ok_or("no route")?.1)
    }

    /// The bridge asks.
    ///
    /// # Errors
    /// As the guard says.
    pub fn check(&mut self, flow: &Flow, amount: u64) -> Result<Landed, Failed> {
        let route = self.chain.account(&self.guard.route_of(flow)).map(|(_, data)| data).unwrap_or_default();
        let ix =
            self.guard.check(&Key::named("bridge").address(), flow, &crate::address::padded(amount), &route);
        self.send(&ix, &["payer", "bridge"])
    }
}
