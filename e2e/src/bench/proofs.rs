//! Proofs of a block of Ethereum, beside the hashing of their bytes: nothing that verifies them can do less.

use std::fs;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::Instant;

use alloy::consensus::{Header, ReceiptEnvelope};
use alloy::eips::eip2718::Encodable2718;
use alloy::primitives::{Address, B256, Bytes, keccak256};
use eyre::{Result, WrapErr, eyre};
use portcullis_verifier::evm::{Attestation, SealedHeader, attested_header, verify_account};
use portcullis_verifier::{BlockRef, OperatorId, Trust, Verified};
use serde_json::Value;

use super::percentile;

/// The work and its floor take turns so often, so that both meet the same machine.
const TURNS: usize = 300;
/// Proofs per turn: one alone is over before the clock has moved much.
const PER_TURN: u32 = 50;

/// Microseconds of a proof and of its floor.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cost {
    /// What verifying takes.
    pub verify: f64,
    /// What hashing its bytes takes.
    pub hashed: f64,
}

impl Cost {
    /// How many times the floor.
    #[must_use]
    pub fn ratio(&self) -> f64 {
        self.verify / self.hashed
    }
}

/// What came out.
#[derive(Debug, Clone, Copy, Default)]
pub struct Proofs {
    /// An account proof of eight nodes.
    pub account: Cost,
    /// The root of 202 receipts that are encoded already.
    pub receipts: Cost,
}

/// Folder of the public vectors: `PORTCULLIS_VECTORS`, else `../shared/vectors` beside the checkout.
#[must_use]
pub fn vectors_dir() -> PathBuf {
    std::env::var_os("PORTCULLIS_VECTORS")
        .map_or_else(|| crate::tools::workspace_root().join("../shared/vectors"), PathBuf::from)
}

/// Where the block lies, if it is there.
#[must_use]
pub fn block_dir() -> Option<PathBuf> {
    let folder = vectors_dir().join("ethereum/mainnet-21925176");
    folder.is_dir().then_some(folder)
}

fn json(folder: &Path, name: &str) -> Result<Value> {
    let path = folder.join(name);
    let bytes = fs::read(&path).wrap_err_with(|| format!("cannot read {}", path.display()))?;
    serde_json::from_slice(&bytes).wrap_err_with(|| format!("{} is not JSON", path.display()))
}

fn trusted(header: &Header, hash: B256) -> Result<Verified<SealedHeader>> {
    let operator = OperatorId::new("bench")?;
    let block = BlockRef { height: header.number, hash };
    let trust = Trust {
        operators: vec![operator],
        quorum: 1,
        now: header.timestamp,
        pinned: std::collections::BTreeMap::new(),
    };
    let encoded = alloy::rlp::encode(header);
    attested_header(&encoded, &[Attestation { operator, block }], &trust).map_err(|error| eyre!("{error:?}"))
}

/// Medians of work and floor that take turns.
fn in_turns(mut work: impl FnMut() -> Result<()>, hashed: &[Vec<u8>]) -> Result<Cost> {
    let (mut verify, mut floor) = (Vec::new(), Vec::new());
    for _ in 0..TURNS {
        let begun = Instant::now();
        for _ in 0..PER_TURN {
            for item in hashed {
                black_box(keccak256(black_box(item)));
            }
        }
        floor.push(begun.elapsed().as_secs_f64() * 1e6 / f64::from(PER_TURN));
        let begun = Instant::now();
        for _ in 0..PER_TURN {
            work()?;
        }
        verify.push(begun.elapsed().as_secs_f64() * 1e6 / f64::from(PER_TURN));
    }
    Ok(Cost { verify: percentile(&verify, 0.5), hashed: percentile(&floor, 0.5) })
}

/// Verifies the block's proofs over and over.
///
/// # Errors
/// When the vectors cannot be read, or a proof does not verify.
pub fn measure(folder: &Path) -> Result<Proofs> {
    let block = json(folder, "block.json")?;
    let header: Header = serde_json::from_value(block.clone())?;
    let hash: B256 = serde_json::from_value(block.get("hash").cloned().unwrap_or_default())?;
    let trusted = trusted(&header, hash)?;
    let proof = json(folder, "proof.json")?;
    let address: Address = serde_json::from_value(proof.get("address").cloned().unwrap_or_default())?;
    let nodes: Vec<Bytes> = serde_json::from_value(proof.get("accountProof").cloned().unwrap_or_default())?;
    let nodes: Vec<Vec<u8>> = nodes.into_iter().map(|node| node.to_vec()).collect();
    let account = in_turns(
        || {
            let found = verify_account(black_box(&trusted), address, black_box(&nodes));
            let _account = black_box(found.map_err(|error| eyre!("{error:?}"))?);
            Ok(())
        },
        &nodes,
    )?;
    let receipts: Vec<ReceiptEnvelope> = serde_json::from_value(json(folder, "receipts.json")?)?;
    let receipts: Vec<Vec<u8>> = receipts.iter().map(Encodable2718::encoded_2718).collect();
    let root = || alloy_trie::root::ordered_trie_root_encoded(black_box(&receipts));
    if root() != header.receipts_root || nodes.len() != 8 || receipts.len() != 202 {
        return Err(eyre!("these are not the vectors that the figures are about"));
    }
    let receipts = in_turns(
        || {
            black_box(root());
            Ok(())
        },
        &receipts,
    )?;
    Ok(Proofs { account, receipts })
}
