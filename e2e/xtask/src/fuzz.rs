//! Fuzzing: looks for input that breaks a property of the decoders, the configuration or the readers of answers.
//!
//! Our own crates are compiled a second time with coverage counters, by this very program in the place of the
//! compiler's wrapper; what they depend on is shared with every other build. Then one process per target runs
//! libFuzzer for as long as asked. What it learned stays in the build directory; what it broke is copied into the
//! tree, where the tests feed it for good.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use eyre::{Result, WrapErr, bail, eyre};

use crate::paths::Paths;
use crate::{command, ui};

pub(crate) const HELP: &str = "\
Look for input that breaks a property: libFuzzer with coverage, on every decoder, the configuration and what nodes
answer.

Usage: cargo xtask fuzz [--target NAME]... [--seconds N] [--jobs N] [--list] [--json]

Options:
  --target NAME  only this target; may be given several times (default: all)
  --seconds N    how long each target is searched (default: 60)
  --jobs N       targets at one time (default: one per core)
  --list         print the targets and what each promises
  --json         one JSON object on the last line: target → {runs, coverage, corpus, peak_mib, seconds, ok}

What was learned is kept in the build directory and is where the next run begins. An input that breaks something is
copied to e2e/fuzz/regressions/<target>/, and its name and the command that feeds it again are printed; commit it
with the fix. A C++ compiler is needed for the engine.

Examples:
  cargo xtask fuzz
  cargo xtask fuzz --target evidence --seconds 600
  cargo xtask fuzz --seconds 5 --json";

/// Set for the compiler that cargo starts: this program then adds the counters and becomes the compiler.
const WRAPPING: &str = "PORTCULLIS_XTASK_COVERAGE";

/// What makes the compiler count edges and comparisons the way libFuzzer reads them.
const COVERAGE: [&str; 6] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Cdebug-assertions=on",
];

/// Memory of one process, MiB: an input that needs more is a finding.
const MEMORY_MIB: u32 = 1_024;
/// One input may take so long, seconds: an input that needs more is a finding.
const INPUT_SECONDS: u32 = 10;

/// What is to be done.
#[derive(Debug)]
pub(crate) struct Options {
    /// Only these; all when empty.
    pub(crate) targets: Vec<String>,
    /// For each target.
    pub(crate) seconds: u64,
    /// At one time.
    pub(crate) jobs: usize,
    /// Print the targets and end.
    pub(crate) list: bool,
    /// One JSON object on the last line.
    pub(crate) json: bool,
}

impl Options {
    /// Reads the words of the command line.
    ///
    /// # Errors
    /// When an option lacks its value or the value is no number above zero.
    pub(crate) fn parse(args: &mut pico_args::Arguments) -> Result<Self> {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let seconds: Option<u64> = args.opt_value_from_str("--seconds")?;
        let jobs: Option<usize> = args.opt_value_from_str("--jobs")?;
        if seconds == Some(0) || jobs == Some(0) {
            bail!("--seconds and --jobs take a number above zero");
        }
        Ok(Self {
            targets: args.values_from_str("--target")?,
            seconds: seconds.unwrap_or(60),
            jobs: jobs.unwrap_or(cores),
            list: args.contains("--list"),
            json: args.contains("--json"),
        })
    }
}

/// Becomes the compiler when cargo started this program in front of one; returns otherwise.
///
/// # Errors
/// When the compiler cannot be started.
pub(crate) fn wrap_compiler() -> Result<()> {
    if env::var_os(WRAPPING).is_none() {
        return Ok(());
    }
    let mut words = env::args_os().skip(1);
    let compiler = words.next().ok_or_else(|| eyre!("no compiler to wrap"))?;
    let words: Vec<OsString> = words.collect();
    let mut compile = Command::new(compiler);
    if counts(&words) {
        compile.args(COVERAGE);
    }
    Err(compile.args(words).exec()).wrap_err("the compiler could not be started")
}

/// Whether a call of the compiler makes code that is fuzzed: not what only runs while building.
fn counts(words: &[OsString]) -> bool {
    let follows = |option: &str, value: &str| {
        words
            .windows(2)
            .any(|pair| matches!(pair, [a, b] if a == option && b.to_string_lossy().starts_with(value)))
    };
    // `___` is the name under which cargo asks what a compiler can do.
    let only_asked = follows("--crate-name", "___") || follows("--crate-name", "build_script");
    follows("--crate-name", "") && !only_asked && !follows("--crate-type", "proc-macro")
}

/// One target as the program lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Target {
    name: String,
    most_bytes: String,
    what: String,
}

/// What became of one target.
#[derive(Debug, Default, PartialEq)]
struct Outcome {
    runs: u64,
    coverage: u64,
    corpus: u64,
    peak_mib: u64,
    elapsed: Duration,
    /// The input that broke it, in the tree.
    broken: Option<PathBuf>,
    /// Why it ended without having searched.
    error: Option<String>,
}

/// The command `fuzz`.
///
/// # Errors
/// When the engine cannot be built, a target is unknown, or an input broke something.
pub(crate) fn command(paths: &Paths, options: &Options) -> Result<()> {
    let program = build(paths)?;
    let all = list(&program)?;
    let chosen = choose(&all, &options.targets)?;
    if options.list {
        for target in chosen {
            println!("{:<12} {}", target.name, target.what);
        }
        return Ok(());
    }
    let step = ui::Step::bar("searching", u64::try_from(chosen.len()).unwrap_or(0));
    let queue = Mutex::new(chosen.iter().rev().collect::<Vec<_>>());
    let done: Mutex<Vec<(&Target, Outcome)>> = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..options.jobs.min(chosen.len()) {
            scope.spawn(|| {
                while let Some(target) = queue.lock().ok().and_then(|mut queue| queue.pop()) {
                    let outcome = search(paths, &program, target, options.seconds).unwrap_or_else(|error| {
                        Outcome { error: Some(format!("{error:#}")), ..Outcome::default() }
                    });
                    if let Ok(mut done) = done.lock() {
                        done.push((target, outcome));
                        step.at(u64::try_from(done.len()).unwrap_or(0));
                    }
                }
            });
        }
    });
    let mut done = done.into_inner().map_err(|_panicked| eyre!("a search ended in a panic"))?;
    step.done(&format!("{} targets", done.len()));
    done.sort_by_key(|(target, _)| chosen.iter().position(|other| other.name == target.name));
    report(paths, &done, options.json)
}

/// Builds the program with coverage counters.
///
/// As a test of the whole workspace, because cargo chooses features for all that one call builds: alone, it would
/// compile half of the dependencies once more.
fn build(paths: &Paths) -> Result<PathBuf> {
    let own = env::current_exe().wrap_err("this program does not know where it lies")?;
    let step = ui::Step::spinner("building the targets with coverage counters");
    let mut cargo = paths.cargo();
    cargo.args([
        "test",
        "--workspace",
        "--no-run",
        "--test",
        "search",
        "--features",
        "portcullis-fuzz/engine",
    ]);
    cargo.args(["--message-format", "json"]);
    // Only crates of this workspace go through the wrapper: what they depend on is compiled once for all purposes.
    cargo.env("RUSTC_WORKSPACE_WRAPPER", own).env(WRAPPING, "1");
    let messages = command::output(&mut cargo)
        .wrap_err("the fuzz targets could not be built (a C++ compiler is needed)")?;
    let program =
        messages.lines().rev().find_map(executable).ok_or_else(|| eyre!("cargo built no `search`"))?;
    step.done("");
    Ok(program)
}

/// Where the program lies, if this message of cargo's tells.
fn executable(message: &str) -> Option<PathBuf> {
    let message: serde_json::Value = serde_json::from_str(message).ok()?;
    let named = message.pointer("/target/name")?.as_str()? == "search";
    message.get("executable")?.as_str().filter(|_| named).map(PathBuf::from)
}

fn list(program: &Path) -> Result<Vec<Target>> {
    let text = command::output(Command::new(program).env("PORTCULLIS_FUZZ_LIST", "1"))?;
    let targets: Vec<Target> = text.lines().filter_map(listed).collect();
    if targets.is_empty() { Err(eyre!("{} lists no targets", program.display())) } else { Ok(targets) }
}

/// `name`, longest input and promise, between tabs.
fn listed(line: &str) -> Option<Target> {
    let mut parts = line.split('\t').map(str::to_owned);
    Some(Target { name: parts.next()?, most_bytes: parts.next()?, what: parts.next()? })
}

fn choose(all: &[Target], wanted: &[String]) -> Result<Vec<Target>> {
    if wanted.is_empty() {
        return Ok(all.to_vec());
    }
    wanted
        .iter()
        .map(|name| {
            all.iter().find(|target| target.name == *name).cloned().ok_or_else(|| {
                let names: Vec<&str> = all.iter().map(|target| target.name.as_str()).collect();
                eyre!("there is no target `{name}`; there are {}", names.join(", "))
            })
        })
        .collect()
}

fn search(paths: &Paths, program: &Path, target: &Target, seconds: u64) -> Result<Outcome> {
    let folder = paths.target.join("fuzz").join(&target.name);
    let (corpus, found) = (folder.join("corpus"), folder.join("found"));
    for each in [&corpus, &found] {
        fs::create_dir_all(each).wrap_err_with(|| format!("{} cannot be made", each.display()))?;
    }
    let log = folder.join("log");
    let writer = fs::File::create(&log).wrap_err_with(|| format!("{} cannot be written", log.display()))?;
    let since = Instant::now();
    let status = Command::new(program)
        .arg(&corpus)
        .args([
            format!("-max_total_time={seconds}"),
            format!("-max_len={}", target.most_bytes),
            format!("-rss_limit_mb={MEMORY_MIB}"),
            format!("-timeout={INPUT_SECONDS}"),
            format!("-artifact_prefix={}/", found.display()),
            "-print_final_stats=1".to_owned(),
        ])
        .env("PORTCULLIS_FUZZ_TARGET", &target.name)
        .env("PORTCULLIS_FUZZ_CORPUS", &corpus)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(writer)
        .status()
        .wrap_err_with(|| format!("{} could not be started", program.display()))?;
    let text = String::from_utf8_lossy(&fs::read(&log)?).into_owned();
    let mut outcome = read_log(&text);
    outcome.elapsed = since.elapsed();
    if status.success() {
        return Ok(outcome);
    }
    outcome.broken = artifact(&text).map(|file| keep(paths, target, &file)).transpose()?;
    if outcome.broken.is_none() {
        outcome.error = Some(format!("it ended with {status}:\n{}", command::last_lines(&text)));
    }
    Ok(outcome)
}

/// Figures from what libFuzzer wrote.
fn read_log(text: &str) -> Outcome {
    let stat = |name: &str| -> u64 {
        let line = text.lines().rev().find_map(|line| line.strip_prefix(&format!("stat::{name}:")));
        line.and_then(|value| value.trim().parse().ok()).unwrap_or(0)
    };
    // `#4711 REDUCE cov: 812 ft: 2022 corp: 154/12Kb …`
    let last = |word: &str| -> u64 {
        let line = text.lines().rev().find(|line| line.starts_with('#') && line.contains(word));
        let value = line.and_then(|line| line.split(word).nth(1)).map(str::trim_start).unwrap_or_default();
        value.split(|c: char| !c.is_ascii_digit()).next().and_then(|value| value.parse().ok()).unwrap_or(0)
    };
    Outcome {
        runs: stat("number_of_executed_units"),
        coverage: last(" cov:"),
        corpus: last(" corp:"),
        peak_mib: stat("peak_rss_mb"),
        ..Outcome::default()
    }
}

/// The file that libFuzzer names when an input broke something.
fn artifact(text: &str) -> Option<PathBuf> {
    let (_, rest) = text.rsplit_once("Test unit written to ")?;
    rest.lines().next().map(|path| PathBuf::from(path.trim()))
}

/// Copies an input that broke something into the tree.
fn keep(paths: &Paths, target: &Target, file: &Path) -> Result<PathBuf> {
    let folder = Path::new("e2e/fuzz/regressions").join(&target.name);
    let name = file.file_name().unwrap_or(OsStr::new("input"));
    fs::create_dir_all(paths.root.join(&folder))?;
    let kept = folder.join(name);
    fs::copy(file, paths.root.join(&kept)).wrap_err_with(|| format!("{} cannot be kept", file.display()))?;
    Ok(kept)
}

fn report(paths: &Paths, done: &[(&Target, Outcome)], as_json: bool) -> Result<()> {
    println!("{:<12} {:>10} {:>9} {:>8} {:>7}  {:>9}", "target", "runs", "edges", "corpus", "MiB", "took");
    for (target, outcome) in done {
        let mark = if outcome.is_fine() { "✓" } else { "✗" };
        println!(
            "{:<12} {:>10} {:>9} {:>8} {:>7}  {:>9} {mark}",
            target.name,
            outcome.runs,
            outcome.coverage,
            outcome.corpus,
            outcome.peak_mib,
            ui::elapsed(outcome.elapsed)
        );
    }
    for (target, outcome) in done {
        if let Some(broken) = &outcome.broken {
            let log = paths.target.join("fuzz").join(&target.name).join("log");
            println!("\n{}: {} broke it; why stands in {}", target.name, broken.display(), log.display());
            println!("feed it again: cargo test -p portcullis-fuzz");
        }
        if let Some(error) = &outcome.error {
            println!("\n{}: {error}", target.name);
        }
    }
    if as_json {
        println!("{}", json(done));
    }
    let bad: Vec<&str> = done.iter().filter(|(_, o)| !o.is_fine()).map(|(t, _)| t.name.as_str()).collect();
    if bad.is_empty() { Ok(()) } else { Err(eyre!("{} did not hold", bad.join(", "))) }
}

fn json(done: &[(&Target, Outcome)]) -> serde_json::Value {
    let entry = |(target, outcome): &(&Target, Outcome)| {
        let value = serde_json::json!({
            "runs": outcome.runs, "coverage": outcome.coverage, "corpus": outcome.corpus,
            "peak_mib": outcome.peak_mib, "seconds": outcome.elapsed.as_secs(), "ok": outcome.is_fine(),
        });
        (target.name.clone(), value)
    };
    done.iter().map(entry).collect::<serde_json::Map<_, _>>().into()
}

impl Outcome {
    /// Whether it searched and nothing broke.
    fn is_fine(&self) -> bool {
        self.broken.is_none() && self.error.is_none() && self.runs > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "\
#2\tINITED cov: 10 ft: 11 corp: 2/9b exec/s: 0 rss: 40Mb
#4711\tREDUCE cov: 812 ft: 2022 corp: 154/12Kb lim: 4096 exec/s: 2355 rss: 61Mb L: 9/40 MS: 1 EraseBytes-
Done 9000 runs in 3 second(s)
stat::number_of_executed_units: 9000
stat::average_exec_per_sec:     3000
stat::peak_rss_mb:              64
";

    #[test]
    fn figures_are_read_from_the_log() {
        let outcome = read_log(LOG);
        let figures = (outcome.runs, outcome.coverage, outcome.corpus, outcome.peak_mib);
        assert_eq!(figures, (9_000, 812, 154, 64));
        assert!(outcome.is_fine());
        assert!(!read_log("nothing ran\n").is_fine(), "a search that fed nothing found nothing out");
        assert_eq!(artifact(LOG), None);
        let broken = "SUMMARY: x\nartifact_prefix='/t/'; Test unit written to /t/crash-1f\nBase64: AA==\n";
        assert_eq!(artifact(broken), Some(PathBuf::from("/t/crash-1f")));
    }

    #[test]
    fn what_only_runs_while_building_gets_no_counters() {
        let words = |text: &str| text.split(' ').map(OsString::from).collect::<Vec<_>>();
        assert!(counts(&words("--crate-name portcullis_core --crate-type lib")));
        assert!(counts(&words("--crate-name portcullis_fuzz --crate-type bin")));
        assert!(!counts(&words("--crate-name build_script_build --crate-type bin")));
        assert!(!counts(&words("--crate-name derive --crate-type proc-macro")));
        assert!(!counts(&words("-vV")), "a question for the version");
        assert!(!counts(&words("- --crate-name ___ --print=cfg")), "a question for the target");
    }

    #[test]
    fn the_program_is_found_among_cargos_messages() {
        let lib = r#"{"reason":"compiler-artifact","target":{"name":"portcullis_core"},"executable":null}"#;
        let search =
            r#"{"reason":"compiler-artifact","target":{"name":"search"},"executable":"/t/search-1f"}"#;
        assert_eq!(executable(lib), None);
        assert_eq!(executable(search), Some(PathBuf::from("/t/search-1f")));
        assert_eq!(executable("   Compiling x"), None);
    }

    #[test]
    fn an_unknown_target_is_refused_with_those_that_are_there() {
        let all = [listed("wire\t9\tmessages").unwrap(), listed("trie\t9\tpaths").unwrap()];
        assert_eq!(choose(&all, &[]).unwrap().len(), 2);
        assert_eq!(choose(&all, &["trie".to_owned()]).unwrap()[0].name, "trie");
        let error = choose(&all, &["try".to_owned()]).unwrap_err().to_string();
        assert!(error.contains("`try`") && error.contains("wire, trie"), "{error}");
        assert_eq!(listed("no tabs"), None);
    }
}
