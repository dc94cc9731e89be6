//! Sides of the bridge that are of other families: their corridors' traffic, and attacks that go through them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use alloy::primitives::{U256, keccak256};
use eyre::{Result, WrapErr};
use serde::Deserialize;

use super::compact::{Honest, Writer, units};
use super::model::{Actor, Domain, Kind, Opening, Scenario, Transfer};

/// Ids of messages that nobody sent begin here.
const FALSE_ID: u64 = 1_600_000;
/// Transactions of a corridor have numbers above all recorded ones, and each corridor has so many of them.
const GROUPS: u32 = 2_000_000_000;
const GROUPS_EACH: u32 = 100_000_000;
/// How many false transfers an attack makes, and how many recorded seconds lie between them.
const FALSE_TRANSFERS: (u32, i64) = (4, 30);
/// What each takes, whole tokens.
const FALSE_AMOUNT: u64 = 75_000;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[expect(dead_code, reason = "for the reader of the file")]
    about: String,
    held: BTreeMap<String, String>,
    honest: Vec<Honest>,
}

/// An attack through the corridor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attack {
    /// Releases on Ethereum for messages that nobody burned for on the side that joins.
    Release,
    /// Mints on the side that joins for messages that nobody locked for on Ethereum.
    Mint,
}

/// The corridor of this repository to a side that joins.
#[must_use]
pub fn path(side: Domain) -> PathBuf {
    let name = side.name().to_lowercase();
    crate::tools::workspace_root().join(format!("e2e/scenarios/{name}-corridor.json"))
}

/// First number of a corridor's transactions.
fn groups(side: Domain) -> u32 {
    GROUPS + if side == Domain::Solana { GROUPS_EACH } else { 0 }
}

/// Adds a side to a script. What would have had to happen there before anybody watched is left out together
/// with its other half: that chain cannot be made to have a past.
///
/// # Errors
/// When the file is missing, does not parse, or names a token that the script does not have.
pub fn open(mut scenario: Scenario, side: Domain, path: &Path) -> Result<Scenario> {
    let text = std::fs::read_to_string(path).wrap_err_with(|| format!("cannot read {}", path.display()))?;
    let file: File =
        serde_json::from_str(&text).wrap_err_with(|| format!("{} does not parse", path.display()))?;
    let mut writer = Writer::onto(scenario.tokens.clone(), groups(side));
    for stream in &file.honest {
        writer.honest(stream)?;
    }
    for (symbol, held) in &file.held {
        let (token, amount) = writer.amount(symbol, held)?;
        scenario.openings.push(Opening { token, corridor: side, amount });
    }
    let begins = -scenario.lead_secs;
    let unseen = |t: &&Transfer| t.side == side && t.at < begins;
    let lost: Vec<u64> = writer.all.iter().filter(unseen).map(|t| t.message_id).collect();
    let kept = |t: &Transfer| !lost.contains(&t.message_id) && t.at <= scenario.last_secs;
    let (before, live): (Vec<_>, Vec<_>) = writer.all.into_iter().filter(kept).partition(|t| t.at < begins);
    scenario.history.extend(before);
    scenario.history.sort_by_key(|transfer| (transfer.at, transfer.group));
    scenario.live.extend(live);
    scenario.live.sort_by_key(|transfer| (transfer.at, transfer.group));
    scenario.origin.push_str(&format!(", with a side on {}", side.name()));
    Ok(scenario)
}

/// Puts an attack through a corridor in the place of the one that a script has; none leaves honest traffic alone.
///
/// # Errors
/// When the script has no token for it.
pub fn attacked(mut scenario: Scenario, through: Domain, attack: Option<Attack>) -> Result<Scenario> {
    scenario.live.retain(|transfer| transfer.actor == Actor::Honest);
    let groups = groups(through);
    let (token, _) = Writer::onto(scenario.tokens.clone(), groups).amount("USDC", "0")?;
    let decimals = scenario.tokens.get(token).map_or(0, |token| token.decimals);
    let amount: U256 = units(&FALSE_AMOUNT.to_string(), decimals)?;
    let (count, every) = FALSE_TRANSFERS;
    for number in 0..count {
        let Some(attack) = attack else { break };
        let (side, remote) = match attack {
            Attack::Release => (Domain::Ethereum, through),
            Attack::Mint => (through, Domain::Ethereum),
        };
        let thief = alloy::primitives::Address::from_slice(&keccak256(number.to_be_bytes())[12..]);
        scenario.live.push(Transfer {
            at: i64::from(number) * every,
            block: u64::from(number),
            group: groups + 1_000_000 + number,
            side,
            kind: Kind::Process,
            remote,
            message_id: FALSE_ID + u64::from(number),
            token,
            amount,
            sender: thief,
            recipient: thief,
            actor: Actor::Attacker,
            nonce: u64::from(groups) + u64::from(number),
        });
    }
    scenario.live.sort_by_key(|transfer| (transfer.at, transfer.group));
    Ok(scenario.with_losses())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::scenario::{compact, compact_path};

    const JOINING: [Domain; 2] = [Domain::Cosmos, Domain::Solana];

    fn script(lead: i64) -> Scenario {
        let script = compact::load(&compact_path(), lead).unwrap();
        JOINING.into_iter().fold(script, |script, side| open(script, side, &path(side)).unwrap())
    }

    #[test]
    fn a_side_that_joins_has_no_past_and_whole_messages_only() {
        let script = script(1_200);
        for side in JOINING {
            assert!(script.history.iter().all(|t| t.side != side));
            let there: Vec<&Transfer> = script.live.iter().filter(|t| t.side == side).collect();
            assert!(
                there.iter().any(|t| t.kind == Kind::Send) && there.iter().any(|t| t.kind == Kind::Process)
            );
            for mint in there.iter().filter(|t| t.kind == Kind::Process) {
                let source = script.history.iter().chain(&script.live).find(|t| {
                    t.kind == Kind::Send && t.side == Domain::Ethereum && t.message_id == mint.message_id
                });
                let source = source.unwrap();
                assert_eq!((source.amount, source.recipient), (mint.amount, mint.recipient));
                assert!(mint.at - source.at > i64::try_from(script.finality_secs).unwrap());
            }
            assert!(script.openings.iter().any(|o| o.corridor == side && !o.amount.is_zero()));
        }
        // Who sends what, and in which call, is never taken for another's.
        let all = || script.history.iter().chain(&script.live);
        let groups = |side| all().filter(move |t| t.side == side || t.remote == side).map(|t| t.group);
        let (one, two): (BTreeSet<u32>, BTreeSet<u32>) =
            (groups(Domain::Cosmos).collect(), groups(Domain::Solana).collect());
        assert!(one.is_disjoint(&two));
    }

    #[test]
    fn an_attack_stands_alone_and_has_no_source() {
        for (attack, through, side) in [
            (Attack::Release, Domain::Cosmos, Domain::Ethereum),
            (Attack::Mint, Domain::Cosmos, Domain::Cosmos),
            (Attack::Release, Domain::Solana, Domain::Ethereum),
            (Attack::Mint, Domain::Solana, Domain::Solana),
        ] {
            let script = attacked(script(300), through, Some(attack)).unwrap();
            let false_ones: Vec<&Transfer> =
                script.live.iter().filter(|t| t.actor != Actor::Honest).collect();
            assert_eq!(false_ones.len(), 4);
            assert!(false_ones.iter().all(|t| t.side == side && t.kind == Kind::Process));
            assert!(false_ones.iter().all(|t| t.side == through || t.remote == through));
            let all = || script.history.iter().chain(&script.live);
            assert!(
                !all()
                    .any(|t| t.kind == Kind::Send && t.message_id >= FALSE_ID && t.message_id < FALSE_ID + 4)
            );
            assert!((299_000_000_000..301_000_000_000).contains(&script.lost_without_us));
        }
        let calm = attacked(script(300), Domain::Cosmos, None).unwrap();
        assert!(calm.live.iter().all(|t| t.actor == Actor::Honest) && calm.lost_without_us == 0);
    }
}
