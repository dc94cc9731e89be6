//! Whether endpoints, programs and gates are what the configuration takes them for. Asks, and changes nothing.

use futures::future::join_all;
use portcullis_adapter::{Checks, GateReport, Readiness};
use portcullis_rpc::{
    Operator, ReplySize, RpcError, RpcRequest,
    ws::{self, WsSettings},
};
use portcullis_verifier::{B256, keccak256, solana::Regime};
use serde_json::json;

use crate::{
    Solana, address,
    config::GateKind,
    contain::{guard, held_mints, mints_of, query, rehearse::powerless, state},
    decode::Whose,
    error::chain_of,
    finality,
    observe::subscription,
    transport::{AT_CONFIRMED, blocks_between, genesis, is_of, slot},
};

impl Solana {
    /// Asks every endpoint what watching and containing will need of it: `endpoint`, `chain`, `blocks`, `push`, `regime`,
    /// `quorum`, whether every watched program and mint is there (`code`), and whether the pinned table of stakes is one of the
    /// epoch that runs (`stakes`). Details name the operator and, where something
    /// is wrong, say what to do.
    pub async fn dial(&self) -> Vec<Readiness> {
        let asked =
            join_all(self.network.operators.iter().map(|operator| self.dial_operator(operator))).await;
        let mut checks = Checks(asked.into_iter().flat_map(|checks| checks.0).collect());
        match state::tip(&self.network).await {
            Ok(tip) => {
                let agreed = format!("{} operators agree on slot {}", self.network.quorum, tip.block.height);
                checks.add("quorum", true, &agreed);
                self.dial_stakes(tip.block.height, &mut checks);
            }
            Err(error) => {
                let text = format!("{}; use endpoints that are in step, or a lower quorum", chain_of(&error));
                checks.add("quorum", false, &text);
            }
        }
        for contract in &self.compiled.decoder.contracts {
            match contract.whose {
                Whose::Program { address, .. } => {
                    self.dial_program("code", address, &mut checks).await;
                }
                Whose::Mint(mint) => self.dial_mint(mint, &mut checks).await,
            }
        }
        checks.0
    }

    /// Reads a gate's state of a scope, without a key: none and a finding when there is no such gate.
    pub async fn dial_gate(&self, target: B256, scope: B256) -> (Option<GateReport>, Vec<Readiness>) {
        let mut checks = Checks::default();
        let Some(target) = self.compiled.targets.iter().find(|known| known.address == target) else {
            return (None, checks.0);
        };
        if !self.dial_program("gate", target.program, &mut checks).await {
            return (None, checks.0);
        }
        let shown = address::shown(target.address);
        let breaker = self.account(target.address).await;
        let own =
            breaker.filter(|account| account.owner == target.program && guard::is_breaker(&account.data));
        let Some(own) = own else {
            let text = format!(
                "PC-0963: {shown} is no breaker account of {}; compare both addresses and the chain",
                address::shown(target.program)
            );
            checks.add("gate", false, &text);
            return (None, checks.0);
        };
        let wanted = keccak256(self.network.chain.as_str());
        if guard::breaker_chain(&own.data) != Some(wanted) {
            let text = format!("PC-0968: {shown} was made for another chain than {}", self.network.chain);
            checks.add("gate", false, &text);
        }
        if target.kind == GateKind::Gate {
            self.dial_power(target, scope, &mut checks).await;
        }
        let mints = match mints_of(&self.network, target, scope).await {
            Ok(mints) => mints,
            Err(error) => {
                checks.add("scope", false, &chain_of(&error));
                return (None, checks.0);
            }
        };
        match state::gate(&self.network, target, &mints, scope).await {
            Ok(report) => {
                let text = if report.registered {
                    format!("{shown} knows the scope")
                } else {
                    format!("PC-0965: {shown} does not know the scope {scope}; its owner must register it")
                };
                checks.add("scope", report.registered, &text);
                (Some(report), checks.0)
            }
            Err(error) => {
                checks.add("scope", false, &format!("{shown} cannot be read: {}", chain_of(&error)));
                (None, checks.0)
            }
        }
    }

    /// Whether the pinned table of stakes is one of the epoch that runs.
    fn dial_stakes(&self, slot: u64, checks: &mut Checks) {
        let Some(pinned) = &self.network.stakes else { return };
        let table = pinned.stakes().table();
        let (epoch, first, last) = (table.epoch, table.first_slot, table.last_slot);
        let text = if pinned.covers(slot) {
            format!("votes are counted by the table of epoch {epoch}, until slot {last}")
        } else {
            format!(
                "PC-0981: the pinned table of stakes is of epoch {epoch} (slots {first} to {last}), the chain is at slot \
                 {slot}; make a new one with `portcullis stakes`"
            )
        };
        checks.add("stakes", pinned.covers(slot), &text);
    }

    /// An account as the first operator tells it that answers; none when it is not there, or nobody says.
    async fn account(&self, address: B256) -> Option<query::Account> {
        for operator in &self.network.operators {
            if let Ok((_, accounts)) = query::accounts(&operator.lanes.prove, &[address], 0).await {
                return accounts.into_iter().next().flatten();
            }
        }
        None
    }

    async fn dial_operator(&self, operator: &Operator) -> Checks {
        let (name, client) = (operator.name, &operator.lanes.prove);
        let mut checks = Checks::default();
        let hash = match genesis(client).await {
            Ok(hash) => hash,
            Err(error) => {
                let why = chain_of(&error);
                let text = format!("{name} does not answer: {why}; correct its URL, or remove it");
                checks.add("endpoint", false, &text);
                return checks;
            }
        };
        checks.add("endpoint", true, &format!("{name} answers"));
        if !is_of(&hash, self.network.chain) {
            let wanted = self.network.chain;
            let text = format!(
                "PC-0951: {name} serves the cluster with the genesis hash {hash}, not {wanted}; correct its URL"
            );
            checks.add("chain", false, &text);
            return checks;
        }
        checks.add("chain", true, &format!("{name} is on the configured cluster"));
        self.dial_blocks(operator, &mut checks).await;
        match finality::regime(client).await {
            Ok(Some(Regime::Tower)) => {
                checks.add("regime", true, &format!("{name}: validators vote in towers"));
            }
            Ok(Some(Regime::Alpenglow)) => {
                let text = format!(
                    "PC-0953: {name} has a certificate of the regime that follows towers, which this version does not verify"
                );
                checks.add("regime", false, &text);
            }
            Ok(None) => checks.add("regime", false, &format!("{name} does not say how validators agree")),
            Err(error) => {
                let text = format!("{name} does not say how validators agree: {}", chain_of(&error));
                checks.add("regime", false, &text);
            }
        }
        self.dial_push(operator, &mut checks).await;
        checks
    }

    /// Whether an operator tells whole blocks, with logs.
    async fn dial_blocks(&self, operator: &Operator, checks: &mut Checks) {
        let (name, client) = (operator.name, &operator.lanes.prove);
        let asked = async {
            let newest = slot(client, AT_CONFIRMED).await?;
            let list = blocks_between(client, newest.saturating_sub(16), newest).await?;
            match list.last() {
                Some(last) => crate::transport::told(client, &self.compiled.decoder, *last).await.map(Some),
                None => Ok(None),
            }
        };
        let (ok, text) = match asked.await {
            Ok(Some(told)) => {
                (true, format!("{name} tells whole blocks, the newest at slot {}", told.block.height))
            }
            Ok(None) => {
                (false, format!("{name} has none of the last blocks; ask for a node that is in step"))
            }
            Err(error) => {
                let why = chain_of(&error);
                let fix = "ask for a node with transaction history";
                (false, format!("PC-0952: {name} does not tell blocks: {why}; {fix}"))
            }
        };
        checks.add("blocks", ok, &text);
    }

    async fn dial_push(&self, operator: &Operator, checks: &mut Checks) {
        let name = operator.name;
        let Some(url) = &operator.ws else {
            let text = format!("{name} has no ws: it is polled, and seen later than others");
            return checks.add("push", false, &text);
        };
        let subscribed = async {
            let (socket, _pushes) = ws::connect(name, url, WsSettings::default()).await?;
            socket.subscribe(RpcRequest::read("slotSubscribe", json!([]), ReplySize::Small)).await?;
            socket.subscribe(RpcRequest::read("rootSubscribe", json!([]), ReplySize::Small)).await?;
            Ok::<bool, RpcError>(socket.subscribe(subscription()).await.is_ok())
        };
        match subscribed.await {
            Ok(true) => checks.add("push", true, &format!("{name} pushes slots, roots and whole blocks")),
            Ok(false) => checks.add("push", true, &format!("{name} pushes slots and roots")),
            Err(error) => {
                let text = format!("{name} does not push: {}; correct its ws", chain_of(&error));
                checks.add("push", false, &text);
            }
        }
    }

    /// Whether there is a program at an address; false when there is none, or when nobody says.
    async fn dial_program(&self, check: &str, program: B256, checks: &mut Checks) -> bool {
        let shown = address::shown(program);
        let (ok, text) = match self.account(program).await {
            Some(account) if account.executable => (true, format!("there is a program at {shown}")),
            Some(_) => (false, format!("PC-0963: what stands at {shown} is no program; compare the address")),
            None => {
                let text =
                    format!("PC-0963: no program is deployed at {shown}; compare the address and the chain");
                (false, text)
            }
        };
        checks.add(check, ok, &text);
        ok
    }

    async fn dial_mint(&self, mint: B256, checks: &mut Checks) {
        let shown = address::shown(mint);
        let found = self.account(mint).await;
        let ok = found.is_some_and(|account| crate::decode::is_token_program(&account.owner));
        let text = if ok {
            format!("there is a token at {shown}")
        } else {
            format!("PC-0963: there is no token at {shown}; compare the address and the chain")
        };
        checks.add("code", ok, &text);
    }

    /// Whether a Gate holds something in the scope.
    async fn dial_power(&self, target: &crate::config::CompiledTarget, scope: B256, checks: &mut Checks) {
        let shown = address::shown(target.address);
        let Some(held) = held_mints(&self.network, target).await else {
            return checks.add("power", false, &format!("no quorum says what {shown} holds"));
        };
        let mints: Vec<B256> = held.iter().filter(|(_, of)| *of == scope).map(|(mint, _)| *mint).collect();
        self.network.mints.keep(target.address, held);
        if mints.is_empty() {
            return checks.add("power", false, &powerless(&shown));
        }
        for mint in mints {
            let account = self.account(mint).await;
            let authority = account.and_then(|account| state::pause_authority(&account.data));
            let ok = authority == Some(target.address);
            let mint = address::shown(mint);
            let text = if ok {
                format!("{shown} may pause {mint}")
            } else {
                format!("PC-0967: {shown} may not pause {mint}; make it the pause authority of the token")
            };
            checks.add("power", ok, &text);
        }
    }
}
