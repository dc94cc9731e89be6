//! Crates and versions that must not come in, not even through another crate. `deny.toml` says the same to cargo-deny.

use eyre::Result;

use super::Finding;
use super::tree::Tree;

/// A banned crate: all of it, or what is older than a version.
struct Ban {
    name: &'static str,
    /// Versions from here on are fine; `None` bans all.
    fixed_in: Option<[u64; 3]>,
    why: &'static str,
}

const BANS: [Ban; 5] = [
    Ban {
        name: "alloy-trie",
        fixed_in: Some([0, 9, 7]),
        why: "older ones accept a truncated inclusion proof as absence",
    },
    Ban {
        name: "aws-lc-rs",
        fixed_in: None,
        why: "TLS is rustls with ring, so that no C toolchain is needed",
    },
    Ban {
        name: "aws-lc-sys",
        fixed_in: None,
        why: "TLS is rustls with ring, so that no C toolchain is needed",
    },
    Ban {
        name: "openssl",
        fixed_in: None,
        why: "TLS is rustls with ring, so that no system library is needed",
    },
    Ban {
        name: "openssl-sys",
        fixed_in: None,
        why: "TLS is rustls with ring, so that no system library is needed",
    },
];

const FIX: &str = "`cargo tree -i <crate>` shows who brings it; switch that feature off or raise the version";

/// Rule `lockfile`.
pub(crate) fn check(tree: &Tree) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for file in
        tree.files().iter().filter(|file| file.as_str() == "Cargo.lock" || file.ends_with("/Cargo.lock"))
    {
        let text = tree.text(file)?;
        let mut name = "";
        for (index, line) in text.lines().enumerate() {
            if let Some(value) = line.strip_prefix("name = ") {
                name = value.trim_matches('"');
            }
            let Some(version) = line.strip_prefix("version = ") else { continue };
            let version = version.trim_matches('"');
            for ban in BANS.iter().filter(|ban| ban.name == name && ban.applies_to(version)) {
                let what = format!("{name} {version} is banned: {}", ban.why);
                findings.push(Finding::error(file, index + 1, "lockfile", what, FIX));
            }
        }
    }
    Ok(findings)
}

impl Ban {
    fn applies_to(&self, version: &str) -> bool {
        let Some(fixed_in) = self.fixed_in else { return true };
        let (release, pre) = match version.split('+').next().unwrap_or_default().split_once('-') {
            Some((release, _)) => (release, true),
            None => (version.split('+').next().unwrap_or_default(), false),
        };
        let mut parts = release.split('.').map(|part| part.parse::<u64>().unwrap_or(0));
        let release = [(); 3].map(|()| parts.next().unwrap_or(0));
        release < fixed_in || (pre && release == fixed_in)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tree::planted;
    use super::*;

    fn what(name: &str, version: &str) -> Vec<String> {
        let text = format!("version = 4\n\n[[package]]\nname = \"{name}\"\nversion = \"{version}\"\n");
        let (_dir, tree) = planted(&[("Cargo.lock", &text)]);
        check(&tree).unwrap().into_iter().map(|finding| finding.what).collect()
    }

    #[test]
    fn old_and_unwanted_crates_are_found() {
        for (name, version) in [
            ("alloy-trie", "0.9.6"),
            ("alloy-trie", "0.8.99"),
            ("alloy-trie", "0.9.7-rc.1"),
            ("aws-lc-rs", "1.0.0"),
            ("openssl-sys", "0.9.100"),
        ] {
            assert_eq!(what(name, version).len(), 1, "{name} {version}");
        }
    }

    #[test]
    fn fixed_versions_and_similar_names_pass() {
        for (name, version) in [("alloy-trie", "0.9.7"), ("alloy-trie", "0.10.0"), ("openssl-probe", "0.1.5")]
        {
            assert!(what(name, version).is_empty(), "{name} {version}");
        }
    }
}
