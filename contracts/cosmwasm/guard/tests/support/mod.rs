//! A guard in process with everybody who speaks to it.
#![allow(dead_code, reason = "each test uses its part")]
#![allow(unreachable_pub, clippy::new_without_default, reason = "a helper of tests")]

use cosmwasm_std::testing::{MockApi, MockStorage};
use cosmwasm_std::{Addr, Event, Timestamp, Uint128, Uint256};
use cw_multi_test::{App, AppBuilder, AppResponse, BankKeeper, ContractWrapper, Executor};
use portcullis_breaker::{ScopeParts, ScopeState, TripRequest, TripperResponse, Word};
use portcullis_guard::contract::{execute, instantiate, query};
use portcullis_guard::msg::{ExecuteMsg, InstantiateMsg, Limits, QueryMsg};
use serde::de::DeserializeOwned;

/// A multiple of 42 hours, so that hours and quarters of windows begin with it.
pub const START: u64 = 1_700_092_800;
pub const HEIGHT: u64 = 1_000_000;
pub const MAX_SECONDS: u64 = 14_400;
pub const MAX_BLOCKS: u64 = 1_200;
pub const BUDGET: u32 = 43_200;
pub const BRIDGE: Word = Word([0xb1; 32]);
pub const NORTH: Word = Word([0x10; 32]);
pub const GOLD: Word = Word([0x60; 32]);
pub const ANY: Word = Word::ZERO;

/// The chain, and a guard on it.
pub struct Fixture {
    pub app: App<BankKeeper, MockApi, MockStorage>,
    pub guard: Addr,
    pub code: u64,
}

impl Fixture {
    /// A sealed guard with one bridge; everything, north, gold and north gold are registered.
    pub fn new() -> Self {
        let mut fixture = Self::empty();
        for who in ["tripper", "second"] {
            fixture.grant(who);
        }
        let consumer = fixture.account("bridge").to_string();
        fixture.must("owner", &ExecuteMsg::RegisterBridge { bridge: BRIDGE, consumer });
        for (corridor, asset) in [(ANY, ANY), (NORTH, ANY), (ANY, GOLD), (NORTH, GOLD)] {
            fixture.must("owner", &ExecuteMsg::RegisterScope(out(corridor, asset)));
        }
        fixture.must("owner", &ExecuteMsg::Seal {});
        fixture
    }

    /// A guard that nothing was told yet.
    pub fn empty() -> Self {
        let mut app = AppBuilder::new().build(|_, _, _| {});
        let code = app.store_code(Box::new(ContractWrapper::new(execute, instantiate, query)));
        let mut fixture = Self { app, guard: Addr::unchecked("none"), code };
        fixture.at(START, HEIGHT);
        fixture.guard = fixture.instantiate(&fixture.config()).unwrap();
        fixture
    }

    pub fn config(&self) -> InstantiateMsg {
        InstantiateMsg {
            owner: self.account("owner").into(),
            releaser: Some(self.account("releaser").into()),
            guardian: Some(self.account("guardian").into()),
            max_seconds: 14_400,
            max_blocks: 1_200,
            limited_tail_seconds: 7_200,
            limited_tail_blocks: 600,
            budget_window_hours: 48,
        }
    }

    pub fn instantiate(&mut self, config: &InstantiateMsg) -> Result<Addr, String> {
        let sender = self.account("stranger");
        self.app
            .instantiate_contract(self.code, sender, config, &[], "guard", None)
            .map_err(|error| error.root_cause().to_string())
    }

    pub fn grant(&mut self, who: &str) {
        let account = self.account(who).into();
        self.must("owner", &ExecuteMsg::GrantTripper { account, budget_seconds: BUDGET });
    }

    pub fn account(&self, name: &str) -> Addr {
        self.app.api().addr_make(name)
    }

    pub fn at(&mut self, time: u64, height: u64) {
        self.app.update_block(|block| {
            block.time = Timestamp::from_seconds(time);
            block.height = height;
        });
    }

    pub fn now(&self) -> (u64, u64) {
        let block = self.app.block_info();
        (block.time.seconds(), block.height)
    }

    pub fn call(&mut self, by: &str, msg: &ExecuteMsg) -> Result<AppResponse, String> {
        let sender = self.account(by);
        self.app
            .execute_contract(sender, self.guard.clone(), msg, &[])
            .map_err(|error| error.root_cause().to_string())
    }

    /// The guard's events.
    pub fn must(&mut self, by: &str, msg: &ExecuteMsg) -> Vec<Event> {
        let response = self.call(by, msg).unwrap_or_else(|error| panic!("{msg:?}: {error}"));
        response.events.into_iter().filter(|event| event.ty.starts_with("wasm-")).collect()
    }

    pub fn ask<T: DeserializeOwned>(&self, msg: &QueryMsg) -> T {
        self.app.wrap().query_wasm_smart(&self.guard, msg).unwrap()
    }

    pub fn scope(&self, corridor: Word, asset: Word) -> Word {
        self.ask(&QueryMsg::ScopeOf(out(corridor, asset)))
    }

    pub fn state(&self, scope: Word) -> ScopeState {
        self.ask(&QueryMsg::StateOf { scope })
    }

    pub fn level(&self, scope: Word) -> u8 {
        self.ask(&QueryMsg::LevelOf { scope })
    }

    pub fn left(&self, who: &str) -> u32 {
        let account = self.account(who).into();
        self.ask::<TripperResponse>(&QueryMsg::TripperOf { account }).left_seconds
    }

    pub fn trip(
        &mut self,
        by: &str,
        scope: Word,
        level: u8,
        until: u64,
        until_height: u64,
    ) -> Result<bool, String> {
        let generation = self.state(scope).generation;
        let request = TripRequest {
            scope,
            level,
            until,
            until_height,
            incident: Word([1; 32]),
            record: Word([2; 32]),
            generation,
        };
        let response = self.call(by, &ExecuteMsg::Trip(request))?;
        Ok(cosmwasm_std::from_json(response.data.unwrap()).unwrap())
    }

    pub fn check(&mut self, corridor: Word, asset: Word, amount: u128) -> Result<(), String> {
        let amount = Uint256::from(amount);
        self.call("bridge", &ExecuteMsg::Check { bridge: BRIDGE, corridor, asset, amount }).map(drop)
    }
}

pub fn out(corridor: Word, asset: Word) -> ScopeParts {
    ScopeParts { bridge: BRIDGE, direction: 2, corridor, asset }
}

pub fn limits(per_transaction: u128, per_hour: u128, per_day: u128, per_week: u128) -> Limits {
    Limits {
        per_transaction: Uint128::new(per_transaction),
        per_hour: Uint128::new(per_hour),
        per_day: Uint128::new(per_day),
        per_week: Uint128::new(per_week),
    }
}
