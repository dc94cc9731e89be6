//! Whether a path to a gate would work now, without sending anything.

use cosmrs::proto::cosmos::{
    authz::v1beta1::MsgExec,
    bank::v1beta1::MsgSend,
    base::v1beta1::Coin,
    gov::v1::{MsgSubmitProposal, QueryParamsRequest, QueryParamsResponse},
};
use cosmrs::{AccountId, Any};
use futures::future::join_all;
use portcullis_adapter::{Action, AdapterError, Checks, Class, Readiness};
use portcullis_rpc::Client;
use portcullis_verifier::B256;
use prost::Name;
use sha2::{Digest, Sha256};

use super::{
    Account, CosmosContainer, Refusal, circuit, fees, guard,
    query::{self, QueryError},
    sequences::Numbers,
    tx,
};
use crate::{error::chain_of, limits, transport::status};

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
    if container.compiled.is_gate(action.target) {
        let power = circuit::power(&client, &gate, action.scope).await;
        let (ok, text) = power.unwrap_or_else(|| (false, format!("nobody says what {gate} may trip")));
        checks.add("circuit", ok, &text);
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

/// Why a draft would fail.
struct Failing {
    /// Sorted, where the chain said it.
    refusal: Option<Refusal>,
    text: String,
}

impl core::fmt::Display for Failing {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(&self.text)
    }
}

impl From<QueryError> for Failing {
    fn from(error: QueryError) -> Self {
        let refusal = match &error {
            QueryError::Refused { refusal, .. } => Some(*refusal),
            QueryError::Rpc(_) => None,
        };
        Self { refusal, text: chain_of(&error) }
    }
}

/// What a draft would use of gas, or why it would fail.
async fn simulated(
    container: &CosmosContainer,
    client: &Client,
    account: &Account,
    draft: &tx::Draft,
) -> Result<u64, Failing> {
    let numbers: Numbers = query::numbers(client, &account.address).await?;
    let signed = container.signed(account, draft, numbers).await;
    let bytes = signed.map_err(|error| Failing { refusal: None, text: chain_of(&error) })?;
    Ok(query::simulate(client, &bytes).await?)
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
    let executed = match simulated(container, client, tripper, &draft).await {
        Ok(_) => {
            let text = "a tripped message gets through inside of another one (authz): ask for a version of the chain \
                        that looks into nested messages, and do not rely on this Gate alone";
            checks.add("nested", false, text);
            true
        }
        Err(why) => {
            checks.add("nested", true, &format!("a nested message (authz) is refused: {why}"));
            false
        }
    };
    let (ok, text) = proposed(container, client, executed).await;
    checks.add("nested", ok, &text);
}

/// What a proposal that carries a tripped message (gov) comes to. Handing it in executes nothing, so that most chains take
/// it; when it has passed, days later, its messages go the way of every nested one, through the router. So what was found of
/// authz, which takes that way at once, tells what becomes of a proposal that is taken.
async fn proposed(container: &CosmosContainer, client: &Client, executed: bool) -> (bool, String) {
    let proposal = match proposal(container, client).await {
        Ok(proposal) => proposal,
        Err(why) => return (true, format!("a proposal (gov) was not tried: {why}")),
    };
    let tripper = &container.tripper;
    let (draft, _, _) = container.draft(tripper, proposal, 0, 0);
    match simulated(container, client, tripper, &draft).await {
        Err(why) if matches!(why.refusal, Some(Refusal::Funds | Refusal::OutOfGas)) => {
            (true, format!("a proposal (gov) was not tried, the key cannot pay for one: {why}"))
        }
        Err(why) => {
            (true, format!("a proposal (gov) with a tripped message is refused when it is handed in: {why}"))
        }
        Ok(_) if executed => {
            let text = "a proposal (gov) with a tripped message is taken, and nested messages get through: while the \
                        Gate is closed, watch what is voted on, and do not rely on this Gate alone";
            (false, text.to_owned())
        }
        Ok(_) => {
            let text = "a proposal (gov) with a tripped message is taken; when it has passed it is executed as nested \
                        messages are, which is refused as long as the message stays tripped";
            (true, text.to_owned())
        }
    }
}

/// The smallest transfer to oneself, inside of an execution on behalf of oneself.
fn wrapped(container: &CosmosContainer) -> Any {
    let account = container.account().to_owned();
    let inner = transfer(&account, &account, &container.compiled.config.fees.denom);
    tx::any(&MsgExec { grantee: account, msgs: vec![tx::any(&inner)] })
}

/// A proposal that lets the chain's governance make the smallest transfer, with the deposit that the chain asks for.
async fn proposal(container: &CosmosContainer, client: &Client) -> Result<Any, String> {
    let question = QueryParamsRequest { params_type: "deposit".to_owned() };
    let path = "/cosmos.gov.v1.Query/Params";
    let asked = query::service::<_, QueryParamsResponse>(client, path, &question, "parameters of governance");
    let params = asked.await.map_err(|error| chain_of(&error))?.params;
    let deposit = params.map(|params| params.min_deposit).unwrap_or_default();
    let denom = deposit.first().map(|coin| coin.denom.clone());
    let denom = denom.ok_or("the chain asks for no deposit that could be made")?;
    let authority = governance(&container.compiled.config.prefix).ok_or("the chain's prefix is none")?;
    let account = container.account().to_owned();
    let inner = transfer(&authority, &account, &denom);
    Ok(tx::any(&MsgSubmitProposal {
        messages: vec![tx::any(&inner)],
        initial_deposit: deposit,
        proposer: account,
        metadata: String::new(),
        title: "A drill".to_owned(),
        summary: "Simulated only; never handed in.".to_owned(),
        expedited: false,
    }))
}

fn transfer(from: &str, to: &str, denom: &str) -> MsgSend {
    let amount = vec![Coin { denom: denom.to_owned(), amount: "1".to_owned() }];
    MsgSend { from_address: from.to_owned(), to_address: to.to_owned(), amount }
}

/// The account of the chain's governance: the first 20 bytes of the SHA-256 of its module's name.
fn governance(prefix: &str) -> Option<String> {
    let digest: [u8; 32] = Sha256::digest(b"gov").into();
    let account = AccountId::new(prefix, digest.first_chunk::<20>()?).ok()?;
    Some(account.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The authority that every public chain of this prefix names in its parameters.
    #[test]
    fn governance_has_the_account_that_chains_know_it_by() {
        assert_eq!(governance("cosmos").as_deref(), Some("cosmos10d07y265gmmuvt4z0w9aw880jnsr700j6zn9kn"));
        assert_eq!(governance("osmo").as_deref(), Some("osmo10d07y265gmmuvt4z0w9aw880jnsr700jjeq4qp"));
    }
}
