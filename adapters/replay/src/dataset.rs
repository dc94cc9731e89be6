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
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use portcullis_core::{
    EngineConfig, Input,
    config::{self, Mode, Playbook, Rules},
    input::Body,
};
use portcullis_verifier::{
    ActionClass, Assurance, B256, ChainId, Event, EventId, Execution, Inclusion, Observation, Position,
    Progress, Slug, Status, Transfer, TransferKind, U256, keccak256,
};
use serde::Deserialize;

pub use crate::table::DatasetError;
use crate::{
    prices::{self, Prices},
    table::{self, Place},
};

/// Blocks below the head that count as final.
const FINAL_DEPTH: u64 = 64;

/// Seconds between two reports of progress when nothing happens.
const HEARTBEAT_SECS: u64 = 1_800;

/// Places in a block that one transaction's logs may take.
const LOGS_PER_TX: u32 = 1_000;

/// The bridge's waiting time, both ways, seconds.
pub const FINALITY_SECS: u64 = 1_800;

/// The recorded chains: number in the file, name of the domain, mode of counting.
const CHAINS: [(u64, &str); 2] = [(1, "eth"), (1284, "beam")];

/// Domains of the same escrow whose chains were not recorded.
const UNWATCHED: [(&str, &str); 2] = [("evms", "evmos"), ("c1", "milkomeda")];

/// Name of the bridge in the configuration.
pub const BRIDGE: &str = "nomad";

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
    #[serde(rename = "peer_token")]
    _peer_token: Option<String>,
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

#[derive(Debug, Deserialize)]
struct Label {
    chain: u64,
    tx: String,
    log_index: u32,
    label: String,
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
    pub label: Option<String>,
}

/// A recording, ready to be fed.
#[derive(Debug)]
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

/// A short text as the number that its bytes spell, left padded: how the bridge itself numbers domains.
#[must_use]
pub fn domain(name: &str) -> B256 {
    B256::left_padding_from(name.as_bytes().get(..name.len().min(32)).unwrap_or_default())
}

struct Tokens {
    /// (chain, token) to symbol or made-up name, decimals, home here.
    known: BTreeMap<(u64, B256), (Slug, u8, bool)>,
    assets: Vec<config::Asset>,
}

impl Dataset {
    /// Reads a folder.
    ///
    /// # Errors
    /// [`DatasetError`] with file and line.
    pub fn load(folder: &Path) -> Result<Self, DatasetError> {
        let tokens = load_tokens(folder)?;
        let prices = prices::load(&folder.join("daily_prices_usd.csv"))?;
        let labels = load_labels(&folder.join("labels.jsonl"))?;
        let mut rows: Vec<(Place, Row, bool)> = Vec::new();
        for (file, sibling) in [("events.jsonl.gz", false), ("sibling_corridors.jsonl.gz", true)] {
            let path = folder.join(file);
            rows.extend(table::json_lines(&path)?.into_iter().map(|(place, row)| (place, row, sibling)));
        }
        // Stable: within a second, the recorded chains before the siblings, each in its file's order.
        rows.sort_by_key(|(_, row, _)| row.ts);
        let mut builder = Builder {
            tokens: &tokens,
            prices: &prices,
            labels: &labels,
            order: BTreeMap::new(),
            seen: Vec::new(),
        };
        for (place, row, sibling) in &rows {
            builder.add(place, row, *sibling)?;
        }
        let (observations, scored): (Vec<_>, Vec<_>) = builder.seen.into_iter().unzip();
        let config = engine_config(&tokens)?;
        let inputs = inputs(&observations, &prices);
        Ok(Self { folder: folder.to_owned(), config, inputs, scored })
    }
}

fn word(text: &str, place: &Place) -> Result<B256, DatasetError> {
    let bad = || place.error(format!("'{text}' is not a hexadecimal address or hash"));
    let digits = text.strip_prefix("0x").ok_or_else(bad)?;
    let bytes: Vec<u8> = digits
        .as_bytes()
        .chunks(2)
        .map(|pair| core::str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok()))
        .collect::<Option<_>>()
        .ok_or_else(bad)?;
    if bytes.is_empty() || bytes.len() > 32 || digits.len() % 2 != 0 {
        return Err(bad());
    }
    Ok(B256::left_padding_from(&bytes))
}

fn slug(text: &str, place: &Place) -> Result<Slug, DatasetError> {
    Slug::new(text).map_err(|error| place.error(error.to_string()))
}

fn load_tokens(folder: &Path) -> Result<Tokens, DatasetError> {
    let mut tokens = Tokens { known: BTreeMap::new(), assets: Vec::new() };
    for (place, row) in table::rows(&folder.join("tokens.csv"), ',', 5, true)? {
        let [symbol, decimals, home, here, there] = row.as_slice() else { continue };
        let decimals =
            decimals.parse().map_err(|_bad| place.error(format!("'{decimals}' are no decimals")))?;
        let home: u64 = home.parse().map_err(|_bad| place.error(format!("'{home}' is no chain")))?;
        tokens.declare(slug(symbol, &place)?, decimals, home, [word(here, &place)?, word(there, &place)?]);
    }
    // Enrolled pairs without a symbol: declared, without a price. Equal decimals on both sides are all that
    // matching needs.
    for (place, row) in table::rows(&folder.join("token_mapping.tsv"), '\t', 5, false)? {
        let [_, _, here, there, _] = row.as_slice() else { continue };
        let pair = [word(here, &place)?, word(there, &place)?];
        if !tokens.known.contains_key(&(1, pair[0])) {
            let name = slug(here.get(..10).unwrap_or(here), &place)?;
            tokens.declare(name, 18, 1, pair);
        }
    }
    Ok(tokens)
}

impl Tokens {
    fn declare(&mut self, name: Slug, decimals: u8, home: u64, pair: [B256; 2]) {
        let mut forms = Vec::new();
        for ((chain, domain_name), token) in CHAINS.into_iter().zip(pair) {
            self.known.insert((chain, token), (name, decimals, chain == home));
            forms.push(config::AssetForm {
                domain: domain(domain_name),
                asset: token,
                decimals,
                home: chain == home,
            });
        }
        self.assets.push(config::Asset { name, forms, micro_usd: None });
    }
}

type Labels = BTreeMap<(u64, String, u32), String>;

fn load_labels(file: &Path) -> Result<Labels, DatasetError> {
    if !file.exists() {
        return Ok(Labels::new());
    }
    let labels = table::json_lines::<Label>(file)?;
    Ok(labels.into_iter().map(|(_, l)| ((l.chain, l.tx, l.log_index), l.label)).collect())
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
    fn add(&mut self, place: &Place, row: &Row, sibling: bool) -> Result<(), DatasetError> {
        let chain = chain_id(row.chain)
            .ok_or_else(|| place.error(format!("chain {} is not recorded here", row.chain)))?;
        let token = word(&row.token, place)?;
        let amount = U256::from_str_radix(&row.amount, 10)
            .map_err(|error| place.error(format!("amount '{}': {error}", row.amount)))?;
        let known = self.tokens.known.get(&(row.chain, token)).copied();
        let (local, remote) = ends(row, place)?;
        let transfer = Transfer {
            kind: transfer_kind(row.kind, known.is_none_or(|(_, _, home)| home)),
            bridge: slug(BRIDGE, place)?,
            local,
            remote,
            message_id: B256::from(U256::from(row.msg_id)),
            asset: token,
            amount,
            sender: row.sender.as_deref().map(|sender| word(sender, place)).transpose()?,
            recipient: word(&row.beneficiary, place)?,
        };
        let position = self.position(chain, row, place)?;
        let raw = keccak256(format!("{}/{}/{}", row.chain, row.tx, row.log_index));
        let observation =
            Observation::new(chain, position, row.ts, Status::Included, raw, Event::Transfer(transfer));
        let value = known.and_then(|(symbol, decimals, _)| {
            let day = row.ts.checked_div(prices::DAY_SECS)?.checked_mul(prices::DAY_SECS)?;
            let price = self.prices.get(&(day, symbol.to_string()))?;
            Some(portcullis_core::money::value_micro_usd(amount, decimals, *price))
        });
        let scored = Scored {
            event: observation.id(),
            chain,
            height: row.block,
            time: row.ts,
            is_release: row.kind == Kind::Release,
            is_sibling: sibling,
            value_micro_usd: value,
            label: self.labels.get(&(row.chain, row.tx.clone(), row.log_index)).cloned(),
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
            tx_hash: word(&row.tx, place)?,
        })
    }
}

fn chain_id(number: u64) -> Option<ChainId> {
    CHAINS
        .iter()
        .any(|(known, _)| *known == number)
        .then(|| ChainId::new(&format!("eip155:{number}")).ok())?
}

fn block_hash(chain: ChainId, height: u64) -> B256 {
    keccak256(format!("recorded block {chain}/{height}"))
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
    if here != Some(local) {
        return Err(place.error(format!("direction '{}' does not fit chain {}", row.direction, row.chain)));
    }
    Ok((domain(local), domain(remote)))
}

/// What a recording can vouch for: that its events are in it. No header is proven, and nothing here says so.
#[must_use]
pub fn recorded() -> Assurance {
    Assurance { inclusion: Inclusion::Reported, execution: Execution::Reported, ..Assurance::default() }
}

fn engine_config(tokens: &Tokens) -> Result<EngineConfig, DatasetError> {
    let place = Place { file: PathBuf::from("built-in configuration"), line: 0 };
    let bridge = slug(BRIDGE, &place)?;
    let (mut chains, mut sides, mut targets) = (Vec::new(), Vec::new(), Vec::new());
    for (number, name) in CHAINS {
        let id = chain_id(number).ok_or_else(|| place.error("a chain without an id"))?;
        let operators = vec![slug("recording", &place)?];
        chains.push(config::Chain { id, operators, quorum: 1, stall_after_secs: 2 * HEARTBEAT_SECS });
        sides.push(config::Side { chain: id, domain: domain(name) });
        targets.push(config::Target {
            id: slug(name, &place)?,
            chain: id,
            address: keccak256(format!("gate of {name}")),
            bridge,
            scope: keccak256(format!("all outflow of {name}")),
            mode: Mode::Halt,
            max_secs: 7 * 86_400,
            block_secs: 12,
        });
    }
    let unwatched = UNWATCHED
        .iter()
        .map(|(tag, name)| Ok(config::Unwatched { domain: domain(tag), name: slug(name, &place)? }));
    let playbook = |name: &str, class, expiry_secs| -> Result<Playbook, DatasetError> {
        Ok(Playbook { id: slug(name, &place)?, class, needs: recorded(), expiry_secs, targets: Vec::new() })
    };
    Ok(EngineConfig {
        group: bridge,
        chains,
        bridges: vec![config::Bridge {
            id: bridge,
            finality_secs: FINALITY_SECS,
            skew_secs: 0,
            sides,
            unwatched: unwatched.collect::<Result<_, DatasetError>>()?,
            assets: tokens.assets.clone(),
        }],
        targets,
        rules: Rules::default(),
        playbooks: vec![
            playbook("halt", ActionClass::Halt, 86_400)?,
            playbook("hold", ActionClass::Hold, 3_600)?,
        ],
    })
}

/// Puts observations, progress and prices into one order.
fn inputs(observations: &[Observation], prices: &Prices) -> Vec<Input> {
    let mut feed = Feed { inputs: Vec::new(), anchors: anchors(observations), now: 0 };
    let mut days = prices.iter().peekable();
    for second in observations.chunk_by(|one, next| one.time() == next.time()) {
        let Some(time) = second.first().map(Observation::time) else { continue };
        feed.rest_until(time);
        while let Some(((day, symbol), micro_usd)) = days.next_if(|((day, _), _)| *day <= time) {
            if let Ok(asset) = Slug::new(symbol) {
                let body = Body::Price { asset, micro_usd: *micro_usd, time: *day };
                feed.push(time, body);
            }
        }
        for observation in second {
            feed.push(time, Body::Observed(observation.clone()));
        }
        feed.progress(time);
    }
    feed.inputs
}

/// Recorded (time, height) pairs per chain, in order.
fn anchors(observations: &[Observation]) -> Vec<(ChainId, Vec<(u64, u64)>)> {
    let mut anchors: Vec<(ChainId, Vec<(u64, u64)>)> =
        CHAINS.iter().filter_map(|(number, _)| Some((chain_id(*number)?, Vec::new()))).collect();
    for observation in observations {
        for (_, list) in anchors.iter_mut().filter(|(chain, _)| *chain == observation.chain()) {
            let at = (observation.time(), observation.position().height);
            if list.last() != Some(&at) {
                list.push(at);
            }
        }
    }
    anchors
}

struct Feed {
    inputs: Vec<Input>,
    anchors: Vec<(ChainId, Vec<(u64, u64)>)>,
    now: u64,
}

impl Feed {
    fn push(&mut self, time: u64, body: Body) {
        self.inputs.push(Input { at_ms: time.saturating_mul(1_000), body });
    }

    /// Reports progress every half hour up to a time.
    fn rest_until(&mut self, time: u64) {
        if self.now == 0 {
            self.now = time;
        }
        while let Some(next) = self.now.checked_add(HEARTBEAT_SECS).filter(|next| *next < time) {
            self.progress(next);
        }
        self.now = time;
    }

    fn progress(&mut self, time: u64) {
        self.now = time;
        let reports: Vec<Progress> = self
            .anchors
            .iter()
            .filter_map(|(chain, list)| {
                let height = height_at(list, time)?;
                Some(Progress {
                    chain: *chain,
                    height,
                    block_hash: block_hash(*chain, height),
                    time,
                    safe_height: height.saturating_sub(FINAL_DEPTH),
                    final_height: height.saturating_sub(FINAL_DEPTH),
                })
            })
            .collect();
        for progress in reports {
            self.push(time, Body::Progress(progress));
        }
    }
}

/// Height of a chain at a time: recorded, or on the straight line between what is recorded around it, but below
/// the next recorded block, which has not happened yet. None before the first.
fn height_at(anchors: &[(u64, u64)], time: u64) -> Option<u64> {
    let after = anchors.partition_point(|(at, _)| *at <= time);
    let (since, from) = *anchors.get(after.checked_sub(1)?)?;
    let Some((until, to)) = anchors.get(after).copied() else { return Some(from) };
    let (passed, all) = (time.saturating_sub(since), until.saturating_sub(since));
    let blocks = to.saturating_sub(from).saturating_mul(passed).checked_div(all).unwrap_or(0);
    Some(from.saturating_add(blocks).min(to.saturating_sub(1)).max(from))
}
