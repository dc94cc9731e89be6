//! `[notify]`.

use std::path::Path;

use portcullis_verifier::Slug;
use secrecy::SecretString;

use super::{problem::Code, read_chain::read_url, read_signers::read_first_line, reader::Section};
use crate::notify::{Heartbeat, NotifyConfig, Severity, Webhook};

/// Webhooks may be read on this machine without encryption, and elsewhere only with it.
const SCHEMES: [&str; 2] = ["https", "http"];

/// Shortest secret, bytes: below it, a signature can be guessed.
const SECRET_BYTES: usize = 16;

pub(super) fn read_notify(root: &Section<'_>, base: &Path) -> NotifyConfig {
    let Some(section) = root.table("notify") else { return NotifyConfig::default() };
    let mut webhooks: Vec<Webhook> = Vec::new();
    for hook in section.tables("webhook", "[[notify.webhook]]") {
        let at = hook.at().clone();
        let Some(read) = read_webhook(hook, base) else { continue };
        if webhooks.iter().any(|other| other.id == read.id) {
            let what = format!("two webhooks have the id {}", read.id);
            section.sink().error(Code::Duplicate, &at, what, "give each webhook a name of its own");
        }
        webhooks.push(read);
    }
    let heartbeat = section.table("heartbeat").and_then(|section| {
        let url = section.required_any("url", "{ file = \"secrets/heartbeat-url\" }");
        let url = url.and_then(|value| read_url(section.sink(), "url", value, &SCHEMES, base));
        let every_secs = section.number("every_secs", 1..=86_400, 60);
        section.finish();
        Some(Heartbeat { url: url?.0, every_secs })
    });
    section.finish();
    NotifyConfig { webhooks, heartbeat }
}

fn read_webhook(section: Section<'_>, base: &Path) -> Option<Webhook> {
    let id = section.required::<Slug>("id", "\"pager\"");
    let url = section.required_any("url", "{ file = \"secrets/pager-url\" }");
    let url = url.and_then(|value| read_url(section.sink(), "url", value, &SCHEMES, base));
    let least = section.choice("least", &[("notify", Severity::Notify), ("page", Severity::Page)]);
    let file = section.required_text("secret_file", "\"secrets/pager-key\"");
    let secret = file.and_then(|file| {
        let secret = read_first_line(section.sink(), &file, base)?;
        if secret.len() < SECRET_BYTES {
            section.sink().error(
                Code::NotAllowed,
                &file.at,
                format!("the secret has {} bytes; at least {SECRET_BYTES} are needed", secret.len()),
                "make one with `openssl rand -hex 32`",
            );
        }
        Some(SecretString::from(secret))
    });
    section.finish();
    let least = least.map_or(Severity::Notify, |placed| placed.value);
    Some(Webhook { id: id?.value, url: url?.0, secret: secret?, least })
}
