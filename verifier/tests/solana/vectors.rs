//! Where the public vectors lie, and how they are read.
//!
//! `../shared/vectors` beside the checkout, or wherever `PORTCULLIS_VECTORS` points. They are not part of the
//! repository; without them the tests that need them say so on standard error and pass, unless
//! `PORTCULLIS_REQUIRE_ALL=1` asks for everything.

use std::{
    env,
    fs::File,
    io::{Read, Write},
    path::{Path, PathBuf},
};

use flate2::read::GzDecoder;
use portcullis_verifier::{
    B256, ChainId,
    solana::{Manifest, Stakes, VOTE_PROGRAM, authenticated_part},
};

/// Testnet as CAIP-2 names it: the first half of its genesis hash.
pub(crate) const TESTNET: &str = "solana:4uhcVJyU9pJkvQyS88uRDiswHXSCkY3z";

/// A whole block of testnet, and the manifest of its parent's bank.
pub(crate) struct Testnet {
    /// Shreds as they travelled.
    pub(crate) wire: Vec<Vec<u8>>,
    pub(crate) manifest: Vec<u8>,
    accounts: Vec<u8>,
}

#[derive(serde::Deserialize)]
struct AccountJson {
    pubkey: String,
    owner: String,
    data: Vec<u8>,
}

/// An address in base 58, digit by digit.
fn address(text: &str) -> [u8; 32] {
    let alphabet = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
    let mut bytes = [0u8; 32];
    for digit in text.bytes() {
        let mut carry = alphabet.iter().position(|known| *known == digit).unwrap();
        for byte in bytes.iter_mut().rev() {
            carry += usize::from(*byte) * 58;
            *byte = (carry & 0xff) as u8;
            carry >>= 8;
        }
        assert_eq!(carry, 0, "{text} has more than 32 bytes");
    }
    bytes
}

impl Testnet {
    /// The vectors, or none (said loudly) where they are missing and not required.
    pub(crate) fn find() -> Option<Self> {
        let root = env::var_os("PORTCULLIS_VECTORS").map_or_else(
            || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/vectors"),
            PathBuf::from,
        );
        let folder = root.join("solana/testnet-417955322");
        if folder.is_dir() {
            let wire = serde_json::from_slice(&unpacked(&folder.join("shreds.json.gz"))).unwrap();
            let unpacked = |name| unpacked(&folder.join(name));
            let (manifest, accounts) = (unpacked("manifest.bin.gz"), unpacked("accounts.json.gz"));
            return Some(Self { wire, manifest, accounts });
        }
        let message = format!(
            "the vectors 'solana/testnet-417955322' are missing under {}. They are published in \
             github.com/Syndica/sig, v1/data/test-data/blocks; put them there, or set PORTCULLIS_VECTORS to the \
             folder that holds 'solana/'.",
            root.display()
        );
        assert!(env::var("PORTCULLIS_REQUIRE_ALL").as_deref() != Ok("1"), "{message}");
        say(&format!("SKIPPED: {message}"));
        None
    }

    pub(crate) fn parts(&self) -> Vec<Vec<u8>> {
        self.wire.iter().map(|wire| authenticated_part(wire).unwrap().to_vec()).collect()
    }

    pub(crate) fn read_manifest(&self) -> Manifest {
        Manifest::read(&self.manifest).unwrap()
    }

    /// Vote accounts that the block touches, with their state before it.
    pub(crate) fn vote_accounts(&self) -> Vec<(B256, Vec<u8>)> {
        let accounts: Vec<AccountJson> = serde_json::from_slice(&self.accounts).unwrap();
        let of_votes = accounts.into_iter().filter(|account| address(&account.owner) == VOTE_PROGRAM);
        of_votes.map(|account| (B256::from(address(&account.pubkey)), account.data)).collect()
    }

    /// The stakes of the epoch that the block is in.
    pub(crate) fn stakes(&self) -> Stakes {
        self.read_manifest().table(ChainId::new(TESTNET).unwrap(), 980).unwrap().open().unwrap()
    }
}

fn unpacked(path: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    GzDecoder::new(File::open(path).unwrap()).read_to_end(&mut bytes).unwrap();
    bytes
}

/// Says something past the test harness's capture and in one piece, so that it is seen when all is green.
pub(crate) fn say(text: &str) {
    let _unread = std::io::stderr().write_all(format!("\n{text}\n").as_bytes());
}

/// Each transaction of a block as its bytes.
pub(crate) fn bytes_of(transaction: &portcullis_verifier::solana::Transaction<'_>) -> Vec<u8> {
    let signatures = transaction.signatures;
    [vec![signatures.len() as u8], signatures.concat(), transaction.message.to_vec()].concat()
}
