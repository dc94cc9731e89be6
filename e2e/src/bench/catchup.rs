//! Catching up with a chain, beside the bare questions for the same ranges.
//!
//! A real node holds [`BLOCKS`] blocks, every [`LOG_EVERY`]th with a log. The observer of this project delivers all of them, decoded,
//! checked and in order. The floor asks for the same ranges with as many questions under way, and throws the bytes of
//! the answers away. Both are repeated, and the best of each counts.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use alloy::primitives::{Address, Bytes, U256, hex, keccak256};
use eyre::{Result, WrapErr, bail, eyre};
use futures::{StreamExt, TryStreamExt, stream};
use portcullis_adapter::Observe;
use portcullis_evm::config::{Endpoint, EventMapping, FieldNames, Finality, MappingKind, WatchedContract};
use portcullis_evm::{Evm, EvmConfig, limits};
use portcullis_verifier::{ChainId, Event, Slug, TransferKind};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::nodes::{Mining, Node};
use crate::tools;

/// Blocks to catch up with.
pub const BLOCKS: u64 = 6_000;
/// One block of so many holds a log: a busy bridge, and a chain that a node mines within a minute.
pub const LOG_EVERY: u64 = 4;
/// The best of so many runs counts.
const RUNS: usize = 3;
/// A number that no public chain has.
const CHAIN: u64 = 73_572;
/// Blocks that a reorganisation may undo: the last ones are taken one by one, which is not what is measured.
const REORG_BOUND: u64 = 8;
/// One run may take so long.
const PATIENCE: Duration = Duration::from_secs(300);

const RELEASED: &str = "Released(uint32 indexed origin, uint256 indexed messageId, address indexed token, address recipient, uint256 amount)";

/// A contract that emits one log: topics and data as its call data says.
const EMITTER: [u8; 38] =
    hex!("601b80600b6000396000f360803603806080600037606035604035602035600035846000a400");

/// What came out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CatchUp {
    /// Blocks per second that were delivered.
    pub observed: f64,
    /// Blocks per second whose logs were asked for and thrown away.
    pub bare: f64,
    /// Events that were delivered in each run.
    pub events: u64,
}

/// Measures on a chain of about `blocks` blocks; `done` hears how many there are so far.
///
/// # Errors
/// When there is no node, it does not answer, or a log is missing from what was delivered.
pub async fn measure(blocks: u64, mut done: impl FnMut(u64)) -> Result<CatchUp> {
    let folder = tempfile::tempdir()?;
    let node = Node::start(CHAIN, &folder.path().join("state"), &folder.path().join("log"), {
        Mining::Bare { genesis: 1_700_000_000 }
    })
    .await?;
    let emitter = fill(&node, blocks, &mut done).await?;
    let evm = Evm::new(config(node.rpc.url(), emitter)?).wrap_err("the adapter")?;
    let head = node.rpc.head().await?.number;
    let mut best = CatchUp { observed: 0.0, bare: 0.0, events: 0 };
    for _ in 0..RUNS {
        let bare = bare(node.rpc.url(), emitter, head).await?;
        let (observed, events) = observed(&evm, head).await?;
        if events != blocks / LOG_EVERY {
            bail!("{events} of {} logs were delivered", blocks / LOG_EVERY);
        }
        best.observed = best.observed.max(head as f64 / observed.as_secs_f64());
        best.bare = best.bare.max(head as f64 / bare.as_secs_f64());
        best.events = events;
    }
    Ok(best)
}

/// Mines blocks with their logs and tells who logs.
async fn fill(node: &Node, blocks: u64, done: &mut impl FnMut(u64)) -> Result<Address> {
    let rpc = &node.rpc;
    let accounts: Vec<Address> = rpc.call("eth_accounts", json!([])).await?;
    let from = *accounts.first().ok_or_else(|| eyre!("the node has no account"))?;
    let deploy = json!([{ "from": from, "data": Bytes::from_static(&EMITTER), "gas": "0x100000" }]);
    let hash = rpc.call("eth_sendTransaction", deploy).await?;
    rpc.call::<Value>("evm_mine", json!([])).await?;
    let receipt = rpc.receipt(hash).await?.ok_or_else(|| eyre!("the emitter was not deployed"))?;
    let emitter = receipt.contract_address.ok_or_else(|| eyre!("the emitter has no address"))?;
    let topic = keccak256("Released(uint32,uint256,address,address,uint256)");
    for number in 0..blocks / LOG_EVERY {
        let mut data = topic.to_vec();
        for word in [7, number, 0xABCD, 0xBEEF, number * 1_000] {
            data.extend(U256::from(word).to_be_bytes::<32>());
        }
        let call = json!([{ "from": from, "to": emitter, "data": Bytes::from(data), "gas": "0x30000" }]);
        rpc.call::<Value>("eth_sendTransaction", call).await?;
        rpc.call::<Value>("anvil_mine", json!([format!("{LOG_EVERY:#x}")])).await?;
        if number % 1_000 == 999 {
            done((number + 1) * LOG_EVERY);
        }
    }
    Ok(emitter)
}

fn config(url: &str, emitter: Address) -> Result<EvmConfig> {
    let fields = FieldNames {
        remote: Some("origin".into()),
        message_id: Some("messageId".into()),
        asset: Some("token".into()),
        amount: Some("amount".into()),
        recipient: Some("recipient".into()),
        ..FieldNames::default()
    };
    let mapping = EventMapping {
        kind: MappingKind::Transfer(TransferKind::Release),
        signature: RELEASED.to_owned(),
        recorded: false,
        fields,
    };
    let contract = WatchedContract {
        bridge: Slug::new("bench")?,
        address: emitter.to_string(),
        domain: "1".to_owned(),
        mappings: vec![mapping],
        ignored: Vec::new(),
    };
    let endpoint = Endpoint { operator: Slug::new("own")?, http: url.parse()?, ws: None, submit: true };
    Ok(EvmConfig {
        reorg_bound_blocks: REORG_BOUND,
        silence_ms: 60_000,
        stall_ms: 600_000,
        poll_ms: 50,
        finality: Finality::Depth { safe_blocks: 2, final_blocks: REORG_BOUND },
        contracts: vec![contract],
        ..EvmConfig::new(ChainId::new(&format!("eip155:{CHAIN}"))?, vec![endpoint])
    })
}

/// Time from the start of the observer until everything up to `head` is delivered, and the events among it.
async fn observed(evm: &Evm, head: u64) -> Result<(Duration, u64)> {
    let (feed, mut batches) = mpsc::channel(16);
    let stop = CancellationToken::new();
    let (observer, stopped) = (evm.observer(), stop.clone());
    let since = Instant::now();
    let task = tokio::spawn(async move { observer.observe(None, feed, stopped).await });
    let mut events = 0;
    let took = tokio::time::timeout(PATIENCE, async {
        while let Some(batch) = batches.recv().await {
            let transfers = batch.observations.iter().filter(|o| matches!(o.event(), Event::Transfer(_)));
            events += transfers.count() as u64;
            if batch.progress.is_some_and(|progress| progress.height >= head) {
                return Ok(since.elapsed());
            }
        }
        Err(eyre!("the observer ended before the head"))
    });
    let took = took.await.wrap_err("catching up did not end")??;
    stop.cancel();
    task.await.wrap_err("the observer")?.wrap_err("the observer")?;
    Ok((took, events))
}

/// Time of the same ranges with nothing around them: cut by the same rule, as many under way, answers thrown away.
async fn bare(url: &str, emitter: Address, head: u64) -> Result<Duration> {
    let client = tools::http_client()?;
    let last_block = head.saturating_sub(REORG_BOUND);
    let size = Arc::new(AtomicU64::new(limits::RANGE_START_BLOCKS));
    let mut next = 1;
    let cuts = std::iter::from_fn(|| {
        let first = next;
        next = (first + size.load(Ordering::Relaxed)).min(last_block + 1);
        (first <= last_block).then_some((first, next - 1))
    });
    let since = Instant::now();
    stream::iter(cuts)
        .map(|(first, last)| {
            let (client, size) = (client.clone(), Arc::clone(&size));
            async move {
                let filter =
                    json!({ "fromBlock": format!("{first:#x}"), "toBlock": format!("{last:#x}"), "address": emitter });
                let body = json!({ "jsonrpc": "2.0", "id": first, "method": "eth_getLogs", "params": [filter] });
                let bytes = client.post(url).json(&body).send().await?.bytes().await?;
                if !bytes.starts_with(b"{\"jsonrpc\"") {
                    bail!("no answer to blocks {first} to {last}");
                }
                let blocks = last - first + 1;
                size.fetch_max((blocks + blocks / 4 + 1).min(limits::RANGE_MAX_BLOCKS), Ordering::Relaxed);
                Ok(())
            }
        })
        .buffered(limits::RANGES_IN_FLIGHT)
        .try_collect::<Vec<()>>()
        .await?;
    Ok(since.elapsed())
}
