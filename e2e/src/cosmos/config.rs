//! What a service's configuration says of the side on this chain.

use std::fmt::Write as _;

use eyre::Result;

use super::deploy::{channel_denom, hex};
use super::zone::Zone;
use crate::scenario::{Domain, Token};
use crate::service::Tuning;

/// What the bridge's events mean.
const EVENTS: &str = r#"    { kind = "lock", signature = "wasm-Deposited(destination,messageId,token,sender,recipient,amount)", recorded = true, fields = { remote = "destination", message_id = "messageId", asset = "token", amount = "amount", recipient = "recipient", sender = "sender" } },
    { kind = "burn", signature = "wasm-Burned(destination,messageId,token,sender,recipient,amount)", recorded = true, fields = { remote = "destination", message_id = "messageId", asset = "token", amount = "amount", recipient = "recipient", sender = "sender" } },
    { kind = "release", signature = "wasm-Released(origin,messageId,token,recipient,amount)", recorded = true, fields = { remote = "origin", message_id = "messageId", asset = "token", amount = "amount", recipient = "recipient" } },
    { kind = "mint", signature = "wasm-Minted(origin,messageId,token,recipient,amount)", recorded = true, fields = { remote = "origin", message_id = "messageId", asset = "token", amount = "amount", recipient = "recipient" } },
    { kind = "upgrade", signature = "wasm-Upgraded(committedRoot)", recorded = true, fields = { value = "committedRoot" } },
"#;

/// `[[chain]]`
///
/// # Errors
/// Practically never.
pub fn chain(out: &mut String, zone: &Zone, tuning: &Tuning) -> Result<()> {
    let root = &zone.deployed.root;
    write!(
        out,
        "\n[[chain]]\nid = \"{}\"\nprefix = \"{}\"\nquorum = 2\nstart_height = {}\nblock_secs = 1\n\
         stall_after_secs = 15\nsilence_ms = {}\n\
         trust = {{ height = {}, hash = \"{}\", trusting_period_secs = 1_209_600, clock_drift_secs = 10 }}\n\
         endpoints = [\n",
        zone.caip2(),
        super::keys::PREFIX,
        root.height + 1,
        tuning.silence_ms,
        root.height,
        hex(root.hash),
    )?;
    for proxy in &zone.operators {
        writeln!(
            out,
            "    {{ operator = \"{}\", http = \"{}\", ws = \"{}/websocket\" }},",
            proxy.operator,
            proxy.http(),
            proxy.ws()
        )?;
    }
    // The node takes transactions without a fee; what is offered is a sign of urgency alone.
    write!(out, "]\n[chain.fees]\ndenom = \"{}\"\n", super::genesis::STAKE)?;
    Ok(())
}

/// `[[bridge.side]]` and what lies behind it.
///
/// # Errors
/// Practically never.
pub fn side(out: &mut String, zone: &Zone, tuning: &Tuning) -> Result<()> {
    let here = &zone.deployed;
    write!(
        out,
        "\n[[bridge.side]]\nchain = \"{}\"\ndomain = {:#x}\n\
         guard = {{ id = \"{}\", address = \"{}\", mode = \"{}\", max_secs = {}, canary = \"canary\" }}\n\n\
         [[bridge.side.contracts]]\naddress = \"{}\"\n\
         ignored = [\"wasm-TokenRegistered(token,isHome)\"]\nevents = [\n{EVENTS}]\n",
        zone.caip2(),
        Domain::Cosmos.number(),
        Domain::Cosmos.name().to_lowercase(),
        here.guard,
        tuning.mode,
        here.max_secs,
        here.bridge,
    )?;
    let name = Domain::Channel.name().to_lowercase();
    write!(out, "\n[[bridge.unwatched]]\ndomain = {:#x}\nname = \"{name}\"\n", Domain::Channel.number())?;
    Ok(())
}

/// The form of a token here, if it has one.
///
/// # Errors
/// Practically never.
pub fn form(out: &mut String, zone: &Zone, index: usize, token: &Token) -> Result<()> {
    if let Some(name) = zone.deployed.tokens.get(&index) {
        let (domain, decimals) = (Domain::Cosmos.number(), token.decimals);
        writeln!(
            out,
            "    {{ domain = {domain:#x}, token = \"{name}\", decimals = {decimals}, home = false }},"
        )?;
    }
    Ok(())
}

/// The asset of the channel's corridor, at home here.
///
/// # Errors
/// Practically never.
pub fn asset(out: &mut String) -> Result<()> {
    write!(
        out,
        "\n[[bridge.asset]]\nname = \"ATOM\"\nprice_usd = 10.20\nforms = [\n    {{ domain = {:#x}, token = \"{}\", \
         decimals = 6, home = true }},\n]\n",
        Domain::Cosmos.number(),
        channel_denom(),
    )?;
    Ok(())
}
