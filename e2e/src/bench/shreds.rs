//! Votes and shreds of a block of Solana, beside the bare signatures and hashes of the same: nothing that verifies them
//! can do less.

use std::fs::File;
use std::hint::black_box;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use eyre::{Result, WrapErr, ensure, eyre};
use flate2::read::GzDecoder;
use portcullis_verifier::solana::{
    Block, Entry, Manifest, Scrutiny, Shred, SolanaProofError, StakeTable, Stakes, Tally, VOTE_PROGRAM,
    Voter, authenticated_part, check_vote, read_entries, verify_entries, verify_votes,
};
use portcullis_verifier::{B256, ChainId, keccak256};
use sha2::block_api::compress256;
use sha2::{Digest, Sha256};

use super::percentile;
use super::proofs::{Cost, vectors_dir};

/// Votes in the tally that the figure is about.
const VOTES: u64 = 1_000;
/// The slot that they are for.
const SLOT: u64 = 1_000;

/// What came out. Costs are in microseconds.
#[derive(Debug, Clone, Copy, Default)]
pub struct Shreds {
    /// A tally of a thousand votes on one core, beside as many bare strict verifications.
    pub tally: Cost,
    /// The same on two cores, until more than two thirds of the stake are counted, beside all of them bare on one.
    pub tally_on_two: Cost,
    /// The same, with no more signatures than two thirds of the stake need.
    pub tally_early: Cost,
    /// The paths of 320 shreds, beside their hashes.
    pub paths: Cost,
    /// A block of testnet from its shreds to its last signature, beside its signatures and hashes.
    pub block: Cost,
}

/// Where the block lies, if it is there.
#[must_use]
pub fn block_dir() -> Option<PathBuf> {
    let folder = vectors_dir().join("solana/testnet-417955322");
    folder.is_dir().then_some(folder)
}

fn unpacked(folder: &Path, name: &str) -> Result<Vec<u8>> {
    let path = folder.join(name);
    let file = File::open(&path).wrap_err_with(|| format!("cannot read {}", path.display()))?;
    let mut bytes = Vec::new();
    GzDecoder::new(file)
        .read_to_end(&mut bytes)
        .wrap_err_with(|| format!("cannot unpack {}", path.display()))?;
    Ok(bytes)
}

fn said(error: SolanaProofError) -> eyre::Report {
    eyre!("{error}")
}

/// Medians of work and floor that take turns, so that both meet the same machine.
fn in_turns(
    turns: usize,
    mut work: impl FnMut() -> Result<()>,
    mut floor: impl FnMut() -> Result<()>,
) -> Result<Cost> {
    let (mut verify, mut bare) = (Vec::new(), Vec::new());
    for _ in 0..turns {
        let begun = Instant::now();
        floor()?;
        bare.push(begun.elapsed().as_secs_f64() * 1e6);
        let begun = Instant::now();
        work()?;
        verify.push(begun.elapsed().as_secs_f64() * 1e6);
    }
    Ok(Cost { verify: percentile(&verify, 0.5), hashed: percentile(&bare, 0.5) })
}

/// A message with the signature that it must have.
struct Signed {
    key: [u8; 32],
    signature: [u8; 64],
    message: Vec<u8>,
}

impl Signed {
    fn verifies(&self) -> bool {
        VerifyingKey::from_bytes(black_box(&self.key))
            .and_then(|key| key.verify_strict(&self.message, &Signature::from_bytes(&self.signature)))
            .is_ok()
    }
}

fn verify_bare(signed: &[Signed]) -> Result<()> {
    ensure!(signed.iter().all(Signed::verifies), "a signature does not verify");
    Ok(())
}

/// A thousand voters of falling stake, and a vote of each.
struct Made {
    stakes: Stakes,
    votes: Vec<Vec<u8>>,
    bare: Vec<Signed>,
}

fn tower() -> Vec<u8> {
    let mut data = 14u32.to_le_bytes().to_vec();
    data.extend((SLOT - 31).to_le_bytes());
    data.push(31);
    (1..=31u8).rev().for_each(|confirmations| data.extend([1, confirmations]));
    data.extend([7; 32]);
    data.push(0);
    data.extend([8; 32]);
    data
}

impl Made {
    fn new() -> Result<Self> {
        let (mut voters, mut votes, mut bare) = (Vec::new(), Vec::new(), Vec::new());
        for seed in 0..VOTES {
            let signer = SigningKey::from_bytes(&keccak256(seed.to_le_bytes()).0);
            let key = signer.verifying_key().to_bytes();
            let account = keccak256(key);
            let data = tower();
            let length = u8::try_from(data.len() & 0x7f)? | 0x80;
            let length = [length, u8::try_from(data.len() >> 7)?];
            let head =
                [&[1, 0, 1, 3][..], &key, account.as_slice(), &VOTE_PROGRAM, &[9; 32], &[1, 2, 2, 1, 0]];
            let message = [head.concat(), length.to_vec(), data].concat();
            let signature = signer.sign(&message).to_bytes();
            votes.push([&[1][..], &signature, &message].concat());
            voters.push(Voter { account, authority: Some(B256::from(key)), stake: 2_000 - seed });
            bare.push(Signed { key, signature, message });
        }
        voters.sort_by_key(|voter| voter.account);
        let total = voters.iter().map(|voter| voter.stake).sum();
        let chain = ChainId::new("solana:bench")?;
        let table = StakeTable {
            chain,
            epoch: 1,
            first_slot: SLOT,
            last_slot: SLOT,
            total,
            other_regime_from: None,
            voters,
        };
        Ok(Self { stakes: table.open().map_err(said)?, votes, bare })
    }

    fn tally(&self, scrutiny: Scrutiny) -> Result<()> {
        let signed = verify_votes(&self.stakes, black_box(&self.votes), scrutiny).map_err(said)?;
        ensure!(signed.value().slot == SLOT, "another slot was signed");
        Ok(())
    }

    /// Votes are checked by themselves: two threads take the next one each, from the most stake down, and count it together
    /// until it is enough.
    fn tally_on_two(&self) -> Result<()> {
        let (next, tally) = (AtomicUsize::new(0), Mutex::new(Tally::new(&self.stakes)));
        let locked = || tally.lock().unwrap_or_else(PoisonError::into_inner);
        let work = || {
            while let Some(vote) = self.votes.get(next.fetch_add(1, Relaxed)) {
                let checked = check_vote(&self.stakes, black_box(vote))?;
                let mut tally = locked();
                if tally.is_enough() {
                    break;
                }
                tally.add(&checked)?;
            }
            Ok(())
        };
        let (one, other) = std::thread::scope(|scope| {
            let aside = scope.spawn(work);
            (work(), aside.join())
        });
        let other = other.map_err(|_panic| eyre!("a thread that checks votes ended by itself"))?;
        one.and(other).map_err(said)?;
        locked().finish().map_err(said).map(|_signed| ())
    }
}

/// What is hashed on the path of a shred: the leaf, and a pair for each level. Lengths are all that matters here.
fn images(part: &[u8], depth: usize) -> Result<Vec<Vec<u8>>> {
    let leaf = part.len().checked_sub(20 * depth).ok_or_else(|| eyre!("a shred that is all path"))?;
    let mut images = vec![[&[0; 26], &part[..leaf]].concat()];
    images.extend((0..depth).map(|_| vec![1; 26 + 40]));
    Ok(images)
}

fn hash_all(images: &[Vec<u8>]) {
    for image in images {
        black_box(Sha256::digest(black_box(image)));
    }
}

/// Where SHA-256 starts (FIPS 180-4, 5.3.3).
const SHA256_START: [u32; 8] =
    [0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19];

/// As many hashes as history and the trees over signatures take. A hash of a hash is one block, and nothing is faster
/// than to compress it alone.
fn hash_history(entries: &[Entry<'_>]) {
    let mut block = [0u8; 64];
    (block[32], block[62]) = (0x80, 1);
    for entry in entries {
        for _ in 0..entry.hashes {
            let mut state = SHA256_START;
            compress256(&mut state, std::slice::from_ref(&block));
            for (place, word) in block.as_chunks_mut::<4>().0.iter_mut().zip(state) {
                *place = word.to_be_bytes();
            }
        }
        for _ in entry.transactions.iter().flat_map(|transaction| transaction.signatures) {
            black_box(Sha256::digest(black_box([0u8; 65])));
            black_box(Sha256::digest(black_box([1u8; 65])));
        }
    }
    black_box(block);
}

fn signatures_of(entries: &[Entry<'_>]) -> Vec<Signed> {
    let transactions = entries.iter().flat_map(|entry| &entry.transactions);
    let signed = transactions.flat_map(|transaction| {
        transaction.signatures.iter().zip(transaction.keys).map(|(signature, key)| Signed {
            key: *key,
            signature: *signature,
            message: transaction.message.to_vec(),
        })
    });
    signed.collect()
}

fn verify_block(parts: &[Vec<u8>], start: Option<B256>) -> Result<()> {
    let block = Block::open(black_box(parts)).map_err(said)?;
    let entries = read_entries(&block).map_err(said)?;
    ensure!(verify_entries(start, &entries).map_err(said)? == entries.len(), "an entry was left out");
    for transaction in entries.iter().flat_map(|entry| &entry.transactions) {
        transaction.verify_signatures().map_err(said)?;
    }
    Ok(())
}

/// Tallies votes and verifies the block over and over; `quick` with fewer turns.
///
/// # Errors
/// When the vectors cannot be read, or something in them does not verify.
pub fn measure(folder: &Path, quick: bool) -> Result<Shreds> {
    let made = Made::new()?;
    let turns = if quick { 5 } else { 25 };
    let bare = || verify_bare(&made.bare);
    let tally = in_turns(turns, || made.tally(Scrutiny::Every), bare)?;
    let tally_on_two = in_turns(turns, || made.tally_on_two(), bare)?;
    let tally_early = in_turns(turns, || made.tally(Scrutiny::Enough), bare)?;

    let wire: Vec<Vec<u8>> = serde_json::from_slice(&unpacked(folder, "shreds.json.gz")?)?;
    let parts: Vec<Vec<u8>> = wire
        .iter()
        .map(|wire| authenticated_part(wire).map(<[u8]>::to_vec))
        .collect::<Result<_, _>>()
        .map_err(said)?;
    let mut hashed = Vec::new();
    for part in &parts {
        let depth = Shred::read(part).map_err(said)?.layout.depth;
        hashed.extend(images(part, depth.into())?);
    }
    let follow =
        || parts.iter().try_for_each(|part| Shred::read(black_box(part)).map(|_root| ()).map_err(said));
    let hash_paths = || {
        hash_all(&hashed);
        Ok(())
    };
    let paths = in_turns(turns * 8, follow, hash_paths)?;

    let start = Manifest::read(&unpacked(folder, "manifest.bin.gz")?).map_err(said)?.last_blockhash;
    let block = Block::open(&parts).map_err(said)?;
    let entries = read_entries(&block).map_err(said)?;
    let signed = signatures_of(&entries);
    ensure!(
        parts.len() == 320 && entries.len() == 103 && signed.len() == 420,
        "these are not the vectors that the figures are about"
    );
    let bare_block = || {
        hash_all(&hashed);
        hash_history(&entries);
        verify_bare(&signed)
    };
    let block = in_turns(turns.min(9), || verify_block(&parts, start), bare_block)?;
    Ok(Shreds { tally, tally_on_two, tally_early, paths, block })
}
