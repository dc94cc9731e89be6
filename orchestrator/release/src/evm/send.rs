//! Sending a release to every endpoint, and waiting until they agree that it took effect.

use std::time::Duration;

use alloy::primitives::{B256, U64};
use portcullis_rpc::{ReplySize, RpcRequest, broadcast};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Gate, Signed};
use crate::error::ReleaseError;

/// How long a transaction may take into a block.
const PATIENCE: Duration = Duration::from_secs(300);
/// Pause between two looks.
const LOOK: Duration = Duration::from_millis(500);

/// A release that took effect.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Landed {
    pub(crate) hash: String,
    pub(crate) height: u64,
    /// Level after it.
    pub(crate) level: &'static str,
    pub(crate) taken: usize,
    pub(crate) asked: usize,
}

#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Receipt {
    status: U64,
    block_number: U64,
    block_hash: B256,
}

impl Gate {
    /// Hands the signed release to every endpoint and waits until all of them have it in one block.
    pub(crate) async fn send(&self, signed: &Signed, look_back: u64) -> Result<Landed, ReleaseError> {
        let clients: Vec<_> = self.endpoints.iter().map(|(_, client)| client.clone()).collect();
        let request = RpcRequest::submit("eth_sendRawTransaction", json!([signed.raw]));
        let replies = broadcast(&clients, &request).await;
        let taken = replies.iter().filter(|(_, reply)| reply.is_ok()).count();
        if taken == 0 {
            let why: Vec<String> = replies
                .iter()
                .filter_map(|(name, reply)| reply.as_ref().err().map(|error| format!("{name}: {error}")))
                .collect();
            return Err(ReleaseError::NotTaken(why.join("; ")));
        }
        let receipt = self.receipt(&signed.hash).await?;
        if receipt.status.is_zero() {
            return Err(ReleaseError::Failed { hash: signed.hash.clone() });
        }
        let view = self.view(look_back).await?;
        Ok(Landed {
            hash: signed.hash.clone(),
            height: receipt.block_number.to(),
            level: view.level,
            taken,
            asked: clients.len(),
        })
    }

    async fn receipt(&self, hash: &str) -> Result<Receipt, ReleaseError> {
        let look = async {
            loop {
                let request =
                    || RpcRequest::read("eth_getTransactionReceipt", json!([hash]), ReplySize::Block);
                // Endpoints that are not equally far disagree for a moment: that is waited out, like silence.
                if let Ok(Some(receipt)) = self.agreed::<Option<Receipt>>("the receipt", request).await {
                    return receipt;
                }
                tokio::time::sleep(LOOK).await;
            }
        };
        tokio::time::timeout(PATIENCE, look)
            .await
            .map_err(|_elapsed| ReleaseError::NotLanded { hash: hash.to_owned(), secs: PATIENCE.as_secs() })
    }
}
