//! `[signers]`, and the files that hold what the configuration must not.

use std::path::{Path, PathBuf};

use toml::de::DeValue;

use super::{
    family::Family,
    model::{ChainConfig, SignerConfig},
    problem::Code,
    reader::{Placed, Section, Sink, report_unknown, type_name},
    suggest::nearest,
};

/// Keys that hold a secret in other programs' configurations; here they are refused by name.
const SECRET_KEYS: [&str; 6] = ["password", "private_key", "secret", "key", "mnemonic", "seed"];

/// Longest file with one URL or password in its first line, in bytes.
const MAX_SECRET_BYTES: u64 = 64 * 1024;

/// The first line of a file named in the configuration; relative paths start at the configuration's folder.
pub(super) fn read_first_line(sink: &Sink<'_>, path: &Placed<String>, base: &Path) -> Option<String> {
    let full = base.join(&path.value);
    match super::read_bounded(&full, MAX_SECRET_BYTES) {
        Ok(text) => Some(text.lines().next().unwrap_or("").trim().to_owned()),
        Err(error) => {
            sink.error(
                Code::Unreadable,
                &path.at,
                format!("{} cannot be read: {error}", full.display()),
                "create the file, or let the user that runs portcullis read it",
            );
            None
        }
    }
}

/// `[signers]`: a table per chain, or one named `default`.
pub(super) fn read_signers(root: &Section<'_>, chains: &mut [ChainConfig], base: &Path) {
    let Some(signers) = root.table("signers") else { return };
    let mut fallback = None;
    for (name, value) in signers.entries() {
        let DeValue::Table(table) = value.get_ref() else {
            signers.sink().error(
                Code::WrongType,
                &value.span(),
                format!("a signer is a table, not {}", type_name(value.get_ref())),
                "write [signers.\"eip155:1\"] with keystore and password_file below it",
            );
            continue;
        };
        let section = Section::new(signers.sink(), "a signer", value.span(), table);
        if name.value == "default" {
            fallback = read_signer(&section, base, false);
        } else if let Some(chain) = chains.iter_mut().find(|chain| chain.id.value.as_str() == name.value) {
            chain.signer = read_signer(&section, base, chain.family == Family::Solana);
        } else {
            let _judged = read_signer(&section, base, false);
            let known: Vec<String> = chains.iter().map(|chain| chain.id.value.to_string()).collect();
            let near = nearest(name.value, known.iter().map(String::as_str));
            signers.sink().error(
                Code::UnknownName,
                &name.at,
                format!("there is no chain \"{}\" to sign for", name.value),
                near.map_or_else(|| "name a [[chain]] by its id".into(), |near| format!("write \"{near}\"")),
            );
        }
    }
    for chain in chains.iter_mut().filter(|chain| chain.signer.is_none()) {
        chain.signer.clone_from(&fallback);
    }
}

/// A signer with its carrier; `nonces` says whether they may name the accounts that their nonces come from.
fn read_signer(section: &Section<'_>, base: &Path, nonces: bool) -> Option<SignerConfig> {
    let (beside, of_carrier): (&[&str], &[&str]) =
        if nonces { (&["carrier", "nonce"], &["nonce"]) } else { (&["carrier"], &[]) };
    let carrier = section.table("carrier").and_then(|carrier| read_key(&carrier, base, of_carrier));
    let signer = read_key(section, base, beside)?;
    if let Some(carrier) = carrier.as_ref().filter(|carrier| carrier.keystore == signer.keystore) {
        section.sink().error(
            Code::NotAllowed,
            &carrier.at,
            "the carrier has the signer's own key: it is stuck when the signer is",
            "give it another keystore; its account needs no role, only money for fees",
        );
    }
    Some(SignerConfig { carrier: carrier.map(Box::new), ..signer })
}

/// A keystore with its password; `beside` names what else the table may hold.
fn read_key(section: &Section<'_>, base: &Path, beside: &[&str]) -> Option<SignerConfig> {
    let keystore = section.required_text("keystore", "\"keys/tripper.json\"");
    let password_file = section.required_text("password_file", "\"keys/tripper.password\"");
    for (name, _) in section.entries() {
        if SECRET_KEYS.contains(&name.value) {
            section.sink().error(
                Code::InlineSecret,
                &name.at,
                format!("`{}` would put a secret into the configuration", name.value),
                "use keystore and password_file, each the path of a file that only portcullis can read",
            );
        }
    }
    let sink = section.sink();
    let unknown: Vec<Placed<&str>> = section
        .entries()
        .map(|(name, _)| name)
        .filter(|name| {
            !SECRET_KEYS.contains(&name.value)
                && !["keystore", "password_file"].contains(&name.value)
                && !beside.contains(&name.value)
        })
        .collect();
    for name in unknown {
        let known = ["keystore", "password_file"].into_iter().chain(beside.iter().copied());
        report_unknown(sink, "a signer", name.value, &name.at, known);
    }
    let nonce = if beside.contains(&"nonce") { section.text("nonce") } else { None };
    let at = keystore.as_ref().map_or_else(|| section.at().clone(), |path| path.at.clone());
    let keystore = check_file(sink, keystore?, base);
    let password_file = check_file(sink, password_file?, base);
    Some(SignerConfig { keystore: keystore?, password_file: password_file?, carrier: None, nonce, at })
}

fn check_file(sink: &Sink<'_>, path: Placed<String>, base: &Path) -> Option<PathBuf> {
    let full = base.join(&path.value);
    match std::fs::File::open(&full).and_then(|file| file.metadata()) {
        Ok(meta) if meta.is_file() => {
            if others_can_read(&meta) {
                sink.warning(
                    Code::InlineSecret,
                    &path.at,
                    format!("every user of this machine can read {}", full.display()),
                    format!("run: chmod 600 {}", full.display()),
                );
            }
            Some(full)
        }
        Ok(_) => {
            sink.error(
                Code::Unreadable,
                &path.at,
                format!("{} is not a file", full.display()),
                "name a file",
            );
            None
        }
        Err(error) => {
            sink.error(
                Code::Unreadable,
                &path.at,
                format!("{} cannot be read: {error}", full.display()),
                "create the file, or let the user that runs portcullis read it",
            );
            None
        }
    }
}

fn others_can_read(meta: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;
    meta.permissions().mode() & 0o004 != 0
}
