//! What a service's configuration says of the side on this chain.

use std::fmt::Write as _;

use eyre::Result;
use portcullis_solana::address::shown;

use super::cluster::Cluster;
use super::program::{bridge_program, guard_program};
use crate::scenario::{Domain, Token};
use crate::service::Tuning;

/// What the bridge's events mean. `{bridge}` stands for the bridge's account: whoever makes another one with the same program is
/// not this bridge. Recipients on chains with shorter accounts are named by 20 bytes.
const EVENTS: &str = r#"    { kind = "burn", signature = "data Burned(bridge: key = {bridge}, destination: u64, messageId: bytes32, token: key, sender: key, recipient: bytes32, amount: u64)", fields = { remote = "destination", message_id = "messageId", asset = "token", amount = "amount", recipient = "recipient", sender = "sender" } },
    { kind = "mint", signature = "data Minted(bridge: key = {bridge}, origin: u64, messageId: bytes32, token: key, _: bytes12, recipient: bytes20, amount: u64)", fields = { remote = "origin", message_id = "messageId", asset = "token", amount = "amount", recipient = "recipient" } },
    { kind = "upgrade", signature = "data Upgraded(bridge: key = {bridge}, committedRoot: bytes32)", fields = { value = "committedRoot" } },
"#;

/// `[[chain]]`
///
/// # Errors
/// Practically never.
pub fn chain(out: &mut String, cluster: &Cluster, tuning: &Tuning) -> Result<()> {
    write!(
        out,
        "\n[[chain]]\nid = \"{}\"\nquorum = 2\nstart_height = {}\nblock_secs = 1\nstall_after_secs = 15\n\
         silence_ms = {}\nendpoints = [\n",
        cluster.caip2(),
        cluster.deployed.from_slot,
        tuning.silence_ms,
    )?;
    for proxy in &cluster.operators {
        writeln!(
            out,
            "    {{ operator = \"{}\", http = \"{}\", ws = \"{}\" }},",
            proxy.operator,
            proxy.http(),
            proxy.ws()
        )?;
    }
    out.push_str("]\n");
    Ok(())
}

/// `[[bridge.side]]` and what lies behind it.
///
/// # Errors
/// Practically never.
pub fn side(out: &mut String, cluster: &Cluster, tuning: &Tuning) -> Result<()> {
    let here = &cluster.deployed;
    let bridge = shown(here.bridge.demo);
    write!(
        out,
        "\n[[bridge.side]]\nchain = \"{}\"\ndomain = {:#x}\n\
         guard = {{ id = \"{}\", address = \"{}@{}\", mode = \"{}\", max_secs = {}, canary = \"canary\" }}\n\n\
         [[bridge.side.contracts]]\naddress = \"{}\"\n\
         ignored = [\"data TokenRegistered\"]\nevents = [\n{}]\n",
        cluster.caip2(),
        Domain::Solana.number(),
        Domain::Solana.name().to_lowercase(),
        shown(here.bridge.guard.breaker),
        shown(guard_program()),
        tuning.mode,
        here.max_secs,
        shown(bridge_program()),
        EVENTS.replace("{bridge}", &bridge),
    )?;
    Ok(())
}

/// The form of a token here, if it has one.
///
/// # Errors
/// Practically never.
pub fn form(out: &mut String, cluster: &Cluster, index: usize, token: &Token) -> Result<()> {
    if let Some(mint) = cluster.deployed.tokens.get(&index) {
        let (domain, decimals) = (Domain::Solana.number(), token.decimals);
        writeln!(
            out,
            "    {{ domain = {domain:#x}, token = \"{}\", decimals = {decimals}, home = false }},",
            shown(*mint)
        )?;
    }
    Ok(())
}
