//! Whether endpoints, contracts and gates are what the configuration takes them for. Asks, and changes nothing.

use cosmrs::proto::cosmwasm::wasm::v1::{QueryContractInfoRequest, QueryContractInfoResponse};
use futures::future::join_all;
use portcullis_adapter::{Checks, GateReport, Readiness};
use portcullis_rpc::{
    Operator, ReplySize, RpcRequest,
    ws::{self, WsSettings},
};
use portcullis_verifier::B256;
use serde_json::{Value, json};

use crate::{
    Cosmos,
    config::shown,
    contain::{
        circuit,
        query::{self, QueryError},
        state::{gate, tip},
    },
    error::chain_of,
    transport::{Status, header, status, stored},
};

impl Cosmos {
    /// Asks every endpoint what watching and proving will need of it: `endpoint`, `chain`, `pruned`, `root`, `proofs`,
    /// `receipts`, `push`, `quorum`, and whether every watched contract has `code`. Details name the operator and,
    /// where something is wrong, say what to do.
    pub async fn dial(&self) -> Vec<Readiness> {
        let asked =
            join_all(self.network.operators.iter().map(|operator| self.dial_operator(operator))).await;
        let mut checks = Checks(asked.into_iter().flat_map(|checks| checks.0).collect());
        match tip(&self.network).await {
            Ok(tip) => {
                let agreed = format!("{} operators agree on block {}", self.network.quorum, tip.block.height);
                checks.add("quorum", true, &agreed);
            }
            Err(error) => {
                let text = format!("{}; use endpoints that are in step, or a lower quorum", chain_of(&error));
                checks.add("quorum", false, &text);
            }
        }
        let contracts = self.compiled.config.contracts.iter().map(|contract| contract.address.as_str());
        for address in contracts.filter(|address| !address.starts_with("module:")) {
            self.dial_code("code", address, &mut checks).await;
        }
        if let Some(frozen) = self.network.root.checkpoint().and_then(|checkpoint| checkpoint.frozen) {
            let text = format!(
                "the light client is frozen: the chain signed two truths at block {frozen}; find out which one holds, \
                 then pin a header above it"
            );
            checks.add("root", false, &text);
        }
        checks.0
    }

    /// Reads a gate's state of a scope, without a key: none and a finding when there is no such gate. What holds the
    /// chain's own power to refuse messages is asked for that power.
    pub async fn dial_gate(&self, target: B256, scope: B256) -> (Option<GateReport>, Vec<Readiness>) {
        let mut checks = Checks::default();
        let Some(address) = shown(&self.compiled.config.prefix, target) else { return (None, checks.0) };
        // Addresses of contracts are equal on many chains: what another chain has there is nothing that people should read.
        let asked =
            join_all(self.network.operators.iter().map(|operator| status(&operator.lanes.prove))).await;
        if asked.iter().all(|told| told.as_ref().is_ok_and(|told| told.chain != self.compiled.name)) {
            let text =
                format!("no endpoint is of {}, so that nobody says what {address} is", self.compiled.name);
            checks.add("gate", false, &text);
            return (None, checks.0);
        }
        if !self.dial_code("gate", &address, &mut checks).await {
            return (None, checks.0);
        }
        if self.compiled.is_gate(target) {
            self.dial_power(&address, scope, &mut checks).await;
        }
        match gate(&self.compiled, &self.network, target, scope).await {
            Ok(report) => {
                let text = if report.registered {
                    format!("{address} knows the scope")
                } else {
                    format!("{address} does not know the scope {scope}; its owner must register it")
                };
                checks.add("scope", report.registered, &text);
                (Some(report), checks.0)
            }
            Err(error) => {
                checks.add("scope", false, &format!("{address} cannot be read: {}", chain_of(&error)));
                (None, checks.0)
            }
        }
    }

    async fn dial_operator(&self, operator: &Operator) -> Checks {
        let name = operator.name;
        let mut checks = Checks::default();
        let status = match status(&operator.lanes.prove).await {
            Ok(status) => status,
            Err(error) => {
                let why = chain_of(&error);
                let text = format!("{name} does not answer: {why}; correct its URL, or remove it");
                checks.add("endpoint", false, &text);
                return checks;
            }
        };
        checks.add("endpoint", true, &format!("{name} answers"));
        if status.chain != self.compiled.name {
            let (found, wanted) = (&status.chain, &self.compiled.name);
            let text = format!("{name} is an endpoint of {found}, not of {wanted}; correct its URL");
            checks.add("chain", false, &text);
            return checks;
        }
        checks.add("chain", true, &format!("{name} is on the configured chain"));
        self.dial_root(operator, &status, &mut checks).await;
        self.dial_methods(operator, &status, &mut checks).await;
        self.dial_push(operator, &mut checks).await;
        checks
    }

    /// Whether the node still has what the light client starts from, and tells it as it is pinned.
    async fn dial_root(&self, operator: &Operator, status: &Status, checks: &mut Checks) {
        let (name, pinned) = (operator.name, self.compiled.config.trust.block());
        let starts = self.network.root.checkpoint().map_or(pinned, |checkpoint| checkpoint.block);
        if status.earliest > starts.height {
            let (earliest, needed) = (status.earliest, starts.height);
            let text = format!(
                "{name} keeps blocks from {earliest} on, the light client starts at {needed}: ask for a node that keeps \
                 more, or pin a newer header in `trust`"
            );
            return checks.add("pruned", false, &text);
        }
        checks.add("pruned", true, &format!("{name} keeps blocks from {} on", status.earliest));
        if status.earliest > pinned.height {
            return;
        }
        match header(&operator.lanes.prove, pinned.height).await {
            Ok((header, _)) if header.block() == pinned => {
                checks.add("root", true, &format!("{name} has the pinned header {}", pinned.height));
            }
            Ok((header, _)) => {
                let found = header.block().hash;
                let text = format!(
                    "{name} tells another header at {}, with the hash {found}: compare `trust` with a source that is \
                     none of the endpoints, and if it is right, do not use this operator",
                    pinned.height
                );
                checks.add("root", false, &text);
            }
            Err(error) => {
                let text = format!("{name} does not tell the pinned header: {}", chain_of(&error));
                checks.add("root", false, &text);
            }
        }
    }

    async fn dial_methods(&self, operator: &Operator, status: &Status, checks: &mut Checks) {
        let (name, client) = (operator.name, &operator.lanes.prove);
        // Any key will do: what counts is that an answer for the block before the newest comes with proofs.
        let before = status.height.saturating_sub(1);
        let failed = match stored(client, "bank", b"\0", before).await {
            Ok(found) if found.proofs.is_some() => None,
            Ok(found) if found.code != 0 => Some(found.log),
            Ok(_) => Some("its answer carries no proof".to_owned()),
            Err(error) => Some(chain_of(&error)),
        };
        match failed {
            None => {
                checks.add("proofs", true, &format!("{name} proves state of the block before the newest"))
            }
            Some(why) => {
                let text = format!(
                    "{name} does not prove state of block {before} ({why}): it keeps too little of it; ask for a node \
                     that keeps the last hundred blocks"
                );
                checks.add("proofs", false, &text);
            }
        }
        let request = RpcRequest::read("status", json!({}), ReplySize::Small);
        let told = client.ask::<Value>(request, "status").await.unwrap_or_default();
        let index = told.pointer("/node_info/other/tx_index").and_then(Value::as_str);
        let text = match index {
            Some("off") => {
                format!("{name} keeps no index of transactions: landing is seen by its effect only")
            }
            _ => format!("{name} finds transactions by their hash"),
        };
        checks.add("receipts", index != Some("off"), &text);
    }

    async fn dial_push(&self, operator: &Operator, checks: &mut Checks) {
        let name = operator.name;
        let Some(url) = &operator.ws else {
            let text = format!("{name} has no ws: it is polled, and seen later than others");
            return checks.add("push", false, &text);
        };
        let subscribed = async {
            let (socket, _pushes) = ws::connect(name, url, WsSettings::default()).await?;
            let query = json!({ "query": "tm.event='NewBlock'" });
            socket.call(RpcRequest::read("subscribe", query, ReplySize::Small)).await
        };
        match subscribed.await {
            Ok(_) => checks.add("push", true, &format!("{name} pushes new blocks")),
            Err(error) => {
                let text = format!("{name} does not push: {}; correct its ws", chain_of(&error));
                checks.add("push", false, &text);
            }
        }
    }

    /// Whether there is a contract at an address; false when there is none, or when nobody says.
    async fn dial_code(&self, check: &str, address: &str, checks: &mut Checks) -> bool {
        let question = QueryContractInfoRequest { address: address.to_owned() };
        for operator in &self.network.operators {
            let path = "/cosmwasm.wasm.v1.Query/ContractInfo";
            let asked = query::service::<_, QueryContractInfoResponse>(
                &operator.lanes.prove,
                path,
                &question,
                "contract's description",
            );
            let (ok, text) = match asked.await {
                Ok(answer) => {
                    let code = answer.contract_info.map_or(0, |info| info.code_id);
                    (true, format!("there is a contract at {address} (code {code})"))
                }
                Err(QueryError::Refused { .. }) => {
                    let text = format!(
                        "PC-0937: no contract is instantiated at {address}; compare the address and the chain"
                    );
                    (false, text)
                }
                Err(QueryError::Rpc(_)) => continue,
            };
            checks.add(check, ok, &text);
            return ok;
        }
        checks.add(check, false, &format!("nobody says whether there is a contract at {address}"));
        false
    }

    /// Whether a Gate may trip every message that it closes with the scope.
    async fn dial_power(&self, address: &str, scope: B256, checks: &mut Checks) {
        for operator in &self.network.operators {
            if let Some((ok, text)) = circuit::power(&operator.lanes.prove, address, scope).await {
                return checks.add("circuit", ok, &text);
            }
        }
        checks.add("circuit", false, &format!("nobody says what {address} may trip"));
    }
}
