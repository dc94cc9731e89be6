//! The switches that a gate knows: for each kind the message that closes, the one that takes exactly that back, and the
//! question whether it is closed. SECURITY: messages are made here and nowhere else; no configuration can choose one.

use cosmwasm_std::{
    Addr, AnyMsg, Binary, CosmosMsg, Deps, QuerierWrapper, StdResult, WasmMsg, WasmQuery, to_json_binary,
};
use portcullis_breaker::{Word, keccak256};
use serde::{Deserialize, Serialize};

use crate::msg::Switch;

/// What one target may use.
pub(crate) const TARGET_GAS: u64 = 400_000;
/// Longest name of a message type, in bytes.
const TYPE_URL_BYTES: usize = 256;
/// SECURITY: closing one of these would leave nobody who can open: the messages that reach this gate, x/circuit itself,
/// and governance, which is the way out when keys are lost.
const NEVER: [&str; 5] = [
    "/cosmwasm.wasm.v1.MsgExecuteContract",
    "/cosmwasm.wasm.v1.MsgStoreAndMigrateContract",
    "/cosmos.circuit.",
    "/cosmos.gov.",
    "/cosmos.upgrade.",
];

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Pausable {
    Pause {},
    Unpause {},
    Paused {},
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Paused {
    Plain(bool),
    Field { paused: bool },
}

/// The message types of x/circuit take the sender and the types in these fields of their protobuf.
const TRIP: (&str, u8) = ("/cosmos.circuit.v1.MsgTripCircuitBreaker", 2);
const RESET: (&str, u8) = ("/cosmos.circuit.v1.MsgResetCircuitBreaker", 3);

/// As events number the kinds.
pub(crate) fn kind(switch: &Switch) -> u8 {
    match switch {
        Switch::Pausable { .. } => 0,
        Switch::Circuit { .. } => 6,
    }
}

/// As events name it: a contract, or x/circuit.
pub(crate) fn account(switch: &Switch) -> &str {
    match switch {
        Switch::Pausable { account } => account,
        Switch::Circuit { .. } => "circuit",
    }
}

/// As events name what is closed there.
pub(crate) fn argument(switch: &Switch) -> &str {
    match switch {
        Switch::Pausable { .. } => "",
        Switch::Circuit { type_url } => type_url,
    }
}

/// Two targets with the same identity are one switch.
pub(crate) fn identity(switch: &Switch) -> Word {
    let account = keccak256(&[account(switch).as_bytes()]);
    keccak256(&[&[kind(switch)], &account.0, argument(switch).as_bytes()])
}

/// Whether it has the form that its kind needs, and may be closed at all.
pub(crate) fn sound(deps: Deps<'_>, switch: &Switch) -> bool {
    match switch {
        Switch::Pausable { account } => {
            let known = deps.api.addr_validate(account);
            known.is_ok_and(|account| deps.querier.query_wasm_contract_info(account).is_ok())
        }
        Switch::Circuit { type_url } => {
            let graphic = type_url.bytes().all(|byte| byte.is_ascii_graphic());
            let named = type_url.len() > 1 && type_url.len() <= TYPE_URL_BYTES && type_url.starts_with('/');
            graphic && named && !NEVER.iter().any(|prefix| type_url.starts_with(prefix))
        }
    }
}

/// Asks whether it is closed; none when it gave no clean answer. x/circuit answers no contract.
pub(crate) fn is_closed(querier: QuerierWrapper<'_>, switch: &Switch) -> Option<bool> {
    let Switch::Pausable { account } = switch else { return None };
    let msg = to_json_binary(&Pausable::Paused {}).ok()?;
    let request = WasmQuery::Smart { contract_addr: account.clone(), msg };
    let answer: Paused = querier.query(&request.into()).ok()?;
    Some(match answer {
        Paused::Plain(paused) | Paused::Field { paused } => paused,
    })
}

pub(crate) fn close(gate: &Addr, switch: &Switch) -> StdResult<CosmosMsg> {
    match switch {
        Switch::Pausable { account } => tell(account, &Pausable::Pause {}),
        Switch::Circuit { type_url } => Ok(circuit(TRIP, gate, type_url)),
    }
}

pub(crate) fn open(gate: &Addr, switch: &Switch) -> StdResult<CosmosMsg> {
    match switch {
        Switch::Pausable { account } => tell(account, &Pausable::Unpause {}),
        Switch::Circuit { type_url } => Ok(circuit(RESET, gate, type_url)),
    }
}

/// cw-ownable: offers the gate's ownership to another.
pub(crate) fn hand_back(account: &Addr, to: &Addr) -> StdResult<CosmosMsg> {
    let msg = format!(r#"{{"update_ownership":{{"transfer_ownership":{{"new_owner":"{to}"}}}}}}"#);
    raw(account.as_str(), msg.into_bytes().into())
}

/// cw-ownable: accepts what is offered to the gate.
pub(crate) fn take_over(account: &Addr) -> StdResult<CosmosMsg> {
    raw(account.as_str(), Binary::from(br#"{"update_ownership":"accept_ownership"}"#))
}

fn tell(account: &str, msg: &Pausable) -> StdResult<CosmosMsg> {
    raw(account, to_json_binary(msg)?)
}

fn raw(account: &str, msg: Binary) -> StdResult<CosmosMsg> {
    Ok(WasmMsg::Execute { contract_addr: account.to_owned(), msg, funds: Vec::new() }.into())
}

/// SECURITY: one type per message. x/circuit refuses a list as a whole when one of its types is closed already.
fn circuit((name, types): (&str, u8), gate: &Addr, type_url: &str) -> CosmosMsg {
    let mut value = Vec::new();
    field(&mut value, 1, gate.as_str());
    field(&mut value, types, type_url);
    CosmosMsg::Any(AnyMsg { type_url: name.to_owned(), value: value.into() })
}

/// A protobuf field of text: number and wire type 2, length, bytes.
fn field(out: &mut Vec<u8>, number: u8, text: &str) {
    out.push(number.wrapping_shl(3) | 2);
    let mut length = text.len();
    while length >= 0x80 {
        out.push(u8::try_from(length & 0x7f).unwrap_or_default() | 0x80);
        length = length.wrapping_shr(7);
    }
    out.push(u8::try_from(length).unwrap_or_default());
    out.extend(text.as_bytes());
}
