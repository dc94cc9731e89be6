use portcullis_adapter::{Batch, Observe};
use tokio::task::JoinHandle;

use super::*;
use crate::{
    Solana,
    fixture::{Node, SLOT, block_of, config},
};

const PATIENCE: Duration = Duration::from_secs(30);
/// Under which number blocks are pushed.
const PUSHES: u64 = 9;

/// A node with sockets that offers blocks, or does not; its newest block is that of [`SLOT`].
async fn node(offers: bool) -> Node {
    let answer = move |method: &str, _params: &serde_json::Value| match method {
        "slotSubscribe" => Some(json!(1)),
        "rootSubscribe" => Some(json!(2)),
        "slotsUpdatesSubscribe" => Some(json!(3)),
        "blockSubscribe" if offers => Some(json!(PUSHES)),
        _ => None,
    };
    Node::with([(SLOT, Vec::new())], answer).await
}

fn push(node: &Node, slot: u64) {
    let value = json!({ "slot": slot, "err": null, "block": block_of(slot) });
    let result = json!({ "context": { "slot": slot }, "value": value });
    let params = json!({ "subscription": PUSHES, "result": result });
    let text = json!({ "jsonrpc": "2.0", "method": "blockNotification", "params": params });
    node.stub.push_text(text.to_string());
}

/// An observer of a node, from the moment on at which it has asked for blocks by push.
async fn watched(node: &Node, stop: &CancellationToken) -> (mpsc::Receiver<Batch>, JoinHandle<()>) {
    let mut config = config(&[node], 1, None);
    config.endpoints.first_mut().unwrap().ws = Some(node.stub.ws_url());
    let observer = Solana::new(config).unwrap().observer();
    let (feed, batches) = mpsc::channel(16);
    let stopped = stop.clone();
    let task = tokio::spawn(async move { observer.observe(None, feed, stopped).await.unwrap() });
    let asked = async {
        while node.asked_for("blockSubscribe").is_empty() {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, asked).await.unwrap();
    (batches, task)
}

async fn delivered(batches: &mut mpsc::Receiver<Batch>, slot: u64) {
    let reached = async {
        while let Some(batch) = batches.recv().await {
            if batch.progress.is_some_and(|progress| progress.height == slot) {
                return;
            }
        }
        panic!("the observer ended");
    };
    timeout(PATIENCE, reached).await.unwrap_or_else(|_| panic!("slot {slot} was not delivered"));
}

#[tokio::test]
async fn what_is_pushed_is_delivered_unasked_and_what_is_dropped_is_asked_for() {
    let node = node(true).await;
    let stop = CancellationToken::new();
    let (mut batches, task) = watched(&node, &stop).await;
    // The node would not tell it to anybody who asks.
    push(&node, SLOT + 1);
    delivered(&mut batches, SLOT + 1).await;
    let asked_for = |slot: u64| {
        let asked = node.asked_for("getBlock");
        asked.iter().filter(|params| params.get(0) == Some(&json!(slot))).count()
    };
    assert_eq!(asked_for(SLOT + 1), 0, "it was there before anybody asked");

    // The push of the next one is dropped in silence: the one after it shows that.
    node.blocks.lock().unwrap().insert(SLOT + 2, Vec::new());
    push(&node, SLOT + 3);
    delivered(&mut batches, SLOT + 3).await;
    assert!(asked_for(SLOT + 2) > 0);
    stop.cancel();
    task.await.unwrap();
}

#[tokio::test]
async fn a_node_that_pushes_no_blocks_is_asked_for_them() {
    let node = node(false).await;
    let stop = CancellationToken::new();
    let (mut batches, task) = watched(&node, &stop).await;
    node.blocks.lock().unwrap().insert(SLOT + 1, Vec::new());
    delivered(&mut batches, SLOT + 1).await;
    stop.cancel();
    task.await.unwrap();
}

#[test]
fn what_is_no_block_is_garbage_and_none_is_none() {
    let read = |text: &str| serde_json::from_str::<BlockPush<'_>>(text).map(|push| push.value.slot).ok();
    let none = json!({ "context": { "slot": 5 }, "value": { "slot": 5, "err": null, "block": null } });
    assert_eq!(read(&none.to_string()), Some(5));
    for text in ["null", "{}", r#"{"value":{}}"#, r#"{"value":{"slot":-1,"block":null}}"#] {
        assert_eq!(read(text), None, "{text}");
    }
}
