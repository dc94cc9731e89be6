use super::*;
use crate::{
    ReplySize,
    testing::{Fault, FaultProxy, Stub},
};
use serde_json::json;

struct Rig {
    /// Behind the proxy; ends when dropped.
    _stub: Stub,
    proxy: FaultProxy,
}

async fn rig() -> Rig {
    let stub = Stub::start(Arc::new(|method, _| json!(method))).await.unwrap();
    let proxy = FaultProxy::start(stub.http_url(), stub.ws_url()).await.unwrap();
    Rig { _stub: stub, proxy }
}

fn settings() -> LaneSettings {
    LaneSettings {
        timeout: Duration::from_millis(400),
        concurrency: 4,
        retries: 2,
        backoff: Duration::from_millis(1),
        jitter: Arc::new(|_, wait| wait),
    }
}

fn client(rig: &Rig, lane: Lane, settings: &LaneSettings) -> Client {
    Client::new(OperatorId::new("ada").unwrap(), rig.proxy.http_url(), lane, settings).unwrap()
}

fn read() -> RpcRequest {
    RpcRequest::read("get", json!([]), ReplySize::Small)
}

#[tokio::test]
async fn a_read_survives_passing_trouble_and_a_submission_is_sent_once() {
    let rig = rig().await;
    let client = client(&rig, Lane::Read, &settings());
    rig.proxy.set_times("get", Fault::Status { status: 503, retry_after: None }, 2);
    let answer: String = client.ask(read(), "text").await.unwrap();
    assert_eq!((answer.as_str(), rig.proxy.requests()), ("get", 3));

    rig.proxy.set_times("put", Fault::Status { status: 503, retry_after: None }, 2);
    let refused = client.call(RpcRequest::submit("put", json!([]))).await.unwrap_err();
    assert_eq!(refused.class(), Class::Transient);
    assert_eq!(rig.proxy.requests(), 4, "a submission is never tried twice");
}

#[tokio::test]
async fn retries_end_and_permanent_trouble_is_not_retried() {
    let rig = rig().await;
    let client = client(&rig, Lane::Read, &settings());
    rig.proxy.set("get", Fault::Error { code: -32_000, message: "busy".to_owned() });
    assert!(client.call(read()).await.is_err());
    assert_eq!(rig.proxy.requests(), 3, "the first try and two more");
    rig.proxy.set("get", Fault::Error { code: -32_601, message: "no such method".to_owned() });
    assert_eq!(client.call(read()).await.unwrap_err().class(), Class::Permanent);
    assert_eq!(rig.proxy.requests(), 4);
}

#[tokio::test]
async fn the_servers_retry_after_is_kept() {
    let rig = rig().await;
    let client = client(&rig, Lane::Read, &settings());
    rig.proxy.set_times("get", Fault::Status { status: 429, retry_after: Some(1) }, 1);
    let began = Instant::now();
    client.call(read()).await.unwrap();
    assert!(began.elapsed() >= Duration::from_secs(1));
}

#[tokio::test]
async fn what_is_no_answer_is_an_error_of_its_own() {
    let rig = rig().await;
    let client = client(&rig, Lane::Prove, &settings());
    let cases = [
        (Fault::Garbage, "garbage", Class::Untrusted),
        (Fault::WrongId, "wrong_id", Class::Untrusted),
        (Fault::Oversize(ReplySize::Small.bytes() + 1), "oversize", Class::Untrusted),
        (Fault::Silence, "timeout", Class::Transient),
        (Fault::Drop, "connection", Class::Transient),
    ];
    for (fault, label, class) in cases {
        rig.proxy.set("get", fault);
        let error = client.call(read()).await.unwrap_err();
        assert_eq!((error.label(), error.class()), (label, class));
    }
    rig.proxy.heal();
    assert!(client.call(read()).await.is_ok());
}

#[tokio::test]
async fn a_flooded_lane_does_not_hold_up_another() {
    let rig = rig().await;
    let narrow = LaneSettings { concurrency: 1, timeout: Duration::from_secs(5), retries: 0, ..settings() };
    let (reading, containing) = (client(&rig, Lane::Read, &narrow), client(&rig, Lane::Contain, &narrow));
    rig.proxy.set("get", Fault::Silence);
    let stuck: Vec<_> = (0..8)
        .map(|_| {
            tokio::spawn({
                let reading = reading.clone();
                async move { reading.call(read()).await }
            })
        })
        .collect();
    let put = RpcRequest::submit("put", json!([]));
    let sent = tokio::time::timeout(Duration::from_secs(1), containing.call(put)).await;
    assert!(sent.unwrap().is_ok());
    stuck.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test]
async fn concurrency_is_bounded_and_queueing_counts_as_waiting() {
    let rig = rig().await;
    let narrow =
        LaneSettings { concurrency: 1, timeout: Duration::from_millis(150), retries: 0, ..settings() };
    let client = client(&rig, Lane::Read, &narrow);
    rig.proxy.set("get", Fault::Delay(Duration::from_millis(100)));
    let (one, two) = tokio::join!(client.call(read()), client.call(read()));
    assert!(one.is_ok() != two.is_ok(), "the second had to wait 100 ms of its 150 and needed 100 more");
}

#[tokio::test]
async fn a_hedge_is_answered_by_whoever_is_first_and_never_hedges_a_submission() {
    let (slow, fast) = (rig().await, rig().await);
    let (first, second) = (client(&slow, Lane::Read, &settings()), client(&fast, Lane::Read, &settings()));
    slow.proxy.set("*", Fault::Delay(Duration::from_millis(300)));
    let began = Instant::now();
    hedged(&first, &second, Duration::from_millis(20), read()).await.unwrap();
    assert!(began.elapsed() < Duration::from_millis(200));
    assert_eq!(fast.proxy.requests(), 1);

    hedged(&first, &second, Duration::from_millis(1), RpcRequest::submit("put", json!([]))).await.unwrap();
    assert_eq!(fast.proxy.requests(), 1, "the second operator never saw the submission");

    fast.proxy.set("*", Fault::Garbage);
    slow.proxy.set("*", Fault::Garbage);
    assert!(hedged(&first, &second, Duration::from_millis(20), read()).await.is_err());
}

#[tokio::test]
async fn a_broadcast_reaches_everybody_and_keeps_each_answer() {
    let (good, bad) = (rig().await, rig().await);
    bad.proxy.go_dark();
    let clients = [client(&good, Lane::Contain, &settings()), client(&bad, Lane::Contain, &settings())];
    let answers = broadcast(&clients, &RpcRequest::submit("put", json!([]))).await;
    assert!(answers[0].1.is_ok() && answers[1].1.is_err());
}
