//! What a node tells of a scope: of a Gate, no more than its targets followed.

use alloy::{
    primitives::{Address, Bytes, hex},
    sol_types::SolCall,
};
use portcullis_rpc::{Client, ReplySize, RpcError, RpcRequest};
use portcullis_verifier::{B256, BlockRef, U256};
use serde_json::json;

use super::guard::{self, IBreaker, ScopeWord};

/// One node's answer about a scope at a block. Equal answers mean equal states.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Told {
    state: Bytes,
    /// Of a Gate: the word of what it enforces.
    enforced: Option<U256>,
}

impl Told {
    /// Asks one node.
    pub(crate) async fn by(
        client: &Client,
        (contract, is_gate): (Address, bool),
        scope: B256,
        block: BlockRef,
    ) -> Result<Self, RpcError> {
        let at = json!({ "blockHash": block.hash });
        let call = hex::encode_prefixed(IBreaker::stateOfCall { scope }.abi_encode());
        let call = json!([{ "to": contract, "data": call }, at]);
        let state = client.ask(RpcRequest::read("eth_call", call, ReplySize::Small), "call result");
        let enforced = async {
            if !is_gate {
                return Ok(None);
            }
            let place = json!([contract, guard::enforced_slot(scope), at]);
            let word = RpcRequest::read("eth_getStorageAt", place, ReplySize::Small);
            client.ask::<B256>(word, "storage word").await.map(|word| Some(word.into()))
        };
        let (state, enforced) = tokio::try_join!(state, enforced)?;
        Ok(Self { state, enforced })
    }

    /// The scope's word, of a Gate with nothing closed that it does not enforce; none where this is no guard and no gate.
    pub(crate) fn word(&self) -> Option<ScopeWord> {
        let state = guard::word_of(&IBreaker::stateOfCall::abi_decode_returns(&self.state).ok()?);
        Some(match self.enforced {
            None => state,
            // SECURITY: a Gate of an older version does not say what it enforces, which is not that it enforces anything.
            Some(word) if word.is_zero() => state.not_enforced(),
            Some(word) => ScopeWord(word),
        })
    }
}
