//! Where the tools are: by environment, else on PATH, else in the tool cache.

use std::env;
use std::path::{Path, PathBuf};
use std::sync::Once;

use eyre::{Result, bail, eyre};

/// The checkout.
#[must_use]
pub fn workspace_root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}

/// Set and not empty.
fn var(name: &str) -> Option<PathBuf> {
    env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

fn on_path(name: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?).map(|dir| dir.join(name)).find(|path| path.is_file())
}

fn cache() -> Option<PathBuf> {
    var("PORTCULLIS_CACHE")
        .or_else(|| Some(var("XDG_CACHE_HOME")?.join("portcullis")))
        .or_else(|| Some(var("HOME")?.join(".cache").join("portcullis")))
}

/// The node's binary: `PORTCULLIS_ANVIL`, PATH, or what set-up put into the cache.
///
/// # Errors
/// When none is there; the error says how to get it.
pub fn anvil() -> Result<PathBuf> {
    if let Some(path) = var("PORTCULLIS_ANVIL").or_else(|| on_path("anvil")) {
        return Ok(path);
    }
    let inside = "node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil";
    let mut found: Vec<PathBuf> = cache()
        .and_then(|dir| std::fs::read_dir(dir).ok())
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path().join(inside)))
        .filter(|path| path.is_file())
        .collect();
    found.sort();
    found.pop().ok_or_else(|| eyre!("no anvil: set PORTCULLIS_ANVIL, or run `cargo xtask setup`"))
}

/// The other family's node: `PORTCULLIS_WASMD`, PATH, or what set-up built into the cache.
///
/// # Errors
/// When none is there; the error says how to get it.
pub fn wasmd() -> Result<PathBuf> {
    if let Some(path) = var("PORTCULLIS_WASMD").or_else(|| on_path("wasmd")) {
        return Ok(path);
    }
    let mut found: Vec<PathBuf> = cache()
        .and_then(|dir| std::fs::read_dir(dir).ok())
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            path.file_name().is_some_and(|name| {
                ["wasmd", "cosmos"].iter().any(|known| name.to_string_lossy().starts_with(known))
            })
        })
        .flat_map(|path| [path.join("wasmd"), path.join("bin/wasmd")])
        .filter(|path| path.is_file())
        .collect();
    found.sort();
    found.pop().ok_or_else(|| eyre!("no wasmd: set PORTCULLIS_WASMD, or run `cargo xtask setup`"))
}

/// A binary of this workspace: by environment variable, else beside the running test or program.
///
/// # Errors
/// When it is not built.
pub fn workspace_binary(variable: &str, name: &str) -> Result<PathBuf> {
    if let Some(path) = var(variable) {
        return Ok(path);
    }
    let me = env::current_exe()?;
    // Tests run from target/<profile>/deps, programs from target/<profile>.
    for dir in me.ancestors().skip(1).take(2) {
        let path = dir.join(name);
        if path.is_file() {
            return Ok(path);
        }
    }
    bail!("no `{name}` beside {}: build it with `cargo build -p {name}`, or set {variable}", me.display())
}

/// The service's binary.
///
/// # Errors
/// When it is not built.
pub fn portcullis() -> Result<PathBuf> {
    workspace_binary("PORTCULLIS_BIN", "portcullis")
}

/// Folder with `initdb`, `pg_ctl` and `postgres`.
///
/// # Errors
/// When none is found.
pub fn postgres_bin() -> Result<PathBuf> {
    if let Some(dir) = var("PORTCULLIS_POSTGRES_BIN") {
        return Ok(dir);
    }
    if let Some(dir) = on_path("initdb").as_deref().and_then(Path::parent) {
        return Ok(dir.to_path_buf());
    }
    let mut found: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
        .filter(|dir| dir.join("initdb").is_file())
        .collect();
    found.sort();
    found.pop().ok_or_else(|| eyre!("no Postgres: set PORTCULLIS_POSTGRES_BIN, or run `cargo xtask setup`"))
}

/// A built contract as the repository holds it.
///
/// # Errors
/// When the file is missing or has no bytecode.
pub fn artifact(name: &str) -> Result<Vec<u8>> {
    let path = workspace_root().join("contracts/artifacts/evm").join(format!("{name}.json"));
    let text = std::fs::read_to_string(&path).map_err(|error| eyre!("{}: {error}", path.display()))?;
    let json: serde_json::Value = serde_json::from_str(&text)?;
    let code = json.get("bytecode").and_then(|code| code.as_str()).unwrap_or_default();
    let bytes = alloy::hex::decode(code).map_err(|error| eyre!("{}: bytecode: {error}", path.display()))?;
    if bytes.is_empty() {
        bail!("{} has no bytecode", path.display());
    }
    Ok(bytes)
}

/// A built contract of the other family as the repository holds it.
///
/// # Errors
/// When the file is missing.
pub fn wasm_artifact(name: &str) -> Result<Vec<u8>> {
    let path = workspace_root().join("contracts/artifacts/cosmwasm").join(format!("{name}.wasm"));
    std::fs::read(&path).map_err(|error| eyre!("{}: {error}", path.display()))
}

/// Where a built program for the chain of slots lies in the repository.
///
/// # Errors
/// When the file is missing.
pub fn solana_artifact(name: &str) -> Result<PathBuf> {
    let path = workspace_root().join("contracts/artifacts/solana").join(format!("{name}.so"));
    if !path.is_file() {
        bail!("{} is missing: run `cargo xtask regen --only solana`", path.display());
    }
    Ok(path)
}

/// One HTTP client for the whole process; it speaks plain HTTP to this machine only.
///
/// # Errors
/// When the client cannot be built.
pub fn http_client() -> Result<reqwest::Client> {
    static PROVIDER: Once = Once::new();
    // The client asks for a TLS provider even where it never speaks TLS. That another one is there already is fine.
    PROVIDER.call_once(|| {
        let _already = rustls::crypto::ring::default_provider().install_default();
    });
    Ok(reqwest::Client::builder().no_proxy().tcp_nodelay(true).pool_max_idle_per_host(64).build()?)
}
