use super::*;
use crate::{
    ReplySize,
    testing::{Fault, FaultProxy, Stub},
};
use serde_json::json;

async fn stub() -> Stub {
    Stub::start(Arc::new(|method, _| json!(method))).await.unwrap()
}

fn quick() -> WsSettings {
    WsSettings {
        ping: Duration::from_millis(50),
        silence: Duration::from_millis(300),
        answer: Duration::from_millis(200),
        ..WsSettings::default()
    }
}

fn ada() -> OperatorId {
    OperatorId::new("ada").unwrap()
}

fn read(method: &'static str) -> RpcRequest {
    RpcRequest::read(method, json!([]), ReplySize::Small)
}

async fn ended(mut pushes: mpsc::Receiver<Push>, client: &WsClient) -> &RpcError {
    while pushes.recv().await.is_some() {}
    client.reason().expect("the reason stands when the queue ends")
}

#[tokio::test]
async fn answers_find_their_question_and_pushes_keep_their_order() {
    let stub = stub().await;
    let (client, mut pushes) = connect(ada(), &stub.ws_url(), quick()).await.unwrap();
    let (one, two) = tokio::join!(client.call(read("one")), client.call(read("two")));
    assert_eq!((one.unwrap().0.get(), two.unwrap().0.get()), ("\"one\"", "\"two\""));
    let id = client.subscribe(read("node_subscribe")).await.unwrap();
    for number in 0..20 {
        stub.push(&json!(number));
    }
    for number in 0..20 {
        let push = pushes.recv().await.unwrap();
        assert_eq!(
            (push.subscription.as_str(), push.result.get()),
            (id.as_str(), number.to_string().as_str())
        );
    }
}

/// Some servers name no subscription: they answer the request that asked for it again and again.
#[tokio::test]
async fn later_answers_to_a_stream_are_pushes_and_to_anything_else_are_nothing() {
    let stub = stub().await;
    let (client, mut pushes) = connect(ada(), &stub.ws_url(), quick()).await.unwrap();
    client.call(read("one")).await.unwrap();
    let name = client.stream(read("subscribe")).await.unwrap();
    for (id, result) in [("1", "\"unasked\""), ("77", "\"unknown\""), (name.as_str(), "\"block\"")] {
        stub.push_text(format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#));
    }
    let push = pushes.recv().await.unwrap();
    assert_eq!((push.subscription, push.result.get()), (name.clone(), "\"block\""));
    stub.push_text(format!(
        r#"{{"jsonrpc":"2.0","id":{name},"error":{{"code":-32000,"message":"cancelled"}}}}"#
    ));
    assert!(matches!(ended(pushes, &client).await, RpcError::Server { .. }));
}

#[tokio::test]
async fn a_reader_that_is_too_slow_sees_the_gap() {
    let stub = stub().await;
    let settings = WsSettings { pushes: 4, ..quick() };
    let (client, pushes) = connect(ada(), &stub.ws_url(), settings).await.unwrap();
    client.subscribe(read("node_subscribe")).await.unwrap();
    for number in 0..50 {
        stub.push(&json!(number));
    }
    while client.reason().is_none() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(matches!(ended(pushes, &client).await, RpcError::Overrun(4)));
    assert!(matches!(client.call(read("one")).await, Err(RpcError::Closed(_))));
}

#[tokio::test]
async fn a_half_open_socket_is_found_by_its_silence() {
    let stub = stub().await;
    let proxy = FaultProxy::start(stub.http_url(), stub.ws_url()).await.unwrap();
    let (client, pushes) = connect(ada(), &proxy.ws_url(), quick()).await.unwrap();
    client.call(read("one")).await.unwrap();
    proxy.go_half_open();
    assert!(matches!(client.call(read("two")).await, Err(RpcError::Timeout(_))));
    // The proxy's own socket still answers pings: only what is asked stays unanswered. A peer that is gone
    // altogether is silent, which a listener without anybody behind it shows.
    drop((client, pushes));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let gone = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let socket = tokio_tungstenite::accept_async(stream).await.unwrap();
        std::future::pending::<()>().await;
        drop(socket);
    });
    let url = Url::parse(&format!("ws://{address}")).unwrap();
    let (client, pushes) = connect(ada(), &url, quick()).await.unwrap();
    assert!(matches!(ended(pushes, &client).await, RpcError::Silent(_)));
    gone.abort();
}

#[tokio::test]
async fn garbage_and_oversize_end_the_socket_with_their_name() {
    let stub = stub().await;
    let (client, pushes) = connect(ada(), &stub.ws_url(), quick()).await.unwrap();
    client.call(read("one")).await.unwrap();
    stub.push_text("<html>".to_owned());
    assert!(matches!(ended(pushes, &client).await, RpcError::Garbage { .. }));

    let settings = WsSettings { message_bytes: 1_000, ..quick() };
    let (client, pushes) = connect(ada(), &stub.ws_url(), settings).await.unwrap();
    client.call(read("one")).await.unwrap();
    stub.push(&json!("x".repeat(2_000)));
    assert!(matches!(ended(pushes, &client).await, RpcError::Oversize { limit_bytes: 1_000 }));
}

#[tokio::test]
async fn a_hang_up_is_told_and_nothing_is_opened_again_in_secret() {
    let stub = stub().await;
    let proxy = FaultProxy::start(stub.http_url(), stub.ws_url()).await.unwrap();
    let (client, pushes) = connect(ada(), &proxy.ws_url(), quick()).await.unwrap();
    client.call(read("one")).await.unwrap();
    proxy.hang_up();
    let reason = ended(pushes, &client).await;
    assert!(
        matches!(reason, RpcError::Connection(_) | RpcError::Closed(_) | RpcError::Garbage { .. }),
        "{reason}"
    );
    assert!(client.call(read("one")).await.is_err());
}

#[tokio::test]
async fn a_late_answer_reaches_nobody_else() {
    let stub = stub().await;
    let proxy = FaultProxy::start(stub.http_url(), stub.ws_url()).await.unwrap();
    let (client, _pushes) = connect(ada(), &proxy.ws_url(), quick()).await.unwrap();
    proxy.set_times("slow", Fault::Delay(Duration::from_millis(300)), 1);
    assert!(matches!(client.call(read("slow")).await, Err(RpcError::Timeout(_))));
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(client.call(read("two")).await.unwrap().0.get(), "\"two\"");
}
