//! Every fault, against an upstream that counts.

use std::sync::atomic::AtomicU32;
use std::time::Duration;

use alloy::primitives::keccak256;
use axum::Router;
use axum::extract::State;
use futures::{SinkExt, StreamExt};
use serde_json::json;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use super::*;

/// Answers every request with its method, parameters and how many came before it; pushes ten heads on a subscription.
struct Upstream {
    http: String,
    ws: String,
    asked: Arc<AtomicU32>,
}

fn reply(asked: &AtomicU32, body: &[u8]) -> Value {
    let call: Value = serde_json::from_slice(body).unwrap();
    let count = asked.fetch_add(1, Ordering::SeqCst);
    json!({"jsonrpc": "2.0", "id": call["id"], "result": [call["method"], call["params"], count]})
}

impl Upstream {
    async fn start() -> Self {
        let asked = Arc::new(AtomicU32::new(0));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let http = format!("http://{}", listener.local_addr().unwrap());
        let answer = |State(asked): State<Arc<AtomicU32>>, body: bytes::Bytes| async move {
            reply(&asked, &body).to_string()
        };
        let app = Router::new().fallback(answer).with_state(Arc::clone(&asked));
        tokio::spawn(async move { axum::serve(listener, app).await });
        let sockets = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let ws = format!("ws://{}", sockets.local_addr().unwrap());
        let count = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((stream, _)) = sockets.accept().await {
                tokio::spawn(push(stream, Arc::clone(&count)));
            }
        });
        Self { http, ws, asked }
    }

    fn asked(&self) -> u32 {
        self.asked.load(Ordering::SeqCst)
    }
}

async fn push(stream: TcpStream, asked: Arc<AtomicU32>) {
    let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
    while let Some(Ok(message)) = socket.next().await {
        let Message::Text(text) = message else { continue };
        let said = reply(&asked, text.as_bytes());
        socket.send(Message::text(said.to_string())).await.unwrap();
        if !text.contains("eth_subscribe") {
            continue;
        }
        for height in 1..=10u32 {
            let head = json!({"number": format!("{height:#x}"), "parentHash": "0x0", "hash": B256::with_last_byte(height as u8)});
            let push =
                json!({"method": "eth_subscription", "params": {"subscription": "0x1", "result": head}});
            socket.send(Message::text(push.to_string())).await.unwrap();
        }
    }
}

struct Bench {
    upstream: Upstream,
    proxy: Proxy,
    client: reqwest::Client,
}

impl Bench {
    async fn with(rules: &[Rule]) -> Self {
        let upstream = Upstream::start().await;
        let proxy = Proxy::before("alpha", &upstream.http, &upstream.ws).await.unwrap();
        proxy.set_rules(11, rules);
        Self { upstream, proxy, client: crate::tools::http_client().unwrap() }
    }

    async fn post(&self, method: &str, params: Value) -> reqwest::Result<reqwest::Response> {
        let call = json!({"jsonrpc": "2.0", "id": 5, "method": method, "params": params});
        self.client.post(self.proxy.http()).json(&call).send().await
    }

    async fn call(&self, method: &str, params: Value) -> Value {
        self.post(method, params).await.unwrap().json().await.unwrap()
    }

    /// True when the whole answer could not be read.
    async fn breaks(&self, method: &str) -> bool {
        match self.post(method, json!([])).await {
            Ok(response) => response.bytes().await.is_err(),
            Err(_refused) => true,
        }
    }

    async fn socket(&self) -> WebSocketStream<MaybeTlsStream<TcpStream>> {
        tokio_tungstenite::connect_async(self.proxy.ws()).await.unwrap().0
    }

    /// Subscribes and gives the heights that are pushed until nothing more comes.
    async fn heights(&self) -> Vec<u64> {
        let mut socket = self.socket().await;
        let call = json!({"id": 1, "method": "eth_subscribe", "params": ["newHeads"]});
        socket.send(Message::text(call.to_string())).await.unwrap();
        let mut out = Vec::new();
        while let Ok(Some(Ok(message))) =
            tokio::time::timeout(Duration::from_millis(400), socket.next()).await
        {
            let value: Value = serde_json::from_str(message.to_text().unwrap()).unwrap_or_default();
            if let Some(number) = value.pointer("/params/result/number").and_then(Value::as_str) {
                out.push(u64::from_str_radix(&number[2..], 16).unwrap());
            }
        }
        out
    }
}

#[tokio::test]
async fn an_honest_endpoint_passes_everything_on() {
    let bench = Bench::with(&[]).await;
    assert_eq!(bench.call("a", json!([1])).await["result"], json!(["a", [1], 0]));
    assert_eq!(bench.heights().await, (1..=10).collect::<Vec<_>>());
    assert_eq!(bench.proxy.notes().len(), 10, "every head is noted");
}

#[tokio::test]
async fn lies_twists_and_stale_answers() {
    let lie: Lie = Arc::new(|_, _, result| *result = json!("lie"));
    let twist: Twist = Arc::new(|params| params[0] = json!("other"));
    let bench = Bench::with(&[
        Rule::at("alpha", "a", Fault::Lie(lie)),
        Rule::at("alpha", "b", Fault::Ask(twist)),
        Rule::at("alpha", "c", Fault::Stale),
        Rule::at("beta", "d", Fault::Html),
        Rule::at(
            "alpha",
            "e",
            Fault::Invent(Arc::new(|method, params, result| *result = json!([method, params[0]]))),
        ),
    ])
    .await;
    assert_eq!(bench.call("a", json!([1])).await["result"], "lie");
    assert_eq!(bench.call("b", json!(["mine"])).await["result"], json!(["b", ["other"], 1]));
    assert_eq!(bench.call("c", json!([1])).await["result"], json!(["c", [1], 2]));
    assert_eq!(bench.call("c", json!([2])).await["result"], json!(["c", [1], 2]));
    assert_eq!(bench.call("d", json!([])).await["result"], json!(["d", [], 4]), "another operator's rule");
    assert_eq!(bench.call("e", json!([8])).await["result"], json!(["e", 8]));
    assert_eq!((bench.proxy.struck(), bench.upstream.asked()), (5, 5), "an invention asks nobody");
}

#[tokio::test]
async fn what_is_lost_or_cut_breaks_the_connection_and_only_a_lost_reply_was_done() {
    let bench = Bench::with(&[
        Rule::everywhere("a", Fault::Lose(Leg::Request)),
        Rule::everywhere("b", Fault::Lose(Leg::Reply)),
        Rule::everywhere("c", Fault::Cut),
    ])
    .await;
    assert!(bench.breaks("a").await);
    assert_eq!(bench.upstream.asked(), 0);
    assert!(bench.breaks("b").await && bench.breaks("c").await);
    assert_eq!(bench.upstream.asked(), 2);
    assert!(!bench.breaks("d").await);
}

#[tokio::test]
async fn answers_that_are_none() {
    let bench = Bench::with(&[
        Rule::everywhere("a", Fault::WrongId),
        Rule::everywhere("b", Fault::Html),
        Rule::everywhere("c", Fault::Deep { levels: 3 }),
        Rule::everywhere("d", Fault::TooMany { retry_after_secs: 7 }),
        Rule::everywhere("e", Fault::Refuse { code: -32000, message: "no" }),
    ])
    .await;
    assert_eq!(bench.call("a", json!([])).await["id"], 1_000_005);
    let page = bench.post("b", json!([])).await.unwrap().text().await.unwrap();
    assert!(page.contains("<html>"));
    assert_eq!(bench.call("c", json!([])).await["result"], json!([[[]]]));
    let limited = bench.post("d", json!([])).await.unwrap();
    assert_eq!((limited.status().as_u16(), limited.headers()["retry-after"].to_str().unwrap()), (429, "7"));
    assert_eq!(bench.call("e", json!([])).await["error"], json!({"code": -32000, "message": "no"}));
    assert_eq!(bench.upstream.asked(), 1, "only the wrong id was asked for");
}

#[tokio::test]
async fn an_oversize_answer_is_streamed_and_costs_nothing_when_nobody_reads_it() {
    let bench = Bench::with(&[Rule::everywhere("a", Fault::Huge { bytes: 200 << 20 })]).await;
    let response = bench.post("a", json!([])).await.unwrap();
    let first = response.bytes_stream().next().await.unwrap().unwrap();
    assert!(!first.is_empty());
    assert!(bench.proxy.oversize_taken() < 50 << 20, "{}", bench.proxy.oversize_taken());
    let whole = Bench::with(&[Rule::everywhere("a", Fault::Huge { bytes: 1 << 20 })]).await;
    let said = whole.call("a", json!([])).await;
    assert!(said["result"].as_str().unwrap().len() >= 1 << 20);
}

#[tokio::test]
async fn delays_and_silence() {
    let wait = Duration::from_millis(120);
    let bench = Bench::with(&[
        Rule::everywhere("a", Fault::Delay { least: wait, most: wait }),
        Rule::everywhere("b", Fault::HalfOpen),
    ])
    .await;
    let began = Instant::now();
    bench.call("a", json!([])).await;
    assert!(began.elapsed() >= wait);
    let never = tokio::time::timeout(wait, bench.call("b", json!([])));
    assert!(never.await.is_err());
}

#[tokio::test]
async fn pushes_are_lost_doubled_swapped_and_late() {
    let bench = Bench::with(&[]).await;
    let heads = async |fault: Fault, nth: Nth| {
        bench.proxy.set_rules(11, &[Rule::everywhere("newHeads", fault).when(nth)]);
        bench.heights().await
    };
    assert_eq!(heads(Fault::Lose(Leg::Reply), Nth::First(8)).await, [9, 10]);
    assert_eq!(heads(Fault::Twice, Nth::First(1)).await, [1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    assert_eq!(heads(Fault::Swap, Nth::First(1)).await, [2, 1, 3, 4, 5, 6, 7, 8, 9, 10]);
    let late = Duration::from_millis(100);
    let late = Fault::Delay { least: late, most: late };
    assert_eq!(heads(late, Nth::First(2)).await, [3, 4, 5, 6, 7, 8, 9, 10, 1, 2]);
    assert_eq!(heads(Fault::Stale, Nth::From(8)).await, [1, 2, 3, 4, 5, 6, 7, 8, 8, 8]);
    let jitter = Fault::Delay { least: Duration::ZERO, most: Duration::from_millis(80) };
    let mut mixed = heads(jitter, Nth::Percent(50)).await;
    mixed.sort_unstable();
    assert_eq!(mixed, (1..=10).collect::<Vec<_>>(), "late is not lost");
}

#[tokio::test]
async fn a_socket_goes_half_open_in_the_middle_and_answers_no_ping() {
    let bench = Bench::with(&[Rule::everywhere("newHeads", Fault::HalfOpen).when(Nth::From(4))]).await;
    assert_eq!(bench.heights().await, [1, 2, 3]);
    let before = bench.proxy.struck();
    let mut socket = bench.socket().await;
    let call = json!({"id": 1, "method": "eth_subscribe", "params": ["newHeads"]});
    socket.send(Message::text(call.to_string())).await.unwrap();
    while bench.proxy.struck() == before {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // The answer to the subscription passes; from the first head on nothing does.
    assert!(socket.next().await.unwrap().is_ok());
    socket.send(Message::Ping(bytes::Bytes::new())).await.unwrap();
    assert!(tokio::time::timeout(Duration::from_millis(200), socket.next()).await.is_err());
}

#[tokio::test]
async fn requests_on_a_socket_meet_the_same_faults() {
    let bench = Bench::with(&[
        Rule::everywhere("a", Fault::Refuse { code: -32000, message: "no" }),
        Rule::everywhere("b", Fault::Html),
        Rule::everywhere("c", Fault::Lose(Leg::Request)),
        Rule::everywhere("d", Fault::Huge { bytes: 3 << 20 }),
    ])
    .await;
    let mut socket = bench.socket().await;
    let mut ask = async |method: &str| {
        socket.send(Message::text(json!({"id": 9, "method": method}).to_string())).await.unwrap();
        let next = tokio::time::timeout(Duration::from_millis(400), socket.next()).await;
        next.ok().map(|message| message.unwrap().unwrap().to_text().unwrap().to_owned())
    };
    assert!(ask("a").await.unwrap().contains("-32000"));
    assert!(ask("b").await.unwrap().contains("<html>"));
    assert_eq!(ask("c").await, None);
    assert!(ask("d").await.unwrap().len() > 3 << 20);
    assert!(ask("e").await.unwrap().contains(r#"["e",null,0]"#));
}

#[tokio::test]
async fn submitted_bytes_are_noted_even_where_nobody_answers() {
    let bench = Bench::with(&[Rule::everywhere(
        "eth_sendRawTransaction",
        Fault::Refuse { code: -32000, message: "no" },
    )])
    .await;
    bench.call("eth_sendRawTransaction", json!(["0x0102"])).await;
    bench.proxy.set_mode(Mode::Dark);
    assert_eq!(bench.post("eth_sendRawTransaction", json!(["0x03"])).await.unwrap().status().as_u16(), 503);
    assert_eq!(bench.proxy.submitted(), [keccak256([1, 2]), keccak256([3])]);
}
