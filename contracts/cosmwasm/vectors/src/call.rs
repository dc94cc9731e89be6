//! What a vector calls, as the guard's message.

use serde_json::{Value, json};

use crate::Machine;
use crate::names::{World, parts, text};

/// Order of secp256k1, big-endian.
const ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe, 0xba,
    0xae, 0xdc, 0xe6, 0xaf, 0x48, 0xa0, 0x3b, 0xbf, 0xd2, 0x5e, 0x8c, 0xd0, 0x36, 0x41, 0x41,
];

pub(crate) fn message(
    machine: &mut dyn Machine,
    names: &World,
    name: &str,
    args: &Value,
) -> Result<Value, String> {
    let account = || names.account(&args["account"]);
    Ok(match name {
        "trip" => json!({"trip": request(names, args)?}),
        "tripSigned" => signed(machine, names, args)?,
        "check" => json!({"check": {
            "bridge": bridge(args)?, "corridor": word(args, "corridor")?, "asset": word(args, "asset")?,
            "amount": decimal(&args["amount"])?,
        }}),
        "hold" => json!({"hold": {"scope": names.scope_id(&args["scope"])?, "level": args["level"]}}),
        "release" => json!({"release": {
            "scope": names.scope_id(&args["scope"])?, "to": args["to"], "generation": number(&args["generation"]),
            "closed_until": names.time_of(&args["closedUntil"])?,
        }}),
        "schedule" => json!({"schedule": {"call": inner(machine, names, args)?}}),
        "cancel" => {
            let call = inner(machine, names, args)?;
            json!({"cancel": {"id": machine.query(&json!({"operation_id": {"call": call}}))?}})
        }
        "seal" => json!({"seal": {}}),
        "revokeReleaser" => json!({"revoke_releaser": {}}),
        "revokeGuardian" => json!({"revoke_guardian": {}}),
        "revokeTripper" => json!({"revoke_tripper": {"account": account()?}}),
        "setReleaser" => json!({"set_releaser": {"account": account()?}}),
        "setGuardian" => json!({"set_guardian": {"account": account()?}}),
        "transferOwnership" => json!({"transfer_ownership": {"account": account()?}}),
        "grantTripper" => json!({"grant_tripper": {
            "account": account()?, "budget_seconds": number(&args["budgetSeconds"]),
        }}),
        "registerBridge" => json!({"register_bridge": {"bridge": bridge(args)?, "consumer": account()?}}),
        "registerScope" => json!({"register_scope": parts(args)?}),
        "setLimits" => json!({"set_limits": both(args)?}),
        "tightenLimits" => json!({"tighten_limits": both(args)?}),
        "lowerLimits" => json!({"lower_limits": {
            "bridge": bridge(args)?, "corridor": word(args, "corridor")?, "asset": word(args, "asset")?,
            "lowered": limits(&args["lowered"])?,
            "until": names.time_of(&args["until"])?, "until_height": names.height_of(&args["untilHeight"])?,
        }}),
        other => return Err(format!("nothing here understands the call `{other}`")),
    })
}

fn inner(machine: &mut dyn Machine, names: &World, args: &Value) -> Result<Value, String> {
    let name = args["call"].as_str().ok_or("no call inside")?.to_owned();
    message(machine, names, &name, &args["args"])
}

fn request(names: &World, args: &Value) -> Result<Value, String> {
    Ok(json!({
        "scope": names.scope_id(&args["scope"])?,
        "level": args["level"],
        "until": names.time_of(&args["until"])?,
        "until_height": names.height_of(&args["untilHeight"])?,
        "incident": word(args, "incident")?,
        "record": word(args, "record")?,
        "generation": number(&args["generation"]),
    }))
}

/// Signs as "signer"; `spoil` says what is wrong with the submission, if anything.
fn signed(machine: &mut dyn Machine, names: &World, args: &Value) -> Result<Value, String> {
    let request = request(names, args)?;
    let deadline = names.time_of(&args["deadline"])?;
    let digest = machine.query(&json!({"trip_digest": {"request": request, "deadline": deadline}}))?;
    let good = machine.sign(digest.as_str().ok_or("a digest is text")?);
    let signature = match args.get("spoil").and_then(Value::as_str) {
        None => good,
        Some("mirrored") => mirrored(&good)?,
        Some("short") => good.get(..128).ok_or("the signature is short already")?.to_owned(),
        Some("empty") => format!("{}1b", "0".repeat(128)),
        Some(other) => return Err(format!("nothing here spoils by `{other}`")),
    };
    Ok(json!({"trip_signed": {"request": request, "deadline": deadline, "signature": signature}}))
}

/// The other signature for the same message: the order less s, and the other v.
fn mirrored(signature: &str) -> Result<String, String> {
    let broken = || "the signature is no hex".to_owned();
    let byte = |at: usize| {
        signature
            .get(2 * at..2 * at + 2)
            .and_then(|digits| u8::from_str_radix(digits, 16).ok())
            .ok_or_else(broken)
    };
    let mut s = [0_u8; 32];
    let mut borrow = 0;
    for at in (0..32).rev() {
        let difference = i16::from(ORDER[at]) - i16::from(byte(32 + at)?) - borrow;
        borrow = i16::from(difference < 0);
        s[at] = u8::try_from(difference.rem_euclid(256)).map_err(|_| broken())?;
    }
    let v = if byte(64)? == 27 { 28 } else { 27 };
    let s: String = s.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(format!("{}{s}{v:02x}", signature.get(..64).ok_or_else(broken)?))
}

fn both(args: &Value) -> Result<Value, String> {
    Ok(json!({
        "bridge": bridge(args)?, "corridor": word(args, "corridor")?, "asset": word(args, "asset")?,
        "normal": limits(&args["normal"])?, "limited": limits(&args["limited"])?,
    }))
}

fn limits(value: &Value) -> Result<Value, String> {
    let [transaction, hour, day, week] = value.as_array().map(Vec::as_slice).unwrap_or_default() else {
        return Err("limits are four amounts".to_owned());
    };
    Ok(json!({
        "per_transaction": limit(transaction)?, "per_hour": limit(hour)?, "per_day": limit(day)?,
        "per_week": limit(week)?,
    }))
}

/// An amount in decimal; `none` is the greatest value of 128 bits.
pub(crate) fn limit(value: &Value) -> Result<String, String> {
    if value == "none" { Ok(u128::MAX.to_string()) } else { decimal(value) }
}

fn decimal(value: &Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        Value::Null => Ok("0".to_owned()),
        other => Err(format!("{other} is no amount")),
    }
}

/// Zero where it is absent.
fn number(value: &Value) -> Value {
    if value.is_null() { json!(0) } else { value.clone() }
}

fn bridge(args: &Value) -> Result<String, String> {
    text(args.get("bridge").map_or(Ok("bridge"), |name| name.as_str().ok_or("a bridge is text"))?)
}

/// Zeros where it is absent.
fn word(args: &Value, key: &str) -> Result<String, String> {
    text(args.get(key).map_or(Ok("*"), |value| value.as_str().ok_or("a word is text"))?)
}
