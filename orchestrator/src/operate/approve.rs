//! Lending trust takes two people, and two people are two keys.
//!
//! A [`Request`] is one text, which says what is asked. Both sign it, each with an SSH key of their own, wherever that
//! key is kept: `ssh-keygen -Y sign -n portcullis -f KEY REQUEST` (OpenSSH's `PROTOCOL.sshsig`). The desk gives the
//! engine what both have signed, and nothing else. No private key comes near this program.

use std::collections::BTreeMap;

use portcullis_core::Command;
use portcullis_core::config::Mode;
use portcullis_verifier::{GroupId, Slug};
use serde_json::Value;
use ssh_key::{Algorithm, PublicKey, SshSig};

use super::modes;

/// What signatures are made for: one that was made for anything else does not count.
pub const NAMESPACE: &str = "portcullis";

/// First line of a request.
const TITLE: &str = "portcullis: lend trust to automation, version 1";

/// Longest signature, bytes: that of a hardware key takes about six hundred.
const SIGNATURE_BYTES: usize = 4_096;

/// Most signatures that come with one request: two are needed.
const SIGNATURES: usize = 8;

/// Key of a command's row under which its signatures lie.
pub const SIGNED: &str = "signatures";

/// Longest request, bytes.
pub const REQUEST_BYTES: u64 = 4_096;

/// What two people are asked to agree to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// Linked group of the gate.
    pub group: GroupId,
    /// The gate.
    pub target: Slug,
    /// How far automation may go there.
    pub mode: Mode,
    /// Who asks.
    pub by: Slug,
    /// Who agrees; somebody else.
    pub with: Slug,
    /// Until when, milliseconds since 1970.
    pub until_ms: u64,
}

impl Request {
    /// The request behind a command; none where it lends nothing.
    #[must_use]
    pub fn of(group: GroupId, command: &Command) -> Option<Self> {
        let Command::Trust { target, mode, by, with, until_ms } = *command else { return None };
        Some(Self { group, target, mode, by, with, until_ms })
    }

    /// The command that the engine is given once both have signed.
    #[must_use]
    pub fn command(&self) -> Command {
        let Self { group: _, target, mode, by, with, until_ms } = *self;
        Command::Trust { target, mode, by, with, until_ms }
    }

    /// The text that both sign, byte for byte.
    #[must_use]
    pub fn text(&self) -> String {
        let Self { group, target, mode, by, with, until_ms } = self;
        let mode = modes::word(*mode);
        format!(
            "{TITLE}\ngroup: {group}\ngate: {target}\nmode: {mode}\nuntil_ms: {until_ms}\nby: {by}\nwith: {with}\n"
        )
    }

    /// Reads a request.
    ///
    /// # Errors
    /// Why the text is none, in one sentence. Another text of the same meaning is none either.
    pub fn parse(text: &str) -> Result<Self, String> {
        let field = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
            line.ok_or_else(|| format!("it has no line `{name}: …`"))
        };
        let slug = |name: &str| field(name)?.parse::<Slug>().map_err(|error| format!("{name}: {error}"));
        let until_ms = field("until_ms")?.parse().map_err(|error| format!("until_ms: {error}"))?;
        let mode = modes::mode_of(field("mode")?);
        let (group, target) = (slug("group")?, slug("gate")?);
        let request = Self { group, target, mode, by: slug("by")?, with: slug("with")?, until_ms };
        // SECURITY: what is signed is what is meant; nothing may stand in it that is not read.
        if request.text() == text {
            Ok(request)
        } else {
            Err("it is not a request as this program writes it".into())
        }
    }
}

/// People who may agree to more trust, with the public key of each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Approvers(BTreeMap<Slug, PublicKey>);

impl Approvers {
    /// Adds a person with a key as `authorized_keys` writes it.
    ///
    /// # Errors
    /// Why it is no key of a kind that is accepted, or whose it is already: one sentence.
    pub fn add(&mut self, name: Slug, key: &str) -> Result<(), String> {
        let key =
            PublicKey::from_openssh(key).map_err(|error| format!("it is no SSH public key: {error}"))?;
        if !matches!(key.algorithm(), Algorithm::Ed25519 | Algorithm::SkEd25519) {
            return Err(format!("{} keys are not accepted, only ed25519 ones", key.algorithm()));
        }
        // SECURITY: one key under two names would make one person two.
        if let Some((other, _)) = self.0.iter().find(|(_, known)| known.key_data() == key.key_data()) {
            return Err(format!("it is the key of {other} already"));
        }
        self.0.insert(name, key);
        Ok(())
    }

    /// Whether a person may agree to more trust.
    #[must_use]
    pub fn knows(&self, name: &Slug) -> bool {
        self.0.contains_key(name)
    }

    /// Whether somebody here was not there before, or has another key.
    #[must_use]
    pub fn adds_to(&self, before: &Self) -> bool {
        let same = |name: &Slug, key: &PublicKey| {
            before.0.get(name).is_some_and(|known| known.key_data() == key.key_data())
        };
        self.0.iter().any(|(name, key)| !same(name, key))
    }

    /// Checks that both people of a request have signed it.
    ///
    /// # Errors
    /// What is missing, and what to do: one sentence.
    pub fn check(&self, request: &Request, signatures: &[String]) -> Result<(), String> {
        let Request { by, with, .. } = request;
        if by == with {
            return Err(format!("{by} alone cannot lend trust: it needs a second person"));
        }
        if signatures.len() > SIGNATURES || signatures.iter().any(|pem| pem.len() > SIGNATURE_BYTES) {
            return Err(format!("at most {SIGNATURES} signatures of {SIGNATURE_BYTES} bytes each are read"));
        }
        let signatures: Vec<SshSig> =
            signatures.iter().filter_map(|pem| SshSig::from_pem(pem).ok()).collect();
        let text = request.text();
        let key_of = |name| self.0.get(name).map(|key| (name, key)).ok_or_else(|| stranger(name));
        for (name, key) in [key_of(by)?, key_of(with)?] {
            // SECURITY: `verify` compares key and namespace as well.
            let signed = |signature: &SshSig| key.verify(NAMESPACE, text.as_bytes(), signature).is_ok();
            if !signatures.iter().any(signed) {
                return Err(format!(
                    "{name} has not signed this request: ssh-keygen -Y sign -n {NAMESPACE} -f KEY REQUEST"
                ));
            }
        }
        Ok(())
    }
}

/// That a person may not agree to more trust, and what to do.
#[must_use]
pub fn stranger(name: &Slug) -> String {
    format!(
        "{name} is no approver: add the person's public key to `approvers` in [modes], and restart the service"
    )
}

/// The signatures that came with a command, as its row holds them.
#[must_use]
pub fn signatures_of(row: &Value) -> Vec<String> {
    let list = row.pointer("/trust").and_then(|trust| trust.get(SIGNED)).and_then(Value::as_array);
    list.into_iter().flatten().filter_map(|text| text.as_str().map(str::to_owned)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ssh_key::private::{Ed25519Keypair, PrivateKey};
    use ssh_key::{HashAlg, LineEnding};

    /// As `ssh-keygen -t ed25519` made it.
    const CAROL: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBNNc8prnjmo4n15woQUx66M6lAJOSJrJfpIC3hHQVH2 carol";
    /// As `ssh-keygen -Y sign -n portcullis` made it of `request("carol")`.
    const BY_CAROL: &str = "-----BEGIN SSH SIGNATURE-----\n\
         U1NIU0lHAAAAAQAAADMAAAALc3NoLWVkMjU1MTkAAAAgE01zymueOajifXnChBTHrozqUA\n\
         k5Imsl+kgLeEdBUfYAAAAKcG9ydGN1bGxpcwAAAAAAAAAGc2hhNTEyAAAAUwAAAAtzc2gt\n\
         ZWQyNTUxOQAAAECJXklBFXhnPzFNF/2mCkGjyWXm5tgXQwltIjXTrh6tDITBSUZVIKfI6I\n\
         7aC1g96PixE/KJbihF3UxdFxUA0VoF\n\
         -----END SSH SIGNATURE-----\n";

    fn slug(name: &str) -> Slug {
        Slug::new(name).unwrap()
    }

    fn key(seed: u8) -> PrivateKey {
        PrivateKey::from(Ed25519Keypair::from_seed(&[seed; 32]))
    }

    fn public(seed: u8) -> String {
        key(seed).public_key().to_openssh().unwrap()
    }

    fn signed(seed: u8, namespace: &str, text: &str) -> String {
        let signature = key(seed).sign(namespace, HashAlg::Sha512, text.as_bytes()).unwrap();
        signature.to_pem(LineEnding::LF).unwrap()
    }

    fn request(with: &str) -> Request {
        let (group, target, by) = (slug("g"), slug("home"), slug("ada"));
        Request { group, target, mode: Mode::Halt, by, with: slug(with), until_ms: 1_800_000_000_000 }
    }

    fn approvers() -> Approvers {
        let mut approvers = Approvers::default();
        approvers.add(slug("ada"), &public(1)).unwrap();
        approvers.add(slug("bob"), &public(2)).unwrap();
        approvers
    }

    #[test]
    fn two_keys_lend_trust_and_nothing_less_does() {
        let (approvers, request) = (approvers(), request("bob"));
        let text = request.text();
        let both = [signed(1, NAMESPACE, &text), signed(2, NAMESPACE, &text)];
        assert_eq!(approvers.check(&request, &both), Ok(()));
        assert_eq!(approvers.check(&request, &[both[1].clone(), both[0].clone()]), Ok(()), "in any order");
        let more = Request { until_ms: request.until_ms + 1, ..request };
        let cases: [(&Request, Vec<String>, &str); 7] = [
            (&request, Vec::new(), "ada has not signed"),
            (&request, vec![both[0].clone(), both[0].clone()], "bob has not signed"),
            (&request, vec![both[0].clone(), signed(3, NAMESPACE, &text)], "bob has not signed"),
            (&request, vec![both[0].clone(), signed(2, "git", &text)], "bob has not signed"),
            (&request, vec![both[0].clone(), "no signature".to_owned()], "bob has not signed"),
            (&more, both.to_vec(), "ada has not signed"),
            (&request, vec![both[0].clone(); 9], "at most 8"),
        ];
        for (request, signatures, why) in cases {
            let refused = approvers.check(request, &signatures).unwrap_err();
            assert!(refused.contains(why), "{refused}");
        }
        let alone = Request { with: slug("ada"), ..request };
        assert!(approvers.check(&alone, &both).unwrap_err().contains("second person"));
        let stranger = Request { with: slug("eve"), ..request };
        assert!(approvers.check(&stranger, &both).unwrap_err().contains("eve is no approver"));
        assert!(Approvers::default().check(&request, &both).is_err(), "nobody may, where nobody is named");
    }

    #[test]
    fn what_ssh_keygen_signed_counts() {
        let mut approvers = approvers();
        approvers.add(slug("carol"), CAROL).unwrap();
        let request = request("carol");
        let both = [signed(1, NAMESPACE, &request.text()), BY_CAROL.to_owned()];
        assert_eq!(approvers.check(&request, &both), Ok(()));
    }

    #[test]
    fn one_key_is_one_person_and_other_kinds_are_refused() {
        let mut approvers = approvers();
        assert!(approvers.add(slug("eve"), &public(2)).unwrap_err().contains("the key of bob"));
        assert!(approvers.add(slug("eve"), "ssh-ed25519 AAAA").is_err());
        let before = approvers.clone();
        assert!(!approvers.adds_to(&before));
        approvers.add(slug("eve"), &public(3)).unwrap();
        assert!(approvers.adds_to(&before) && !before.adds_to(&approvers), "to remove somebody adds nobody");
    }

    #[test]
    fn a_request_is_read_as_it_was_written_and_no_other_text_is_one() {
        let request = request("bob");
        let text = request.text();
        assert_eq!(Request::parse(&text), Ok(request));
        assert_eq!(Request::of(request.group, &request.command()), Some(request));
        for (from, to) in [
            ("halt", "all"),
            ("by: ada\n", ""),
            ("\nby", "\nnote: urgent\nby"),
            ("until_ms: 1", "until_ms: 01"),
        ] {
            assert!(Request::parse(&text.replacen(from, to, 1)).is_err(), "{to}");
        }
    }

    #[test]
    fn signatures_are_found_beside_the_command() {
        let row = serde_json::json!({ "trust": { "target": "home", "signatures": ["a", 7, "b"] } });
        assert_eq!(signatures_of(&row), ["a", "b"]);
        assert!(signatures_of(&serde_json::json!({ "stop": {} })).is_empty());
    }
}
