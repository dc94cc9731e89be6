//! Whether endpoints, contracts and gates are what the configuration takes them for. Asks, and changes nothing.

use alloy::primitives::{Address, Bytes, U64};
use futures::future::join_all;
use portcullis_adapter::{Checks, GateReport, Readiness};
use portcullis_rpc::{
    Client, Operator, ReplySize, RpcError, RpcRequest,
    ws::{self, WsSettings},
};
use portcullis_verifier::B256;
use serde_json::{Value, json};

use crate::{
    Evm,
    contain::state::Told,
    error::chain_of,
    prove::quorum_head,
    transport::{At, Head, head},
};

impl Evm {
    /// Asks every endpoint what watching and proving will need of it: `endpoint`, `chain`, `proofs`, `receipts`,
    /// `push`, `quorum`, and whether every watched contract has `code`. Details name the operator and, where
    /// something is wrong, say what to do.
    pub async fn dial(&self) -> Vec<Readiness> {
        let asked =
            join_all(self.network.operators.iter().map(|operator| self.dial_operator(operator))).await;
        let mut findings = Checks(asked.into_iter().flat_map(|findings| findings.0).collect());
        match quorum_head(&self.network).await {
            Ok(head) => {
                let agreed =
                    format!("{} operators agree on block {}", self.network.quorum, head.block.height);
                findings.add("quorum", true, &agreed);
            }
            Err(error) => {
                let text = format!("{}; use endpoints that are in step, or a lower quorum", chain_of(&error));
                findings.add("quorum", false, &text);
            }
        }
        for contract in &self.compiled.config.contracts {
            self.dial_code(&contract.address, &mut findings).await;
        }
        findings.0
    }

    /// Reads a gate's state of a scope, without a key: none and a finding when there is no such gate.
    pub async fn dial_gate(&self, gate: B256, scope: B256) -> (Option<GateReport>, Vec<Readiness>) {
        let mut findings = Checks::default();
        let report = self.read_gate(gate, scope, &mut findings).await;
        (report, findings.0)
    }

    async fn dial_operator(&self, operator: &Operator) -> Checks {
        let (name, client) = (operator.name, &operator.lanes.prove);
        let mut findings = Checks::default();
        match ask::<U64>(client, "eth_chainId", json!([])).await {
            Err(error) => {
                let text =
                    format!("{name} does not answer: {}; correct its URL, or remove it", chain_of(&error));
                findings.add("endpoint", false, &text);
                return findings;
            }
            Ok(number) if number.to::<u64>() != self.compiled.chain_number => {
                findings.add("endpoint", true, &format!("{name} answers"));
                let text = format!("{name} is an endpoint of chain {number}; correct its URL");
                findings.add("chain", false, &text);
                return findings;
            }
            Ok(_) => {
                findings.add("endpoint", true, &format!("{name} answers"));
                findings.add("chain", true, &format!("{name} is on the configured chain"));
            }
        }
        let latest = match head(client, At::Latest).await {
            Ok(Some(head)) => head,
            Ok(None) | Err(_) => {
                findings.add(
                    "endpoint",
                    false,
                    &format!("{name} does not tell its newest block; use another"),
                );
                return findings;
            }
        };
        self.dial_methods(operator, &latest, &mut findings).await;
        self.dial_push(operator, &mut findings).await;
        findings
    }

    async fn dial_methods(&self, operator: &Operator, latest: &Head, findings: &mut Checks) {
        let (name, client) = (operator.name, &operator.lanes.prove);
        let account = self.any_account();
        let at = json!(format!("{:#x}", latest.block.height));
        let proof = ask::<Value>(client, "eth_getProof", json!([account, [], at])).await;
        match proof {
            Ok(_) => findings.add("proofs", true, &format!("{name} serves state proofs")),
            Err(error) => {
                let why = chain_of(&error);
                let text =
                    format!("{name} serves no state proofs ({why}); ask for eth_getProof, or use another");
                findings.add("proofs", false, &text);
            }
        }
        match ask::<Value>(client, "eth_getBlockReceipts", json!([at])).await {
            Ok(_) => {
                findings.add("receipts", true, &format!("{name} serves all receipts of a block at once"))
            }
            Err(error) => {
                let why = chain_of(&error);
                let text = format!("{name} serves receipts one by one only ({why}): proofs take longer");
                findings.add("receipts", false, &text);
            }
        }
    }

    async fn dial_push(&self, operator: &Operator, findings: &mut Checks) {
        let name = operator.name;
        let Some(url) = &operator.ws else {
            let text = format!("{name} has no ws: it is polled, and seen later than others");
            findings.add("push", false, &text);
            return;
        };
        let subscribed = async {
            let (socket, _pushes) = ws::connect(name, url, WsSettings::default()).await?;
            let request = RpcRequest::read("eth_subscribe", json!(["newHeads"]), ReplySize::Small);
            socket.subscribe(request).await
        };
        match subscribed.await {
            Ok(_) => findings.add("push", true, &format!("{name} pushes new heads")),
            Err(error) => {
                let text = format!("{name} does not push: {}; correct its ws", chain_of(&error));
                findings.add("push", false, &text);
            }
        }
    }

    async fn dial_code(&self, address: &str, findings: &mut Checks) {
        for operator in &self.network.operators {
            let client = &operator.lanes.prove;
            if let Ok(code) = ask::<Bytes>(client, "eth_getCode", json!([address, "latest"])).await {
                let text = if code.is_empty() {
                    format!("there is no contract at {address}; compare the address and the chain")
                } else {
                    format!("there is a contract at {address}")
                };
                return findings.add("code", !code.is_empty(), &text);
            }
        }
        findings.add("code", false, &format!("nobody says whether there is a contract at {address}"));
    }

    async fn read_gate(&self, gate: B256, scope: B256, findings: &mut Checks) -> Option<GateReport> {
        let address = crate::config::unpadded(gate)?;
        let head = match quorum_head(&self.network).await {
            Ok(head) => head,
            Err(error) => {
                findings.add("gate", false, &format!("{address} cannot be read: {}", chain_of(&error)));
                return None;
            }
        };
        let contract = (address, self.compiled.is_gate(address));
        for operator in &self.network.operators {
            let Ok(told) = Told::by(&operator.lanes.prove, contract, scope, head.block).await else {
                continue;
            };
            let Some(word) = told.word() else { break };
            let report = word.report(head.block, head.time);
            findings.add("gate", true, &format!("{address} answers as a gate does"));
            let text = if report.registered {
                format!("{address} knows the scope")
            } else {
                format!("{address} does not know the scope {scope}; its owner must register it")
            };
            findings.add("scope", report.registered, &text);
            return Some(report);
        }
        let text = format!("{address} does not answer as a guard or gate does; compare address and chain");
        findings.add("gate", false, &text);
        None
    }

    /// An account to ask a proof of: any will do, and a configured one is likely to exist.
    fn any_account(&self) -> Address {
        self.compiled.targets.first().map_or(Address::ZERO, |target| target.address)
    }
}

async fn ask<T: serde::de::DeserializeOwned>(
    client: &Client,
    method: &'static str,
    params: Value,
) -> Result<T, RpcError> {
    let size = if method == "eth_getBlockReceipts" { ReplySize::Bulk } else { ReplySize::Block };
    client.ask(RpcRequest::read(method, params, size), method).await
}
