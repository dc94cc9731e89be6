//! Handing a trip to endpoints, and what their answers mean for what is signed next.

use std::sync::atomic::Ordering;

use base64::{Engine, engine::general_purpose::STANDARD};
use portcullis_adapter::Attempt;
use portcullis_rpc::{Client, RpcError, RpcRequest};
use portcullis_verifier::OperatorId;
use serde::Deserialize;
use serde_json::json;

use super::{CosmosContainer, Refusal, landing, refusal};
use crate::{error::chain_of, limits};

/// What an endpoint answers to a transaction once it was checked.
#[derive(Debug, Deserialize)]
struct SyncAnswer {
    code: u32,
    #[serde(default)]
    codespace: String,
    #[serde(default)]
    log: String,
}

/// What is told of a node that has taken the same trip at an earlier step of the fees.
const EARLIER_STEP: &str = "it has an earlier step of this trip";

/// What became of an attempt at one endpoint.
pub(super) enum Handed {
    /// The node has it.
    Taken(&'static str),
    /// It does not want it.
    Refused(Refusal, String),
    /// It did not say.
    Silent(String),
}

/// Whether a node that refused an attempt has it all the same. Between taking in the bytes and listing them a node looks
/// at them, and refuses the same bytes from anybody else meanwhile: so it is asked more than once.
async fn has(client: &Client, attempt: &Attempt) -> bool {
    for pause in limits::TAKEN_IN_PAUSES {
        tokio::time::sleep(pause).await;
        if landing::knows(client, attempt.hash).await {
            return true;
        }
    }
    false
}

impl CosmosContainer {
    /// Hands an attempt to one endpoint, after what stands before it there.
    pub(super) async fn hand(&self, client: &Client, attempt: &Attempt, queued: bool) -> Handed {
        let account = self.payer(attempt);
        let operator = client.operator();
        if queued && let Some(before) = attempt.nonce.checked_sub(1) {
            let mut answered = account.answered.subscribe();
            let first = answered.wait_for(|answered| answered.contains(&(operator, before)));
            // Who stands before may never be sent there: then this one is not taken, and signed anew by the lane above.
            let _late = tokio::time::timeout(limits::ORDER_WAIT, first).await;
        }
        let tx = json!({ "tx": STANDARD.encode(&attempt.bytes) });
        let answer = client.call(RpcRequest::submit("broadcast_tx_sync", tx)).await;
        let answer = match answer {
            Ok(reply) => reply.decode::<SyncAnswer>("answer to a transaction"),
            Err(error) => Err(error),
        };
        account.answered.send_modify(|answered| {
            answered.retain(|(_, sequence)| sequence.saturating_add(limits::ANSWERED_KEPT) > attempt.nonce);
            answered.insert((operator, attempt.nonce));
        });
        let handed = self.sorted(client, attempt, answer).await;
        if matches!(handed, Handed::Taken(_)) {
            account.with_sequences(|sequences| sequences.taken(attempt.action, operator, attempt.nonce));
        }
        handed
    }

    /// What an answer means.
    async fn sorted(
        &self,
        client: &Client,
        attempt: &Attempt,
        answer: Result<SyncAnswer, RpcError>,
    ) -> Handed {
        let account = self.payer(attempt);
        // No node of this family replaces what waits by what pays more. Where an earlier step of this trip waits, or has
        // landed a moment ago, that one does the work, and nothing is to be signed in its stead.
        let waits = || {
            account
                .with_sequences(|sequences| sequences.waits(attempt.action, client.operator(), attempt.nonce))
        };
        match answer {
            Ok(answer) => match refusal(&answer.codespace, answer.code) {
                None => Handed::Taken("taken"),
                Some(Refusal::Known) => Handed::Taken(Refusal::Known.text()),
                Some(Refusal::Sequence) if waits() => Handed::Taken(EARLIER_STEP),
                Some(refusal) => {
                    let text = refusal.describe(&answer.codespace, answer.code, &answer.log);
                    Handed::Refused(refusal, text)
                }
            },
            // Nodes word "already there" and "no room" as they like; whether the node has it is a question with an answer.
            Err(error @ RpcError::Server { .. }) => {
                if has(client, attempt).await {
                    Handed::Taken(Refusal::Known.text())
                } else {
                    let text = format!("PC-0932: {}: {}", Refusal::MempoolFull.text(), chain_of(&error));
                    Handed::Refused(Refusal::MempoolFull, text)
                }
            }
            Err(error) => Handed::Silent(chain_of(&error)),
        }
    }

    /// Draws the consequences of what endpoints said for what is signed next.
    pub(super) fn learn(&self, attempt: &Attempt, handed: &[(OperatorId, Handed)]) {
        let account = self.payer(attempt);
        let refused =
            |by: Refusal| handed.iter().any(|(_, h)| matches!(h, Handed::Refused(r, _) if *r == by));
        let taken = handed.iter().any(|(_, h)| matches!(h, Handed::Taken(_)));
        if refused(Refusal::Sequence) {
            account.with_sequences(|sequences| sequences.doubt(true));
        } else if handed.iter().all(|(_, h)| matches!(h, Handed::Silent(_))) {
            // It may have arrived and it may not: nothing is known of the sequence any more.
            account.with_sequences(|sequences| sequences.doubt(false));
        }
        if taken {
            account.dearer.store(0, Ordering::Relaxed);
        } else if refused(Refusal::FeeTooLow) {
            account.dearer.fetch_max(attempt.bump.saturating_add(1), Ordering::Relaxed);
        }
    }
}
