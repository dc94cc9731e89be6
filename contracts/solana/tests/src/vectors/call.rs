//! What a vector calls, as instructions.

use serde_json::Value;

use super::Machine;
use super::names::{World, parts};
use crate::address::text;
use crate::{Failed, Flow, Ix, Key, Landed, Trip, Word, ed25519};

/// What became of a call.
pub(super) type Outcome = Result<Landed, Failed>;

/// Order of the curve's group, little-endian.
const ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

/// Sends the call in the name of `by`.
pub(super) fn send(
    machine: &mut Machine<'_>,
    names: &World,
    name: &str,
    by: &str,
    args: &Value,
) -> Result<Outcome, String> {
    let caller = Key::named(by);
    match name {
        "tripSigned" => signed(machine, names, &caller, args),
        "check" => check(machine, &caller, args),
        _ => {
            let ix = instruction(machine, names, name, &caller.address(), args)?;
            Ok(machine.chain.send(&[ix], &[&caller]))
        }
    }
}

fn instruction(
    machine: &Machine<'_>,
    names: &World,
    name: &str,
    by: &Word,
    args: &Value,
) -> Result<Ix, String> {
    let (guard, lane) = (&machine.guard, machine.lane);
    let account = || names.account(&args["account"]);
    Ok(match name {
        "trip" => guard.trip(by, &trip(names, args)?, lane),
        "hold" => guard.hold(by, &names.scope_id(&args["scope"])?, byte(&args["level"])?, lane),
        "release" => {
            let seen = (small(&args["generation"])?, names.time_of(&args["closedUntil"])?);
            guard.release(by, &names.scope_id(&args["scope"])?, byte(&args["to"])?, seen, lane)
        }
        "schedule" => guard.schedule(by, &inner(machine, names, args)?),
        "cancel" => guard.cancel(by, &inner(machine, names, args)?),
        "seal" => guard.of_owner(9, by),
        "revokeReleaser" => guard.of_owner(12, by),
        "revokeGuardian" => guard.of_owner(13, by),
        "revokeTripper" => guard.revoke_tripper(by, &account()?),
        "transferOwnership" => guard.person(15, by, &account()?),
        "setReleaser" => guard.person(16, by, &account()?),
        "setGuardian" => guard.person(17, by, &account()?),
        "grantTripper" => guard.grant_tripper(by, &account()?, small(&args["budgetSeconds"])?),
        "registerBridge" => guard.register_bridge(by, &bridge(args)?, &account()?),
        "registerScope" => guard.register_scope(by, &parts(args)?),
        "setLimits" => guard.limits(by, 8, &flow(args)?, &both(args)?),
        "tightenLimits" => guard.limits(by, 7, &flow(args)?, &both(args)?),
        "lowerLimits" => {
            let mut bytes = limits(&args["lowered"])?;
            bytes.extend(names.time_of(&args["until"])?.to_le_bytes());
            bytes.extend(names.height_of(&args["untilHeight"])?.to_le_bytes());
            guard.lower_limits(by, by, &flow(args)?, &bytes)
        }
        other => return Err(format!("nothing here understands the call `{other}`")),
    })
}

/// The data of the call inside.
fn inner(machine: &Machine<'_>, names: &World, args: &Value) -> Result<Vec<u8>, String> {
    let name = args["call"].as_str().ok_or("no call inside")?;
    Ok(instruction(machine, names, name, &[0; 32], &args["args"])?.data)
}

/// Asks as the bridge does: with the page of the flow, which anybody has had written.
fn check(machine: &mut Machine<'_>, caller: &Key, args: &Value) -> Result<Outcome, String> {
    let (guard, flow) = (machine.guard, flow(args)?);
    let payer = Key::named("payer");
    if machine.chain.account(&guard.bridge(&flow.bridge)).is_some() {
        machine.must(&[guard.route(&payer.address(), &flow)], &[&payer])?;
    }
    let route = machine.chain.account(&guard.route_of(&flow)).map(|(_, data)| data).unwrap_or_default();
    let amount = amount(&args["amount"])?;
    Ok(machine.chain.send(&[guard.check(&caller.address(), &flow, &amount, &route)], &[&payer, caller]))
}

/// Signs as "signer"; `spoil` says what is wrong with the submission, if anything.
fn signed(machine: &mut Machine<'_>, names: &World, caller: &Key, args: &Value) -> Result<Outcome, String> {
    let (guard, signer) = (machine.guard, Key::named("signer"));
    let trip = trip(names, args)?;
    let deadline = names.time_of(&args["deadline"])?;
    let message = guard.trip_message(&trip, deadline);
    let good = signer.sign(&message);
    let signature: Vec<u8> = match args.get("spoil").and_then(Value::as_str) {
        None => good.to_vec(),
        Some("mirrored") => mirrored(&good),
        Some("short") => good[..63].to_vec(),
        Some("empty") => vec![0; 64],
        Some(other) => return Err(format!("nothing here spoils by `{other}`")),
    };
    let proof = ed25519(&signer, &message, &signature);
    let ix = guard.trip_signed(&caller.address(), &signer.address(), &trip, machine.lane, (deadline, 0));
    Ok(machine.chain.send(&[proof, ix], &[caller]))
}

/// The other signature for the same message: s and the order.
fn mirrored(signature: &[u8; 64]) -> Vec<u8> {
    let mut other = signature.to_vec();
    let mut carry = 0_u16;
    for (byte, order) in other[32..].iter_mut().zip(ORDER) {
        let sum = u16::from(*byte) + u16::from(order) + carry;
        *byte = u8::try_from(sum % 256).unwrap_or_default();
        carry = sum / 256;
    }
    other
}

fn trip(names: &World, args: &Value) -> Result<Trip, String> {
    Ok(Trip {
        scope: names.scope_id(&args["scope"])?,
        level: byte(&args["level"])?,
        until: names.time_of(&args["until"])?,
        until_height: names.height_of(&args["untilHeight"])?,
        incident: word(args, "incident")?,
        record: word(args, "record")?,
        generation: small(&args["generation"])?,
    })
}

fn flow(args: &Value) -> Result<Flow, String> {
    Ok(Flow { bridge: bridge(args)?, corridor: word(args, "corridor")?, asset: word(args, "asset")? })
}

fn both(args: &Value) -> Result<Vec<u8>, String> {
    Ok([limits(&args["normal"])?, limits(&args["limited"])?].concat())
}

fn limits(value: &Value) -> Result<Vec<u8>, String> {
    let four = value.as_array().filter(|amounts| amounts.len() == 4).ok_or("limits are four amounts")?;
    let amount = |value| limit(value)?.parse::<u128>().map_err(|error| format!("{value}: {error}"));
    let four: Vec<u128> = four.iter().map(amount).collect::<Result<_, String>>()?;
    Ok(four.into_iter().flat_map(u128::to_le_bytes).collect())
}

/// An amount in decimal; `none` is the greatest value of 128 bits.
pub(super) fn limit(value: &Value) -> Result<String, String> {
    match value {
        Value::String(text) if text == "none" => Ok(u128::MAX.to_string()),
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        Value::Null => Ok("0".to_owned()),
        other => Err(format!("{other} is no amount")),
    }
}

/// 256 bits, big-endian.
fn amount(value: &Value) -> Result<Word, String> {
    let mut word = [0_u8; 32];
    for digit in limit(value)?.bytes() {
        let mut carry = u32::from(digit.wrapping_sub(b'0'));
        for byte in word.iter_mut().rev() {
            let next = u32::from(*byte) * 10 + carry;
            *byte = u8::try_from(next % 256).unwrap_or_default();
            carry = next / 256;
        }
    }
    Ok(word)
}

fn byte(value: &Value) -> Result<u8, String> {
    value.as_u64().and_then(|value| u8::try_from(value).ok()).ok_or_else(|| format!("{value} is no level"))
}

/// Zero where it is absent.
fn small(value: &Value) -> Result<u32, String> {
    if value.is_null() {
        return Ok(0);
    }
    value.as_u64().and_then(|value| u32::try_from(value).ok()).ok_or_else(|| format!("{value} is no number"))
}

fn bridge(args: &Value) -> Result<Word, String> {
    Ok(text(args.get("bridge").map_or(Ok("bridge"), |name| name.as_str().ok_or("a bridge is text"))?))
}

/// Zeros where it is absent.
fn word(args: &Value, key: &str) -> Result<Word, String> {
    Ok(text(args.get(key).map_or(Ok("*"), |value| value.as_str().ok_or("a word is text"))?))
}
