//! What a change of the configuration takes away from the protection.
//!
//! Tightening takes effect at once. Loosening a running service would let one edited file disarm it; it takes a
//! restart, which people see. Whether a change of an event's mapping still means the same cannot be judged here, so any
//! change of what was watched counts as loosening.

use portcullis_core::EngineConfig;
use portcullis_core::config::{Bridge, Chain, Playbook, Rules, Target};

use super::model::{Config, SideConfig};

/// Everything that a new configuration takes away, one sentence each; empty when it takes nothing.
#[must_use]
pub fn loosened(old: &Config, new: &Config) -> Vec<String> {
    let mut found = Vec::new();
    for chain in &old.chains {
        let now = new.chains.iter().find(|other| other.id.value == chain.id.value);
        if chain.signer.is_some() && now.is_some_and(|now| now.signer.is_none()) {
            found.push(format!("{} has no signer any more", chain.id.value));
        }
        // A table of another epoch is the routine of every epoch; another one of the same epoch is other trust.
        match (&chain.stakes, now.map(|now| &now.stakes)) {
            (Some(_), Some(None)) => found.push(format!("{}: stake is not counted any more", chain.id.value)),
            (Some(was), Some(Some(is))) if was.epoch == is.epoch && was.sha256 != is.sha256 => {
                found.push(format!("{}: another table of stakes of epoch {}", chain.id.value, is.epoch));
            }
            _ => {}
        }
    }
    for bridge in &old.bridges {
        let Some(now) = new.bridges.iter().find(|other| other.id.value == bridge.id.value) else { continue };
        for side in &bridge.sides {
            let now = now.sides.iter().find(|other| other.domain.value == side.domain.value);
            let name = format!("bridge {} on {}", bridge.id.value, side.chain.value);
            if let Some(now) = now {
                watched(&name, side, now, &mut found);
            }
        }
    }
    let (was, is) = (&old.operate, &new.operate);
    lowered(
        "[modes]",
        "the delay before trust is lent",
        was.trust_delay_secs,
        is.trust_delay_secs,
        &mut found,
    );
    if is.approvers.adds_to(&was.approvers) {
        found.push("[modes]: an approver is new or has another key".to_owned());
    }
    let rarer = |was: u64, is: u64| was > 0 && (is == 0 || is > was);
    if rarer(was.drill_secs, is.drill_secs) || rarer(was.canary_secs, is.canary_secs) {
        found.push("[drill]: rehearsals or canaries become rarer".to_owned());
    }
    let engines = new.engines();
    for engine in old.engines() {
        match engines.iter().find(|other| other.group == engine.group) {
            Some(now) => found.extend(engine_loosened(&engine, now)),
            None => found.push(format!("the group {} is not watched any more", engine.group)),
        }
    }
    found
}

fn watched(name: &str, old: &SideConfig, new: &SideConfig, found: &mut Vec<String>) {
    for contract in &old.contracts {
        let address = contract.address.value;
        let Some(now) = new.contracts.iter().find(|other| other.address.value == address) else {
            found.push(format!("{name}: the contract {address} is not watched any more"));
            continue;
        };
        let same = |event: &super::model::EventConfig| {
            now.events.iter().any(|other| {
                let fields = event.fields.iter().map(|(name, placed)| (name, &placed.value));
                let others = other.fields.iter().map(|(name, placed)| (name, &placed.value));
                event.kind == other.kind
                    && event.signature.value == other.signature.value
                    && fields.eq(others)
            })
        };
        for event in contract.events.iter().filter(|event| !same(event)) {
            found.push(format!("{name}: `{}` of {address} is read in another way", event.signature.value));
        }
        let known = |text: &str| contract.ignored.iter().any(|known| known.value == text);
        for text in now.ignored.iter().filter(|text| !known(&text.value)) {
            found.push(format!("{name}: `{}` of {address} is ignored from now on", text.value));
        }
    }
}

/// What an engine's new configuration takes away.
#[must_use]
pub fn engine_loosened(old: &EngineConfig, new: &EngineConfig) -> Vec<String> {
    let mut found = Vec::new();
    for chain in &old.chains {
        match new.chains.iter().find(|other| other.id == chain.id) {
            Some(now) => chain_loosened(chain, now, &mut found),
            None => found.push(format!("{} is not watched any more", chain.id)),
        }
    }
    for bridge in &old.bridges {
        match new.bridges.iter().find(|other| other.id == bridge.id) {
            Some(now) => bridge_loosened(bridge, now, &mut found),
            None => found.push(format!("the bridge {} is not watched any more", bridge.id)),
        }
    }
    for target in &old.targets {
        match new.targets.iter().find(|other| other.id == target.id) {
            Some(now) => target_loosened(target, now, &mut found),
            None => found.push(format!("the guard {} is not closed any more", target.id)),
        }
    }
    for playbook in &old.playbooks {
        match new.playbooks.iter().find(|other| other.id == playbook.id) {
            Some(now) => playbook_loosened(playbook, now, &mut found),
            None => found.push(format!("the playbook {} is gone", playbook.id)),
        }
    }
    rules_loosened(&old.rules, &new.rules, &mut found);
    found
}

fn raised(name: &str, what: &str, old: u64, new: u64, found: &mut Vec<String>) {
    if new > old {
        found.push(format!("{name}: {what} rises from {old} to {new}"));
    }
}

fn lowered(name: &str, what: &str, old: u64, new: u64, found: &mut Vec<String>) {
    if new < old {
        found.push(format!("{name}: {what} falls from {old} to {new}"));
    }
}

fn chain_loosened(old: &Chain, new: &Chain, found: &mut Vec<String>) {
    let name = old.id.to_string();
    lowered(&name, "quorum", old.quorum.into(), new.quorum.into(), found);
    raised(&name, "stall_after_secs", old.stall_after_secs, new.stall_after_secs, found);
}

fn bridge_loosened(old: &Bridge, new: &Bridge, found: &mut Vec<String>) {
    let name = format!("bridge {}", old.id);
    lowered(&name, "finality_secs", old.finality_secs, new.finality_secs, found);
    raised(&name, "skew_secs", old.skew_secs, new.skew_secs, found);
    for side in old.sides.iter().filter(|side| !new.sides.contains(side)) {
        found.push(format!("{name}: its side on {} is gone or another", side.chain));
    }
    for asset in &old.assets {
        let now = new.assets.iter().find(|other| other.name == asset.name);
        if now.is_some_and(|now| now.forms != asset.forms) {
            found.push(format!("{name}: {} has other tokens or decimals", asset.name));
        }
        // Every threshold counts in USD: a price of next to nothing would put it out of reach.
        let (was, is) = (asset.micro_usd.unwrap_or(0), now.and_then(|now| now.micro_usd).unwrap_or(0));
        if now.is_some() && is < was.div_euclid(2) {
            found.push(format!("{name}: {} is worth less than half of what it was", asset.name));
        }
    }
}

fn target_loosened(old: &Target, new: &Target, found: &mut Vec<String>) {
    let name = format!("guard {}", old.id);
    let place = |target: &Target| (target.chain, target.address, target.scope, target.bridge);
    if place(old) != place(new) {
        found.push(format!("{name}: it is another contract or scope"));
    }
    if new.mode < old.mode {
        found.push(format!("{name}: its mode falls from {:?} to {:?}", old.mode, new.mode));
    }
    lowered(&name, "max_secs", old.max_secs, new.max_secs, found);
}

fn playbook_loosened(old: &Playbook, new: &Playbook, found: &mut Vec<String>) {
    let name = format!("playbook {}", old.id);
    if new.class != old.class {
        found.push(format!("{name}: its class is another"));
    }
    lowered(&name, "expiry_secs", old.expiry_secs, new.expiry_secs, found);
    // Whatever met the old floor must meet the new one.
    if !old.needs.meets(&new.needs) {
        found.push(format!("{name}: it needs more assurance than before"));
    }
    let fewer = old.targets.is_empty() && !new.targets.is_empty();
    let all = new.targets.is_empty();
    if fewer || (!all && old.targets.iter().any(|target| !new.targets.contains(target))) {
        found.push(format!("{name}: it closes fewer guards"));
    }
}

fn rules_loosened(old: &Rules, new: &Rules, found: &mut Vec<String>) {
    lowered("rules", "actions_per_hour", old.actions_per_hour, new.actions_per_hour, found);
    for (what, was, is) in [
        ("unbacked_floor_micro_usd", old.unbacked_floor_micro_usd, new.unbacked_floor_micro_usd),
        ("large_floor_micro_usd", old.large_floor_micro_usd, new.large_floor_micro_usd),
        ("large_escrow_bps", old.large_escrow_bps, new.large_escrow_bps),
        ("flow_notify_bps", old.flow_notify_bps, new.flow_notify_bps),
        ("flow_hold_bps", old.flow_hold_bps, new.flow_hold_bps),
        ("waiting_bound_micro_usd", old.waiting_bound_micro_usd, new.waiting_bound_micro_usd),
        ("quiet_secs", old.quiet_secs, new.quiet_secs),
        ("evidence_wait_ms", old.evidence_wait_ms, new.evidence_wait_ms),
    ] {
        raised("rules", what, was, is, found);
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::parse;

    const EXAMPLE: &str = include_str!("../../../docs/examples/portcullis.toml");

    fn config(from: &str, to: &str) -> Config {
        assert!(EXAMPLE.contains(from), "{from}");
        let text = EXAMPLE.replacen(from, to, 1);
        parse(Path::new("x.toml"), Path::new("."), text).map_err(|p| p.to_string()).unwrap().config
    }

    fn change(from: &str, to: &str) -> (Vec<String>, Vec<String>) {
        let (old, new) = (config("", ""), config(from, to));
        (loosened(&old, &new), loosened(&new, &old))
    }

    #[test]
    fn each_way_of_disarming_is_named_and_its_opposite_is_free() {
        for (tight, loose) in [
            ("quorum = 2 ", "quorum = 3 "),
            ("finality_secs = 1800", "finality_secs = 60"),
            ("price_usd = 23_254.5", "price_usd = 1.0"),
            ("unbacked_floor_usd = 1_000 ", "unbacked_floor_usd = 1_000_000 "),
            ("flow_hold_bps = 2_500", "flow_hold_bps = 9_000"),
            ("expiry_secs = 21_600", "expiry_secs = 60"),
            ("execution = \"proved\"", "execution = \"reported\""),
            ("max_secs = 86_400 ", "max_secs = 3_600 "),
        ] {
            let (there, back) = change(tight, loose);
            // More voices for a head, and less proof for an action, are the tighter ones of these.
            let turned = tight.starts_with("quorum") || tight.starts_with("execution");
            let (loosening, tightening) = if turned { (back, there) } else { (there, back) };
            assert_eq!(loosening.len(), 1, "{tight} → {loose}: {loosening:?}");
            assert!(tightening.is_empty(), "{loose} → {tight}: {tightening:?}");
        }
    }

    #[test]
    fn a_new_approver_is_loosening_and_one_who_leaves_is_not() {
        let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE/pxWWtn6KMCV5uXZbFIlKBicRSlWmAKiLYOcGjy0oV";
        let (more, fewer) = change("[modes]", &format!("[modes]\napprovers = {{ ada = \"{key}\" }}"));
        assert_eq!((more.len(), fewer.len()), (1, 0), "{more:?} {fewer:?}");
    }

    #[test]
    fn what_is_not_watched_any_more_is_named() {
        let (gone, added) = change(
            "    { kind = \"upgrade\", signature = \"Upgraded(bytes32 committedRoot)\", fields = { value = \"committedRoot\" } },\n",
            "",
        );
        assert_eq!((gone.len(), added.len()), (1, 0), "{gone:?} {added:?}");
        let (other, back) =
            change("recipient = \"recipient\", sender = \"sender\"", "recipient = \"sender\"");
        assert_eq!(
            (other.len(), back.len()),
            (1, 1),
            "another meaning is loosening either way: {other:?} {back:?}"
        );
        let (ignored, seen) = change(
            "address = \"0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb\"\n",
            "address = \"0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb\"\nignored = [\"Paused(address account)\"]\n",
        );
        assert_eq!((ignored.len(), seen.len()), (1, 0), "{ignored:?} {seen:?}");
    }

    #[test]
    fn a_table_of_the_next_epoch_is_routine_and_another_one_of_this_epoch_is_other_trust() {
        let source = include_str!("../../../docs/examples/solana.toml");
        let with = |line: &str| {
            let commented = source.lines().find(|line| line.starts_with("# stakes = {")).unwrap();
            let source = source.replacen(commented, line, 1);
            parse(Path::new("x.toml"), Path::new("."), source).unwrap().config
        };
        let table = |digit: &str, epoch: u64| {
            let digest = digit.repeat(64);
            with(&format!("stakes = {{ file = \"x\", sha256 = \"{digest}\", epoch = {epoch} }}"))
        };
        let (none, this) = (with(""), table("4", 812));
        assert_eq!(loosened(&this, &table("5", 813)), [""; 0]);
        assert_eq!(loosened(&none, &this), [""; 0]);
        assert_eq!(loosened(&this, &table("5", 812)).len(), 1);
        assert_eq!(loosened(&this, &none).len(), 1);
    }

    #[test]
    fn another_operator_or_note_is_no_loosening() {
        assert_eq!(change("\"beta\"", "\"delta\""), (Vec::new(), Vec::new()));
    }
}
