//! Node and npm: the one thing besides Rust that must be on the machine.

use std::process::Command;

use eyre::{Result, bail};

use crate::command;

/// The oldest Node that the pinned packages run on.
const NODE_MAJOR: u32 = 20;

/// Checks that Node and npm are there.
///
/// # Errors
/// One error that lists everything that is missing and how to get it.
pub(crate) fn require() -> Result<()> {
    let node = command::output(Command::new("node").arg("--version")).ok();
    let npm = command::output(Command::new("npm").arg("--version")).ok();
    let missing = missing(node.as_deref(), npm.as_deref());
    if missing.is_empty() {
        return Ok(());
    }
    bail!(
        "this machine lacks what the set-up needs:\n{}\n\
         Get Node {NODE_MAJOR} or later with npm from https://nodejs.org/ or your package manager \
         (Debian, Ubuntu: apt-get install nodejs npm; Fedora: dnf install nodejs; macOS: brew install node), \
         then run the same command again.",
        missing.iter().map(|line| format!("  - {line}")).collect::<Vec<_>>().join("\n")
    );
}

/// What is missing, given what the programs said about their versions.
fn missing(node: Option<&str>, npm: Option<&str>) -> Vec<String> {
    let mut missing = Vec::new();
    match node {
        None => missing.push(format!("node (version {NODE_MAJOR} or later) is not on PATH")),
        Some(version) => {
            let major = version.trim_start_matches('v').split('.').next().and_then(|m| m.parse::<u32>().ok());
            if major.is_none_or(|major| major < NODE_MAJOR) {
                missing.push(format!("node is {version}, version {NODE_MAJOR} or later is needed"));
            }
        }
    }
    if npm.is_none() {
        missing.push("npm is not on PATH".to_owned());
    }
    missing
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recent_node_with_npm_is_enough() {
        assert!(missing(Some("v20.11.0"), Some("10.2.4")).is_empty());
    }

    #[test]
    fn everything_missing_is_listed_at_once() {
        assert_eq!(missing(None, None).len(), 2);
        assert_eq!(missing(Some("v18.19.0"), None).len(), 2);
        assert_eq!(missing(Some("garbage"), Some("10")).len(), 1);
    }
}
