//! Whether a path to a gate would work now, without sending anything.

use alloy::{
    primitives::{Address, Bytes, U64, U256},
    sol_types::{SolCall, SolInterface},
};
use futures::future::join_all;
use portcullis_adapter::{Action, AdapterError, Checks, Class, Readiness, trip};
use portcullis_rpc::{Client, ReplySize, RpcError, RpcRequest};
use serde::Deserialize;
use serde_json::json;

use super::{EvmContainer, fees, guard};
use crate::{
    error::chain_of,
    limits,
    transport::{At, chain_number, head},
};

use guard::{IBreaker, IGate};

pub(super) async fn rehearse(
    container: &EvmContainer,
    action: &Action,
) -> Result<Vec<Readiness>, AdapterError> {
    let gate = container.gate_of(action)?;
    let account = container.account();
    let mut checks = Checks::default();
    let submit = &container.network.submit;
    let numbers = join_all(submit.iter().map(chain_number)).await;
    for (client, number) in submit.iter().zip(numbers) {
        let (ok, text) = match number {
            Ok(number) if number == container.compiled.chain_number => (true, "answers".to_owned()),
            Ok(number) => (false, format!("is an endpoint of chain {number}; correct its URL")),
            Err(error) => (false, format!("does not answer: {}", chain_of(&error))),
        };
        checks.add("endpoint", ok, &format!("{} {text}", client.operator()));
    }
    let Some(client) = answering(container).await else {
        return Err(container.error(Class::Transient, "no operator answers"));
    };
    role(&client, gate, account, &mut checks).await;
    balance(container, &client, action, account, &mut checks).await;
    if let Some(carrier) = container.carrier() {
        carried(container, &client, gate, action, carrier, &mut checks).await;
    }
    fee(container, &client, action, &mut checks).await;
    simulation(container, &client, gate, action, &mut checks).await;
    if container.compiled.is_gate(gate) {
        targets(container, &client, gate, action, &mut checks).await;
    }
    match portcullis_adapter::Contain::warm(container).await {
        Ok(()) => checks.add("nonce", true, "operators report the key's nonce"),
        Err(error) => checks.add("nonce", false, &chain_of(&error)),
    }
    Ok(checks.0)
}

/// The first operator that answers. One voice is enough for a rehearsal: nothing is decided by it.
async fn answering(container: &EvmContainer) -> Option<Client> {
    for operator in &container.network.operators {
        if chain_number(&operator.lanes.contain).await.is_ok() {
            return Some(operator.lanes.contain.clone());
        }
    }
    None
}

async fn call(client: &Client, from: Address, to: Address, data: Vec<u8>) -> Result<Vec<u8>, RpcError> {
    let data = alloy::primitives::hex::encode_prefixed(data);
    let params = json!([{ "from": from, "to": to, "data": data }, "latest"]);
    let request = RpcRequest::read("eth_call", params, ReplySize::Small);
    let bytes: Bytes = client.ask(request, "call result").await?;
    Ok(bytes.to_vec())
}

async fn role(client: &Client, gate: Address, account: Address, checks: &mut Checks) {
    let data = IBreaker::tripperOfCall { account }.abi_encode();
    let answer = call(client, account, gate, data).await;
    let decoded = answer.map(|bytes| IBreaker::tripperOfCall::abi_decode_returns(&bytes));
    match decoded {
        Ok(Ok(role)) if role.active && role.leftSeconds > 0 => {
            let text =
                format!("{account} may close {} more seconds of {}", role.leftSeconds, role.budgetSeconds);
            checks.add("role", true, &text);
        }
        Ok(Ok(role)) if role.active => {
            checks.add(
                "role",
                false,
                &format!("the budget of {account} is spent; wait, or use the reserve key"),
            );
        }
        Ok(Ok(_)) => {
            checks.add(
                "role",
                false,
                &format!("{account} is no tripper of {gate}; the gate's owner must grant it"),
            );
        }
        Ok(Err(_)) => checks.add("role", false, &format!("{gate} does not answer as a gate does")),
        Err(error) => checks.add("role", false, &chain_of(&error)),
    }
}

async fn balance(
    container: &EvmContainer,
    client: &Client,
    action: &Action,
    account: Address,
    checks: &mut Checks,
) {
    let schedule = &container.compiled.config.fees;
    let offer = fees::offer(schedule, action.value_at_risk_micro_usd, 0);
    let trips = schedule.gas_limit.saturating_mul(limits::BALANCE_TRIPS);
    let needed = U256::from(offer.fee_wei).saturating_mul(U256::from(trips));
    let request = RpcRequest::read("eth_getBalance", json!([account, "latest"]), ReplySize::Small);
    match client.ask::<U256>(request, "balance").await {
        Ok(have) => {
            let text = format!("{account} has {have} wei; {needed} pay for {} trips", limits::BALANCE_TRIPS);
            checks.add("balance", have >= needed, &text);
        }
        Err(error) => checks.add("balance", false, &chain_of(&error)),
    }
}

/// Whether the other account could carry a signed trip: it pays, and the gate takes the tripper's signature from it.
async fn carried(
    container: &EvmContainer,
    client: &Client,
    gate: Address,
    action: &Action,
    carrier: Address,
    checks: &mut Checks,
) {
    balance(container, client, action, carrier, checks).await;
    let record = portcullis_verifier::B256::ZERO;
    let signature = match container.signature(&container.tripper, guard::signed_digest(action, record)).await
    {
        Ok(signature) => signature,
        Err(error) => return checks.add("carrier", false, &chain_of(&error)),
    };
    let data = guard::signed_call(action, record, signature.as_bytes()).abi_encode();
    match call(client, carrier, gate, data).await {
        Ok(_) => checks.add("carrier", true, &format!("{carrier} can bring a signed trip")),
        Err(error) => checks.add("carrier", false, &refusal(&error)),
    }
}

/// Whether the first offer would be taken now, and would still be after the base fee doubled (six full blocks).
async fn fee(container: &EvmContainer, client: &Client, action: &Action, checks: &mut Checks) {
    let offer = fees::offer(&container.compiled.config.fees, action.value_at_risk_micro_usd, 0);
    match head(client, At::Latest).await {
        Ok(Some(head)) => {
            let base = u128::from(head.base_fee.unwrap_or(0));
            let text = format!("the base fee is {base} wei; the first offer is {} wei", offer.fee_wei);
            checks.add("fee", offer.fee_wei >= base.saturating_mul(2).saturating_add(offer.tip_wei), &text);
        }
        Ok(None) => checks.add("fee", false, "the node knows no latest block"),
        Err(error) => checks.add("fee", false, &chain_of(&error)),
    }
}

async fn simulation(
    container: &EvmContainer,
    client: &Client,
    gate: Address,
    action: &Action,
    checks: &mut Checks,
) {
    let account = container.account();
    let data = guard::trip_call(action, portcullis_verifier::B256::ZERO).abi_encode();
    if let Err(error) = call(client, account, gate, data.clone()).await {
        checks.add("simulation", false, &refusal(&error));
        return;
    }
    let data = alloy::primitives::hex::encode_prefixed(data);
    let params = json!([{ "from": account, "to": gate, "data": data }]);
    let request = RpcRequest::read("eth_estimateGas", params, ReplySize::Small);
    let limit = container.compiled.config.fees.gas_limit;
    match client.ask::<U64>(request, "gas estimate").await {
        Ok(gas) => {
            let gas = gas.to::<u64>();
            let wanted = gas.saturating_mul(limits::GAS_MARGIN_BPS.saturating_add(10_000)) / 10_000;
            let text = format!("a trip costs {gas} gas; the limit is {limit}, {wanted} leave a margin");
            checks.add("simulation", wanted <= limit, &text);
        }
        Err(error) => checks.add("simulation", false, &refusal(&error)),
    }
}

/// Whether everything that a Gate should close would follow the trip: asked after it, in a block that is never made. Where
/// the node makes none (`eth_simulateV1`), the check says so, and is not a failure of the path.
async fn targets(
    container: &EvmContainer,
    client: &Client,
    gate: Address,
    action: &Action,
    checks: &mut Checks,
) {
    let tripped = guard::trip_call(action, portcullis_verifier::B256::ZERO).abi_encode();
    let views = IGate::targetsOfCall { scope: action.scope }.abi_encode();
    let call = |data: Vec<u8>| {
        let data = alloy::primitives::hex::encode_prefixed(data);
        json!({ "from": container.account(), "to": gate, "data": data })
    };
    let block = json!({ "blockStateCalls": [{ "calls": [call(tripped), call(views)] }] });
    let request = RpcRequest::read("eth_simulateV1", json!([block, "latest"]), ReplySize::Block);
    let blocks = match client.ask::<Vec<SimulatedBlock>>(request, "simulated block").await {
        Ok(blocks) => blocks,
        Err(error) => {
            let why = chain_of(&error);
            let text =
                format!("whether its targets would follow cannot be told by {}: {why}", client.operator());
            return checks.add("targets", true, &text);
        }
    };
    let answer = blocks.first().and_then(|block| block.calls.get(1));
    let told = answer.and_then(|call| IGate::targetsOfCall::abi_decode_returns(&call.return_data).ok());
    let Some(told) = told else {
        return checks.add("targets", false, &format!("{gate} does not tell its targets after a trip"));
    };
    let open = guard::open_because(trip::level_number(action.level), &told);
    let text = match open.as_slice() {
        [] => format!("all {} targets would follow", told.len()),
        open => format!("after a trip {}; give the gate the power to close it", open.join("; ")),
    };
    checks.add("targets", open.is_empty(), &text);
}

#[derive(Deserialize)]
struct SimulatedBlock {
    calls: Vec<SimulatedCall>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SimulatedCall {
    return_data: Bytes,
}

/// The gate's own error where the node gives it, else what the node says.
pub(super) fn refusal(error: &RpcError) -> String {
    let data = match error {
        RpcError::Server { data: Some(data), .. } => alloy::primitives::hex::decode(data).ok(),
        _ => None,
    };
    match data.and_then(|data| IBreaker::IBreakerErrors::abi_decode(&data).ok()) {
        Some(IBreaker::IBreakerErrors::ScopeUnregistered(e)) => {
            format!("the gate does not know scope {}; its owner must register it", e.scope)
        }
        Some(IBreaker::IBreakerErrors::NotTripper(e)) => format!("{} is no tripper of the gate", e.caller),
        Some(IBreaker::IBreakerErrors::InvalidLevel(e)) => format!("the gate refuses level {}", e.level),
        None => format!("the trip would fail: {}", chain_of(error)),
    }
}
