//! The configuration that a play writes for its service.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use alloy::primitives::Address;
use eyre::{Result, WrapErr};

use super::{BRIDGE, MAIN_FOLDER, Tuning};
use crate::cosmos::config as cosmos;
use crate::lab::{Side, World, write_keystore};
use crate::scenario::{Domain, Token};
use crate::solana::config as solana;

/// Writes the file that `portcullis run --config` reads.
///
/// # Errors
/// When a file cannot be written.
pub fn write_config(world: &World, tuning: &Tuning, port: u16) -> Result<PathBuf> {
    open_folder(&world.dir)?;
    if !world.dir.join("tripper.json").exists() {
        write_keystore(&world.dir, "tripper.json", &world.crew.tripper)?;
    }
    let mut out = String::from(
        "# Written by the demonstration. It is a complete configuration; try `portcullis check`.\n",
    );
    for side in world.sides() {
        chain(&mut out, side, tuning)?;
    }
    if let Some(zone) = &world.zone {
        cosmos::chain(&mut out, zone, tuning)?;
    }
    if let Some(cluster) = &world.cluster {
        solana::chain(&mut out, cluster, tuning)?;
    }
    bridge(&mut out, world, tuning)?;
    let factor = world.factor;
    let carrier = if tuning.carrier {
        if !world.dir.join("carrier.json").exists() {
            write_keystore(&world.dir, "carrier.json", &world.crew.carrier)?;
        }
        "carrier = { keystore = \"carrier.json\", password_file = \"carrier.json.password\" }\n"
    } else {
        ""
    };
    // Plays count trips and incidents: drills and canaries happen in them only where a test asks for them.
    write!(
        out,
        "\n[rules]\nquiet_secs = {}\n{}\n[[playbook]]\nid = \"hold\"\nclass = \"hold\"\nexpiry_secs = {}\n\n\
         [[playbook]]\nid = \"halt\"\nclass = \"halt\"\nexpiry_secs = {}\n\
         needs = {{ {} }}\n\n\
         [signers.default]\nkeystore = \"tripper.json\"\npassword_file = \"tripper.json.password\"\n{carrier}\n\
         [drill]\ninterval_secs = 0\ncanary_interval_secs = 0\n\n\
         [store]\ndata_dir = \"{}\"\n\n[api]\nlisten = \"127.0.0.1:{port}\"\n",
        factor.window(tuning.quiet_secs),
        // What happens there is proven one block later: a hold does not wait for that.
        if world.zone.is_some() { "evidence_wait_ms = 10\n" } else { "" },
        factor.window(tuning.hold_secs),
        factor.window(tuning.halt_secs),
        needs(world),
        tuning.folder,
    )?;
    let name = if tuning.folder == MAIN_FOLDER { String::new() } else { format!("-{}", tuning.folder) };
    let path = world.dir.join(format!("portcullis{name}.toml"));
    std::fs::write(&path, out).wrap_err_with(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}

/// What a halt needs to know. A floor holds for every chain of the bridge, and so says what the least of them can show.
fn needs(world: &World) -> &'static str {
    match (&world.zone, &world.cluster) {
        (None, None) => "quorum = 2, inclusion = \"merkle_proved\", execution = \"proved\"",
        // A header that validators signed needs no operators to agree on it.
        (Some(_), None) => "inclusion = \"merkle_proved\", execution = \"proved\"",
        // What happens on a chain of slots is reported by a quorum of operators, and never proven.
        (None, Some(_)) => "quorum = 2, inclusion = \"reported\", execution = \"reported\"",
        (Some(_), Some(_)) => "inclusion = \"reported\", execution = \"reported\"",
    }
}

/// The database runs as another user where this runs as root; it has to reach its folder.
fn open_folder(dir: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o755))
        .wrap_err("cannot open the play's folder")
}

fn chain(out: &mut String, side: &Side, tuning: &Tuning) -> Result<()> {
    write!(
        out,
        "\n[[chain]]\nid = \"{}\"\nquorum = 2\nstart_height = {}\nblock_secs = 1\nstall_after_secs = 10\n\
         silence_ms = {}\nfinality = {{ mode = \"depth\", safe_blocks = 6, final_blocks = 12 }}\nendpoints = [\n",
        side.caip2(),
        side.deployed.from_height,
        tuning.silence_ms,
    )?;
    for proxy in &side.operators {
        writeln!(
            out,
            "    {{ operator = \"{}\", http = \"{}\", ws = \"{}\" }},",
            proxy.operator,
            proxy.http(),
            proxy.ws()
        )?;
    }
    out.push_str("]\n");
    Ok(())
}

fn bridge(out: &mut String, world: &World, tuning: &Tuning) -> Result<()> {
    let factor = world.factor;
    // Chain clocks count whole seconds: a played window may be seen one second shorter than it was.
    let finality = factor.window(world.scenario.finality_secs).saturating_sub(1).max(1);
    // A block there carries the time at which the one before was agreed on.
    // And where slots are late on a busy machine, so is the time that they carry.
    let skew = if world.zone.is_some() || world.cluster.is_some() { 5 } else { 2 };
    write!(out, "\n[[bridge]]\nid = \"{BRIDGE}\"\nfinality_secs = {finality}\nskew_secs = {skew}\n")?;
    for side in world.sides() {
        let here = &side.deployed;
        write!(
            out,
            "\n[[bridge.side]]\nchain = \"{}\"\ndomain = {:#x}\n\
             guard = {{ id = \"{}\", address = \"{}\", mode = \"{}\", max_secs = {}, canary = \"canary\" }}\n\n\
             [[bridge.side.contracts]]\naddress = \"{}\"\n\
             ignored = [\"TokenRegistered(address indexed token, bool isHome)\"]\nevents = [\n{}]\n",
            side.caip2(),
            here.domain.number(),
            here.domain.name().to_lowercase(),
            here.guard,
            tuning.mode,
            here.max_secs,
            here.bridge,
            EVENTS,
        )?;
    }
    if let Some(zone) = &world.zone {
        cosmos::side(out, zone, tuning)?;
    }
    if let Some(cluster) = &world.cluster {
        solana::side(out, cluster, tuning)?;
    }
    for domain in [Domain::Evmos, Domain::Milkomeda] {
        let name = domain.name().to_lowercase();
        write!(out, "\n[[bridge.unwatched]]\ndomain = {:#x}\nname = \"{name}\"\n", domain.number())?;
    }
    for (index, token) in world.scenario.tokens.iter().enumerate().filter(|(_, token)| token.declared) {
        asset(out, world, index, token)?;
    }
    if world.zone.is_some() {
        cosmos::asset(out)?;
    }
    Ok(())
}

fn asset(out: &mut String, world: &World, index: usize, token: &Token) -> Result<()> {
    write!(out, "\n[[bridge.asset]]\nname = \"{}\"\n", token.symbol)?;
    if let Some(micro) = token.micro_usd {
        writeln!(out, "price_usd = {}.{:06}", micro / 1_000_000, micro % 1_000_000)?;
    }
    out.push_str("forms = [\n");
    for side in world.sides() {
        let here = &side.deployed;
        let address: Address = here.token(index)?;
        writeln!(
            out,
            "    {{ domain = {:#x}, token = \"{address}\", decimals = {}, home = {} }},",
            here.domain.number(),
            token.decimals,
            token.home == here.domain
        )?;
    }
    if let Some(zone) = &world.zone {
        cosmos::form(out, zone, index, token)?;
    }
    if let Some(cluster) = &world.cluster {
        solana::form(out, cluster, index, token)?;
    }
    out.push_str("]\n");
    Ok(())
}

/// What the bridge's events mean.
pub const EVENTS: &str = r#"    { kind = "lock", signature = "Deposited(uint32 indexed destination, uint256 indexed messageId, address indexed token, address sender, address recipient, uint256 amount)", fields = { remote = "destination", message_id = "messageId", asset = "token", amount = "amount", recipient = "recipient", sender = "sender" } },
    { kind = "burn", signature = "Burned(uint32 indexed destination, uint256 indexed messageId, address indexed token, address sender, address recipient, uint256 amount)", fields = { remote = "destination", message_id = "messageId", asset = "token", amount = "amount", recipient = "recipient", sender = "sender" } },
    { kind = "release", signature = "Released(uint32 indexed origin, uint256 indexed messageId, address indexed token, address recipient, uint256 amount)", fields = { remote = "origin", message_id = "messageId", asset = "token", amount = "amount", recipient = "recipient" } },
    { kind = "mint", signature = "Minted(uint32 indexed origin, uint256 indexed messageId, address indexed token, address recipient, uint256 amount)", fields = { remote = "origin", message_id = "messageId", asset = "token", amount = "amount", recipient = "recipient" } },
    { kind = "upgrade", signature = "Upgraded(bytes32 committedRoot)", fields = { value = "committedRoot" } },
"#;
