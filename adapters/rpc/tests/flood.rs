//! What an answer that does not end costs: no more memory than its class allows. A program of its own, because the
//! peak is the process's.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use std::sync::Arc;

use portcullis_rpc::{
    Client, Lane, LaneSettings, ReplySize, RpcError, RpcRequest,
    testing::{Fault, FaultProxy, Stub},
};
use portcullis_verifier::OperatorId;
use serde_json::json;

const FLOOD_BYTES: usize = 200 << 20;
/// What the runtime, the connection and the allocator may add, bytes.
const SLACK_BYTES: usize = 12 << 20;

/// The most that this process ever had in memory, bytes.
fn peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() << 10
}

#[tokio::test]
async fn two_hundred_megabytes_cost_what_the_bound_allows() {
    let stub = Stub::start(Arc::new(|method, _| json!(method))).await.unwrap();
    let proxy = FaultProxy::start(stub.http_url(), stub.ws_url()).await.unwrap();
    let settings = LaneSettings { retries: 0, ..LaneSettings::of(Lane::Read) };
    let client =
        Client::new(OperatorId::new("ada").unwrap(), proxy.http_url(), Lane::Read, &settings).unwrap();
    let ask = |size| client.call(RpcRequest::read("get", json!([]), size));
    ask(ReplySize::Small).await.unwrap();
    // Ascending, because a peak never sinks.
    for size in [ReplySize::Small, ReplySize::Block, ReplySize::Bulk] {
        for announced in [true, false] {
            let before = peak();
            proxy.set("get", Fault::Flood { bytes: FLOOD_BYTES, announced });
            let error = ask(size).await.unwrap_err();
            assert!(
                matches!(error, RpcError::Oversize { limit_bytes } if limit_bytes == size.bytes()),
                "{error}"
            );
            let grown = peak().saturating_sub(before);
            // While a buffer grows, the old half of it is still there.
            let most = if announced { SLACK_BYTES } else { size.bytes() / 2 * 3 + SLACK_BYTES };
            println!("{size:?}, announced {announced}: {} KiB", grown >> 10);
            assert!(grown <= most, "{size:?}, announced {announced}: {grown} bytes, at most {most} expected");
        }
    }
    proxy.heal();
    assert!(ask(ReplySize::Small).await.is_ok(), "the next answer is read as ever");
}
