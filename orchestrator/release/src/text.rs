//! How answers look to people.

use std::fmt::Write;

use serde::Serialize;

use crate::{Landed, Signed, View};

/// One JSON document and a line break.
pub(crate) fn json(value: &impl Serialize) -> String {
    // These types hold texts, numbers and lists only, so writing them cannot fail.
    serde_json::to_string(value).unwrap_or_default() + "\n"
}

pub(crate) fn show(view: &View) -> String {
    let mut out = String::new();
    let mut line = |name: &str, value: &str| {
        let _infallible = writeln!(out, "{name:<16} {value}");
    };
    line("gate", &format!("{} on chain {}", view.guard, view.chain));
    line("scope", &view.scope);
    line("level now", view.level);
    line("closed until", &until(view.closed_until, view.closed_until_height, view));
    line("limited until", &until(view.limited_until, view.limited_until_height, view));
    let hold = if view.hold == "open" { "none" } else { view.hold };
    line("held by people", hold);
    line("releases so far", &view.generation.to_string());
    line("read at", &format!("block {} ({}), chain time {}", view.height, view.block_hash, view.time));
    line("agreed by", &format!("{} endpoint(s)", view.endpoints));
    line("may release", &view.releaser);
    line("owner", &view.owner);
    if !view.sealed {
        line("", "The gate is not sealed: until its owner seals it, everything is closed.");
    }
    match &view.history {
        Err(why) => line("closed by", &format!("not known: {why}")),
        Ok(list) if list.is_empty() => {
            line(
                "closed by",
                &format!("nobody in the last {} blocks; --look-back searches further", view.look_back),
            );
        }
        Ok(list) => {
            for trip in list {
                line("closed by", &format!("{} in block {} (tx {})", trip.by, trip.height, trip.transaction));
                line("", &format!("{} for incident {}", trip.what, trip.incident));
                if let Some(record) = &trip.record {
                    line("", &format!("under the log head {record}"));
                }
            }
        }
    }
    line("", "");
    line("seen", &format!("--seen {}", view.seen));
    out
}

fn until(time: u64, height: u64, view: &View) -> String {
    if time <= view.time && height <= view.height {
        return "not now".to_owned();
    }
    let seconds = time.saturating_sub(view.time);
    let blocks = height.saturating_sub(view.height);
    format!(
        "chain time {time} ({seconds} s from now) or block {height} ({blocks} from now), whichever is later"
    )
}

fn plan(signed: &Signed) -> String {
    format!(
        "This reopens the scope {}\nof the gate {} on chain {}: {} becomes {}.\n\
         It is {} until chain time {}, and would open by itself then.\n\
         Signed by the releaser {}, nonce {}, at most {} wei for gas.\n",
        signed.view.scope,
        signed.view.guard,
        signed.view.chain,
        signed.view.level,
        signed.to,
        signed.view.level,
        signed.view.closed_until.max(signed.view.limited_until),
        signed.account,
        signed.nonce,
        signed.cost_wei,
    )
}

pub(crate) fn signed(signed: &Signed) -> String {
    format!("{}\ntransaction {}\n{}\n", plan(signed), signed.hash, signed.raw)
}

pub(crate) fn unsent(signed: &Signed) -> String {
    format!("{}\nNothing was sent. Say --yes to send it.\n", plan(signed))
}

pub(crate) fn landed(landed: &Landed) -> String {
    format!(
        "Released: the scope is {} since block {} (transaction {}, taken by {} of {} endpoints).\n",
        landed.level, landed.height, landed.hash, landed.taken, landed.asked
    )
}
