//! Whether a path to a gate would work now, without sending anything.

use cosmrs::Any;
use cosmrs::proto::cosmos::{authz::v1beta1::MsgExec, bank::v1beta1::MsgSend, base::v1beta1::Coin};
use futures::future::join_all;
use portcullis_adapter::{Action, AdapterError, Checks, Class, Readiness};
use portcullis_rpc::Client;
use portcullis_verifier::B256;
use prost::Name;

use super::{Account, CosmosContainer, circuit, fees, guard, query, sequences::Numbers, tx};
use crate::{config::GateKind, error::chain_of, limits, transport::status};

pub(super) async fn rehearse(
    container: &CosmosContainer,
    action: &Action,
) -> Result<Vec<Readiness>, AdapterError> {
    let gate = container.gate_of(action)?;
    let mut checks = Checks::default();
    endpoints(container, &mut checks).await;
    let Some(client) = answering(container).await else {
        return Err(container.error(Class::Transient, "no operator answers"));
    };
    role(container, &client, &gate, &mut checks).await;
    balance(container, &client, action, container.account(), &mut checks).await;
    if let Some(carrier) = &container.carrier {
        balance(container, &client, action, &carrier.address, &mut checks).await;
        carried(container, &client, &gate, action, carrier, &mut checks).await;
    }
    fee(container, action, &mut checks).await;
    match portcullis_adapter::Contain::warm(container).await {
        Ok(()) => checks.add("nonce", true, "operators report the key's sequence"),
        Err(error) => checks.add("nonce", false, &chain_of(&error)),
    }
    simulation(container, &client, &gate, action, &mut checks).await;
    let target = container.compiled.targets.iter().find(|target| target.address == action.target);
    if target.is_some_and(|target| target.kind == GateKind::Gate) {
        own_power(container, &client, &mut checks).await;
        nested(container, &client, &mut checks).await;
    }
    Ok(checks.0)
}

async fn endpoints(container: &CosmosContainer, checks: &mut Checks) {
    let submit = &container.network.submit;
    let asked = join_all(submit.iter().map(status)).await;
    for (client, answer) in submit.iter().zip(asked) {
        let (ok, text) = match answer {
            Ok(status) if status.chain == container.compiled.name => (true, "answers".to_owned()),
            Ok(status) => (false, format!("is an endpoint of {}; correct its URL", status.chain)),
            Err(error) => (false, format!("does not answer: {}", chain_of(&error))),
        };
        checks.add("endpoint", ok, &format!("{} {text}", client.operator()));
    }
}

/// The first operator that answers. One voice is enough for a rehearsal: nothing is decided by it.
async fn answering(container: &CosmosContainer) -> Option<Client> {
    for operator in &container.network.operators {
        if status(&operator.lanes.contain).await.is_ok_and(|status| status.chain == container.compiled.name) {
            return Some(operator.lanes.contain.clone());
        }
    }
    None
}

async fn role(container: &CosmosContainer, client: &Client, gate: &str, checks: &mut Checks) {
    let account = container.account();
    let question = guard::tripper_question(account);
    let (ok, text) = match query::contract::<guard::Tripper>(client, gate, &question, "tripper").await {
        Ok(role) if role.active && role.left_seconds > 0 => {
            let (left, budget) = (role.left_seconds, role.budget_seconds);
            (true, format!("{account} may close {left} more seconds of {budget}"))
        }
        Ok(role) if role.active => {
            (false, format!("the budget of {account} is spent; wait, or use the reserve key"))
        }
        Ok(_) => (false, format!("{account} is no tripper of {gate}; the gate's owner must grant it")),
        Err(error) => (false, chain_of(&error)),
    };
    checks.add("role", ok, &text);
}

async fn balance(
    container: &CosmosContainer,
    client: &Client,
    action: &Action,
    account: &str,
    checks: &mut Checks,
) {
    let schedule = &container.compiled.config.fees;
    let price = fees::price_nano(schedule, action.value_at_risk_micro_usd, 0);
    let needed = fees::amount(price, schedule.gas_limit).saturating_mul(limits::BALANCE_TRIPS);
    match query::balance(client, account, &schedule.denom).await {
        Ok(have) => {
            let (denom, trips) = (&schedule.denom, limits::BALANCE_TRIPS);
            let text = format!("{account} has {have} {denom}; {needed} pay for {trips} trips");
            checks.add("balance", have >= needed, &text);
        }
        Err(error) => checks.add("balance", false, &chain_of(&error)),
    }
}

/// Whether the other account could bring a signed trip: the gate takes the tripper's signature from it.
async fn carried(
    container: &CosmosContainer,
    client: &Client,
    gate: &str,
    action: &Action,
    carrier: &Account,
    checks: &mut Checks,
) {
    let signature = match container.signature(action, B256::ZERO).await {
        Ok(signature) => signature,
        Err(error) => return checks.add("carrier", false, &chain_of(&error)),
    };
    let message = guard::signed_message(action, B256::ZERO, &signature);
    let message = tx::execute(&carrier.address, gate, message);
    let (draft, _, _) = container.draft(carrier, message, action.value_at_risk_micro_usd, 0);
    match simulated(container, client, carrier, &draft).await {
        Ok(_) => checks.add("carrier", true, &format!("{} can bring a signed trip", carrier.address)),
        Err(why) => checks.add("carrier", false, &format!("the signed trip would fail: {why}")),
    }
}

/// Whether the first price would be taken where trips go. Nodes choose what they ask for, each its own.
async fn fee(container: &CosmosContainer, action: &Action, checks: &mut Checks) {
    let schedule = &container.compiled.config.fees;
    let price = fees::price_nano(schedule, action.value_at_risk_micro_usd, 0);
    let submit = &container.network.submit;
    let told = join_all(submit.iter().map(query::least_prices)).await;
    for (client, list) in submit.iter().zip(told) {
        let operator = client.operator();
        // A node that does not tell is no failure: the simulation and the first trip show whether it takes it.
        let Ok(list) = list else { continue };
        match fees::asked_nano(&list, &schedule.denom) {
            Some(least) => {
                let text =
                    format!("{operator} asks for {least} billionths per gas; the first price is {price}");
                checks.add("fee", price >= least, &text);
            }
            None => {
                let denom = &schedule.denom;
                checks.add("fee", false, &format!("{operator} takes no {denom}, it asks for {list}"));
            }
        }
    }
}

async fn simulation(
    container: &CosmosContainer,
    client: &Client,
    gate: &str,
    action: &Action,
    checks: &mut Checks,
) {
    let tripper = &container.tripper;
    let trip = tx::execute(&tripper.address, gate, guard::trip_message(action, B256::ZERO));
    let (draft, _, _) = container.draft(tripper, trip, action.value_at_risk_micro_usd, 0);
    let limit = draft.gas_limit;
    match simulated(container, client, tripper, &draft).await {
        Ok(gas) => {
            let wanted = gas.saturating_mul(limits::GAS_MARGIN_BPS.saturating_add(10_000)) / 10_000;
            let text = format!("a trip costs {gas} gas; the limit is {limit}, {wanted} leave a margin");
            checks.add("simulation", wanted <= limit, &text);
        }
        Err(why) => checks.add("simulation", false, &format!("the trip would fail: {why}")),
    }
}

/// What a draft would use of gas, or why it would fail.
async fn simulated(
    container: &CosmosContainer,
    client: &Client,
    account: &Account,
    draft: &tx::Draft,
) -> Result<u64, String> {
    let numbers: Numbers =
        query::numbers(client, &account.address).await.map_err(|error| chain_of(&error))?;
    let bytes = container.signed(account, draft, numbers).await.map_err(|error| chain_of(&error))?;
    query::simulate(client, &bytes).await.map_err(|error| chain_of(&error))
}

/// SECURITY: who may trip may also reset, and that power never expires. It belongs to the Gate, which bounds it, and never
/// to the key of this service.
async fn own_power(container: &CosmosContainer, client: &Client, checks: &mut Checks) {
    match circuit::permission(client, container.account()).await {
        Ok(None) => checks.add("circuit", true, "the key itself holds no circuit permission"),
        Ok(Some(held)) => {
            let text = format!(
                "the key {} itself {}; take that from it, the Gate holds the power",
                container.account(),
                held.describe()
            );
            checks.add("circuit", false, &text);
        }
        Err(error) => checks.add("circuit", false, &chain_of(&error)),
    }
}

/// Whether a tripped message still gets through inside of another one, as it does on some versions of the chain's
/// software. Can be tried only while something is tripped that this key could send.
async fn nested(container: &CosmosContainer, client: &Client, checks: &mut Checks) {
    let tripped = match circuit::tripped(&container.network).await {
        Ok(tripped) => tripped,
        Err(error) => return checks.add("circuit", false, &chain_of(&error)),
    };
    let (agreeing, of) = (tripped.agreeing, tripped.of);
    let listed = if tripped.messages.is_empty() { "nothing".to_owned() } else { tripped.messages.join(", ") };
    checks.add("circuit", true, &format!("{agreeing} of {of} operators report tripped: {listed}"));
    if !tripped.messages.contains(&MsgSend::type_url()) {
        return checks.add("nested", true, "not tried: no message is tripped that this key could send");
    }
    let tripper = &container.tripper;
    let (draft, _, _) = container.draft(tripper, wrapped(container), 0, 0);
    match simulated(container, client, tripper, &draft).await {
        Ok(_) => {
            let text = "a tripped message gets through inside of another one (authz): ask for a version of the chain \
                        that looks into nested messages, and do not rely on this Gate alone";
            checks.add("nested", false, text);
        }
        Err(why) => checks.add("nested", true, &format!("a nested message is refused: {why}")),
    }
}

/// The smallest transfer to oneself, inside of an execution on behalf of oneself.
fn wrapped(container: &CosmosContainer) -> Any {
    let (account, denom) = (container.account().to_owned(), container.compiled.config.fees.denom.clone());
    let inner = MsgSend {
        from_address: account.clone(),
        to_address: account.clone(),
        amount: vec![Coin { denom, amount: "1".to_owned() }],
    };
    tx::any(&MsgExec { grantee: account, msgs: vec![tx::any(&inner)] })
}
