//! A gate in process, with a contract that can be paused and a circuit module beside it.
#![allow(dead_code, reason = "each test uses its part")]
#![allow(unreachable_pub, clippy::new_without_default, reason = "a helper of tests")]

use cosmwasm_std::testing::{MockApi, MockStorage};
use cosmwasm_std::{
    Addr, AnyMsg, Api, Binary, BlockInfo, CustomMsg, CustomQuery, Deps, DepsMut, Empty, Env, MessageInfo,
    Response, StdError, StdResult, Storage, Timestamp, to_json_binary,
};
use cw_multi_test::error::{AnyResult, bail};
use cw_multi_test::{
    App, AppBuilder, AppResponse, BankKeeper, ContractWrapper, CosmosRouter, DistributionKeeper, Executor,
    FailingModule, GovFailingModule, IbcFailingModule, StakeKeeper, Stargate, WasmKeeper,
};
use portcullis_breaker::{ScopeParts, ScopeState, ScopeWord, TripRequest, Word};
use portcullis_gate::contract::{execute, instantiate, query, reply};
use portcullis_gate::msg::{ExecuteMsg, InstantiateMsg, QueryMsg, Switch, Target, TargetView};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

pub const START: u64 = 1_700_092_800;
pub const HEIGHT: u64 = 1_000_000;
/// Seconds for which what was closed stays limited.
pub const TAIL: u64 = 7_200;
pub const SEND: &str = "/cosmos.bank.v1beta1.MsgSend";

/// What a chain tells contracts of an error without a number: x/circuit has none for "closed already" and "not closed".
const NO_NUMBER: &str = "codespace: undefined, code: 1";
/// What it tells them of a missing permission.
const UNAUTHORIZED: &str = "codespace: sdk, code: 4";

/// x/circuit: refuses as the module does, in the same order. Whoever is listed for a type may trip and reset it.
pub struct Circuit;

impl Stargate for Circuit {
    fn execute_any<ExecC, QueryC>(
        &self,
        _api: &dyn Api,
        storage: &mut dyn Storage,
        _router: &dyn CosmosRouter<ExecC = ExecC, QueryC = QueryC>,
        _block: &BlockInfo,
        sender: Addr,
        msg: AnyMsg,
    ) -> AnyResult<AppResponse>
    where
        ExecC: CustomMsg + DeserializeOwned + 'static,
        QueryC: CustomQuery + DeserializeOwned + 'static,
    {
        let (trip, number) = match msg.type_url.as_str() {
            "/cosmos.circuit.v1.MsgTripCircuitBreaker" => (true, 2),
            "/cosmos.circuit.v1.MsgResetCircuitBreaker" => (false, 3),
            other => bail!("unknown message {other}"),
        };
        let fields = texts(&msg.value);
        let [(1, authority), (types, type_url)] = fields.as_slice() else { bail!("fields: {fields:?}") };
        if authority != sender.as_str() || *types != number {
            bail!("not signed by its authority, or another field: {fields:?}");
        }
        let key = disabled(type_url);
        if storage.get(&key).is_some() == trip {
            bail!(NO_NUMBER);
        }
        if storage.get(&permission(authority, type_url)).is_none() {
            bail!(UNAUTHORIZED);
        }
        if trip {
            storage.set(&key, b"1")
        } else {
            storage.remove(&key)
        }
        Ok(AppResponse::default())
    }
}

/// Number and text of every field.
fn texts(mut bytes: &[u8]) -> Vec<(u8, String)> {
    let mut fields = Vec::new();
    while let [tag, length, rest @ ..] = bytes {
        assert!(tag & 7 == 2 && *length < 0x80);
        let (text, after) = rest.split_at(usize::from(*length));
        fields.push((tag >> 3, String::from_utf8(text.to_vec()).unwrap()));
        bytes = after;
    }
    fields
}

pub fn disabled(type_url: &str) -> Vec<u8> {
    format!("circuit disabled {type_url}").into_bytes()
}

pub fn permission(authority: &str, type_url: &str) -> Vec<u8> {
    format!("circuit permission {authority} {type_url}").into_bytes()
}

/// A contract that can be paused by its owner, and misbehaves when it is told to.
pub mod pausable {
    use super::*;

    #[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
    #[serde(rename_all = "snake_case")]
    pub enum Msg {
        Pause {},
        Unpause {},
        Mood { mood: String },
        UpdateOwnership(Ownership),
    }

    #[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
    #[serde(rename_all = "snake_case")]
    pub enum Ownership {
        TransferOwnership { new_owner: String },
        AcceptOwnership,
    }

    #[derive(Serialize, Deserialize, Clone, Debug)]
    #[serde(rename_all = "snake_case")]
    pub enum Ask {
        Paused {},
        Owner {},
    }

    pub fn instantiate(deps: DepsMut<'_>, _: Env, _: MessageInfo, owner: String) -> StdResult<Response> {
        deps.storage.set(b"owner", owner.as_bytes());
        deps.storage.set(b"mood", b"good");
        Ok(Response::new())
    }

    pub fn execute(deps: DepsMut<'_>, _: Env, info: MessageInfo, msg: Msg) -> StdResult<Response> {
        let mood = deps.storage.get(b"mood").unwrap();
        let owned = deps.storage.get(b"owner").unwrap() == info.sender.as_bytes();
        match msg {
            Msg::Mood { mood } => deps.storage.set(b"mood", mood.as_bytes()),
            Msg::UpdateOwnership(Ownership::AcceptOwnership) => {
                deps.storage.set(b"owner", info.sender.as_bytes());
            }
            _ if !owned => return Err(StdError::generic_err("not the owner")),
            Msg::UpdateOwnership(Ownership::TransferOwnership { new_owner }) => {
                deps.storage.set(b"owner", new_owner.as_bytes());
            }
            _ if mood == b"refuses" => return Err(StdError::generic_err("no")),
            _ if mood == b"pretends" => {}
            Msg::Pause {} if deps.storage.get(b"paused").is_some() => {
                return Err(StdError::generic_err("paused already"));
            }
            Msg::Pause {} => deps.storage.set(b"paused", b"1"),
            Msg::Unpause {} => deps.storage.remove(b"paused"),
        }
        Ok(Response::new())
    }

    pub fn query(deps: Deps<'_>, _: Env, msg: Ask) -> StdResult<Binary> {
        let mood = deps.storage.get(b"mood").unwrap();
        match msg {
            Ask::Owner {} => to_json_binary(&String::from_utf8(deps.storage.get(b"owner").unwrap()).unwrap()),
            Ask::Paused {} if mood == b"silent" => Err(StdError::generic_err("silent")),
            Ask::Paused {} => to_json_binary(&deps.storage.get(b"paused").is_some()),
        }
    }
}

type Chain = App<
    BankKeeper,
    MockApi,
    MockStorage,
    FailingModule<Empty, Empty, Empty>,
    WasmKeeper<Empty, Empty>,
    StakeKeeper,
    DistributionKeeper,
    IbcFailingModule,
    GovFailingModule,
    Circuit,
>;

pub struct Fixture {
    pub app: Chain,
    pub gate: Addr,
    pub target: Addr,
    pub scope: Word,
    pub other: Word,
}

impl Fixture {
    /// A gate in set-up with two scopes; it owns the pausable contract and may trip `MsgSend`.
    pub fn new() -> Self {
        let mut app = AppBuilder::new().with_stargate(Circuit).build(|_, _, _| {});
        app.update_block(|block| {
            block.time = Timestamp::from_seconds(START);
            block.height = HEIGHT;
        });
        let wrapper = ContractWrapper::new(execute, instantiate, query).with_reply(reply);
        let gate_code = app.store_code(Box::new(wrapper));
        let owner = app.api().addr_make("owner");
        let config = InstantiateMsg {
            owner: owner.to_string(),
            releaser: Some(app.api().addr_make("releaser").into()),
            guardian: Some(app.api().addr_make("guardian").into()),
            max_seconds: 14_400,
            max_blocks: 1_200,
            limited_tail_seconds: u32::try_from(TAIL).unwrap(),
            limited_tail_blocks: 600,
            budget_window_hours: 48,
        };
        let gate = app.instantiate_contract(gate_code, owner.clone(), &config, &[], "gate", None).unwrap();
        let wrapper = ContractWrapper::new(pausable::execute, pausable::instantiate, pausable::query);
        let code = app.store_code(Box::new(wrapper));
        let target = app.instantiate_contract(code, owner, &gate.to_string(), &[], "pausable", None).unwrap();
        let mut fixture = Self { app, gate, target, scope: Word::ZERO, other: Word::ZERO };
        fixture.permit(SEND, true);
        let account = fixture.account("tripper").into();
        fixture.must("owner", &ExecuteMsg::GrantTripper { account, budget_seconds: 43_200 });
        fixture.scope = fixture.register(1);
        fixture.other = fixture.register(2);
        fixture
    }

    fn register(&mut self, bridge: u8) -> Word {
        let bridge = Word([bridge; 32]);
        let parts = ScopeParts { bridge, direction: 2, corridor: Word::ZERO, asset: Word::ZERO };
        self.must("owner", &ExecuteMsg::RegisterScope(parts.clone()));
        self.ask(&QueryMsg::ScopeOf(parts))
    }

    pub fn pausable(&self, from_level: u8) -> Target {
        Target { switch: Switch::Pausable { account: self.target.to_string() }, from_level }
    }

    pub fn send(&self) -> Target {
        Target { switch: Switch::Circuit { type_url: SEND.to_owned() }, from_level: 2 }
    }

    pub fn add(&mut self, target: Target) {
        let scope = self.scope;
        self.must("owner", &ExecuteMsg::AddTarget { scope, target });
    }

    pub fn account(&self, name: &str) -> Addr {
        self.app.api().addr_make(name)
    }

    pub fn wait(&mut self, seconds: u64) {
        self.app.update_block(|block| block.time = block.time.plus_seconds(seconds));
    }

    /// The gate's events, each as its name and those fields that tests look at.
    pub fn call(&mut self, by: &str, msg: &ExecuteMsg) -> Result<Vec<String>, String> {
        let sender = self.account(by);
        let response = self.app.execute_contract(sender, self.gate.clone(), msg, &[]);
        let gate = self.gate.to_string();
        let line = |event: &cosmwasm_std::Event| {
            let name = event.ty.strip_prefix("wasm-")?;
            assert_eq!(event.attributes[0].value, gate);
            let shown = ["byGate", "ours", "closing", "level", "reason", "granted"];
            let fields = event.attributes.iter().filter(|field| shown.contains(&field.key.as_str()));
            Some(fields.fold(name.to_owned(), |line, field| format!("{line} {}={}", field.key, field.value)))
        };
        match response {
            Ok(response) => Ok(response.events.iter().filter_map(line).collect()),
            Err(error) => Err(error.root_cause().to_string()),
        }
    }

    pub fn must(&mut self, by: &str, msg: &ExecuteMsg) -> Vec<String> {
        self.call(by, msg).unwrap_or_else(|error| panic!("{msg:?}: {error}"))
    }

    pub fn tell(&mut self, by: &Addr, msg: &pausable::Msg) {
        self.app.execute_contract(by.clone(), self.target.clone(), msg, &[]).unwrap();
    }

    pub fn mood(&mut self, mood: &str) {
        let stranger = self.account("stranger");
        self.tell(&stranger, &pausable::Msg::Mood { mood: mood.to_owned() });
    }

    pub fn ask<T: DeserializeOwned>(&self, msg: &QueryMsg) -> T {
        self.app.wrap().query_wasm_smart(&self.gate, msg).unwrap()
    }

    pub fn paused(&self) -> bool {
        let key: Option<Vec<u8>> = self.app.wrap().query_wasm_raw(&self.target, b"paused").unwrap();
        key.is_some_and(|value| !value.is_empty())
    }

    /// What others do to the circuit.
    pub fn circuit(&mut self, type_url: &str, closed: bool) {
        self.write(disabled(type_url), closed);
    }

    pub fn permit(&mut self, type_url: &str, may: bool) {
        self.write(permission(self.gate.as_str(), type_url), may);
    }

    fn write(&mut self, key: Vec<u8>, there: bool) {
        self.app.init_modules(
            |_, _, storage| {
                if there { storage.set(&key, b"1") } else { storage.remove(&key) }
            },
        );
    }

    pub fn is_disabled(&mut self, type_url: &str) -> bool {
        let key = disabled(type_url);
        self.app.init_modules(|_, _, storage| storage.get(&key).is_some())
    }

    pub fn trip(&mut self, level: u8, seconds: u64) -> Vec<String> {
        let (scope, now) = (self.scope, self.app.block_info().time.seconds());
        let state: ScopeState = self.ask(&QueryMsg::StateOf { scope });
        let request = TripRequest {
            scope,
            level,
            until: now + seconds,
            until_height: 0,
            incident: Word([1; 32]),
            record: Word([2; 32]),
            generation: state.generation,
        };
        self.must("tripper", &ExecuteMsg::Trip(request))
    }

    pub fn release(&mut self) -> Vec<String> {
        let scope = self.scope;
        let state: ScopeState = self.ask(&QueryMsg::StateOf { scope });
        let (generation, closed_until) = (state.generation, state.closed_until);
        self.must("releaser", &ExecuteMsg::Release { scope, to: 0, generation, closed_until })
    }

    pub fn enforce(&mut self) -> Vec<String> {
        let scope = self.scope;
        self.must("stranger", &ExecuteMsg::Enforce { scope })
    }

    pub fn restore(&mut self) -> Vec<String> {
        let scope = self.scope;
        self.must("stranger", &ExecuteMsg::Restore { scope })
    }

    /// What of the scope is enforced, as proofs read it: level held, closed until, limited until.
    pub fn enforced(&self) -> (u8, u64, u64) {
        let key = [&[0, 8][..], b"enforced", &self.scope.0].concat();
        let value: Option<Vec<u8>> = self.app.wrap().query_wasm_raw(&self.gate, key).unwrap();
        let word = ScopeWord::unpack(&value.unwrap()).unwrap();
        (word.hold, word.closed_until, word.limited_until)
    }

    pub fn targets(&self) -> Vec<TargetView> {
        self.ask(&QueryMsg::TargetsOf { scope: self.scope })
    }
}
