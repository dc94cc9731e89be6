//! Where the public vectors lie, and how they are read.
//!
//! `../shared/vectors` beside the checkout, or wherever `PORTCULLIS_VECTORS` points. They are not part of the
//! repository; without them the tests that need them say so on standard error and pass, unless
//! `PORTCULLIS_REQUIRE_ALL=1` asks for everything.

use std::{
    env, fs,
    io::Write,
    path::{Path, PathBuf},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use portcullis_verifier::{
    B256, BlockRef, ChainId,
    cosmos::{Checkpoint, Rules},
};
use prost::Message;
use serde_json::Value;
use tendermint_proto::{
    google::protobuf::Timestamp,
    v0_38::types::{SignedHeader, ValidatorSet},
};

/// The folder at `path`, or none (said loudly) where it is missing and not required.
pub(crate) fn find(path: &str) -> Option<PathBuf> {
    let root = env::var_os("PORTCULLIS_VECTORS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/vectors"), PathBuf::from);
    let full = root.join("cosmos").join(path);
    if full.exists() {
        return Some(full);
    }
    let message = format!(
        "the vectors 'cosmos/{path}' are missing under {}. They are published in {}; put them there, or set \
         PORTCULLIS_VECTORS to the folder that holds 'cosmos/'.",
        root.display(),
        source_of(path)
    );
    assert!(env::var("PORTCULLIS_REQUIRE_ALL").as_deref() != Ok("1"), "{message}");
    say(&format!("SKIPPED: {message}"));
    None
}

fn source_of(path: &str) -> &'static str {
    if path.starts_with("ics23") {
        "github.com/cosmos/ics23, testdata"
    } else if path.starts_with("ics07-eureka") {
        "github.com/cosmos/solidity-ibc-eureka, packages/tendermint-light-client/fixtures"
    } else {
        "github.com/informalsystems/tendermint-rs, light-client/tests/support/model_based/single_step"
    }
}

/// Says something past the test harness's capture and in one piece, so that it is seen when all is green.
pub(crate) fn say(text: &str) {
    let _unread = std::io::stderr().write_all(format!("\n{text}\n").as_bytes());
}

/// Every JSON file of a folder, in order of names.
pub(crate) fn files(folder: &Path) -> Vec<(String, Value)> {
    let mut all: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "json"))
        .collect();
    all.sort();
    all.iter().map(|path| (path.file_stem().unwrap().to_string_lossy().into_owned(), json(path))).collect()
}

/// A JSON file.
pub(crate) fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// A hex string without a prefix.
pub(crate) fn hex(value: &Value) -> Vec<u8> {
    let text = value.as_str().unwrap();
    assert_eq!(text.len() % 2, 0);
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// A base64 string; no bytes for null.
pub(crate) fn base64(value: &Value) -> Vec<u8> {
    value.as_str().map_or_else(Vec::new, |text| STANDARD.decode(text).unwrap())
}

/// A light block as its parts are encoded on the wire.
#[derive(Clone)]
pub(crate) struct Block {
    pub(crate) signed_header: SignedHeader,
    pub(crate) validators: ValidatorSet,
    pub(crate) next_validators: ValidatorSet,
}

/// Protobuf of the relayers' header: signed header, validators, trusted height, trusted validators.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct RelayedHeader {
    #[prost(message, optional, tag = "1")]
    pub(crate) signed_header: Option<SignedHeader>,
    #[prost(message, optional, tag = "2")]
    pub(crate) validators: Option<ValidatorSet>,
    #[prost(message, optional, tag = "3")]
    pub(crate) trusted_height: Option<RelayedHeight>,
    #[prost(message, optional, tag = "4")]
    pub(crate) trusted_validators: Option<ValidatorSet>,
}

/// Revision and height.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct RelayedHeight {
    #[prost(uint64, tag = "1")]
    pub(crate) revision: u64,
    #[prost(uint64, tag = "2")]
    pub(crate) height: u64,
}

#[derive(Clone, PartialEq, Message)]
struct RelayedClient {
    #[prost(string, tag = "1")]
    chain_id: String,
    #[prost(message, optional, tag = "2")]
    threshold: Option<RelayedHeight>,
    #[prost(message, optional, tag = "3")]
    trusting_period: Option<Timestamp>,
    #[prost(message, optional, tag = "5")]
    clock_drift: Option<Timestamp>,
    #[prost(message, optional, tag = "7")]
    latest: Option<RelayedHeight>,
}

#[derive(Clone, PartialEq, Message)]
struct RelayedConsensus {
    #[prost(message, optional, tag = "1")]
    time: Option<Timestamp>,
    #[prost(message, optional, tag = "2")]
    root: Option<Root>,
    #[prost(bytes = "vec", tag = "3")]
    next_validators: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct Root {
    #[prost(bytes = "vec", tag = "1")]
    hash: Vec<u8>,
}

/// A relayers' client: what is trusted, and the root of state that it carries.
///
/// Such a client keeps no hash of its header, so the checkpoint has none either: later headers can be verified from
/// it, its own cannot be recognised.
pub(crate) fn relayed_client(file: &Value, chain: &str) -> (Checkpoint, [u8; 32]) {
    let client = RelayedClient::decode(hex(&file["client_state_hex"]).as_slice()).unwrap();
    let consensus = RelayedConsensus::decode(hex(&file["consensus_state_hex"]).as_slice()).unwrap();
    let (threshold, time) = (client.threshold.unwrap(), consensus.time.unwrap());
    let small = |number: u64| u8::try_from(number).unwrap();
    let checkpoint = Checkpoint {
        chain: ChainId::new(chain).unwrap(),
        name: client.chain_id,
        block: BlockRef { height: client.latest.unwrap().height, hash: B256::ZERO },
        time_secs: time.seconds.try_into().unwrap(),
        time_nanos: time.nanos.try_into().unwrap(),
        next_validators: B256::from_slice(&consensus.next_validators),
        signed_bps: None,
        rules: Rules {
            trusting_period_secs: client.trusting_period.unwrap().seconds.try_into().unwrap(),
            clock_drift_secs: client.clock_drift.unwrap().seconds.try_into().unwrap(),
            threshold_numerator: small(threshold.revision),
            threshold_denominator: small(threshold.height),
        },
        frozen: None,
    };
    (checkpoint, consensus.root.unwrap().hash.try_into().unwrap())
}
