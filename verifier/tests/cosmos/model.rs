//! Single steps of the light client as a TLA+ model of it decides them (`cosmos/tendermint-model-based`).

use portcullis_verifier::{
    ChainId,
    cosmos::{Checkpoint, Rules, Scrutiny, Step, Update, open_header, verify_update},
};
use prost::Message;
use serde_json::Value;
use tendermint::{Time, block::signed_header::SignedHeader, validator::Set};
use tendermint_proto::v0_38::types::{SignedHeader as RawSignedHeader, ValidatorSet as RawSet};

use crate::vectors::{Block, files, find, say};

fn set(value: &Value) -> RawSet {
    RawSet::from(serde_json::from_value::<Set>(value.clone()).unwrap())
}

fn signed_header(value: &Value) -> RawSignedHeader {
    RawSignedHeader::from(serde_json::from_value::<SignedHeader>(value.clone()).unwrap())
}

pub(crate) fn block(value: &Value) -> Block {
    Block {
        signed_header: signed_header(&value["signed_header"]),
        validators: set(&value["validator_set"]),
        next_validators: set(&value["next_validator_set"]),
    }
}

fn checkpoint(signed: &RawSignedHeader, rules: Rules) -> Checkpoint {
    let header = signed.header.clone().unwrap();
    let name = header.chain_id.clone();
    let sealed = open_header(&header.encode_to_vec()).unwrap();
    Checkpoint {
        chain: ChainId::new(&format!("cosmos:{name}")).unwrap(),
        name,
        block: sealed.block(),
        time_secs: sealed.time(),
        time_nanos: sealed.nanos(),
        next_validators: sealed.next_validators_hash(),
        signed_bps: None,
        rules,
        frozen: None,
    }
}

pub(crate) struct ModelStep {
    pub(crate) name: String,
    pub(crate) client: Checkpoint,
    pub(crate) trusted: RawSet,
    pub(crate) block: Block,
    pub(crate) now: u64,
    pub(crate) verdict: String,
}

impl ModelStep {
    /// The update as it would be sent: with the trusted set, unless the step is to the next block.
    pub(crate) fn update(&self) -> (Vec<u8>, Vec<u8>, Option<Vec<u8>>) {
        let height = self.block.signed_header.header.as_ref().unwrap().height;
        let adjacent = u64::try_from(height) == Ok(self.client.block.height + 1);
        (
            self.block.signed_header.encode_to_vec(),
            self.block.validators.encode_to_vec(),
            (!adjacent).then(|| self.trusted.encode_to_vec()),
        )
    }

    pub(crate) fn judge(&self, scrutiny: Scrutiny) -> &'static str {
        let (signed, validators, trusted) = self.update();
        let verdict = Update::read(&signed, &validators, trusted.as_deref())
            .and_then(|update| verify_update(&self.client, &update, self.now, scrutiny));
        match verdict {
            Ok(Step::Accepted(_)) => "SUCCESS",
            Ok(Step::NotEnoughTrust { .. }) => "NOT_ENOUGH_TRUST",
            Err(_) => "INVALID",
        }
    }
}

/// All steps of all files, each from where the ones before it led by the model's verdicts.
pub(crate) fn steps() -> Option<(usize, Vec<ModelStep>)> {
    let files = files(&find("tendermint-model-based")?);
    let count = files.len();
    let mut steps = Vec::new();
    for (name, file) in files {
        let initial = &file["initial"];
        let period: u64 = initial["trusting_period"].as_str().unwrap().parse().unwrap();
        let rules =
            Rules { trusting_period_secs: period / 1_000_000_000, clock_drift_secs: 1, ..Rules::default() };
        let mut client = checkpoint(&signed_header(&initial["signed_header"]), rules);
        let mut trusted = set(&initial["next_validator_set"]);
        for (at, input) in file["input"].as_array().unwrap().iter().enumerate() {
            let now = Time::parse_from_rfc3339(input["now"].as_str().unwrap()).unwrap();
            let step = ModelStep {
                name: format!("{name} step {at}"),
                client: client.clone(),
                trusted: trusted.clone(),
                block: block(&input["block"]),
                now: u64::try_from(now.unix_timestamp()).unwrap(),
                verdict: input["verdict"].as_str().unwrap().to_owned(),
            };
            if step.verdict == "SUCCESS" {
                client = checkpoint(&step.block.signed_header, rules);
                trusted = step.block.next_validators.clone();
            }
            steps.push(step);
        }
    }
    Some((count, steps))
}

#[test]
fn every_step_ends_as_the_model_says() {
    let Some((files, steps)) = steps() else { return };
    let mut wrong = Vec::new();
    for step in &steps {
        for scrutiny in [Scrutiny::Every, Scrutiny::Enough] {
            let found = step.judge(scrutiny);
            if found != step.verdict {
                wrong.push(format!("{}: {} instead of {}", step.name, found, step.verdict));
            }
        }
    }
    let count = |verdict: &str| steps.iter().filter(|step| step.verdict == verdict).count();
    say(&format!(
        "model-based: {files} files, {} steps: {} succeed, {} have not enough trust, {} are invalid",
        steps.len(),
        count("SUCCESS"),
        count("NOT_ENOUGH_TRUST"),
        count("INVALID")
    ));
    assert_eq!(wrong, [""; 0]);
    assert_eq!(files, 41, "every file of the set");
    assert!(count("SUCCESS") > 0 && count("NOT_ENOUGH_TRUST") > 0 && count("INVALID") > 0);
}
