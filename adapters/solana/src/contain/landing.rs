//! Where an attempt is, as the quorum says.

use portcullis_adapter::{AdapterError, Attempt, Class, Landing};
use portcullis_rpc::{Client, RpcError, Wait, quorum};
use portcullis_verifier::{BlockRef, FaultKind};

use super::{
    nonce,
    query::{self, Outcome},
    refusal::refusal,
    tx::{self, Advanced},
};
use crate::{
    error::{DETAIL_MAX_BYTES, detail, no_quorum},
    limits,
    transport::{AT_FINALIZED, Network, NotThere, not_there},
};

/// What became of a transaction in a confirmed block, as far as landing needs it.
#[derive(Debug, Clone)]
struct Receipt {
    block: BlockRef,
    succeeded: bool,
    /// For people; nodes word it alike, but for what they add.
    why: String,
}

impl PartialEq for Receipt {
    fn eq(&self, other: &Self) -> bool {
        (self.block, self.succeeded) == (other.block, other.succeeded)
    }
}

async fn receipt(client: &Client, signature: &[u8; 64]) -> Result<Option<Receipt>, RpcError> {
    let Some(Outcome { slot, failed, confirmed }) = query::outcome(client, signature).await? else {
        return Ok(None);
    };
    // What is only processed may leave the chain in a moment.
    if !confirmed {
        return Ok(None);
    }
    let (block, _time) = query::block_at(client, slot).await?;
    let why = failed.as_ref().map(|failed| refusal(failed).describe(failed));
    Ok(Some(Receipt { block, succeeded: why.is_none(), why: why.unwrap_or_default() }))
}

/// Asks every operator; when the quorum has it in no block, asks whether it can still land.
pub(super) async fn landing(network: &Network, attempt: &Attempt) -> Result<Landing, AdapterError> {
    let Some(signature) = tx::first_signature(&attempt.bytes) else {
        let what = "the attempt's bytes are no transaction";
        return Err(AdapterError::new(network.chain, None, Class::Permanent, what));
    };
    if let Some(landed) = agreed_receipt(network, &signature).await? {
        return Ok(landed);
    }
    let dead = match tx::advanced(&attempt.bytes) {
        None => expired(network, attempt.nonce).await?,
        Some(nonce) => superseded(network, nonce, attempt.nonce).await?,
    };
    if !dead {
        return Ok(Landing::Pending);
    }
    // The receipt may have come between the two questions. Asked after a final block was seen above the last one that could
    // hold it, or after its nonce had another value, its absence means that it can never land.
    Ok(agreed_receipt(network, &signature).await?.unwrap_or(Landing::Replaced))
}

async fn agreed_receipt(network: &Network, signature: &[u8; 64]) -> Result<Option<Landing>, AdapterError> {
    let questions = network.operators.iter().map(|o| (o.name, receipt(&o.lanes.contain, signature)));
    let agreed = quorum(questions, network.quorum, Wait::Grace(limits::GRACE_MIN))
        .await
        .map_err(|split| no_quorum(network.chain, "status of a trip").caused_by(split))?;
    if agreed.value.is_some() {
        for (_, who) in agreed.dissenting.iter().filter(|(said, _)| said.is_some()) {
            for name in who {
                // Who has no receipt yet is slow. Who has another one contradicts.
                network.faults.bad(*name, FaultKind::DissentHead, "another status of a trip than the quorum");
            }
        }
    }
    Ok(agreed.value.map(|receipt| match receipt {
        Receipt { block, succeeded: true, .. } => Landing::Included(block),
        Receipt { block, why, .. } => Landing::Reverted(block, detail(&why, DETAIL_MAX_BYTES)),
    }))
}

/// Whether the quorum has a final block above the last one that could hold the attempt.
async fn expired(network: &Network, last_height: u64) -> Result<bool, AdapterError> {
    let questions = network.operators.iter().map(|operator| {
        let client = operator.lanes.contain.clone();
        (operator.name, async move { Ok(query::final_height(&client).await? > last_height) })
    });
    quorum(questions, network.quorum, Wait::Grace(limits::GRACE_MIN))
        .await
        .map(|agreed| agreed.value)
        .map_err(|split| no_quorum(network.chain, "block height").caused_by(split))
}

/// Whether the quorum's final state gives the nonce another value, after a slot at which it had this one: no value comes again.
async fn superseded(network: &Network, used: Advanced, since: u64) -> Result<bool, AdapterError> {
    let questions = network.operators.iter().map(|operator| {
        let client = operator.lanes.contain.clone();
        (operator.name, async move {
            match query::accounts_at(&client, &[used.account], since, AT_FINALIZED).await {
                Ok((_, accounts)) => {
                    let account = accounts.first().and_then(Option::as_ref);
                    Ok(nonce::read(account, used.authority) != Ok(used.value))
                }
                // What is final does not reach that slot yet.
                Err(error) if not_there(&error) == Some(NotThere::NotYet) => Ok(false),
                Err(error) => Err(error),
            }
        })
    });
    quorum(questions, network.quorum, Wait::Grace(limits::GRACE_MIN))
        .await
        .map(|agreed| agreed.value)
        .map_err(|split| no_quorum(network.chain, "value of a nonce").caused_by(split))
}
