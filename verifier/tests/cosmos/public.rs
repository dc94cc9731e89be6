//! Proofs and refusals that others published: `cosmos/ics23` and `cosmos/ics07-eureka`.

use ics23::{CommitmentProof, ExistenceProof, InnerOp, InnerSpec, LeafOp, ProofSpec};
use portcullis_verifier::cosmos::{
    Entry, IAVL, SIMPLE, Scrutiny, Step, StoreProofError, StoreSpec, Update, check_leaf_op, check_shape,
    ics23::{existence_root, inner_hash, leaf_hash, sibling_is_empty},
    read_entry, verify_update,
};
use prost::Message;
use serde_json::Value;

use crate::{
    tree::OnlySha256,
    vectors::{RelayedHeader, base64, files, find, hex, json, relayed_client, say},
};

fn number(value: &Value) -> i32 {
    value.as_i64().map_or(0, |number| i32::try_from(number).unwrap())
}

fn leaf_op(value: &Value) -> LeafOp {
    LeafOp {
        hash: number(&value["hash"]),
        prehash_key: number(&value["prehash_key"]),
        prehash_value: number(&value["prehash_value"]),
        length: number(&value["length"]),
        prefix: base64(&value["prefix"]),
    }
}

fn inner_op(value: &Value) -> InnerOp {
    InnerOp {
        hash: number(&value["hash"]),
        prefix: base64(&value["prefix"]),
        suffix: base64(&value["suffix"]),
    }
}

fn existence(value: &Value) -> ExistenceProof {
    ExistenceProof {
        key: base64(&value["key"]),
        value: base64(&value["value"]),
        leaf: value["leaf"].is_object().then(|| leaf_op(&value["leaf"])),
        path: value["path"].as_array().map_or_else(Vec::new, |path| path.iter().map(inner_op).collect()),
    }
}

fn proof_spec(value: &Value) -> ProofSpec {
    let inner = &value["inner_spec"];
    ProofSpec {
        leaf_spec: Some(leaf_op(&value["leaf_spec"])),
        inner_spec: Some(InnerSpec {
            child_order: inner["child_order"].as_array().unwrap().iter().map(number).collect(),
            child_size: number(&inner["child_size"]),
            min_prefix_length: number(&inner["min_prefix_length"]),
            max_prefix_length: number(&inner["max_prefix_length"]),
            empty_child: base64(&inner["empty_child"]),
            hash: number(&inner["hash"]),
        }),
        max_depth: number(&value["max_depth"]),
        min_depth: number(&value["min_depth"]),
        prehash_key_before_comparison: false,
    }
}

fn cases(name: &str) -> Option<Vec<(String, Value)>> {
    let file = json(&find("ics23")?.join(name));
    Some(match file {
        Value::Object(cases) => cases.into_iter().collect(),
        Value::Array(cases) => {
            cases.into_iter().enumerate().map(|(at, case)| (at.to_string(), case)).collect()
        }
        other => panic!("{other}"),
    })
}

/// How hashes are judged: as published, or refused because no store of this family has such an operation.
fn hashed(found: Result<[u8; 32], StoreProofError>, case: &Value, name: &str) -> bool {
    match found {
        Ok(hash) => {
            assert_eq!(base64(&case["Expected"]), hash, "{name}");
            true
        }
        Err(StoreProofError::Unsupported { .. }) => false,
        Err(error) => {
            assert_eq!(case["IsErr"], true, "{name}: {error}");
            true
        }
    }
}

#[test]
fn the_eighteen_proofs_and_their_negatives() {
    let Some(folder) = find("ics23") else { return };
    let smt = ics23::smt_spec();
    let smt = StoreSpec::of(&smt).unwrap();
    let mut count = 0;
    for (kind, spec) in [("iavl", &IAVL), ("tendermint", &SIMPLE), ("smt", &smt)] {
        for (name, file) in files(&folder.join(kind)) {
            let (key, value, proof) = (hex(&file["key"]), hex(&file["value"]), hex(&file["proof"]));
            let root: [u8; 32] = hex(&file["root"]).try_into().unwrap();
            let expected = if name.starts_with("exist") { Entry::Present(value) } else { Entry::Absent };
            assert_eq!(read_entry(spec, &root, &key, &proof), Ok(expected), "{kind} {name}");
            let mut other = root;
            other[31] ^= 1;
            assert!(read_entry(spec, &other, &key, &proof).is_err(), "{kind} {name} of another root");
            let longer = [key.as_slice(), &[0]].concat();
            let beside = read_entry(spec, &root, &longer, &proof);
            // One byte longer lies in the same gap only where keys are not hashed.
            assert!(beside.is_err() || name.starts_with("nonexist"), "{kind} {name} of another key");
            for foreign in [&IAVL, &SIMPLE, &smt].into_iter().filter(|foreign| *foreign != spec) {
                assert!(read_entry(foreign, &root, &key, &proof).is_err(), "{kind} {name} as another store");
            }
            count += 1;
        }
    }
    say(&format!("ics23: {count} proofs of three kinds of stores"));
    assert_eq!(count, 18, "every file of the set");
}

#[test]
fn hashes_of_bytes_leaves_and_inner_nodes() {
    let (Some(bytes), Some(leaves), Some(inner)) =
        (cases("TestDoHashData.json"), cases("TestLeafOpData.json"), cases("TestInnerOpData.json"))
    else {
        return;
    };
    let (mut equal, mut refused) = (0, 0);
    let mut tally = |judged| if judged { equal += 1 } else { refused += 1 };
    for (name, case) in &bytes {
        // A leaf of the first byte and the rest is a hash of all of them.
        let text = case["Preimage"].as_str().or(case["PreImage"].as_str()).unwrap().as_bytes();
        let op = LeafOp { hash: number(&case["HashOp"]), ..LeafOp::default() };
        match leaf_hash(&op, &text[..1], &text[1..]) {
            Ok(hash) => {
                assert_eq!(hex(&case["ExpectedHash"]), hash, "{name}");
                tally(true);
            }
            Err(error) => {
                assert!(
                    matches!(error, StoreProofError::Unsupported { what: "hash", .. }),
                    "{name}: {error}"
                );
                tally(false);
            }
        }
    }
    for (name, case) in &leaves {
        let found = leaf_hash(&leaf_op(&case["Op"]), &base64(&case["Key"]), &base64(&case["Value"]));
        tally(hashed(found, case, name));
    }
    for (name, case) in &inner {
        tally(hashed(inner_hash(&inner_op(&case["Op"]), &base64(&case["Child"])), case, name));
    }
    say(&format!(
        "ics23: {} hashes: {equal} as published, {refused} refused because no store here has such an operation",
        equal + refused
    ));
    // SHA-512, RIPEMD-160, Bitcoin's, SHA-512/256 and the two BLAKE2, once each; SHA-512 and four fixed lengths.
    assert_eq!((bytes.len(), leaves.len(), inner.len(), refused), (7, 11, 4, 11));
}

#[test]
fn leaf_operations_against_their_description() {
    let Some(cases) = cases("TestCheckLeafData.json") else { return };
    for (name, case) in &cases {
        let found = check_leaf_op(&leaf_op(&case["Spec"]), &leaf_op(&case["Leaf"]));
        assert_eq!(found.is_err(), case["IsErr"] == true, "{name}: {found:?}");
    }
    say(&format!("ics23: {} leaf operations against their description", cases.len()));
    assert_eq!(cases.len(), 10);
}

#[test]
fn paths_against_their_description_and_the_129th_inner_node() {
    let Some(cases) = cases("TestCheckAgainstSpecData.json") else { return };
    for (name, case) in &cases {
        let described = proof_spec(&case["Spec"]);
        let spec = StoreSpec::of(&described).unwrap();
        let found = check_shape(&spec, &existence(&case["Proof"]));
        assert_eq!(found.is_err(), case["Err"] != "", "{name}: {found:?}");
        if name.contains("129") {
            let limit = StoreProofError::Limit { what: "steps of a path", found: 129, limit: 128 };
            assert_eq!(found, Err(limit), "{name}");
            // Where no least depth is set, the library has no cap at all. Ours is always there.
            let found = check_shape(&IAVL, &existence(&case["Proof"]));
            assert!(matches!(found, Err(StoreProofError::Limit { limit: 128, .. })), "{found:?}");
        }
    }
    say(&format!("ics23: {} paths against their description", cases.len()));
    assert_eq!(cases.len(), 11);
}

#[test]
fn roots_of_paths() {
    let Some(cases) = cases("TestExistenceProofData.json") else { return };
    for (name, case) in &cases {
        assert!(hashed(existence_root(&existence(&case["Proof"])), case, name), "{name}");
    }
    say(&format!("ics23: {} roots of paths", cases.len()));
    assert_eq!(cases.len(), 6);
}

#[test]
fn siblings_that_stand_for_nothing() {
    let Some(cases) = cases("TestEmptyBranchData.json") else { return };
    for (name, case) in &cases {
        let described = proof_spec(&case["Spec"]);
        let spec = StoreSpec::of(&described).unwrap();
        let op = inner_op(&case["Op"]);
        let found = [true, false].map(|left| sibling_is_empty(&spec, &op, left));
        assert_eq!(found.to_vec(), [case["IsLeft"] == true, case["IsRight"] == true], "{name}");
    }
    say(&format!("ics23: {} siblings, empty or not", cases.len()));
    assert_eq!(cases.len(), 8);
}

/// Another implementation judges every published proof alike, honest and damaged in each bit.
#[test]
fn the_specifications_library_agrees_bit_by_bit() {
    let Some(folder) = find("ics23") else { return };
    let (mut judged, mut stricter) = (0, 0);
    for (kind, spec, library) in
        [("iavl", &IAVL, ics23::iavl_spec()), ("tendermint", &SIMPLE, ics23::tendermint_spec())]
    {
        for (name, file) in files(&folder.join(kind)) {
            let (key, value, proof) = (hex(&file["key"]), hex(&file["value"]), hex(&file["proof"]));
            let root: [u8; 32] = hex(&file["root"]).try_into().unwrap();
            for at in 0..proof.len() * 8 {
                let mut mutant = proof.clone();
                mutant[at / 8] ^= 1 << (at % 8);
                let ours = match read_entry(spec, &root, &key, &mutant) {
                    Ok(Entry::Present(found)) => found == value,
                    Ok(Entry::Absent) => value.is_empty(),
                    Err(_) => false,
                };
                let theirs = CommitmentProof::decode(mutant.as_slice()).is_ok_and(|proof| {
                    let root = root.to_vec();
                    if value.is_empty() {
                        ics23::verify_non_membership::<OnlySha256>(&proof, &library, &root, &key)
                    } else {
                        ics23::verify_membership::<OnlySha256>(&proof, &library, &root, &key, &value)
                    }
                });
                assert!(theirs || !ours, "{kind} {name}: we accept bit {at}, the library does not");
                stricter += usize::from(theirs && !ours);
                judged += 1;
            }
        }
    }
    say(&format!("ics23: {judged} damaged proofs judged by both, {stricter} refused by us alone"));
    assert!(judged > 50_000);
}

#[test]
fn a_relayed_update_is_accepted() {
    let Some(folder) = find("ics07-eureka") else { return };
    let (client, update, now) = relayed_update(&json(&folder.join("update_client_happy_path.json")));
    let update = Update::read(&update.0, &update.1, Some(&update.2)).unwrap();
    let verdict = verify_update(&client, &update, now, Scrutiny::Every);
    let Ok(Step::Accepted(header)) = verdict else { panic!("{verdict:?}") };
    assert_eq!((client.block.height, header.value().block().height), (20, 38));
    say(&format!(
        "ics07-eureka: the update from 20 to 38, {:?} signed",
        header.assurance().header.signed_bps
    ));
}

type RelayedParts = (Vec<u8>, Vec<u8>, Vec<u8>);

/// The client, the parts of the update, and a time just after it.
pub(crate) fn relayed_update(file: &Value) -> (portcullis_verifier::cosmos::Checkpoint, RelayedParts, u64) {
    let (mut client, _) = relayed_client(file, "cosmos:simd-2");
    let message = hex(&file["update_client_message"]["client_message_hex"]);
    let header = RelayedHeader::decode(message.as_slice()).unwrap();
    client.block.height = header.trusted_height.unwrap().height;
    let signed = header.signed_header.unwrap();
    let now = signed.header.as_ref().unwrap().time.unwrap().seconds + 1;
    let parts = (
        signed.encode_to_vec(),
        header.validators.unwrap().encode_to_vec(),
        header.trusted_validators.unwrap().encode_to_vec(),
    );
    (client, parts, u64::try_from(now).unwrap())
}

/// Two chained proofs as relayers send them: of the key in its store, of the store in the root.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct MerkleProof {
    #[prost(message, repeated, tag = "1")]
    pub(crate) proofs: Vec<CommitmentProof>,
}

#[test]
fn relayed_membership_and_non_membership() {
    let Some(folder) = find("ics07-eureka") else { return };
    for name in ["verify_membership_key_0", "verify_non-membership_key_1"] {
        let file = json(&folder.join(format!("{name}.json")));
        let (_, root) = relayed_client(&file, "cosmos:simd-1");
        let message = &file["membership_msg"];
        let proof = MerkleProof::decode(hex(&message["proof"]).as_slice()).unwrap();
        let [of_key, of_store] = proof.proofs.as_slice() else { panic!("{name}") };
        let (store, key) = (message["path"][0].as_str().unwrap(), message["path"][1].as_str().unwrap());
        let in_root = read_entry(&SIMPLE, &root, store.as_bytes(), &of_store.encode_to_vec());
        let Ok(Entry::Present(store_root)) = in_root else { panic!("{name}: {in_root:?}") };
        let store_root: [u8; 32] = store_root.try_into().unwrap();
        let value = hex(&message["value"]);
        let expected = if value.is_empty() { Entry::Absent } else { Entry::Present(value) };
        let found = read_entry(&IAVL, &store_root, key.as_bytes(), &of_key.encode_to_vec());
        assert_eq!(found, Ok(expected), "{name}");
        let other =
            read_entry(&IAVL, &store_root, b"clients/07-tendermint-9/clientState", &of_key.encode_to_vec());
        assert!(other.is_err(), "{name}");
    }
    assert_eq!(files(&folder).len(), 3, "every file of the set");
    say("ics07-eureka: one key there, one not, each through two stores");
}
