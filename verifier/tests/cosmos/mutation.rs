//! Broken evidence proves nothing: every way to break it that can be enumerated, and its count.
//!
//! All signatures are verified here. A mutant that decodes to the very same evidence is no mutant and is set aside;
//! a commit that more people signed than it needs stays a commit without one of them, which is counted by
//! an addition of its own. Any other must not be accepted.

use ics23::{CommitmentProof, commitment_proof::Proof};
use portcullis_verifier::{
    Claim, Relation, Verdict,
    cosmos::{
        Checkpoint, Entry, IAVL, LightEvidence, Payload, SIMPLE, Scrutiny, SealedHeader, Step, StoreSpec,
        TransactionPath, Update, open_header, read_entry, verify_update,
    },
};
use prost::Message;
use tendermint_proto::v0_38::types::{CommitSig, SignedHeader, ValidatorSet};

use crate::{
    model,
    public::{MerkleProof, relayed_update},
    recorded::{emitted, recorded_evidence},
    system::{
        included, not_stored, own_key, state_evidence, stored, transaction_evidence, verdict_of, word_claim,
    },
    vectors::{files, find, hex, json, relayed_client, say},
};

/// How mutants ended.
#[derive(Default)]
struct Tally {
    rejected: usize,
    same: usize,
    still_enough: usize,
    accepted: Vec<String>,
}

impl Tally {
    fn judge(&mut self, name: impl FnOnce() -> String, same: bool, accepted: bool) {
        if same {
            self.same += 1;
        } else if accepted {
            self.accepted.push(name());
        } else {
            self.rejected += 1;
        }
    }

    fn check(&self, what: &str) {
        say(&format!(
            "mutants of {what}: {} rejected, {} accepted, {} identical, {} commits of fewer that are still enough",
            self.rejected,
            self.accepted.len(),
            self.same,
            self.still_enough
        ));
        assert_eq!(self.accepted, [""; 0], "{what}");
        assert!(self.rejected > 0, "{what}");
    }
}

/// All flips of one bit and all cuts of a byte string; of a long one, an even sample.
fn broken(bytes: &[u8], step: usize) -> impl Iterator<Item = (String, Vec<u8>)> + '_ {
    let flips = (0..bytes.len() * 8).step_by(step).map(|at| {
        let mut mutant = bytes.to_vec();
        mutant[at / 8] ^= 1 << (at % 8);
        (format!("bit {} of byte {}", at % 8, at / 8), mutant)
    });
    let cuts = (0..bytes.len()).step_by(step).map(|at| (format!("cut at {at}"), bytes[..at].to_vec()));
    flips.chain(cuts)
}

/// What a piece of evidence says, whatever its bytes.
type Said = (Vec<Update>, Vec<SealedHeader>, Payload, Vec<CommitmentProof>);

/// A list does not commit to its length: lengths that lead down the same way say the same. The way is written as the
/// index of a full list.
fn way(path: TransactionPath) -> TransactionPath {
    let TransactionPath { mut index, mut total, .. } = path;
    let (mut way, mut depth) = (0u64, 0);
    if index >= total || total > 1 << 32 {
        return path;
    }
    while total > 1 {
        let left = total.next_power_of_two() / 2;
        let right = index >= left;
        (index, total) = if right { (index - left, total - left) } else { (index, left) };
        (way, depth) = (2 * way + u64::from(right), depth + 1);
    }
    TransactionPath { index: way, total: 1 << depth, ..path }
}

fn said(bytes: &[u8]) -> Option<Said> {
    let LightEvidence { updates, headers, payload } = LightEvidence::decode(bytes).ok()?;
    let updates = updates.iter().map(|step| {
        Update::read(&step.signed_header, &step.validators, step.trusted_validators.as_deref()).ok()
    });
    let headers = headers.iter().map(|header| open_header(header).ok());
    let (payload, proofs) = match payload {
        Payload::State { store, key, key_proof, store_proof } => {
            let proofs = [&key_proof, &store_proof].map(|proof| CommitmentProof::decode(proof.as_slice()));
            let proofs = proofs.into_iter().collect::<Result<Vec<_>, _>>().ok()?;
            (Payload::State { store, key, key_proof: vec![], store_proof: vec![] }, proofs)
        }
        Payload::Transaction { path, outcome } => (Payload::Transaction { path: way(path), outcome }, vec![]),
    };
    Some((updates.collect::<Option<_>>()?, headers.collect::<Option<_>>()?, payload, proofs))
}

/// Claims with evidence of every shape, and which bits of it are flipped: all, or an even sample where only one part
/// differs from a subject before.
fn subjects() -> Vec<(&'static str, usize, Claim, LightEvidence)> {
    let scope = || state_evidence("wasm", &own_key(b"scope"), 6);
    let at_least = word_claim(b"scope", 0xffff, Relation::AtLeast, 1);
    vec![
        ("a word", 1, word_claim(b"scope", 0xff, Relation::Equal, 9), scope()),
        ("a word at least", 29, at_least, scope()),
        ("a key and its value", 7, stored(b"b", Some(b"2")), state_evidence("bank", b"b", 6)),
        ("absence between two", 7, not_stored(b"bb"), state_evidence("bank", b"bb", 6)),
        ("absence beside one", 7, not_stored(b"zz"), state_evidence("bank", b"zz", 6)),
        ("a key through a chain", 7, stored(b"c", None), state_evidence("bank", b"c", 8)),
        ("a recorded event", 7, emitted("5"), recorded_evidence("5")),
        ("a transaction", 7, included(3, None), transaction_evidence(3, false)),
        ("a result", 1, included(2, Some(11)), transaction_evidence(2, true)),
    ]
}

#[test]
fn evidence_with_a_flipped_bit_or_a_cut_proves_and_refutes_nothing() {
    let mut total = 0;
    for (name, step, claim, original) in subjects() {
        let sent = original.to_evidence();
        let verdict = verdict_of(&claim, &sent);
        assert!(matches!(verdict, Verdict::Proven(_)), "{name}: the original must be proven: {verdict:?}");
        let own = said(&sent.bytes).unwrap();
        let mut tally = Tally::default();
        for (how, bytes) in broken(&sent.bytes, step) {
            let same = said(&bytes).is_some_and(|said| said == own);
            let verdict = verdict_of(&claim, &portcullis_verifier::Evidence { bytes, ..sent.clone() });
            tally.judge(|| how, same, !matches!(verdict, Verdict::Undecided(_)));
        }
        tally.check(name);
        total += tally.rejected;
    }
    say(&format!("mutants of evidence in all: {total} rejected"));
    assert!(total > 30_000, "the harness itself must not shrink unseen: {total}");
}

/// A way to rearrange votes.
type Change<'a> = (&'a str, &'a dyn Fn(&mut Vec<CommitSig>));

/// A step that is accepted, with everything that it was accepted by.
struct Accepted {
    name: String,
    client: Checkpoint,
    signed: SignedHeader,
    validators: ValidatorSet,
    trusted: Option<ValidatorSet>,
    now: u64,
}

impl Accepted {
    fn read(&self, signed: &[u8], validators: &[u8], trusted: Option<&[u8]>) -> Option<Update> {
        Update::read(signed, validators, trusted).ok()
    }

    fn accepts(&self, update: &Update) -> bool {
        let verdict = verify_update(&self.client, update, self.now, Scrutiny::Every);
        matches!(verdict, Ok(Step::Accepted(_)))
    }

    fn bytes(&self) -> (Vec<u8>, Vec<u8>, Option<Vec<u8>>) {
        let trusted = self.trusted.as_ref().map(Message::encode_to_vec);
        (self.signed.encode_to_vec(), self.validators.encode_to_vec(), trusted)
    }

    /// Bits and cuts of each of the three parts.
    fn damage(&self, tally: &mut Tally) {
        let (signed, validators, trusted) = self.bytes();
        let own = self.read(&signed, &validators, trusted.as_deref()).unwrap();
        assert!(self.accepts(&own), "{}: the original must be accepted", self.name);
        // Small commits bit by bit; large ones in a step that is no multiple of a field's common lengths.
        let step = if self.validators.validators.len() <= 4 { 1 } else { 397 };
        let mut judge = |part: &str, how: String, update: Option<Update>| {
            let same = update.as_ref() == Some(&own);
            let accepted = update.is_some_and(|update| self.accepts(&update));
            tally.judge(|| format!("{}: {part} {how}", self.name), same, accepted);
        };
        for (how, mutant) in broken(&signed, step) {
            judge("header", how, self.read(&mutant, &validators, trusted.as_deref()));
        }
        for (how, mutant) in broken(&validators, step) {
            judge("validators", how, self.read(&signed, &mutant, trusted.as_deref()));
        }
        for (how, mutant) in broken(trusted.as_deref().unwrap_or_default(), step) {
            judge("trusted validators", how, self.read(&signed, &validators, Some(&mutant)));
        }
    }

    /// Votes left out, doubled and swapped; validators too.
    fn rearrange(&self, tally: &mut Tally) {
        let (signed, validators, trusted) = self.bytes();
        let own = self.read(&signed, &validators, trusted.as_deref()).unwrap();
        let count = self.validators.validators.len();
        let absent = CommitSig { block_id_flag: 1, ..CommitSig::default() };
        for at in 0..count {
            let other = (at + 1) % count;
            let changes: [Change<'_>; 4] = [
                ("left out", &|votes| votes[at] = absent.clone()),
                ("removed", &|votes| drop(votes.remove(at))),
                ("doubled", &|votes| votes[other] = votes[at].clone()),
                ("swapped", &|votes| votes.swap(at, other)),
            ];
            for (how, change) in changes {
                let mut mutant = self.signed.clone();
                change(&mut mutant.commit.as_mut().unwrap().signatures);
                let update = self.read(&mutant.encode_to_vec(), &validators, trusted.as_deref());
                let same = update.as_ref() == Some(&own);
                let accepted = update.is_some_and(|update| self.accepts(&update));
                if accepted && !same && self.is_enough(&mutant) {
                    tally.still_enough += 1;
                } else {
                    tally.judge(|| format!("{}: vote {at} {how}", self.name), same, accepted);
                }
            }
            let mut fewer = self.validators.clone();
            drop(fewer.validators.remove(at));
            fewer.total_voting_power = 0;
            let mut twice = self.validators.clone();
            twice.validators.insert(at, twice.validators[at].clone());
            for (how, set) in [("removed", fewer), ("doubled", twice)] {
                let update = self.read(&signed, &set.encode_to_vec(), trusted.as_deref());
                let accepted = update.is_some_and(|update| self.accepts(&update));
                tally.judge(|| format!("{}: validator {at} {how}", self.name), false, accepted);
            }
        }
    }

    /// Whether those who remain have more than two thirds of the set and more than a third of the trusted one, and
    /// nothing but votes that are left out differs from the original.
    fn is_enough(&self, mutant: &SignedHeader) -> bool {
        let votes = |signed: &SignedHeader| signed.commit.clone().unwrap().signatures;
        let (own, left) = (votes(&self.signed), votes(mutant));
        let only_fewer = own.len() == left.len()
            && own.iter().zip(&left).all(|(own, left)| own == left || left.block_id_flag == 1);
        let power = |set: &ValidatorSet| {
            let signed = |address: &[u8]| {
                left.iter().any(|vote| vote.block_id_flag == 2 && vote.validator_address == address)
            };
            let all: i64 = set.validators.iter().map(|one| one.voting_power).sum();
            let part: i64 =
                set.validators.iter().filter(|one| signed(&one.address)).map(|one| one.voting_power).sum();
            (part, all)
        };
        let (part, all) = power(&self.validators);
        let trusted = self.trusted.as_ref().is_none_or(|set| {
            let (part, all) = power(set);
            3 * part > all
        });
        only_fewer && 3 * part > 2 * all && trusted
    }
}

#[test]
fn steps_of_the_model_with_one_thing_changed_are_not_accepted() {
    let Some((_, steps)) = model::steps() else { return };
    let mut tally = Tally::default();
    let mut count = 0;
    for step in steps.into_iter().filter(|step| step.verdict == "SUCCESS") {
        let (.., trusted) = step.update();
        let accepted = Accepted {
            name: step.name,
            client: step.client,
            signed: step.block.signed_header,
            validators: step.block.validators,
            trusted: trusted.map(|_| step.trusted),
            now: step.now,
        };
        accepted.damage(&mut tally);
        accepted.rearrange(&mut tally);
        count += 1;
    }
    tally.check(&format!("{count} steps of the model"));
    assert!(tally.rejected > 50_000);
}

#[test]
fn a_relayed_update_with_one_thing_changed_is_not_accepted() {
    let Some(folder) = find("ics07-eureka") else { return };
    let (client, (signed, validators, trusted), now) =
        relayed_update(&json(&folder.join("update_client_happy_path.json")));
    let accepted = Accepted {
        name: "relayed".to_owned(),
        client,
        signed: SignedHeader::decode(signed.as_slice()).unwrap(),
        validators: ValidatorSet::decode(validators.as_slice()).unwrap(),
        trusted: Some(ValidatorSet::decode(trusted.as_slice()).unwrap()),
        now,
    };
    let mut tally = Tally::default();
    accepted.damage(&mut tally);
    accepted.rearrange(&mut tally);
    tally.check("a relayed update");
}

/// Bits and cuts of a proof, and its steps left out, doubled and swapped.
fn damage_proof(
    tally: &mut Tally,
    name: &str,
    spec: &StoreSpec<'_>,
    root: &[u8; 32],
    key: &[u8],
    proof: &[u8],
) {
    let expected = read_entry(spec, root, key, proof);
    assert!(expected.is_ok(), "{name}: the original must be accepted: {expected:?}");
    // Where keys are hashed, absence repeats the key for people only.
    let free_key = ![&IAVL, &SIMPLE].contains(&spec);
    let decode = |bytes: &[u8]| {
        let mut proof = CommitmentProof::decode(bytes).ok()?;
        if let (true, Some(Proof::Nonexist(absence))) = (free_key, &mut proof.proof) {
            absence.key.clear();
        }
        Some(proof)
    };
    let own = decode(proof).unwrap();
    let mut judge = |how: String, mutant: &[u8]| {
        let same = decode(mutant).is_some_and(|proof| proof == own);
        // Whatever it proves, about the same key under the same root it would be false or the same.
        let accepted = read_entry(spec, root, key, mutant).is_ok();
        tally.judge(|| format!("{name}: {how}"), same, accepted);
    };
    for (how, mutant) in broken(proof, 1) {
        judge(how, &mutant);
    }
    let paths = |proof: &mut CommitmentProof| -> usize {
        match proof.proof.as_ref().unwrap() {
            Proof::Exist(proof) => proof.path.len(),
            Proof::Nonexist(proof) => proof.left.as_ref().or(proof.right.as_ref()).unwrap().path.len(),
            _ => panic!("{name}"),
        }
    };
    let steps = paths(&mut own.clone());
    for at in 0..steps {
        for how in ["left out", "doubled", "swapped"] {
            let mut mutant = own.clone();
            let path = match mutant.proof.as_mut().unwrap() {
                Proof::Exist(proof) => &mut proof.path,
                Proof::Nonexist(proof) => &mut proof.left.as_mut().or(proof.right.as_mut()).unwrap().path,
                _ => panic!("{name}"),
            };
            match how {
                "left out" => drop(path.remove(at)),
                "doubled" => path.insert(at, path[at].clone()),
                _ => path.swap(at, (at + 1) % steps),
            }
            judge(format!("step {at} {how}"), &mutant.encode_to_vec());
        }
    }
}

#[test]
fn published_proofs_with_one_thing_changed_are_not_accepted() {
    let (Some(folder), Some(relayed)) = (find("ics23"), find("ics07-eureka")) else { return };
    let mut tally = Tally::default();
    let smt = ics23::smt_spec();
    let smt = StoreSpec::of(&smt).unwrap();
    for (kind, spec) in [("iavl", &IAVL), ("tendermint", &SIMPLE), ("smt", &smt)] {
        for (name, file) in files(&folder.join(kind)) {
            let root: [u8; 32] = hex(&file["root"]).try_into().unwrap();
            damage_proof(&mut tally, &name, spec, &root, &hex(&file["key"]), &hex(&file["proof"]));
        }
    }
    for name in ["verify_membership_key_0", "verify_non-membership_key_1"] {
        let file = json(&relayed.join(format!("{name}.json")));
        let (_, root) = relayed_client(&file, "cosmos:simd-1");
        let message = &file["membership_msg"];
        let proof = MerkleProof::decode(hex(&message["proof"]).as_slice()).unwrap();
        let [of_key, of_store] = [0, 1].map(|at: usize| proof.proofs[at].encode_to_vec());
        let [store, key] = [0, 1].map(|at: usize| message["path"][at].as_str().unwrap().as_bytes().to_vec());
        damage_proof(&mut tally, name, &SIMPLE, &root, &store, &of_store);
        let Ok(Entry::Present(in_root)) = read_entry(&SIMPLE, &root, &store, &of_store) else { panic!() };
        damage_proof(&mut tally, name, &IAVL, &in_root.try_into().unwrap(), &key, &of_key);
    }
    tally.check("published proofs");
    assert!(tally.rejected > 100_000);
}
