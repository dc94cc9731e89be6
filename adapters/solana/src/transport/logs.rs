//! Who logged what, from the lines of a transaction's log. Pure.
//!
//! SECURITY: the runtime writes who runs (`Program … invoke`, `success`, `failed`); programs can only write behind `Program
//! log:` and `Program data:`. So a program cannot speak for another one. A node cuts a log at some thousand bytes, though, and
//! whoever calls a program can fill it first: what a cut log does not say is not known, and not "nothing".

use base64::{Engine, prelude::BASE64_STANDARD};
use portcullis_verifier::B256;

use crate::address;

/// What one program logged, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LoggedBy {
    pub(crate) program: B256,
    /// The parts that it gave at one time.
    pub(crate) parts: Vec<Vec<u8>>,
}

/// What was logged, and whether the log is whole.
pub(crate) fn logged<'a>(lines: impl IntoIterator<Item = &'a str>) -> (Vec<LoggedBy>, bool) {
    let mut running: Vec<B256> = Vec::new();
    let mut out = Vec::new();
    for line in lines {
        if line == "Log truncated" {
            return (out, false);
        }
        let Some(rest) = line.strip_prefix("Program ") else { continue };
        if let Some(data) = rest.strip_prefix("data: ") {
            let parts: Option<Vec<Vec<u8>>> =
                data.split(' ').map(|part| BASE64_STANDARD.decode(part).ok()).collect();
            // Who wrote it, and what, stands in every log that a node did not spoil.
            let (Some(program), Some(parts)) = (running.last(), parts) else { return (out, false) };
            out.push(LoggedBy { program: *program, parts });
            continue;
        }
        let Some((who, what)) = rest.split_once(' ') else { continue };
        if what.starts_with("invoke [") && what.ends_with(']') {
            let Some(program) = address::read(who) else { return (out, false) };
            running.push(program);
        } else if what == "success" || what.starts_with("failed") {
            let Some(program) = address::read(who) else { continue };
            if running.pop() != Some(program) {
                return (out, false);
            }
        }
    }
    let whole = running.is_empty();
    (out, whole)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const A: &str = "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA";
    const B: &str = "TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb";

    fn of(text: &str) -> (Vec<(B256, String)>, bool) {
        let text = text.replace("$A", A).replace("$B", B);
        let (out, whole) = logged(text.lines());
        let shown = |one: LoggedBy| {
            let parts: Vec<String> =
                one.parts.into_iter().map(|part| String::from_utf8(part).unwrap()).collect();
            (one.program, parts.join("|"))
        };
        (out.into_iter().map(shown).collect(), whole)
    }

    fn key(text: &str) -> B256 {
        address::read(text).unwrap()
    }

    #[test]
    fn data_belongs_to_the_program_that_runs() {
        let (out, whole) = of("Program $A invoke [1]\nProgram data: b25l dHdv\nProgram $B invoke [2]\n\
             Program data: aW5uZXI=\nProgram $B consumed 1 of 2 compute units\nProgram $B success\n\
             Program data: YmFjaw==\nProgram $A success");
        let wanted = [(A, "one|two"), (B, "inner"), (A, "back")];
        assert_eq!(out, wanted.map(|(who, what)| (key(who), what.to_owned())));
        assert!(whole);
    }

    #[test]
    fn what_a_program_says_is_not_what_the_runtime_says() {
        let (out, whole) = of("Program $A invoke [1]\nProgram log: Program $B invoke [2]\n\
             Program log: Program data: aW5uZXI=\nProgram data: b25l\nProgram $A success");
        assert_eq!(out, [(key(A), "one".to_owned())]);
        assert!(whole);
    }

    #[test]
    fn a_cut_or_broken_log_is_not_whole() {
        for text in [
            "Program $A invoke [1]\nProgram data: b25l\nLog truncated",
            "Program $A invoke [1]\nProgram data: b25l",
            "Program data: b25l",
            "Program $A invoke [1]\nProgram data: %%%\nProgram $A success",
            "Program $A invoke [1]\nProgram $B success\nProgram $A success",
            "Program nobody invoke [1]",
        ] {
            assert!(!of(text).1, "{text}");
        }
        assert!(of("").1, "nothing ran, nothing was said");
    }
}
