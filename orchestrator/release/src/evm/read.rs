//! Reading a gate at one block, from all endpoints, all of which must agree.

use alloy::{
    primitives::{Address, Bytes, U64},
    sol_types::SolCall,
};
use futures::future::join_all;
use portcullis_rpc::{Client, ReplySize, RpcError, RpcRequest};
use portcullis_verifier::B256;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Gate, Seen, View, abi::IGate, level_name};
use crate::error::ReleaseError;

/// A block as this program needs it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Block {
    pub(super) number: U64,
    pub(super) hash: B256,
    pub(super) timestamp: U64,
    pub(super) base_fee_per_gas: Option<U64>,
}

impl Gate {
    /// Asks every endpoint and wants one answer from all.
    pub(super) async fn agreed<T>(
        &self,
        what: &'static str,
        request: impl Fn() -> RpcRequest,
    ) -> Result<T, ReleaseError>
    where
        T: for<'de> Deserialize<'de> + PartialEq + std::fmt::Debug,
    {
        let answers =
            join_all(self.endpoints.iter().map(|(_, client)| client.ask::<T>(request(), what))).await;
        let mut first: Option<T> = None;
        for (index, answer) in answers.into_iter().enumerate() {
            let answer = answer.map_err(|source| self.failed(index, what, source))?;
            match &first {
                None => first = Some(answer),
                Some(said) if *said == answer => {}
                Some(said) => {
                    return Err(ReleaseError::Disagree {
                        endpoint: index.saturating_add(1),
                        what,
                        first: format!("{said:?}"),
                        other: format!("{answer:?}"),
                    });
                }
            }
        }
        first.ok_or_else(|| self.failed(0, what, RpcError::Closed("there is no endpoint to ask".to_owned())))
    }

    /// The newest block that every endpoint has; they must agree on its hash.
    pub(super) async fn block(&self) -> Result<Block, ReleaseError> {
        let what = "block number";
        let heads = self.endpoints.iter().map(|(_, client)| number(client));
        let mut lowest = u64::MAX;
        for (index, head) in join_all(heads).await.into_iter().enumerate() {
            lowest = lowest.min(head.map_err(|source| self.failed(index, what, source))?);
        }
        let height = U64::from(lowest);
        self.agreed("the newest block", || {
            RpcRequest::read("eth_getBlockByNumber", json!([height, false]), ReplySize::Block)
        })
        .await
    }

    /// Calls the gate at a block.
    pub(super) async fn call<C: SolCall>(
        &self,
        what: &'static str,
        call: C,
        at: &Block,
    ) -> Result<C::Return, ReleaseError> {
        let parameters = json!([{ "to": self.guard, "data": Bytes::from(call.abi_encode()) }, at_hash(at)]);
        let bytes: Bytes =
            self.agreed(what, || RpcRequest::read("eth_call", parameters.clone(), ReplySize::Small)).await?;
        C::abi_decode_returns(&bytes)
            .map_err(|_not_a_gate| ReleaseError::NoGate { guard: self.guard.to_string() })
    }

    pub(super) async fn chain(&self) -> Result<u64, ReleaseError> {
        let request = || RpcRequest::read("eth_chainId", json!([]), ReplySize::Small);
        Ok(self.agreed::<U64>("the chain's number", request).await?.to())
    }

    /// Everything that is known of the scope, at the newest block that all endpoints have.
    pub(crate) async fn view(&self, look_back: u64) -> Result<View, ReleaseError> {
        let block = self.block().await?;
        self.view_at(&block, look_back).await
    }

    pub(super) async fn view_at(&self, block: &Block, look_back: u64) -> Result<View, ReleaseError> {
        let state = self.call("the scope's state", IGate::stateOfCall { scope: self.scope }, block).await?;
        if !state.registered {
            let (guard, scope) = (self.guard.to_string(), self.scope.to_string());
            return Err(ReleaseError::UnknownScope { guard, scope });
        }
        let (height, time) = (block.number.to::<u64>(), block.timestamp.to::<u64>());
        let sealed = self.call("whether the gate is sealed", IGate::isSealedCall {}, block).await?;
        let owner: Address = self.call("the owner", IGate::ownerCall {}, block).await?;
        let releaser: Address = self.call("the releaser", IGate::releaserCall {}, block).await?;
        let guardian: Address = self.call("the guardian", IGate::guardianCall {}, block).await?;
        let holds = |until: u64, until_height: u64| time < until || height < until_height;
        let expiring = if holds(state.closedUntil, state.closedUntilHeight) {
            2
        } else {
            u8::from(holds(state.limitedUntil, state.limitedUntilHeight))
        };
        Ok(View {
            chain: self.chain().await?,
            guard: self.guard.to_string(),
            scope: self.scope.to_string(),
            level: level_name(if sealed { expiring.max(state.hold) } else { 2 }),
            hold: level_name(state.hold),
            closed_until: state.closedUntil,
            closed_until_height: state.closedUntilHeight,
            limited_until: state.limitedUntil,
            limited_until_height: state.limitedUntilHeight,
            generation: state.generation,
            sealed,
            owner: owner.to_string(),
            releaser: releaser.to_string(),
            guardian: guardian.to_string(),
            height,
            block_hash: block.hash.to_string(),
            time,
            endpoints: self.endpoints.len(),
            seen: Seen { generation: state.generation, closed_until: state.closedUntil },
            history: self.history(height, look_back).await,
            look_back,
        })
    }
}

async fn number(client: &Client) -> Result<u64, RpcError> {
    let request = RpcRequest::read("eth_blockNumber", json!([]), ReplySize::Small);
    Ok(client.ask::<U64>(request, "block number").await?.to())
}

/// A block by its hash, so that endpoints on another fork refuse instead of answering for another block.
fn at_hash(block: &Block) -> Value {
    json!({ "blockHash": block.hash })
}
