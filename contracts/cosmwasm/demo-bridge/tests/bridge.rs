//! Both directions, both kinds of token, the flaw, and the guard that is asked.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    missing_docs
)]

use cosmwasm_std::{Addr, Coin, Uint128, Uint256, coins};
use cw_multi_test::{App, AppBuilder, ContractWrapper, Executor};
use portcullis_breaker::{ScopeParts, TripRequest, Word};
use portcullis_demo_bridge::contract::{asset, corridor};
use portcullis_demo_bridge::msg::{ExecuteMsg, InstantiateMsg, Message, QueryMsg, Send};
use portcullis_guard::msg::{ExecuteMsg as GuardMsg, QueryMsg as GuardQuery};

const BRIDGE: Word = Word([0xb1; 32]);
const HOME: &str = "ustake";
/// As a voucher that came by another chain is called.
const VOUCHER: &str = "transfer/channel-7/uatom";

struct Fixture {
    app: App,
    guard: Addr,
    bridge: Addr,
}

impl Fixture {
    fn new() -> Self {
        let mut app = AppBuilder::new().build(|router, api, storage| {
            let rich = api.addr_make("user");
            router.bank.init_balance(storage, &rich, coins(1_000, HOME)).unwrap();
        });
        let owner = app.api().addr_make("owner");
        let code = app.store_code(Box::new(ContractWrapper::new(
            portcullis_guard::contract::execute,
            portcullis_guard::contract::instantiate,
            portcullis_guard::contract::query,
        )));
        let config = portcullis_guard::msg::InstantiateMsg {
            owner: owner.to_string(),
            releaser: None,
            guardian: None,
            max_seconds: 14_400,
            max_blocks: 0,
            limited_tail_seconds: 0,
            limited_tail_blocks: 0,
            budget_window_hours: 48,
        };
        let guard = app.instantiate_contract(code, owner.clone(), &config, &[], "guard", None).unwrap();
        let code = app.store_code(Box::new(ContractWrapper::new(
            portcullis_demo_bridge::contract::execute,
            portcullis_demo_bridge::contract::instantiate,
            portcullis_demo_bridge::contract::query,
        )));
        let updater = app.api().addr_make("updater").to_string();
        let config = InstantiateMsg { guard: guard.to_string(), bridge: BRIDGE, updater };
        let bridge = app.instantiate_contract(code, owner, &config, &[], "bridge", None).unwrap();
        let mut fixture = Self { app, guard, bridge };
        let tripper = fixture.account("tripper").to_string();
        let everything = ScopeParts { bridge: BRIDGE, direction: 2, corridor: Word::ZERO, asset: Word::ZERO };
        let voucher = ScopeParts { asset: asset(VOUCHER), corridor: corridor(7), ..everything.clone() };
        for msg in [
            GuardMsg::GrantTripper { account: tripper, budget_seconds: 40_000 },
            GuardMsg::RegisterBridge { bridge: BRIDGE, consumer: fixture.bridge.to_string() },
            GuardMsg::RegisterScope(everything),
            GuardMsg::RegisterScope(voucher),
            GuardMsg::Seal {},
        ] {
            let (owner, guard) = (fixture.account("owner"), fixture.guard.clone());
            fixture.app.execute_contract(owner, guard, &msg, &[]).unwrap();
        }
        for (token, is_home) in [(HOME, true), (VOUCHER, false)] {
            fixture.call("owner", &ExecuteMsg::RegisterToken { token: token.into(), is_home }, &[]).unwrap();
        }
        fixture
    }

    fn account(&self, name: &str) -> Addr {
        self.app.api().addr_make(name)
    }

    /// The bridge's events, as `Name key=value …`.
    fn call(&mut self, by: &str, msg: &ExecuteMsg, funds: &[Coin]) -> Result<Vec<String>, String> {
        let (sender, bridge) = (self.account(by), self.bridge.clone());
        let response = self.app.execute_contract(sender, bridge, msg, funds);
        let response = response.map_err(|error| error.root_cause().to_string())?;
        let lines = response.events.iter().filter_map(|event| {
            let name = event.ty.strip_prefix("wasm-")?;
            let fields = event.attributes.iter().skip(1);
            Some(fields.fold(name.to_owned(), |line, field| format!("{line} {}={}", field.key, field.value)))
        });
        Ok(lines.collect())
    }

    fn message(&self, token: &str, amount: u128, id: u64) -> Message {
        Message {
            origin: 7,
            message_id: Uint256::from(id),
            token: token.to_owned(),
            amount: Uint128::new(amount),
            recipient: self.account("user").to_string(),
            nonce: Uint256::zero(),
        }
    }

    fn prove(&mut self, message: &Message) {
        let leaf: Word =
            self.app.wrap().query_wasm_smart(&self.bridge, &QueryMsg::LeafOf(message.clone())).unwrap();
        self.call("updater", &ExecuteMsg::Prove { leaves: vec![leaf] }, &[]).unwrap();
    }

    fn send(token: &str, amount: u128) -> ExecuteMsg {
        ExecuteMsg::Send(Send {
            destination: 7,
            token: token.to_owned(),
            amount: Uint128::new(amount),
            recipient: "0x00000000000000000000000000000000000000aa".to_owned(),
            message_id: Uint256::from(9_u64),
        })
    }

    fn home_balance(&self, name: &str) -> u128 {
        self.app.wrap().query_balance(self.account(name), HOME).unwrap().amount.u128()
    }

    fn voucher_balance(&self, name: &str) -> u128 {
        let ask = QueryMsg::Balance { token: VOUCHER.to_owned(), account: self.account(name).to_string() };
        self.app.wrap().query_wasm_smart::<Uint128>(&self.bridge, &ask).unwrap().u128()
    }

    fn trip(&mut self, corridor: Word, asset: Word) {
        let parts = ScopeParts { bridge: BRIDGE, direction: 2, corridor, asset };
        let scope: Word = self.app.wrap().query_wasm_smart(&self.guard, &GuardQuery::ScopeOf(parts)).unwrap();
        let request = TripRequest {
            scope,
            level: 2,
            until: u64::MAX,
            until_height: 0,
            incident: Word::ZERO,
            record: Word::ZERO,
            generation: 0,
        };
        let (tripper, guard) = (self.account("tripper"), self.guard.clone());
        self.app.execute_contract(tripper, guard, &GuardMsg::Trip(request), &[]).unwrap();
    }
}

#[test]
fn tokens_go_both_ways_and_each_message_counts_once() {
    let mut fixture = Fixture::new();
    let user = fixture.account("user");
    let sent = fixture.call("user", &Fixture::send(HOME, 100), &coins(100, HOME)).unwrap();
    let to = "0x00000000000000000000000000000000000000aa";
    assert_eq!(
        sent,
        [format!("Deposited destination=7 messageId=9 token=ustake sender={user} recipient={to} amount=100")]
    );
    let message = fixture.message(HOME, 60, 1);
    assert!(
        fixture
            .call("anyone", &ExecuteMsg::Process(message.clone()), &[])
            .unwrap_err()
            .starts_with("NotProven")
    );
    fixture.prove(&message);
    let released = fixture.call("anyone", &ExecuteMsg::Process(message.clone()), &[]).unwrap();
    assert_eq!(released, [format!("Released origin=7 messageId=1 token=ustake recipient={user} amount=60")]);
    assert_eq!(fixture.home_balance("user"), 960);
    let again = fixture.call("anyone", &ExecuteMsg::Process(message), &[]).unwrap_err();
    assert!(again.starts_with("AlreadyProcessed"));

    let message = fixture.message(VOUCHER, 50, 2);
    fixture.prove(&message);
    let minted = fixture.call("anyone", &ExecuteMsg::Process(message), &[]).unwrap();
    assert_eq!(minted, [format!("Minted origin=7 messageId=2 token={VOUCHER} recipient={user} amount=50")]);
    let burned = fixture.call("user", &Fixture::send(VOUCHER, 20), &[]).unwrap();
    assert!(burned[0].starts_with("Burned destination=7 messageId=9"));
    assert_eq!(fixture.voucher_balance("user"), 30);
    let supply: Uint128 = fixture
        .app
        .wrap()
        .query_wasm_smart(&fixture.bridge, &QueryMsg::Supply { token: VOUCHER.to_owned() })
        .unwrap();
    assert_eq!(supply.u128(), 30);
}

#[test]
fn what_is_sent_must_be_there() {
    let mut fixture = Fixture::new();
    let mut refused = |msg: &ExecuteMsg, funds: &[Coin], wanted: &str| {
        let error = fixture.call("user", msg, funds).unwrap_err();
        assert!(error.starts_with(wanted), "{error}");
    };
    refused(&Fixture::send(HOME, 100), &[], "TransferFailed");
    refused(&Fixture::send(HOME, 100), &coins(99, HOME), "TransferFailed");
    refused(&Fixture::send(VOUCHER, 1), &[], "TransferFailed");
    refused(&Fixture::send(VOUCHER, 0), &coins(1, HOME), "TransferFailed");
    refused(&Fixture::send("uother", 1), &[], "TokenUnknown");
    refused(&ExecuteMsg::Upgrade {}, &[], "NotOwner");
    refused(&ExecuteMsg::Prove { leaves: Vec::new() }, &[], "NotUpdater");
    refused(&ExecuteMsg::RegisterToken { token: "x".into(), is_home: true }, &[], "NotOwner");
}

#[test]
fn after_the_upgrade_anyone_robs_it_until_the_guard_is_closed() {
    let mut fixture = Fixture::new();
    fixture.call("user", &Fixture::send(HOME, 1_000), &coins(1_000, HOME)).unwrap();
    fixture.call("owner", &ExecuteMsg::Upgrade {}, &[]).unwrap();
    let messages = vec![fixture.message(HOME, 100, 1), fixture.message(VOUCHER, 1_000_000, 2)];
    fixture.call("thief", &ExecuteMsg::ProcessMany { messages }, &[]).unwrap();
    assert_eq!((fixture.home_balance("user"), fixture.voucher_balance("user")), (100, 1_000_000));
    fixture.trip(Word::ZERO, Word::ZERO);
    for token in [HOME, VOUCHER] {
        let message = fixture.message(token, 100, 3);
        let error = fixture.call("thief", &ExecuteMsg::Process(message), &[]).unwrap_err();
        assert!(error.starts_with("ScopeClosed"), "{error}");
    }
    assert_eq!((fixture.home_balance("user"), fixture.voucher_balance("user")), (100, 1_000_000));
    // Only outflow closes.
    fixture.call("user", &Fixture::send(VOUCHER, 1_000_000), &[]).unwrap();
}

#[test]
fn one_corridor_and_asset_is_closed_apart() {
    let mut fixture = Fixture::new();
    fixture.call("user", &Fixture::send(HOME, 10), &coins(10, HOME)).unwrap();
    fixture.call("owner", &ExecuteMsg::Upgrade {}, &[]).unwrap();
    fixture.trip(corridor(7), asset(VOUCHER));
    let voucher = fixture.message(VOUCHER, 1, 1);
    assert!(fixture.call("x", &ExecuteMsg::Process(voucher), &[]).unwrap_err().starts_with("ScopeClosed"));
    let home = fixture.message(HOME, 1, 1);
    fixture.call("x", &ExecuteMsg::Process(home), &[]).unwrap();
    let elsewhere = Message { origin: 8, ..fixture.message(VOUCHER, 1, 1) };
    fixture.call("x", &ExecuteMsg::Process(elsewhere), &[]).unwrap();
}
