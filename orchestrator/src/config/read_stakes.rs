//! `stakes` of a `[[chain]]` on which votes are counted by a pinned table.

use std::path::Path;

use portcullis_verifier::B256;

use super::{
    problem::Code,
    reader::{Placed, Section},
    stakes::StakesConfig,
};

/// Longest wait for votes, milliseconds: evidence has ten seconds in all.
const WAIT_MAX_MS: u64 = 8_000;

/// How long votes are waited for where nothing is said, milliseconds: less than `evidence_wait_ms` of the rules has by default.
const WAIT_MS: u64 = 1_500;

/// The table that is pinned; none where none is, or something of it is wrong, which is noted. The file itself is read when the
/// service starts, so that a new one can be made with the configuration that names the old one.
pub(super) fn read(chain: &Section<'_>, base: &Path) -> Option<StakesConfig> {
    let section = chain.table("stakes")?;
    let file = section.required_text("file", "\"stakes-812.bin\"");
    let sha256 = section.required_text("sha256", "\"64 hexadecimal digits\"");
    let sha256 = sha256.and_then(|text| digest(&section, &text));
    let epoch = section.required_number("epoch", 0..=u64::MAX >> 1, "812");
    let wait_ms = section.number("wait_ms", 0..=WAIT_MAX_MS, WAIT_MS);
    let at = section.at().clone();
    section.finish();
    Some(StakesConfig { file: base.join(file?.value), sha256: sha256?, epoch: epoch?.value, wait_ms, at })
}

fn digest(section: &Section<'_>, text: &Placed<String>) -> Option<B256> {
    let found = text.value.parse::<B256>().ok();
    if found.is_none() {
        section.sink().error(
            Code::NotAllowed,
            &text.at,
            format!("`sha256` is \"{}\", which is no hash of 32 bytes", text.value),
            "copy the line that `portcullis stakes` printed when it made the file: 64 hexadecimal digits",
        );
    }
    found
}
