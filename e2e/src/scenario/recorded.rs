//! The script from the recorded events of the day.
//!
//! Labels say who attacked: they cast the roles of this play. Nothing that watches the chains can see them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::str::FromStr;

use alloy::primitives::{Address, U256};
use eyre::{Result, WrapErr, eyre};
use flate2::read::GzDecoder;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::model::{Actor, Domain, Kind, Opening, Scenario, Token, Transfer};

/// The first false release: 2022-08-01 21:32:31 UTC.
const T0: i64 = 1_659_389_551;
/// The day whose prices count.
const DAY: &str = "2022-08-01";
/// The script goes on so long after the first false release: the last sibling release came at +9,198 s.
const LAST_SECS: i64 = 9_200;
/// Finality window of the bridge in both directions.
const FINALITY_SECS: u64 = 1_800;

#[derive(Debug, Deserialize)]
struct Event {
    ts: i64,
    chain: u64,
    block: u64,
    tx: String,
    log_index: u32,
    kind: String,
    msg_id: u64,
    direction: String,
    token: String,
    sender: Option<String>,
    beneficiary: String,
    amount: String,
}

#[derive(Debug, Deserialize)]
struct Label {
    tx: String,
    log_index: u32,
    label: String,
}

/// Loads the script. The live part starts `lead_secs` before the first false release; of the time before, the last
/// `history_secs` are kept, and all sources and first deliveries of what is consumed from then on.
///
/// # Errors
/// A file that is missing or does not parse, with its line.
pub fn load(folder: &Path, lead_secs: i64, history_secs: i64) -> Result<Scenario> {
    let mut book = TokenBook::load(folder)?;
    let labels: BTreeMap<(String, u32), String> = lines::<Label>(&folder.join("labels.jsonl"))?
        .into_iter()
        .map(|label| ((label.tx, label.log_index), label.label))
        .collect();
    let events: Vec<Event> = lines(&folder.join("events.jsonl.gz"))?;
    let siblings: Vec<Event> = lines(&folder.join("sibling_corridors.jsonl.gz"))?;

    let mut cast = Cast { book: &mut book, groups: BTreeMap::new(), nonce: 0 };
    let mut all = Vec::new();
    for event in &events {
        let ours = matches!(
            labels.get(&(event.tx.clone(), event.log_index)).map(String::as_str),
            Some("attack" | "attacker_probe")
        );
        all.push(cast.transfer(event, if ours { Actor::Attacker } else { Actor::Honest })?);
    }
    for event in &siblings {
        all.push(cast.transfer(event, Actor::Sibling)?);
    }
    all.sort_by_key(|transfer| (transfer.at, transfer.block, transfer.group));

    let live_from = -lead_secs;
    let history_from = live_from - history_secs;
    let live: Vec<Transfer> =
        all.iter().filter(|t| t.at >= live_from && t.at <= LAST_SECS).cloned().collect();
    // Of everything that is delivered on stage, before or during the play, the source is on stage too, however old.
    let consumed: BTreeSet<(Domain, Domain, u64)> = all
        .iter()
        .filter(|t| t.kind == Kind::Process && t.at >= history_from && t.at <= LAST_SECS)
        .map(message)
        .collect();
    let history: Vec<Transfer> = all
        .iter()
        .filter(|t| t.at < live_from && (t.at >= history_from || consumed.contains(&message(t))))
        .cloned()
        .collect();
    let openings = openings(&book.tokens, &all, &history, &live, history_from);
    Ok(Scenario {
        origin: "the recorded events of 1 August 2022".to_owned(),
        finality_secs: FINALITY_SECS,
        lead_secs,
        last_secs: LAST_SECS,
        tokens: book.tokens,
        openings,
        history,
        live,
        lost_without_us: 0,
        siblings_without_us: 0,
    }
    .with_losses())
}

/// (origin, destination, id): the message that a transfer sends or consumes.
fn message(transfer: &Transfer) -> (Domain, Domain, u64) {
    match transfer.kind {
        Kind::Send => (transfer.side, transfer.remote, transfer.message_id),
        Kind::Process => (transfer.remote, transfer.side, transfer.message_id),
    }
}

/// What each corridor held: the recorded balance where the year shows one, and at least what the script takes out.
fn openings(
    tokens: &[Token],
    all: &[Transfer],
    history: &[Transfer],
    live: &[Transfer],
    history_from: i64,
) -> Vec<Opening> {
    let mut out = Vec::new();
    for (index, token) in tokens.iter().enumerate() {
        for corridor in [Domain::Ethereum, Domain::Moonbeam, Domain::Evmos, Domain::Milkomeda] {
            let here = |t: &&Transfer| t.token == index && t.side == token.home && t.remote == corridor;
            let recorded =
                all.iter().filter(here).filter(|t| t.at < history_from).fold((U256::ZERO, U256::ZERO), sides);
            let scripted = history.iter().chain(live).filter(here).fold((U256::ZERO, U256::ZERO), sides);
            let held = recorded.0.saturating_sub(recorded.1);
            // What is burned on the other side has to be held there first.
            let burned = history
                .iter()
                .chain(live)
                .filter(|t| t.token == index && t.side == corridor && t.remote == token.home)
                .fold((U256::ZERO, U256::ZERO), sides)
                .0;
            let amount = held.max(scripted.1).max(burned);
            if !amount.is_zero() {
                out.push(Opening { token: index, corridor, amount });
            }
        }
    }
    out
}

fn sides(sum: (U256, U256), transfer: &Transfer) -> (U256, U256) {
    match transfer.kind {
        Kind::Send => (sum.0.saturating_add(transfer.amount), sum.1),
        Kind::Process => (sum.0, sum.1.saturating_add(transfer.amount)),
    }
}

/// Turns recorded events into transfers.
struct Cast<'a> {
    book: &'a mut TokenBook,
    groups: BTreeMap<String, u32>,
    nonce: u64,
}

impl Cast<'_> {
    fn transfer(&mut self, event: &Event, actor: Actor) -> Result<Transfer> {
        let (from, to) = event
            .direction
            .split_once('>')
            .and_then(|(from, to)| Some((Domain::from_short(from)?, Domain::from_short(to)?)))
            .ok_or_else(|| eyre!("direction '{}' of {} is not known", event.direction, event.tx))?;
        let kind = match event.kind.as_str() {
            "deposit" | "burn" => Kind::Send,
            "release" | "mint" => Kind::Process,
            other => return Err(eyre!("kind '{other}' of {} is not known", event.tx)),
        };
        let (side, remote) = if kind == Kind::Send { (from, to) } else { (to, from) };
        let account =
            |text: &str| Address::from_str(text).wrap_err_with(|| format!("account {text} of {}", event.tx));
        let recipient = account(&event.beneficiary)?;
        let next = u32::try_from(self.groups.len())?;
        let group = *self.groups.entry(event.tx.clone()).or_insert(next);
        self.nonce += 1;
        Ok(Transfer {
            at: event.ts - T0,
            block: event.block,
            group,
            side,
            kind,
            remote,
            message_id: event.msg_id,
            token: self.book.index(event.chain, &event.token),
            amount: U256::from_str(&event.amount).wrap_err_with(|| format!("amount of {}", event.tx))?,
            sender: event.sender.as_deref().map_or(Ok(recipient), account)?,
            recipient,
            actor,
            nonce: self.nonce,
        })
    }
}

/// Tokens by their recorded addresses.
struct TokenBook {
    tokens: Vec<Token>,
    by_address: BTreeMap<String, usize>,
}

impl TokenBook {
    fn load(folder: &Path) -> Result<Self> {
        let prices = prices(&folder.join("daily_prices_usd.csv"))?;
        let path = folder.join("tokens.csv");
        let text =
            std::fs::read_to_string(&path).wrap_err_with(|| format!("cannot read {}", path.display()))?;
        let mut book = Self { tokens: Vec::new(), by_address: BTreeMap::new() };
        for (number, line) in text.lines().enumerate().skip(1).filter(|(_, line)| !line.trim().is_empty()) {
            let place = || eyre!("{}:{}: expected five columns: {line}", path.display(), number + 1);
            let [symbol, decimals, home, near, far] =
                <[&str; 5]>::try_from(line.split(',').collect::<Vec<_>>()).map_err(|_columns| place())?;
            book.by_address.insert(near.to_lowercase(), book.tokens.len());
            book.by_address.insert(far.to_lowercase(), book.tokens.len());
            book.tokens.push(Token {
                symbol: symbol.to_owned(),
                decimals: decimals.parse().wrap_err_with(place)?,
                home: if home == "1" { Domain::Ethereum } else { Domain::Moonbeam },
                declared: true,
                micro_usd: prices.get(symbol).copied(),
            });
        }
        Ok(book)
    }

    /// The token's index; one that no table names is undeclared, at home where it was seen, without a price.
    fn index(&mut self, chain: u64, address: &str) -> usize {
        let key = address.to_lowercase();
        if let Some(index) = self.by_address.get(&key) {
            return *index;
        }
        let index = self.tokens.len();
        self.tokens.push(Token {
            symbol: format!("X{}", key.get(2..8).unwrap_or_default()),
            decimals: 18,
            home: if chain == 1 { Domain::Ethereum } else { Domain::Moonbeam },
            declared: false,
            micro_usd: None,
        });
        self.by_address.insert(key, index);
        index
    }
}

/// Prices of the day in micro-USD, by symbol.
fn prices(path: &Path) -> Result<BTreeMap<String, u64>> {
    let text = std::fs::read_to_string(path).wrap_err_with(|| format!("cannot read {}", path.display()))?;
    let mut out = BTreeMap::new();
    for (number, line) in text.lines().enumerate().skip(1) {
        let mut columns = line.split(',');
        let (Some(symbol), Some(date), Some(usd)) = (columns.next(), columns.next(), columns.next()) else {
            return Err(eyre!("{}:{}: expected symbol,date,usd", path.display(), number + 1));
        };
        if date == DAY {
            out.insert(
                symbol.to_owned(),
                micro_usd(usd).wrap_err_with(|| format!("{}:{}", path.display(), number + 1))?,
            );
        }
    }
    Ok(out)
}

/// "22970.859" as 22,970,859,000; digits past the sixth are cut off.
pub(crate) fn micro_usd(text: &str) -> Result<u64> {
    let (whole, fraction) = text.trim().split_once('.').unwrap_or((text.trim(), ""));
    let fraction: String = fraction.chars().chain("000000".chars()).take(6).collect();
    let whole: u64 = whole.parse().wrap_err_with(|| format!("'{text}' is not a price"))?;
    let fraction: u64 = fraction.parse().wrap_err_with(|| format!("'{text}' is not a price"))?;
    whole
        .checked_mul(1_000_000)
        .and_then(|micro| micro.checked_add(fraction))
        .ok_or_else(|| eyre!("{text} overflows"))
}

/// Reads JSON lines, gzipped where the name says so.
fn lines<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>> {
    let file = File::open(path).wrap_err_with(|| format!("cannot open {}", path.display()))?;
    let reader: Box<dyn BufRead> = if path.extension().is_some_and(|ext| ext == "gz") {
        Box::new(BufReader::new(GzDecoder::new(file)))
    } else {
        Box::new(BufReader::new(file))
    };
    let mut out = Vec::new();
    for (number, line) in reader.lines().enumerate() {
        let place = || format!("{}:{}", path.display(), number + 1);
        let line = line.wrap_err_with(place)?;
        out.push(serde_json::from_str(&line).wrap_err_with(place)?);
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{data_dir, model::is_loss};

    #[test]
    fn a_price_keeps_six_digits_and_refuses_words() {
        assert_eq!(micro_usd("22970.859").unwrap(), 22_970_859_000);
        assert_eq!(micro_usd("0.087448082").unwrap(), 87_448);
        assert_eq!(micro_usd("7").unwrap(), 7_000_000);
        assert!(micro_usd("seven").is_err());
    }

    #[test]
    fn the_recorded_day_has_its_known_sums() {
        let folder = data_dir().join("nomad");
        if !folder.join("events.jsonl.gz").is_file() {
            assert!(
                std::env::var_os("PORTCULLIS_REQUIRE_ALL").is_none(),
                "no recorded data at {}",
                folder.display()
            );
            eprintln!("SKIPPED: no recorded data at {}; set PORTCULLIS_DATA", folder.display());
            return;
        }
        let scenario = load(&folder, 1_200, 10_800).unwrap();
        let attacks = scenario.live.iter().filter(|t| is_loss(t, Actor::Attacker)).count();
        assert_eq!(attacks, 382);
        assert_eq!(scenario.live.iter().filter(|t| is_loss(t, Actor::Sibling)).count(), 793);
        let lost = scenario.lost_without_us / 1_000_000;
        assert!((159_570_000..159_590_000).contains(&lost), "{lost}");
        // Every honest delivery has its source in the script, old enough to be final.
        let deliveries = scenario.history.iter().chain(&scenario.live);
        for delivery in deliveries.filter(|t| t.kind == Kind::Process && t.actor == Actor::Honest) {
            let source = scenario
                .history
                .iter()
                .chain(&scenario.live)
                .find(|t| t.kind == Kind::Send && message(t) == message(delivery));
            assert!(source.is_some_and(|s| delivery.at - s.at >= 1_800), "{delivery:?}");
        }
        let short = scenario.clone().until(60);
        assert_eq!(short.lost_without_us, scenario.lost_without_us);
        assert!(short.live.iter().all(|t| t.at <= 60) && short.live.len() < scenario.live.len());
    }
}
