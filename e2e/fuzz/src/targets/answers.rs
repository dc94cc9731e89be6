//! What nodes answer to each question of the EVM family, from the bytes of the result to what is used of it.

use portcullis_evm::testing::{Question, read};

use super::{choice, fixture};
use crate::Target;

pub(crate) const TARGET: Target = Target {
    name: "answers",
    what: "results of each method that is asked: what is accepted is what was asked for, the rest a typed error",
    most_bytes: 16 << 10,
    feed,
    seeds,
};

fn feed(bytes: &[u8]) {
    let (which, result) = choice(bytes);
    let question = Question::ALL[which % Question::ALL.len()];
    let Ok(text) = core::str::from_utf8(result) else { return };
    if let Err(error) = read(question, text) {
        // Nonsense is the operator's fault, and an error that says so is what marks it.
        assert!(matches!(error.label(), "garbage" | "unsupported"), "{error}");
        assert!(error.to_string().len() < 2_048);
    }
}

const RECEIPTS: &str = r#"[{"type":"0x2","status":"0x1","cumulativeGasUsed":"0x5208","logs":[],"logsBloom":"0x00000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000","transactionHash":"0x0101010101010101010101010101010101010101010101010101010101010101","transactionIndex":"0x0","blockHash":"0x0202020202020202020202020202020202020202020202020202020202020202","blockNumber":"0x1","gasUsed":"0x5208","effectiveGasPrice":"0x7","from":"0x0000000000000000000000000000000000000001","to":null,"contractAddress":null}]"#;

fn seeds() -> Vec<Vec<u8>> {
    let header = alloy::rpc::types::Header::new(fixture::claimed().header);
    let header = serde_json::to_string(&header).expect("a header");
    let (header, receipts) = (header.as_str(), RECEIPTS);
    let proof = r#"{"address":"0x0000000000000000000000000000000000000001","accountProof":["0xf8","0x"],"balance":"0x0","codeHash":"0xc5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470","nonce":"0x0","storageHash":"0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421","storageProof":[{"key":"0x0","value":"0x0","proof":["0x80"]}]}"#;
    let waiting = r#"{"hash":"0x0101010101010101010101010101010101010101010101010101010101010101","from":"0x0000000000000000000000000000000000000001","to":null,"input":"0x","value":"0x0","gas":"0x5208"}"#;
    let simulated = r#"[{"calls":[{"logs":[{"address":"0x0000000000000000000000000000000000000001","topics":["0x0101010101010101010101010101010101010101010101010101010101010101"],"data":"0x"}]}]}]"#;
    let deposit = receipts.replace("\"0x2\"", "\"0x7e\"").replace("[{", "[{\"depositNonce\":\"0x1\",");
    let results = ["\"0x1\"", header, receipts, &deposit, proof, waiting, simulated, "null"];
    let each = |text: &&str| {
        (0..Question::ALL.len())
            .map(move |which| {
                let mut seed = vec![u8::try_from(which).expect("few questions")];
                seed.extend(text.as_bytes());
                seed
            })
            .collect::<Vec<_>>()
    };
    results.iter().flat_map(each).collect()
}
