//! One TOML file: read, checked as a whole, and resolved into what engines and adapters take.
//!
//! *Who is in the play.* A [`reader::Section`] turns tables into typed values and notes every mistake at its place;
//! the `read_*` files know the sections; `cross` checks what needs more than one; `engine` gives each linked group
//! its [`portcullis_core::EngineConfig`]. What only a family can judge (an event's signature) is judged by the
//! wiring, which returns mistakes as [`Problem`]s of the same file.

mod cross;
mod engine;
pub mod family;
mod light;
pub mod loosen;
pub mod model;
mod operate;
pub mod problem;
mod read_bridge;
mod read_chain;
mod read_light;
mod read_notify;
mod read_service;
mod read_signers;
mod read_stakes;
mod read_units;
pub mod reader;
pub mod scope;
mod stakes;
mod suggest;
#[cfg(test)]
mod tests;

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use toml::de::DeTable;

pub use model::Config;
pub use problem::{Code, Place, Problem, Problems, Severity};
use reader::{Section, Sink};

/// Largest configuration that is read, in bytes: a thousand bridges fit; what is larger is the wrong file.
const MAX_BYTES: u64 = 8 * 1024 * 1024;

/// A configuration that can be used, its text, and what somebody should know about it.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// What it says.
    pub config: Config,
    /// What it said, for the places of later problems.
    pub source: String,
    /// Warnings only.
    pub warnings: Problems,
}

/// What a family finds in its part of a configuration.
pub type Judge = fn(&Loaded) -> Vec<Problem>;

/// Reads and checks a configuration file. Relative paths in it start at its own folder. `judge` is asked about what
/// only families can judge.
///
/// # Errors
/// All problems of the file at once, when one of them is an error.
pub fn load(file: &Path, judge: Judge) -> Result<Loaded, Problems> {
    let source = read_file(file)?;
    let base = file.parent().map_or_else(PathBuf::new, Path::to_owned);
    parse_judged(file, &base, source, judge)
}

/// As [`parse`], with what families find among the rest.
///
/// Where the file has errors of its own, a family sees a configuration with holes. What it then finds counts as far
/// as it does not come of a hole: an event mapping stands for itself, unless its own line is wrong already.
///
/// # Errors
/// As [`load`].
pub fn parse_judged(file: &Path, base: &Path, source: String, judge: Judge) -> Result<Loaded, Problems> {
    let (config, own) = read(file, base, &source);
    let Some(config) = config else { return Err(Problems::new(file, own)) };
    let mut loaded = Loaded { config, source, warnings: Problems::new(file, own) };
    let mut found = judge(&loaded);
    if loaded.warnings.errors() > 0 {
        let line = |problem: &Problem| problem.place.as_ref().map(|place| place.line);
        let wrong: Vec<_> = loaded.warnings.list.iter().map(line).collect();
        found.retain(|problem| problem.code == Code::BadMapping && !wrong.contains(&line(problem)));
    }
    found.append(&mut loaded.warnings.list);
    loaded.warnings = Problems::new(file, found);
    if loaded.warnings.errors() == 0 { Ok(loaded) } else { Err(loaded.warnings) }
}

fn read_file(file: &Path) -> Result<String, Problems> {
    let unreadable = |error: String| {
        let problem = Problem {
            code: Code::Unreadable,
            severity: Severity::Error,
            place: None,
            what: format!("the configuration cannot be read: {error}"),
            fix: "name an existing file with --config; docs/examples/portcullis.toml is a start".into(),
        };
        Problems::new(file, vec![problem])
    };
    read_bounded(file, MAX_BYTES).map_err(|error| unreadable(error.to_string()))
}

/// A text file of at most so many bytes. The bound holds for what is read, not for what the file system says: a
/// device has no size and no end.
pub(crate) fn read_bounded(file: &Path, most_bytes: u64) -> io::Result<String> {
    let mut text = String::new();
    File::open(file)?.take(most_bytes.saturating_add(1)).read_to_string(&mut text)?;
    if u64::try_from(text.len()).is_ok_and(|read| read <= most_bytes) {
        return Ok(text);
    }
    Err(io::Error::other(format!("it has more than {most_bytes} bytes")))
}

/// Checks a configuration's text. `file` is only for messages; relative paths start at `base`.
///
/// # Errors
/// All problems of the text at once, when one of them is an error.
pub fn parse(file: &Path, base: &Path, source: String) -> Result<Loaded, Problems> {
    parse_judged(file, base, source, |_| Vec::new())
}

fn read(file: &Path, base: &Path, source: &str) -> (Option<Config>, Vec<Problem>) {
    let sink = Sink::new(source);
    let (document, syntax) = DeTable::parse_recoverable(source);
    for error in &syntax {
        let at = error.span().unwrap_or(0..source.len().min(1));
        sink.error(
            Code::Syntax,
            &at,
            format!("not TOML: {}", error.message()),
            "see https://toml.io for the rules",
        );
    }
    if !syntax.is_empty() {
        // What a broken text seems to say would only add false problems to the true one.
        return (None, sink.into_problems());
    }
    let config = read_sections(file, base, &sink, &document);
    cross::check(&config, &sink);
    (Some(config), sink.into_problems())
}

fn read_sections(file: &Path, base: &Path, sink: &Sink<'_>, document: &toml::Spanned<DeTable<'_>>) -> Config {
    let root = Section::new(sink, "the configuration", document.span(), document.get_ref());
    let mut chains = read_chain::read_chains(&root, base);
    read_signers::read_signers(&root, &mut chains, base);
    let bridges = read_bridge::read_bridges(&root, &read_bridge::Context { chains: &chains });
    let rules = read_service::read_rules(&root);
    let playbooks = read_service::read_playbooks(&root, &chains);
    let store = read_service::read_store(&root, base);
    let api = read_service::read_api(&root);
    let operate = operate::read(&root);
    let notify = read_notify::read_notify(&root, base);
    root.finish();
    Config { file: file.to_owned(), chains, bridges, rules, playbooks, store, api, operate, notify }
}

impl Loaded {
    /// A problem of this file that was found after reading it.
    #[must_use]
    pub fn problem(&self, code: Code, at: &std::ops::Range<usize>, what: String, fix: String) -> Problem {
        Problem { code, severity: Severity::Error, place: Some(Place::find(&self.source, at)), what, fix }
    }
}
