//! The script from a compact description: the public facts of the day, without the recorded events.

use std::collections::BTreeMap;
use std::path::Path;

use alloy::primitives::utils::parse_units;
use alloy::primitives::{Address, U256, keccak256};
use eyre::{Result, WrapErr, eyre};
use serde::Deserialize;

use super::model::{Actor, Domain, Kind, Opening, Scenario, Token, Transfer};
use super::recorded::micro_usd;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[expect(dead_code, reason = "for the reader of the file")]
    about: String,
    finality_secs: u64,
    last_secs: i64,
    tokens: Vec<TokenRow>,
    honest: Vec<Honest>,
    burns: Vec<Burn>,
    used: Vec<Used>,
    attack: Vec<Attack>,
    siblings: Vec<Attack>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenRow {
    symbol: String,
    decimals: u8,
    home: Domain,
    usd: String,
    held: BTreeMap<Domain, String>,
}

/// A regular stream of honest transfers.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Honest {
    #[expect(dead_code, reason = "for the reader of the file")]
    #[serde(default)]
    about: String,
    from: Domain,
    to: Domain,
    first_id: u64,
    token: String,
    amount: String,
    start: i64,
    every: i64,
    count: u32,
    after: i64,
}

/// A burn on Moonbeam that is never honestly delivered.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Burn {
    #[expect(dead_code, reason = "for the reader of the file")]
    #[serde(default)]
    about: String,
    at: i64,
    id: u64,
    token: String,
    amount: String,
}

/// An honest message from Moonbeam that was delivered long before.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Used {
    #[expect(dead_code, reason = "for the reader of the file")]
    #[serde(default)]
    about: String,
    sent: i64,
    delivered: i64,
    id: u64,
    token: String,
    amount: String,
}

/// Equal false releases.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Attack {
    #[serde(default = "moonbeam")]
    origin: Domain,
    at: i64,
    id: u64,
    token: String,
    amount: String,
    count: u32,
    /// How many one call makes.
    #[serde(default = "one")]
    per_call: u32,
    /// Seconds over which the calls are spread.
    #[serde(default)]
    over: i64,
}

fn moonbeam() -> Domain {
    Domain::Moonbeam
}

fn one() -> u32 {
    1
}

/// Loads the script.
///
/// # Errors
/// When the file is missing, does not parse, or names a token that it does not declare.
pub fn load(path: &Path, lead_secs: i64) -> Result<Scenario> {
    let text = std::fs::read_to_string(path).wrap_err_with(|| format!("cannot read {}", path.display()))?;
    let file: File =
        serde_json::from_str(&text).wrap_err_with(|| format!("{} does not parse", path.display()))?;
    let mut writer = Writer::new(&file.tokens)?;
    let openings = writer.openings(&file.tokens)?;
    for stream in &file.honest {
        writer.honest(stream)?;
    }
    for used in &file.used {
        writer.used(used)?;
    }
    for burn in &file.burns {
        writer.burn(burn)?;
    }
    for (wave, actor) in file
        .attack
        .iter()
        .map(|wave| (wave, Actor::Attacker))
        .chain(file.siblings.iter().map(|w| (w, Actor::Sibling)))
    {
        writer.wave(wave, actor)?;
    }
    let Writer { tokens, mut all, .. } = writer;
    all.sort_by_key(|transfer| (transfer.at, transfer.group));
    let (history, live) = all.into_iter().filter(|t| t.at <= file.last_secs).partition(|t| t.at < -lead_secs);
    Ok(Scenario {
        origin: "the public facts of 1 August 2022 (compact)".to_owned(),
        finality_secs: file.finality_secs,
        lead_secs,
        last_secs: file.last_secs,
        tokens,
        openings,
        history,
        live,
        lost_without_us: 0,
        siblings_without_us: 0,
    }
    .with_losses())
}

/// Writes transfers in any order.
pub(super) struct Writer {
    tokens: Vec<Token>,
    pub(super) all: Vec<Transfer>,
    groups: u32,
    nonce: u64,
}

impl Writer {
    fn new(rows: &[TokenRow]) -> Result<Self> {
        let tokens = rows
            .iter()
            .map(|row| {
                Ok(Token {
                    symbol: row.symbol.clone(),
                    decimals: row.decimals,
                    home: row.home,
                    declared: true,
                    micro_usd: Some(micro_usd(&row.usd)?),
                })
            })
            .collect::<Result<_>>()?;
        Ok(Self::onto(tokens, 0))
    }

    /// For tokens that are known already; transactions are numbered from `groups` on.
    pub(super) fn onto(tokens: Vec<Token>, groups: u32) -> Self {
        Self { tokens, all: Vec::new(), groups, nonce: u64::from(groups) }
    }

    fn openings(&self, rows: &[TokenRow]) -> Result<Vec<Opening>> {
        let mut out = Vec::new();
        for (token, row) in rows.iter().enumerate() {
            for (corridor, held) in &row.held {
                out.push(Opening { token, corridor: *corridor, amount: units(held, row.decimals)? });
            }
        }
        Ok(out)
    }

    pub(super) fn amount(&self, symbol: &str, text: &str) -> Result<(usize, U256)> {
        let index = self
            .tokens
            .iter()
            .position(|token| token.symbol == symbol)
            .ok_or_else(|| eyre!("token {symbol} is not declared"))?;
        Ok((index, units(text, self.tokens[index].decimals)?))
    }

    fn push(
        &mut self,
        at: i64,
        kind: Kind,
        (from, to): (Domain, Domain),
        id: u64,
        (token, amount): (usize, U256),
    ) {
        self.groups += 1;
        self.nonce += 1;
        let (side, remote) = if kind == Kind::Send { (from, to) } else { (to, from) };
        self.all.push(Transfer {
            at,
            // Whatever has the same second shares a block.
            block: u64::try_from(at.saturating_add(1_000_000_000)).unwrap_or(0),
            group: self.groups,
            side,
            kind,
            remote,
            message_id: id,
            token,
            amount,
            sender: person(&format!("sender {id}/{}", from.name())),
            recipient: person(&format!("{id}/{}", from.name())),
            actor: Actor::Honest,
            nonce: self.nonce,
        });
    }

    pub(super) fn honest(&mut self, stream: &Honest) -> Result<()> {
        let value = self.amount(&stream.token, &stream.amount)?;
        for index in 0..stream.count {
            let at = stream.start + stream.every * i64::from(index);
            let id = stream.first_id + u64::from(index);
            self.push(at, Kind::Send, (stream.from, stream.to), id, value);
            self.push(at + stream.after, Kind::Process, (stream.from, stream.to), id, value);
        }
        Ok(())
    }

    fn used(&mut self, used: &Used) -> Result<()> {
        let value = self.amount(&used.token, &used.amount)?;
        let way = (Domain::Moonbeam, Domain::Ethereum);
        self.push(used.sent, Kind::Send, way, used.id, value);
        self.push(used.delivered, Kind::Process, way, used.id, value);
        Ok(())
    }

    fn burn(&mut self, burn: &Burn) -> Result<()> {
        let value = self.amount(&burn.token, &burn.amount)?;
        self.push(burn.at, Kind::Send, (Domain::Moonbeam, Domain::Ethereum), burn.id, value);
        Ok(())
    }

    fn wave(&mut self, wave: &Attack, actor: Actor) -> Result<()> {
        let value = self.amount(&wave.token, &wave.amount)?;
        let calls = wave.count.div_ceil(wave.per_call.max(1));
        for index in 0..wave.count {
            let call = index / wave.per_call.max(1);
            let at = wave.at + wave.over * i64::from(call) / i64::from(calls.max(1));
            self.push(at, Kind::Process, (wave.origin, Domain::Ethereum), wave.id, value);
            let first_of_call = index % wave.per_call.max(1) == 0;
            if !first_of_call {
                self.groups -= 1;
            }
            let group = self.groups;
            if let Some(last) = self.all.last_mut() {
                last.group = group;
                last.actor = actor;
                last.recipient = person(&format!("{}/{index}", wave.id));
                last.sender = last.recipient;
            }
        }
        Ok(())
    }
}

/// A made-up account, the same in every run.
fn person(name: &str) -> Address {
    Address::from_slice(&keccak256(name.as_bytes())[12..])
}

/// A decimal amount of whole tokens in base units.
pub(super) fn units(text: &str, decimals: u8) -> Result<U256> {
    Ok(parse_units(text, decimals).wrap_err_with(|| format!("'{text}' is not an amount"))?.get_absolute())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{compact_path, model::is_loss};

    #[test]
    fn the_compact_day_keeps_the_public_figures() {
        let scenario = load(&compact_path(), 1_200).unwrap();
        let taken: Vec<_> = scenario.live.iter().filter(|t| is_loss(t, Actor::Attacker)).collect();
        assert_eq!(taken.len(), 382);
        assert_eq!(taken.iter().filter(|t| t.at == 0 && t.message_id == 5078).count(), 4);
        assert_eq!(taken.iter().filter(|t| t.message_id == 4922).count(), 279);
        let lost = scenario.lost_without_us / 1_000_000;
        assert!((159_500_000..159_700_000).contains(&lost), "{lost}");
        let siblings: Vec<_> = scenario.live.iter().filter(|t| is_loss(t, Actor::Sibling)).collect();
        assert_eq!(siblings.len(), 793);
        assert_eq!(siblings.iter().map(|t| t.at).min(), Some(4_807));
        assert!((19_200_000..19_300_000).contains(&(scenario.siblings_without_us / 1_000_000)));
        // One call makes ten releases, and nobody shares a call with somebody else.
        let group = siblings[0].group;
        assert_eq!(scenario.live.iter().filter(|t| t.group == group).count(), 10);
        assert!(scenario.history.iter().all(|t| t.at < -1_200));
    }

    #[test]
    fn an_undeclared_token_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let text = std::fs::read_to_string(compact_path()).unwrap().replacen(
            "\"symbol\": \"DAI\"",
            "\"symbol\": \"XAI\"",
            1,
        );
        let path = dir.path().join("broken.json");
        std::fs::write(&path, text).unwrap();
        assert!(load(&path, 1_200).unwrap_err().to_string().contains("DAI"));
    }
}
