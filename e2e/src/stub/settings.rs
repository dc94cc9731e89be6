//! The configuration that a stranger would write for a world of chains.

use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use eyre::{Result, WrapErr};

use super::server::Endpoints;
use super::traffic::BridgeSpec;
use super::world::{GENESIS_HEIGHT, MAX_SECS, StubWorld};
use crate::keys::Key;
use crate::lab::{OPERATORS, write_keystore};
use crate::service::EVENTS;

/// Writes the file that `portcullis run --config` reads.
///
/// # Errors
/// When a file cannot be written.
pub(super) fn write(world: &StubWorld, endpoints: &[Endpoints], key: &Key, port: u16) -> Result<PathBuf> {
    // The database runs as another user where this runs as root; it has to reach its folder.
    std::fs::set_permissions(&world.dir, std::fs::Permissions::from_mode(0o755))?;
    write_keystore(&world.dir, "tripper.json", key)?;
    let path = world.dir.join("portcullis.toml");
    std::fs::write(&path, config(world, endpoints, port)?)
        .wrap_err_with(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}

fn config(world: &StubWorld, endpoints: &[Endpoints], port: u16) -> Result<String> {
    let mut out = String::from("# Written by a play.\n");
    let block_secs = world.spec.step_secs.unwrap_or_else(|| world.spec.pace.as_secs().max(1));
    for (chain, open) in world.chains.iter().zip(endpoints) {
        write!(
            out,
            "\n[[chain]]\nid = \"{}\"\nquorum = 2\nstart_height = {}\nblock_secs = {block_secs}\n\
             stall_after_secs = 120\nfinality = {{ mode = \"depth\", safe_blocks = 6, final_blocks = 12 }}\n\
             endpoints = [\n",
            chain.caip2(),
            GENESIS_HEIGHT + 1,
        )?;
        for (at, name) in OPERATORS.iter().enumerate() {
            writeln!(
                out,
                "    {{ operator = \"{name}\", http = \"{}\", ws = \"{}\" }},",
                open.http(at),
                open.ws(at)
            )?;
        }
        out.push_str("]\n");
    }
    for bridge in &world.bridges {
        write_bridge(&mut out, world, bridge)?;
    }
    write!(
        out,
        "\n[[playbook]]\nid = \"hold\"\nclass = \"hold\"\nexpiry_secs = {0}\n\n[[playbook]]\nid = \"halt\"\n\
         class = \"halt\"\nexpiry_secs = {0}\n\
         needs = {{ quorum = 2, inclusion = \"merkle_proved\", execution = \"proved\" }}\n\n\
         [signers.default]\nkeystore = \"tripper.json\"\npassword_file = \"tripper.json.password\"\n\n\
         [store]\ndata_dir = \"data\"\n\n[api]\nlisten = \"127.0.0.1:{port}\"\n",
        world.spec.halt_secs
    )?;
    Ok(out)
}

fn write_bridge(out: &mut String, world: &StubWorld, bridge: &BridgeSpec) -> Result<()> {
    write!(
        out,
        "\n[[bridge]]\nid = \"{}\"\nfinality_secs = {}\nskew_secs = 2\n",
        bridge.name, world.spec.finality_secs
    )?;
    for side in &bridge.sides {
        let chain = world.chains[side.chain].caip2();
        write!(
            out,
            "\n[[bridge.side]]\nchain = \"{chain}\"\ndomain = {:#x}\n\
             guard = {{ address = \"{}\", mode = \"halt\", max_secs = {MAX_SECS} }}\n\n\
             [[bridge.side.contracts]]\naddress = \"{}\"\nevents = [\n{EVENTS}]\n",
            side.domain, side.guard, side.bridge
        )?;
    }
    out.push_str("\n[[bridge.asset]]\nname = \"USDC\"\nprice_usd = 1.0\nforms = [\n");
    for (at, side) in bridge.sides.iter().enumerate() {
        let home = at == 0;
        writeln!(
            out,
            "    {{ domain = {:#x}, token = \"{}\", decimals = 6, home = {home} }},",
            side.domain, side.token
        )?;
    }
    out.push_str("]\n");
    Ok(())
}
