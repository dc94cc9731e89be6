//! `portcullis check --dial`: whether what the configuration names would work today.

use std::{fmt::Write, path::Path};

use portcullis_adapter::Readiness;
use portcullis_verifier::ChainId;
use serde::Serialize;

use crate::{
    config::{Loaded, Place, Problems, Severity},
    wiring,
};

/// One thing that was asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Dialled {
    /// On which chain.
    chain: ChainId,
    /// Line of the file that names the chain.
    line: usize,
    /// What: `endpoint`, `proofs`, `scope`, and so on.
    check: String,
    /// Whether it would work.
    ok: bool,
    /// Code under which the documentation explains what to do; none when it would.
    code: Option<&'static str>,
    /// How bad it is; none when it would work.
    severity: Option<Severity>,
    /// What was found and, when it would not work, what to do.
    detail: String,
}

impl Dialled {
    fn new(chain: ChainId, line: usize, found: Readiness) -> Self {
        let (code, severity) = explain(found.check.as_str());
        Self {
            chain,
            line,
            check: found.check.to_string(),
            ok: found.ok,
            code: (!found.ok).then_some(code),
            severity: (!found.ok).then_some(severity),
            detail: found.detail,
        }
    }

    /// False when this would keep the service from its work.
    pub(super) fn is_fine(&self) -> bool {
        self.severity != Some(Severity::Error)
    }
}

/// Code and weight of a check that fails.
pub(super) fn explain(check: &str) -> (&'static str, Severity) {
    match check {
        "chain" => ("PC-0302", Severity::Error),
        "proofs" => ("PC-0303", Severity::Error),
        // Slower without them, not blind.
        "push" => ("PC-0304", Severity::Warning),
        "receipts" => ("PC-0305", Severity::Warning),
        "quorum" => ("PC-0306", Severity::Error),
        "code" => ("PC-0307", Severity::Error),
        "gate" => ("PC-0308", Severity::Error),
        "scope" => ("PC-0309", Severity::Error),
        "role" => ("PC-0310", Severity::Error),
        "balance" => ("PC-0311", Severity::Error),
        "nonce" => ("PC-0312", Severity::Error),
        "power" => ("PC-0967", Severity::Error),
        "simulation" => ("PC-0313", Severity::Error),
        "carrier" => ("PC-0607", Severity::Warning),
        // A recent blockhash is signed with instead, and closes as well.
        "durable" => ("PC-0985", Severity::Warning),
        "fee" => ("PC-0933", Severity::Error),
        "circuit" => ("PC-0938", Severity::Error),
        "pruned" => ("PC-0939", Severity::Error),
        "nested" => ("PC-0940", Severity::Warning),
        "root" => ("PC-0944", Severity::Error),
        // What operators report counts as before; only stake is not counted.
        "regime" => ("PC-0953", Severity::Warning),
        "stakes" => ("PC-0981", Severity::Warning),
        // `endpoint`, and whatever a family may add: it does not answer.
        _ => ("PC-0301", Severity::Error),
    }
}

/// Dials every chain, one after the other, so that the answers stand in the order of the file.
///
/// # Errors
/// Problems of the file that only building adapters shows, such as a keystore that does not open.
pub(super) async fn dial(loaded: &Loaded) -> Result<Vec<Dialled>, Problems> {
    let mut dialled: Vec<Dialled> = Vec::new();
    for chain in &loaded.config.chains {
        let line = Place::find(&loaded.source, &chain.id.at).line;
        for found in wiring::dial(loaded, chain).await? {
            let entry = Dialled::new(chain.id.value, line, found);
            // A key that closes two gates of a chain is rehearsed at both; what is equal is said once.
            if !dialled.contains(&entry) {
                dialled.push(entry);
            }
        }
    }
    Ok(dialled)
}

/// For people: one line per check, grouped by chain.
pub(super) fn describe(file: &Path, dialled: &[Dialled]) -> String {
    let mut out = String::new();
    let mut last = None;
    for entry in dialled {
        if last != Some(entry.chain) {
            // Writing into a text cannot fail.
            let _infallible = writeln!(out, "\nDialled {} ({}:{})", entry.chain, file.display(), entry.line);
            last = Some(entry.chain);
        }
        let word = match entry.severity {
            None => "ok".to_owned(),
            Some(Severity::Warning) => format!("warning {}", entry.code.unwrap_or("")),
            Some(Severity::Error) => format!("error {}", entry.code.unwrap_or("")),
        };
        let _infallible = writeln!(out, "  {word:<16} {:<11} {}", entry.check, entry.detail);
    }
    let bad = dialled.iter().filter(|entry| !entry.is_fine()).count();
    let _infallible = match bad {
        0 => writeln!(out, "\nEverything that was dialled would work."),
        bad => writeln!(out, "\n{bad} of {} checks failed; docs/errors explains each code.", dialled.len()),
    };
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(check: &str, ok: bool) -> Dialled {
        let readiness = Readiness { check: check.parse().unwrap(), ok, detail: "d".into() };
        Dialled::new("eip155:1".parse().unwrap(), 14, readiness)
    }

    #[test]
    fn what_only_slows_is_a_warning_and_what_works_has_no_code() {
        assert!(found("push", false).is_fine() && found("receipts", false).is_fine());
        assert!(found("durable", false).is_fine() && found("durable", false).code == Some("PC-0985"));
        assert!(!found("scope", false).is_fine() && !found("endpoint", false).is_fine());
        assert_eq!(found("scope", false).code, Some("PC-0309"));
        let explained =
            ["chain", "gate", "circuit", "power", "pruned", "nested"].map(|check| found(check, false).code);
        let codes = ["PC-0302", "PC-0308", "PC-0938", "PC-0967", "PC-0939", "PC-0940"];
        assert_eq!(explained, codes.map(Some), "each has a page of its own");
        assert_eq!((found("scope", true).code, found("scope", true).severity), (None, None));
    }

    #[test]
    fn the_text_counts_what_failed() {
        let file = Path::new("p.toml");
        let text = describe(file, &[found("endpoint", true), found("scope", false), found("push", false)]);
        assert!(text.contains("Dialled eip155:1 (p.toml:14)"), "{text}");
        assert!(text.contains("error PC-0309") && text.contains("warning PC-0304"), "{text}");
        assert!(text.contains("1 of 3 checks failed"), "{text}");
        assert!(describe(file, &[found("endpoint", true)]).contains("would work"));
    }
}
