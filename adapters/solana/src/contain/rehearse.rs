//! Whether a path to a gate would work now, without sending anything.

use futures::future::join_all;
use portcullis_adapter::{Action, AdapterError, Checks, Class, Contain, Readiness};
use portcullis_rpc::{Client, RpcError};
use portcullis_verifier::B256;

use super::{
    SolanaContainer, breaker, fees, guard, mints_of,
    nonce::{self, Durable, Hold},
    query,
    refusal::refusal,
    tx,
};
use crate::{
    address,
    config::GateKind,
    error::chain_of,
    limits,
    transport::{genesis, is_of},
};

pub(super) async fn rehearse(
    container: &SolanaContainer,
    action: &Action,
) -> Result<Vec<Readiness>, AdapterError> {
    container.target_of(action.target)?;
    let mut checks = Checks::default();
    endpoints(container, &mut checks).await;
    let Some(client) = answering(container).await else {
        return Err(container.error(Class::Transient, "no operator answers"));
    };
    role(container, &client, action, &mut checks).await;
    power(container, action, &mut checks).await;
    balance(container, &client, action, container.tripper.account(), &mut checks).await;
    if let Some(carrier) = &container.carrier {
        balance(container, &client, action, carrier.account(), &mut checks).await;
    }
    match container.warm().await {
        Ok(()) => checks.add("nonce", true, "operators tell a recent blockhash"),
        Err(error) => checks.add("nonce", false, &chain_of(&error)),
    }
    for (durable, authority) in container.durables() {
        durable_nonce(&client, durable, authority, &mut checks).await;
    }
    fee(container, action, &mut checks);
    for (check, attempts) in [
        ("simulation", container.trips(action, B256::ZERO, 0, Hold::Look).await),
        ("carrier", container.carried(action, B256::ZERO, 0, Hold::Look).await),
    ] {
        match attempts {
            Ok(attempts) => {
                if let Some(attempt) = attempts.first() {
                    simulation(container, &client, check, &attempt.bytes, &mut checks).await;
                }
            }
            Err(error) => checks.add(check, false, &chain_of(&error)),
        }
    }
    Ok(checks.0)
}

async fn endpoints(container: &SolanaContainer, checks: &mut Checks) {
    let submit = &container.network.submit;
    let asked = join_all(submit.iter().map(genesis)).await;
    for (client, answer) in submit.iter().zip(asked) {
        let (ok, text) = match answer {
            Ok(hash) if is_of(&hash, container.network.chain) => (true, "answers".to_owned()),
            Ok(hash) => (false, format!("serves the cluster {hash}; correct its URL")),
            Err(error) => (false, format!("does not answer: {}", chain_of(&error))),
        };
        checks.add("endpoint", ok, &format!("{} {text}", client.operator()));
    }
}

/// The first operator that answers. One voice is enough for a rehearsal: nothing is decided by it.
async fn answering(container: &SolanaContainer) -> Option<Client> {
    for operator in &container.network.operators {
        let asked = genesis(&operator.lanes.contain).await;
        if asked.is_ok_and(|hash| is_of(&hash, container.network.chain)) {
            return Some(operator.lanes.contain.clone());
        }
    }
    None
}

async fn role(container: &SolanaContainer, client: &Client, action: &Action, checks: &mut Checks) {
    let Ok(target) = container.target_of(action.target) else { return };
    let (account, breaker) = (container.account(), breaker(target));
    let asked = query::accounts(client, &[breaker.tripper(container.tripper.account())], 0).await;
    let found = match &asked {
        Ok((_, accounts)) => accounts.first().cloned().flatten(),
        Err(error) => return checks.add("role", false, &chain_of(error)),
    };
    let own = found.filter(|account| account.owner == breaker.program);
    let (ok, text) = match own.and_then(|own| guard::tripper_of(breaker, &own.data)) {
        Some(role) if role.active && u64::from(role.budget_seconds) > role.charged_seconds => {
            let left = u64::from(role.budget_seconds).saturating_sub(role.charged_seconds);
            (true, format!("{account} may close {left} more seconds of {}", role.budget_seconds))
        }
        Some(role) if role.active => {
            (false, format!("the budget of {account} may be spent; wait, or use the reserve key"))
        }
        _ => {
            let gate = address::shown(breaker.address);
            (false, format!("PC-0964: {account} is no tripper of {gate}; the gate's owner must grant it"))
        }
    };
    checks.add("role", ok, &text);
}

/// Whether a Gate holds anything that it would pause. Without it a trip lands, and closes nothing but the Gate's own books.
async fn power(container: &SolanaContainer, action: &Action, checks: &mut Checks) {
    let Ok(target) = container.target_of(action.target) else { return };
    if target.kind == GateKind::Guard {
        return;
    }
    let gate = address::shown(target.address);
    match mints_of(&container.network, target, action.scope).await {
        Ok(mints) if mints.is_empty() => checks.add("power", false, &powerless(&gate)),
        Ok(mints) => {
            checks.add("power", true, &format!("{gate} pauses {} mints with this scope", mints.len()))
        }
        Err(error) => checks.add("power", false, &chain_of(&error)),
    }
}

/// What is said of a Gate that holds nothing in a scope.
pub(crate) fn powerless(gate: &str) -> String {
    format!("PC-0967: {gate} closes nothing with this scope; its owner must add a target")
}

async fn balance(
    container: &SolanaContainer,
    client: &Client,
    action: &Action,
    account: B256,
    checks: &mut Checks,
) {
    let schedule = &container.compiled.config.fees;
    let price = fees::price(schedule, action.value_at_risk_micro_usd, 0);
    let trips = fees::lamports(price, schedule.unit_limit, 2).saturating_mul(limits::BALANCE_TRIPS);
    let needed = trips.saturating_add(limits::RENT_EXEMPT_LAMPORTS);
    match query::accounts(client, &[account], 0).await {
        Ok((_, accounts)) => {
            let have = accounts.first().and_then(Option::as_ref).map_or(0, |account| account.lamports);
            let (name, count) = (address::shown(account), limits::BALANCE_TRIPS);
            let enough = u128::from(have) >= needed;
            let page = if enough { "" } else { "PC-0962: " };
            checks.add(
                "balance",
                enough,
                &format!("{page}{name} has {have} lamports; {needed} pay for {count} trips and its rent"),
            );
        }
        Err(error) => checks.add("balance", false, &chain_of(&error)),
    }
}

/// Whether a nonce account gives its lane a value to sign with. Without one a gate is closed all the same.
async fn durable_nonce(client: &Client, durable: &Durable, authority: B256, checks: &mut Checks) {
    let name = address::shown(durable.account);
    let asked = async {
        let (_, accounts) = query::accounts(client, &[durable.account], 0).await?;
        Ok::<_, RpcError>((
            accounts.into_iter().next().flatten(),
            query::rent(client, nonce::NONCE_BYTES).await?,
        ))
    };
    let (account, rent) = match asked.await {
        Ok(told) => told,
        Err(error) => return checks.add("durable", false, &chain_of(&error)),
    };
    let have = account.as_ref().map_or(0, |account| account.lamports);
    let (ok, text) = match nonce::read(account.as_ref(), authority) {
        Err(why) => {
            (false, format!("{}: nonce account {name} {why}; recent blockhashes are used", why.page()))
        }
        Ok(_) if have < rent => {
            (false, format!("PC-0987: nonce account {name} has {have} lamports; {rent} keep it on the chain"))
        }
        Ok(_) => (true, format!("nonce account {name} is advanced by {}", address::shown(authority))),
    };
    checks.add("durable", ok, &text);
}

/// Whether the schedule reaches what others paid of late for the accounts that a trip writes to.
fn fee(container: &SolanaContainer, action: &Action, checks: &mut Checks) {
    let schedule = &container.compiled.config.fees;
    let others = container.contest.least();
    let (step, price) = container.offer(action.value_at_risk_micro_usd, 0);
    let ok = price >= others;
    let text = if ok {
        format!("the first price is {price} micro-lamports per unit (step {step}); {others} outbid others")
    } else {
        let cap = schedule.price_cap;
        format!(
            "PC-0969: {others} micro-lamports per unit outbid others, the cap is {cap}; raise max_unit_price"
        )
    };
    checks.add("fee", ok, &text);
}

async fn simulation(
    container: &SolanaContainer,
    client: &Client,
    check: &str,
    bytes: &[u8],
    checks: &mut Checks,
) {
    debug_assert_ne!(tx::hash(bytes), B256::ZERO, "a signed transaction has a name");
    let limit = u64::from(container.compiled.config.fees.unit_limit);
    match query::simulate(client, bytes).await {
        Ok(ran) => {
            let (ok, text) = match &ran.failed {
                Some(failed) => (false, format!("the trip would fail: {}", refusal(failed).describe(failed))),
                None => {
                    let most = limit.saturating_mul(10_000_u64.saturating_sub(limits::UNITS_MARGIN_BPS));
                    let ok = ran.units.saturating_mul(10_000) <= most || check == "carrier";
                    (ok, format!("the trip would use {} compute units of {limit}", ran.units))
                }
            };
            checks.add(check, ok, &text);
        }
        Err(error) => checks.add(check, false, &chain_of(&error)),
    }
}
