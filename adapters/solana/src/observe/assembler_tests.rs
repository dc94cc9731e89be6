//! How many questions one operator is asked at one time: each of its answers may be as large as the bound, right or wrong.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "tests fail by panicking"
)]

use std::sync::Mutex;

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
    time::timeout,
};

use super::*;
use crate::SolanaConfig;

const PATIENCE: Duration = Duration::from_secs(20);

/// What happens to questions for blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Held {
    /// They wait.
    Yes,
    /// They are answered by what is no block.
    Garbage,
    /// They are answered by blocks.
    Blocks,
}

/// Questions for blocks, open and in all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Count {
    open: usize,
    most: usize,
    all: usize,
}

/// A node that has every block, and answers when it is told to.
struct Slow {
    url: String,
    held: watch::Sender<Held>,
    count: Arc<Mutex<Count>>,
    changed: watch::Receiver<Count>,
    serving: JoinHandle<()>,
}

impl Slow {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (held, _) = watch::channel(Held::Yes);
        let (tell, changed) = watch::channel(Count::default());
        let (count, tell) = (Arc::new(Mutex::new(Count::default())), Arc::new(tell));
        let (shared, orders) = (Arc::clone(&count), held.clone());
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&shared), Arc::clone(&tell), orders.subscribe()));
            }
        });
        Self { url, held, count, changed, serving }
    }

    /// Waits until so many questions are open.
    async fn open(&mut self, wanted: usize) {
        let reached = timeout(PATIENCE, self.changed.wait_for(|count| count.open == wanted)).await;
        reached.unwrap_or_else(|_| panic!("never {wanted} open: {:?}", self.count.lock())).unwrap();
    }

    /// Begins to count anew.
    fn reset(&self) {
        let mut count = self.count.lock().unwrap();
        *count = Count { open: count.open, ..Count::default() };
    }
}

impl Drop for Slow {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(
    stream: TcpStream,
    count: Arc<Mutex<Count>>,
    tell: Arc<watch::Sender<Count>>,
    mut held: watch::Receiver<Held>,
) {
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    loop {
        let (mut length, mut line) = (0usize, String::new());
        loop {
            line.clear();
            if reader.read_line(&mut line).await.unwrap_or(0) == 0 {
                return;
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            if line.trim().is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).await.unwrap();
        let request: Value = serde_json::from_slice(&body).unwrap();
        let (params, of_blocks) = (&request["params"], request["method"] == "getBlock");
        let change = |by: fn(&mut Count)| {
            let mut count = count.lock().unwrap();
            by(&mut count);
            tell.send_replace(*count);
        };
        if of_blocks {
            change(|count| {
                count.open += 1;
                count.all += 1;
                count.most = count.most.max(count.open);
            });
        }
        let result = if of_blocks {
            let order = *held.wait_for(|held| *held != Held::Yes).await.unwrap();
            if order == Held::Blocks { block(params[0].as_u64().unwrap()) } else { json!(7) }
        } else {
            let (from, to) = (params[0].as_u64().unwrap_or(1), params[1].as_u64().unwrap_or(0));
            json!((from..=to).collect::<Vec<_>>())
        };
        if of_blocks {
            change(|count| count.open -= 1);
        }
        let text = json!({ "jsonrpc": "2.0", "id": request["id"], "result": result }).to_string();
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            text.len()
        );
        if writer.write_all([head, text].concat().as_bytes()).await.is_err() {
            return;
        }
    }
}

fn hash(slot: u64) -> B256 {
    let mut bytes = [3; 32];
    bytes[..8].copy_from_slice(&slot.to_be_bytes());
    B256::new(bytes)
}

fn block(slot: u64) -> Value {
    let shown = |slot| crate::address::shown(hash(slot));
    json!({
        "blockhash": shown(slot), "previousBlockhash": shown(slot - 1), "parentSlot": slot - 1,
        "blockTime": 1_700_000_000, "transactions": [],
    })
}

/// An assembler that stands on block 10, and knows that its one operator has come to block 200.
fn assembler(slow: &Slow) -> (Assembler, mpsc::Receiver<Report>) {
    let config: SolanaConfig = serde_json::from_value(json!({
        "chain": "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp",
        "endpoints": [{ "operator": "ada", "http": slow.url }],
    }))
    .unwrap();
    let compiled = Arc::new(config.compile().unwrap());
    let network = Arc::new(Network::new(&compiled).unwrap());
    let tip = BlockRef { height: 10, hash: hash(10) };
    let window = VecDeque::from([Delivered { block: tip, time: 1, events: batch::nothing() }]);
    let (reports, inbox) = mpsc::channel(limits::REPORTS_QUEUE);
    let mut assembler = Assembler::new(compiled, network, (window, true), reports, CancellationToken::new());
    assembler.take(Report::Head { operator: 0, slot: 200, root: 0, at: Instant::now() });
    (assembler, inbox)
}

/// Takes the answer to the open questions.
async fn answered(assembler: &mut Assembler, inbox: &mut mpsc::Receiver<Report>) {
    let report = timeout(PATIENCE, inbox.recv()).await.unwrap().unwrap();
    assert!(matches!(report, Report::Blocks { operator: 0, .. }), "{report:?}");
    assembler.take(report);
}

/// As if its pause were over.
fn rested(assembler: &mut Assembler) {
    assembler.standings[0].quiet_until = None;
}

/// SECURITY: an operator that answers everything with as much as it may costs the bound of one answer at a time, once it has
/// failed: eight of them at once would keep the others waiting.
#[tokio::test]
async fn who_failed_is_asked_for_one_block_at_a_time_until_it_tells_one() {
    let mut slow = Slow::start().await;
    let (mut assembler, mut inbox) = assembler(&slow);
    assembler.ask();
    slow.open(limits::BLOCKS_IN_FLIGHT).await;
    // Asking is asked for at each report and tick: who was asked is not asked again.
    (0..5).for_each(|_| assembler.ask());
    slow.held.send_replace(Held::Garbage);
    answered(&mut assembler, &mut inbox).await;
    slow.open(0).await;
    assert_eq!(
        *slow.count.lock().unwrap(),
        Count { open: 0, most: limits::BLOCKS_IN_FLIGHT, all: limits::BLOCKS_IN_FLIGHT }
    );
    assert_eq!(assembler.standings[0].failures, 1);

    slow.reset();
    assembler.ask();
    assert!(!assembler.standings[0].asked, "who failed rests first");
    for failures in 2..5 {
        slow.held.send_replace(Held::Yes);
        rested(&mut assembler);
        (0..5).for_each(|_| assembler.ask());
        slow.open(1).await;
        (0..5).for_each(|_| assembler.ask());
        slow.held.send_replace(Held::Garbage);
        answered(&mut assembler, &mut inbox).await;
        slow.open(0).await;
        assert_eq!(assembler.standings[0].failures, failures);
    }
    assert_eq!(*slow.count.lock().unwrap(), Count { open: 0, most: 1, all: 3 });

    // It tells one block; from then on it is asked as everybody is.
    slow.held.send_replace(Held::Blocks);
    rested(&mut assembler);
    assembler.ask();
    answered(&mut assembler, &mut inbox).await;
    assert_eq!((assembler.standings[0].failures, slow.count.lock().unwrap().most), (0, 1));
    slow.held.send_replace(Held::Yes);
    rested(&mut assembler);
    assembler.ask();
    slow.open(limits::BLOCKS_IN_FLIGHT).await;
}

/// An assembler that stands on a block of a slot, with a pinned table of stakes.
fn with_stakes(slot: u64, folder: &std::path::Path) -> Assembler {
    let config: SolanaConfig = serde_json::from_value(json!({
        "chain": crate::fixture::chain(),
        "endpoints": [{ "operator": "ada", "http": "http://127.0.0.1:1" }],
    }))
    .unwrap();
    let config = SolanaConfig { stakes: Some(crate::fixture::pinned_in(folder)), ..config };
    let compiled = Arc::new(config.compile().unwrap());
    let network = Arc::new(Network::new(&compiled).unwrap());
    let tip = BlockRef { height: slot, hash: hash(slot) };
    let window = VecDeque::from([Delivered { block: tip, time: 1, events: batch::nothing() }]);
    let (reports, _inbox) = mpsc::channel(1);
    Assembler::new(compiled, network, (window, true), reports, CancellationToken::new())
}

fn unproven(assembler: &mut Assembler) -> Vec<String> {
    let told = assembler.health.drain().into_iter();
    let told = told.filter(|fault| fault.kind == FaultKind::Unproven);
    told.inspect(|fault| assert_eq!(fault.operator, None)).map(|fault| fault.detail).collect()
}

#[tokio::test]
async fn proofs_that_stop_are_told_once_each_time() {
    use portcullis_verifier::solana::Regime;
    let folder = tempfile::tempdir().unwrap();
    let mut inside = with_stakes(crate::fixture::SLOT, folder.path());
    inside.tick();
    assert_eq!(unproven(&mut inside), [""; 0]);
    for _ in 0..2 {
        for _ in 0..3 {
            inside.take(Report::Regime(Regime::Alpenglow));
        }
        let told = unproven(&mut inside);
        assert!(matches!(told.as_slice(), [one] if one.starts_with("PC-0953")), "{told:?}");
        inside.take(Report::Regime(Regime::Tower));
        assert_eq!(unproven(&mut inside), [""; 0]);
    }
    let mut after = with_stakes(crate::fixture::SLOT + 100, folder.path());
    after.tick();
    after.tick();
    let told = unproven(&mut after);
    assert!(matches!(told.as_slice(), [one] if one.starts_with("PC-0981")), "{told:?}");
}
