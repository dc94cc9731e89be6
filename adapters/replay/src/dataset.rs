//! A recorded year of a bridge, as the inputs that an engine would have had.
//!
//! The folder holds `events.jsonl.gz` (what both chains' contracts emitted, in time order),
//! `sibling_corridors.jsonl.gz` (releases of the same escrow for domains whose chains were not recorded),
//! `tokens.csv`, `token_mapping.tsv`, `daily_prices_usd.csv` and, for scoring only, `labels.jsonl`.
//!
//! What the recording does not have is made up in the plainest way, and here is all of it:
//! - block hashes: keccak256 over chain and height; raw digests: keccak256 over the line;
//! - the place of a log in its block: the file has its place in its transaction's receipt, so transactions are
//!   counted in the file's order within their block;
//! - heights between recorded blocks: by straight line; finality: a fixed depth;
//! - how far each chain was delivered: after every recorded second both chains are, and every half hour between;
//! - domains: the bridge's own numbers, which spell their names (`eth` is 0x657468);
//! - prices: the day's, known from its first second on.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use portcullis_core::{EngineConfig, Input};
use portcullis_verifier::{
    B256, ChainId, Event, EventId, Observation, Position, Status, Transfer, TransferKind, U256, keccak256,
};
use serde::Deserialize;

pub use crate::{
    config::{BRIDGE, FINALITY_SECS, domain},
    table::DatasetError,
};
use crate::{
    config::{CHAINS, block_hash, chain_id, engine_config},
    feed,
    prices::{self, Prices},
    table::{self, Place},
    tokens::{Tokens, address, slug, word},
};

/// Places in a block that one transaction's logs may take.
const LOGS_PER_TX: u32 = 1_000;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    ts: u64,
    chain: u64,
    block: u64,
    tx: String,
    log_index: u32,
    kind: Kind,
    msg_id: u64,
    direction: String,
    token: String,
    peer_token: Option<String>,
    sender: Option<String>,
    beneficiary: String,
    amount: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Deposit,
    Burn,
    Mint,
    Release,
}

/// What somebody who knows says an event was. What has no label is honest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Label {
    /// A release by an attacker.
    Attack,
    /// A transfer by which an attacker tried the bridge.
    AttackerProbe,
    /// Without a source, and harmless.
    BenignUnmatched,
}

#[derive(Debug, Deserialize)]
struct Labelled {
    chain: u64,
    tx: String,
    log_index: u32,
    label: Label,
}

/// One recorded transfer, for scoring: what happened, when, worth how much, and what it was.
#[derive(Debug, Clone)]
pub struct Scored {
    /// Its id as the engine sees it.
    pub event: EventId,
    /// Chain.
    pub chain: ChainId,
    /// Height.
    pub height: u64,
    /// Second.
    pub time: u64,
    /// True for what leaves an escrow of the recorded chain with number 1.
    pub is_release: bool,
    /// True for the corridors whose sources were not recorded.
    pub is_sibling: bool,
    /// At the day's price, micro-USD; none without a price.
    pub value_micro_usd: Option<u64>,
    /// What somebody who knows says it was; none for what nobody found fault with.
    pub label: Option<Label>,
}

/// A recording, ready to be fed.
#[derive(Debug, Clone)]
pub struct Dataset {
    /// Where it was read from.
    pub folder: PathBuf,
    /// Configuration of the engine for this bridge, with default rules.
    pub config: EngineConfig,
    /// Inputs in order of time; the configuration is not among them.
    pub inputs: Vec<Input>,
    /// Transfers for scoring. SECURITY: nothing that decides reads this.
    pub scored: Vec<Scored>,
}

/// Folder of recorded data: `PORTCULLIS_DATA`, else `../shared/data` beside the repository.
#[must_use]
pub fn default_root() -> PathBuf {
    std::env::var_os("PORTCULLIS_DATA").map_or_else(|| PathBuf::from("../shared/data"), PathBuf::from)
}

/// A row with its place, the digest of its line, and whether it is of a sibling corridor.
type Read = (Place, B256, Row, bool);

impl Dataset {
    /// Reads a folder. Labels may be missing: then nothing is scored as an attack, and the rest stands.
    ///
    /// # Errors
    /// [`DatasetError`] with file and line: what is not in the format, not in time order, or there twice.
    pub fn load(folder: &Path) -> Result<Self, DatasetError> {
        let tokens = Tokens::load(folder)?;
        let prices = prices::load(&folder.join("daily_prices_usd.csv"))?;
        let mut rows = read_rows(&folder.join("events.jsonl.gz"), false)?;
        rows.extend(read_rows(&folder.join("sibling_corridors.jsonl.gz"), true)?);
        let logs = distinct_logs(&rows)?;
        let labels = load_labels(&folder.join("labels.jsonl"), &logs)?;
        // Stable: within a second, the recorded corridor before the siblings, each in its file's order.
        rows.sort_by_key(|(_, _, row, _)| row.ts);
        if let (Some((_, _, first, _)), Some((place, _, last, _))) = (rows.first(), rows.last())
            && last.ts.saturating_sub(first.ts) > table::MAX_SPAN_SECS
        {
            let what =
                format!("time {}: more than ten years behind the first event, at {}", last.ts, first.ts);
            return Err(place.error(what));
        }
        let mut builder = Builder {
            tokens: &tokens,
            prices: &prices,
            labels: &labels,
            order: BTreeMap::new(),
            seen: Vec::with_capacity(rows.len()),
        };
        for (place, raw, row, sibling) in &rows {
            builder.add(place, *raw, row, *sibling)?;
        }
        let (observations, scored): (Vec<_>, Vec<_>) = builder.seen.into_iter().unzip();
        let config = engine_config(&tokens)?;
        let inputs = feed::inputs(&observations, &prices);
        Ok(Self { folder: folder.to_owned(), config, inputs, scored })
    }
}

fn read_rows(file: &Path, sibling: bool) -> Result<Vec<Read>, DatasetError> {
    let mut rows: Vec<Read> = Vec::new();
    for (place, text) in table::lines(file)? {
        let row: Row = table::json(&place, &text)?;
        if let Some((_, _, before, _)) = rows.last()
            && row.ts < before.ts
        {
            return Err(place.error(format!("time {} behind {}: not in time order", row.ts, before.ts)));
        }
        rows.push((place, keccak256(&text), row, sibling));
    }
    Ok(rows)
}

type Log = (u64, String, u32);

/// Every log of the recording. One that is there twice would be dropped in silence as a duplicate later.
fn distinct_logs(rows: &[Read]) -> Result<BTreeSet<Log>, DatasetError> {
    let mut logs = BTreeSet::new();
    for (place, _, row, _) in rows {
        if !logs.insert((row.chain, row.tx.clone(), row.log_index)) {
            return Err(place.error(format!("log {} of {} is there twice", row.log_index, row.tx)));
        }
    }
    Ok(logs)
}

type Labels = BTreeMap<Log, Label>;

fn load_labels(file: &Path, logs: &BTreeSet<Log>) -> Result<Labels, DatasetError> {
    let mut labels = Labels::new();
    if !file.exists() {
        return Ok(labels);
    }
    for (place, text) in table::lines(file)? {
        let read: Labelled = table::json(&place, &text)?;
        let log = (read.chain, read.tx, read.log_index);
        if !logs.contains(&log) {
            return Err(place.error(format!("log {} of {} was not recorded", log.2, log.1)));
        }
        if labels.contains_key(&log) {
            return Err(place.error(format!("log {} of {} has two labels", log.2, log.1)));
        }
        labels.insert(log, read.label);
    }
    Ok(labels)
}

struct Builder<'a> {
    tokens: &'a Tokens,
    prices: &'a Prices,
    labels: &'a Labels,
    /// Transactions met so far in each block, in the file's order.
    order: BTreeMap<(u64, u64), Vec<String>>,
    seen: Vec<(Observation, Scored)>,
}

impl Builder<'_> {
    fn add(&mut self, place: &Place, raw: B256, row: &Row, sibling: bool) -> Result<(), DatasetError> {
        let chain = chain_id(row.chain)
            .ok_or_else(|| place.error(format!("chain {} is not recorded here", row.chain)))?;
        let token = address(&row.token, place)?;
        // What the event says of the other side's token is checked, not used: the declared pairs are what counts.
        row.peer_token.as_deref().map(|token| address(token, place)).transpose()?;
        let known = self.tokens.get(row.chain, token);
        let amount = amount(&row.amount, place)?;
        let (local, remote) = ends(row, place)?;
        let transfer = Transfer {
            kind: transfer_kind(row.kind, known.is_none_or(|known| known.home)),
            bridge: slug(BRIDGE, place)?,
            local,
            remote,
            message_id: B256::from(U256::from(row.msg_id)),
            asset: token,
            amount,
            sender: row.sender.as_deref().map(|sender| address(sender, place)).transpose()?,
            recipient: address(&row.beneficiary, place)?,
        };
        let position = self.position(chain, row, place)?;
        let observation =
            Observation::new(chain, position, row.ts, Status::Included, raw, Event::Transfer(transfer));
        let value = known.and_then(|known| {
            let day = row.ts.checked_div(prices::DAY_SECS)?.checked_mul(prices::DAY_SECS)?;
            let price = self.prices.get(&(day, known.name))?;
            Some(portcullis_core::money::value_micro_usd(amount, known.decimals, *price))
        });
        let scored = Scored {
            event: observation.id(),
            chain,
            height: row.block,
            time: row.ts,
            is_release: row.kind == Kind::Release,
            is_sibling: sibling,
            value_micro_usd: value,
            label: self.labels.get(&(row.chain, row.tx.clone(), row.log_index)).copied(),
        };
        self.seen.push((observation, scored));
        Ok(())
    }

    fn position(&mut self, chain: ChainId, row: &Row, place: &Place) -> Result<Position, DatasetError> {
        let txs = self.order.entry((row.chain, row.block)).or_default();
        let at = txs.iter().position(|tx| *tx == row.tx).unwrap_or_else(|| {
            txs.push(row.tx.clone());
            txs.len().saturating_sub(1)
        });
        let tx_index = u32::try_from(at).map_err(|_many| place.error("too many transactions in a block"))?;
        if row.log_index >= LOGS_PER_TX {
            return Err(place.error(format!("log {} of a receipt is beyond {LOGS_PER_TX}", row.log_index)));
        }
        Ok(Position {
            height: row.block,
            tx_index,
            log_index: tx_index.saturating_mul(LOGS_PER_TX).saturating_add(row.log_index),
            block_hash: block_hash(chain, row.block),
            tx_hash: word(&row.tx, 32, place)?,
        })
    }
}

/// Decimal digits and nothing else: the parser would also skip underscores.
fn amount(text: &str, place: &Place) -> Result<U256, DatasetError> {
    let bad = || place.error(format!("'{text}' is not a decimal amount below 2^256"));
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| U256::from_str_radix(text, 10).ok()).flatten().ok_or_else(bad)
}

fn transfer_kind(kind: Kind, home: bool) -> TransferKind {
    // The file's words tell the direction; whether a token is locked or burned follows from where it is at home.
    match (kind, home) {
        (Kind::Deposit | Kind::Burn, true) => TransferKind::Lock,
        (Kind::Deposit | Kind::Burn, false) => TransferKind::Burn,
        (Kind::Mint | Kind::Release, true) => TransferKind::Release,
        (Kind::Mint | Kind::Release, false) => TransferKind::Mint,
    }
}

/// Local and remote domain of a row: `from>to`, and the row stands on one of them.
fn ends(row: &Row, place: &Place) -> Result<(B256, B256), DatasetError> {
    let (from, to) = row
        .direction
        .split_once('>')
        .ok_or_else(|| place.error(format!("direction '{}' is not from>to", row.direction)))?;
    let source = matches!(row.kind, Kind::Deposit | Kind::Burn);
    let (local, remote) = if source { (from, to) } else { (to, from) };
    let here = CHAINS.iter().find(|(number, _)| *number == row.chain).map(|(_, name)| *name);
    // Domain numbers of this bridge are 32 bits wide.
    if here != Some(local) || local == remote || !(1..=4).contains(&remote.len()) {
        return Err(place.error(format!(
            "direction '{}' does not fit {:?} on chain {}",
            row.direction, row.kind, row.chain
        )));
    }
    Ok((domain(local), domain(remote)))
}
