//! Whole blocks by push, where an operator's node offers it: they are there before anybody has asked for them.
//!
//! Nothing relies on it. A block that is pushed is taken as one that was told, and names its parent; where the parent is not
//! known, pushes were dropped, and what lies between is asked for as it would be without. The socket is one of its own, because a
//! message has megabytes: it may hold only few of them, and slots are not to wait behind it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use portcullis_rpc::{
    Operator, ReplySize, RpcError, RpcRequest,
    faults::kind_of,
    limits as rpc_limits, push,
    ws::{self, Push},
};
use serde::Deserialize;
use serde_json::{json, value::RawValue};
use tokio::{
    sync::mpsc,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::Report;
use crate::{
    config::Compiled,
    error::chain_of,
    limits,
    transport::{AT_CONFIRMED, Network, Told, genesis, is_of, read_block},
};

/// Takes the blocks that one operator pushes, until told to stop.
pub(crate) struct BlockWatcher {
    pub(crate) operator: usize,
    pub(crate) compiled: Arc<Compiled>,
    pub(crate) network: Arc<Network>,
    pub(crate) reports: mpsc::Sender<Report>,
    pub(crate) stop: CancellationToken,
}

/// Why a session ended.
enum End {
    /// The observer is gone.
    Stop,
    /// The node does not offer it.
    NotOffered,
    /// The socket failed, or was silent.
    Failed(RpcError),
}

#[derive(Deserialize)]
struct BlockPush<'p> {
    #[serde(borrow)]
    value: Value<'p>,
}

#[derive(Deserialize)]
struct Value<'p> {
    slot: u64,
    #[serde(borrow)]
    block: Option<&'p RawValue>,
}

impl BlockWatcher {
    pub(crate) async fn run(self) {
        let stop = self.stop.clone();
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.watch() => {}
        }
    }

    async fn watch(&self) {
        let Some(endpoint) = self.network.operators.get(self.operator) else { return };
        let Some(url) = &endpoint.ws else { return };
        let mut pause_ms = rpc_limits::RECONNECT_MIN_MS;
        loop {
            let began = Instant::now();
            pause_ms = match self.session(endpoint, url).await {
                End::Stop => return,
                End::NotOffered => limits::OFFER_POLL_MS,
                End::Failed(error) => {
                    // Who fails here is asked for blocks as before, and named there if it fails there too.
                    tracing::debug!(operator = %endpoint.name, error = chain_of(&error), "blocks are not pushed");
                    let calm = began.elapsed() > Duration::from_millis(rpc_limits::RECONNECT_MAX_MS);
                    let doubled = pause_ms.saturating_mul(2).min(limits::OFFER_POLL_MS);
                    if calm { rpc_limits::RECONNECT_MIN_MS } else { doubled }
                }
            };
            sleep(Duration::from_millis(pause_ms)).await;
        }
    }

    async fn session(&self, endpoint: &Operator, url: &url::Url) -> End {
        match genesis(&endpoint.lanes.prove).await {
            Ok(hash) if is_of(&hash, self.network.chain) => {}
            // Its other watcher says so.
            Ok(_) => return End::NotOffered,
            Err(error) => return End::Failed(error),
        }
        let silence = Duration::from_millis(self.compiled.config.silence_ms);
        let settings = push::settings(limits::BLOCK_PUSHES_QUEUE, silence);
        let (socket, mut pushes) = match ws::connect(endpoint.name, url, settings).await {
            Ok(open) => open,
            Err(error) => return End::Failed(error),
        };
        let subscription = match socket.subscribe(subscription()).await {
            Ok(id) => id,
            Err(RpcError::Server { .. }) => return End::NotOffered,
            Err(error) => return End::Failed(error),
        };
        loop {
            let Ok(push) = timeout(silence, pushes.recv()).await else {
                return End::Failed(RpcError::Silent(silence));
            };
            let Some(push) = push else {
                let why = socket.reason().map_or_else(|| "it ended".to_owned(), |why| chain_of(why));
                return End::Failed(RpcError::Closed(why));
            };
            if push.subscription != subscription {
                ws::unasked(endpoint.name, "push");
                continue;
            }
            let report = match self.read(&push) {
                Ok(None) => continue,
                Ok(Some(told)) => Report::Pushed { operator: self.operator, told, at: push.at },
                Err(error) => {
                    let what = format!("push of a block: {}", chain_of(&error));
                    Report::Trouble { operator: self.operator, kind: kind_of(&error), what }
                }
            };
            if self.reports.send(report).await.is_err() {
                return End::Stop;
            }
        }
    }

    /// The block of a push; none where the node only says that it has none.
    fn read(&self, push: &Push) -> Result<Option<Told>, RpcError> {
        let pushed: BlockPush<'_> = serde_json::from_str(push.result.get()).map_err(|source| {
            RpcError::Garbage { expected: "push of a block", source: Some(Box::new(source)) }
        })?;
        let block = pushed.value.block.filter(|block| block.get() != "null");
        block.map(|block| read_block(&self.compiled.decoder, pushed.value.slot, block.get())).transpose()
    }
}

/// Whole confirmed blocks, in the form in which they are asked for.
pub(crate) fn subscription() -> RpcRequest {
    let how = json!({
        "commitment": AT_CONFIRMED,
        "encoding": "json",
        "transactionDetails": "full",
        "maxSupportedTransactionVersion": 0,
        "showRewards": false,
    });
    RpcRequest::read("blockSubscribe", json!(["all", how]), ReplySize::Small)
}

#[cfg(test)]
#[path = "pushed_tests.rs"]
mod tests;
