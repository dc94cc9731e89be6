//! Checks that need more than one section: names that are taken, names that nothing has, modes without means.

use std::{collections::BTreeMap, fmt::Display, ops::Range};

use portcullis_core::config::Mode;
use portcullis_verifier::{ActionClass, B256, ChainId, Slug, TransferKind};

use super::{
    model::{BridgeConfig, Config, EventKind, SideConfig},
    problem::Code,
    reader::{Placed, Sink},
    suggest::nearest,
};

pub(super) fn check(config: &Config, sink: &Sink<'_>) {
    let chains = config.chains.iter().map(|chain| &chain.id);
    unique(sink, "chain", chains);
    for chain in &config.chains {
        let operators = chain.endpoints.iter().map(|endpoint| &endpoint.operator);
        unique(sink, "operator", operators);
        if !config.observes(chain.id.value) {
            sink.warning(
                Code::UnknownName,
                &chain.id.at,
                format!("no bridge stands on {}", chain.id.value),
                "add a [[bridge.side]] for it, or remove the chain",
            );
        }
    }
    unique(sink, "bridge", config.bridges.iter().map(|bridge| &bridge.id));
    unique(sink, "guard", guards(config).map(|(_, guard)| &guard.id));
    for bridge in &config.bridges {
        check_bridge(bridge, config, sink);
    }
    one_contract_one_bridge(config, sink);
    for (side, guard) in guards(config) {
        check_means(config, side, &guard.mode, sink);
    }
    check_playbooks(config, sink);
}

fn guards(config: &Config) -> impl Iterator<Item = (&SideConfig, &super::model::GuardConfig)> {
    let sides = config.bridges.iter().flat_map(|bridge| &bridge.sides);
    sides.filter_map(|side| side.guard.as_ref().map(|guard| (side, guard)))
}

fn unique<'p, T: Ord + Display + 'p>(
    sink: &Sink<'_>,
    what: &str,
    names: impl Iterator<Item = &'p Placed<T>>,
) {
    let mut seen: BTreeMap<&T, &Range<usize>> = BTreeMap::new();
    for name in names {
        if seen.insert(&name.value, &name.at).is_some() {
            sink.error(
                Code::Duplicate,
                &name.at,
                format!("there are two entries for the {what} {}", name.value),
                "keep one of them, or give one another name",
            );
        }
    }
}

fn check_bridge(bridge: &BridgeConfig, config: &Config, sink: &Sink<'_>) {
    for side in &bridge.sides {
        if !config.chains.iter().any(|chain| chain.id.value == side.chain.value) {
            unknown_chain(sink, &side.chain, config);
        }
    }
    if bridge.sides.len() < 2 {
        sink.warning(
            Code::IncompleteBridge,
            &bridge.id.at,
            format!(
                "{} has fewer than two sides: its releases have no sources to be matched with",
                bridge.id.value
            ),
            "add a [[bridge.side]] for each chain that it connects",
        );
    }
    let own = bridge.sides.iter().map(|side| &side.domain);
    unique(sink, "domain", own.chain(bridge.unwatched.iter().map(|(domain, _)| domain)));
    unique(sink, "asset", bridge.assets.iter().map(|asset| &asset.name));
    let mut tokens: BTreeMap<(B256, B256), Slug> = BTreeMap::new();
    for asset in &bridge.assets {
        unique(sink, "form of this asset in domain", asset.forms.iter().map(|form| &form.domain));
        for form in &asset.forms {
            check_domain(bridge, &form.domain, sink);
            let other = tokens.insert((form.domain.value, form.token.value), asset.name.value);
            if let Some(other) = other.filter(|other| *other != asset.name.value) {
                sink.error(
                    Code::Duplicate,
                    &form.token.at,
                    format!("this token is already a form of the asset {other}"),
                    "a token is one asset: remove one of the two forms",
                );
            }
        }
    }
    if bridge.assets.is_empty() {
        sink.error(
            Code::IncompleteBridge,
            &bridge.id.at,
            format!("{} declares no asset: every release would carry an undeclared one", bridge.id.value),
            "add a [[bridge.asset]] for each token that it carries",
        );
    }
    check_kinds(bridge, sink);
}

fn check_domain(bridge: &BridgeConfig, domain: &Placed<B256>, sink: &Sink<'_>) {
    let watched = bridge.sides.iter().any(|side| side.domain.value == domain.value);
    if !watched && !bridge.unwatched.iter().any(|(known, _)| known.value == domain.value) {
        sink.error(
            Code::UnknownName,
            &domain.at,
            "no side and no unwatched domain of this bridge has that number",
            "write the `domain` of a [[bridge.side]], or add a [[bridge.unwatched]]",
        );
    }
}

/// A bridge whose sides only send, or only receive, cannot be matched.
fn check_kinds(bridge: &BridgeConfig, sink: &Sink<'_>) {
    for side in &bridge.sides {
        let kinds = || side.contracts.iter().flat_map(|contract| &contract.events).map(|event| event.kind);
        let sends = kinds().any(|kind| matches!(kind, EventKind::Transfer(k) if k.is_source()));
        let receives = kinds()
            .any(|kind| matches!(kind, EventKind::Transfer(TransferKind::Mint | TransferKind::Release)));
        if side.contracts.is_empty() || (sends && receives) {
            continue;
        }
        let lacking = match (sends, receives) {
            (true, _) => "no release and no mint",
            (false, true) => "no lock and no burn",
            (false, false) => "no transfer at all",
        };
        sink.warning(
            Code::IncompleteBridge,
            &side.chain.at,
            format!("the events of {} on {} tell of {lacking}", bridge.id.value, side.chain.value),
            "map the missing events, unless value really moves one way only",
        );
    }
}

fn unknown_chain(sink: &Sink<'_>, chain: &Placed<ChainId>, config: &Config) {
    let known = config.chains.iter().map(|chain| chain.id.value.to_string()).collect::<Vec<_>>();
    let near = nearest(chain.value.as_str(), known.iter().map(String::as_str));
    sink.error(
        Code::UnknownName,
        &chain.at,
        format!("there is no [[chain]] with the id {}", chain.value),
        near.map_or_else(
            || "add the [[chain]]".to_owned(),
            |near| format!("write \"{near}\", or add the [[chain]]"),
        ),
    );
}

/// One contract's events belong to one bridge on one chain.
fn one_contract_one_bridge(config: &Config, sink: &Sink<'_>) {
    let mut seen: BTreeMap<(ChainId, B256), Slug> = BTreeMap::new();
    for bridge in &config.bridges {
        for side in &bridge.sides {
            for contract in &side.contracts {
                let key = (side.chain.value, contract.address.value);
                if let Some(other) = seen.insert(key, bridge.id.value) {
                    sink.error(
                        Code::Duplicate,
                        &contract.address.at,
                        format!("this contract is already watched for the bridge {other}"),
                        "write one entry per contract, with all its events",
                    );
                }
            }
        }
    }
}

fn check_means(config: &Config, side: &SideConfig, mode: &Placed<Mode>, sink: &Sink<'_>) {
    let (lacks_playbook, word) = match mode.value {
        Mode::Observe | Mode::Shadow | Mode::Advise => return,
        Mode::Limit => (!has_playbook(config, ActionClass::Tighten), "tighten"),
        Mode::Hold => (!has_playbook(config, ActionClass::Hold), "hold"),
        Mode::Halt => (!has_playbook(config, ActionClass::Halt), "halt"),
    };
    let chain = config.chains.iter().find(|chain| chain.id.value == side.chain.value);
    if chain.is_some_and(|chain| chain.signer.is_none()) {
        sink.error(
            Code::ModeWithoutMeans,
            &mode.at,
            format!("this mode acts, but there is no signer for {}", side.chain.value),
            format!(
                "add [signers.\"{}\"] with keystore and password_file, or write `mode = \"advise\"`",
                side.chain.value
            ),
        );
    }
    if lacks_playbook {
        sink.warning(
            Code::NoPlaybook,
            &mode.at,
            format!("no [[playbook]] has the class {word}, so this mode never uses it"),
            format!("add a [[playbook]] with `class = \"{word}\"`, or a lower mode"),
        );
    }
}

fn has_playbook(config: &Config, class: ActionClass) -> bool {
    config.playbooks.iter().any(|playbook| playbook.class == class)
}

fn check_playbooks(config: &Config, sink: &Sink<'_>) {
    for target in config.playbooks.iter().flat_map(|playbook| &playbook.targets) {
        if guards(config).any(|(_, guard)| guard.id.value == target.value) {
            continue;
        }
        let known: Vec<&str> = guards(config).map(|(_, guard)| guard.id.value.as_str()).collect();
        let near = nearest(target.value.as_str(), known.iter().copied());
        sink.error(
            Code::UnknownName,
            &target.at,
            format!("no guard is called {}", target.value),
            near.map_or_else(
                || format!("known guards are {}", known.join(", ")),
                |near| format!("write \"{near}\""),
            ),
        );
    }
}
