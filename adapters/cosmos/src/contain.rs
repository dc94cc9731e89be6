//! Containing: signing trips, handing them to every endpoint, and saying what must be proven afterwards.
//!
//! *Who is in the play.* [`sequences`] keeps apart what several outstanding actions of one key may use. [`fees`]
//! says what a step pays. [`guard`] is the interface of Guard and Gate, [`tx`] the form in which a call travels, and
//! [`refusal`] sorts why one is not taken. The lane above decides when to sign, when to send again, and when to stop:
//! nothing here retries a submission.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU16, Ordering},
    },
};

use async_trait::async_trait;
use cosmrs::Any;
use futures::future::join_all;
use portcullis_adapter::{
    Action, AdapterError, Attempt, Broadcast, Class, Contain, EndpointReply, GateReport, Landing, Readiness,
    word,
};
use portcullis_verifier::{B256, BlockRef, ChainId, Claim, FaultKind, OperatorId};
use tokio::sync::watch;

use crate::{
    config::{Compiled, padded, shown},
    error::{DETAIL_MAX_BYTES, detail},
    limits,
    signer::Signer,
    transport::Network,
};

pub(crate) mod circuit;
mod fees;
pub mod guard;
mod landing;
pub(crate) mod query;
mod refusal;
pub(crate) mod rehearse;
mod sequences;
pub(crate) mod state;
mod submit;
mod tx;

use query::QueryError;
pub use refusal::{Refusal, refusal};
use sequences::{Numbers, Sequences};
use submit::Handed;

/// Closes gates on one chain with one key.
#[derive(Debug)]
pub struct CosmosContainer {
    compiled: Arc<Compiled>,
    network: Arc<Network>,
    tripper: Account,
    carrier: Option<Account>,
}

/// A key with the sequences of its account.
#[derive(Debug)]
struct Account {
    signer: Arc<dyn Signer>,
    /// As the chain writes it.
    address: String,
    /// As the vocabulary carries it.
    word: B256,
    sequences: Mutex<Sequences>,
    /// Which endpoint has answered to which sequence: what stands behind one is sent after it.
    answered: watch::Sender<BTreeSet<(OperatorId, u64)>>,
    /// What operators ask for at least, billionths per unit of gas.
    least_nano: Mutex<u128>,
    /// Step of the fees below which everybody refused.
    dearer: AtomicU16,
}

impl Account {
    /// None where the key is of a kind that has no account on a chain with this prefix.
    fn new(prefix: &str, signer: Arc<dyn Signer>) -> Option<Self> {
        let account = signer.public_key().account_id(prefix).ok()?;
        Some(Self {
            signer,
            word: padded(&account.to_bytes()),
            address: account.to_string(),
            sequences: Mutex::default(),
            answered: watch::Sender::new(BTreeSet::new()),
            least_nano: Mutex::default(),
            dearer: AtomicU16::new(0),
        })
    }

    fn with_sequences<T>(&self, act: impl FnOnce(&mut Sequences) -> T) -> T {
        act(&mut self.sequences.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn least_nano(&self) -> u128 {
        *self.least_nano.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CosmosContainer {
    /// A container with a key; none where the key is of a kind that has no account on such a chain.
    pub(crate) fn new(
        compiled: Arc<Compiled>,
        network: Arc<Network>,
        signer: Arc<dyn Signer>,
    ) -> Option<Self> {
        let tripper = Account::new(&compiled.config.prefix, signer)?;
        Some(Self { compiled, network, tripper, carrier: None })
    }

    /// The same with another account that carries signed trips when the tripper's own is stuck or empty.
    #[must_use]
    pub fn carried_by(self, carrier: Arc<dyn Signer>) -> Self {
        let carrier = Account::new(&self.compiled.config.prefix, carrier);
        Self { carrier, ..self }
    }

    /// The account that pays for trips and holds the tripper's role.
    #[must_use]
    pub fn account(&self) -> &str {
        &self.tripper.address
    }

    /// The account that carries signed trips, where there is one.
    #[must_use]
    pub fn carrier(&self) -> Option<&str> {
        self.carrier.as_ref().map(|account| account.address.as_str())
    }

    fn accounts(&self) -> impl Iterator<Item = &Account> {
        core::iter::once(&self.tripper).chain(&self.carrier)
    }

    /// The account that paid for an attempt.
    fn payer(&self, attempt: &Attempt) -> &Account {
        self.accounts().find(|account| account.word == attempt.sender).unwrap_or(&self.tripper)
    }

    fn error(&self, class: Class, what: impl Into<String>) -> AdapterError {
        AdapterError::new(self.network.chain, None, class, what)
    }

    fn gate_of(&self, action: &Action) -> Result<String, AdapterError> {
        // SECURITY: only configured gates are ever called; a wrong action cannot make the key call elsewhere.
        let known = self.compiled.targets.iter().any(|target| target.address == action.target);
        let address = if known { shown(&self.compiled.config.prefix, action.target) } else { None };
        address.ok_or_else(|| {
            self.error(Class::Permanent, format!("{} is no configured gate of this chain", action.target))
        })
    }

    /// Numbers of an account for an action, asking the chain only when what is known may not be used.
    async fn candidates(
        &self,
        account: &Account,
        action: &Action,
        bump: u16,
    ) -> Result<Vec<Numbers>, AdapterError> {
        if !account.with_sequences(|sequences| sequences.usable()) {
            self.read_sequences(account).await?;
        }
        let numbers = account.with_sequences(|sequences| sequences.candidates(action.id, bump));
        if numbers.is_empty() {
            let what = "too many actions are outstanding, or no sequence is known";
            return Err(self.error(Class::Transient, what));
        }
        Ok(numbers)
    }

    /// A message with its price at a step, and the step at which it is really sent.
    fn draft(
        &self,
        account: &Account,
        message: Any,
        at_risk_micro_usd: u64,
        bump: u16,
    ) -> (tx::Draft, u16, u128) {
        let schedule = &self.compiled.config.fees;
        let asked = bump.max(account.dearer.load(Ordering::Relaxed).min(schedule.bumps));
        let step = fees::step(schedule, at_risk_micro_usd, asked, account.least_nano());
        let price = fees::price_nano(schedule, at_risk_micro_usd, step);
        let draft = tx::Draft {
            chain_name: self.compiled.name.clone(),
            message,
            gas_limit: schedule.gas_limit,
            fee: fees::amount(price, schedule.gas_limit),
            denom: schedule.denom.clone(),
        };
        (draft, step, price)
    }

    /// The signed bytes of a draft.
    async fn signed(
        &self,
        account: &Account,
        draft: &tx::Draft,
        numbers: Numbers,
    ) -> Result<Vec<u8>, AdapterError> {
        let signer = &account.signer;
        let unsigned = draft.numbered(&signer.public_key(), numbers);
        let signature = signer.sign(&unsigned.document()).await;
        let signature = signature
            .map_err(|source| self.error(Class::Permanent, "the key did not sign").caused_by(source))?;
        Ok(unsigned.signed(signature))
    }

    /// Signs one message with each of the numbers that it may have.
    async fn attempts(
        &self,
        account: &Account,
        action: &Action,
        message: Vec<u8>,
        (bump, more_gas): (u16, u64),
    ) -> Result<Vec<Attempt>, AdapterError> {
        let gate = self.gate_of(action)?;
        let numbers = self.candidates(account, action, bump).await?;
        let message = tx::execute(&account.address, &gate, message);
        let (mut draft, step, price) = self.draft(account, message, action.value_at_risk_micro_usd, bump);
        draft.gas_limit = draft.gas_limit.saturating_add(more_gas);
        draft.fee = fees::amount(price, draft.gas_limit);
        let mut attempts = Vec::with_capacity(numbers.len());
        for numbers in numbers {
            let bytes = self.signed(account, &draft, numbers).await?;
            attempts.push(Attempt {
                action: action.id,
                chain: self.network.chain,
                hash: tx::hash(&bytes),
                bytes,
                sender: account.word,
                nonce: numbers.sequence,
                bump: step,
                fee: price,
            });
        }
        Ok(attempts)
    }

    /// The tripper's signature of an action, for anybody to bring.
    async fn signature(&self, action: &Action, record: B256) -> Result<Vec<u8>, AdapterError> {
        let signed = self.tripper.signer.sign_digest(guard::signed_digest(action, record)).await;
        signed.map_err(|source| self.error(Class::Permanent, "the key did not sign").caused_by(source))
    }

    /// Asks every operator for number and sequence of an account.
    async fn read_sequences(&self, account: &Account) -> Result<(), AdapterError> {
        let asked = self.network.operators.iter().map(|operator| async move {
            (operator.name, query::numbers(&operator.lanes.contain, &account.address).await)
        });
        let mut last_error = None;
        let mut heard = false;
        for (name, numbers) in join_all(asked).await {
            match numbers {
                Ok(numbers) => {
                    heard = true;
                    self.network.faults.over(name, FaultKind::Dark);
                    account.with_sequences(|sequences| sequences.report(name, numbers));
                }
                Err(error) => {
                    // An account that does not exist is no fault of who says so.
                    if let QueryError::Rpc(error) = &error {
                        self.network.faults.failed(name, "sequence of the containment key", error);
                    }
                    last_error = Some(crate::error::failed(
                        self.network.chain,
                        name,
                        "sequence of the containment key",
                        query::flat(error),
                    ));
                }
            }
        }
        if heard {
            account.with_sequences(Sequences::refreshed);
        }
        match last_error {
            Some(error) if !heard => Err(error),
            _ => Ok(()),
        }
    }

    /// Asks where trips go what is asked for at least.
    async fn read_prices(&self) {
        let denom = &self.compiled.config.fees.denom;
        let asked = self.network.submit.iter().map(query::least_prices);
        let told = join_all(asked).await.into_iter().flatten();
        let mut least: Vec<u128> = told.filter_map(|list| fees::asked_nano(&list, denom)).collect();
        least.sort_unstable();
        // SECURITY: the price at which a quorum takes the trip. One liar must not make trips dearer than the account can
        // pay; where fewer than a quorum tell, the cheapest of them is believed.
        let quorum = self.network.quorum.min(least.len());
        let least = quorum.checked_sub(1).and_then(|at| least.get(at)).copied().unwrap_or(0);
        for account in self.accounts() {
            *account.least_nano.lock().unwrap_or_else(PoisonError::into_inner) = least;
        }
    }
}

#[async_trait]
impl Contain for CosmosContainer {
    fn chain(&self) -> ChainId {
        self.network.chain
    }

    async fn warm(&self) -> Result<(), AdapterError> {
        let accounts = join_all(self.accounts().map(|account| self.read_sequences(account)));
        let (sequences, ()) = tokio::join!(accounts, self.read_prices());
        sequences.into_iter().collect()
    }

    async fn sign(&self, action: &Action, record: B256, bump: u16) -> Result<Vec<Attempt>, AdapterError> {
        let message = guard::trip_message(action, record);
        self.attempts(&self.tripper, action, message, (bump, 0)).await
    }

    async fn carry(&self, action: &Action, record: B256, bump: u16) -> Result<Vec<Attempt>, AdapterError> {
        let Some(carrier) = &self.carrier else { return Ok(Vec::new()) };
        // SECURITY: what is signed here can be brought by anybody, so it is signed for configured gates only.
        self.gate_of(action)?;
        let message = guard::signed_message(action, record, &self.signature(action, record).await?);
        self.attempts(carrier, action, message, (bump, limits::CARRY_GAS)).await
    }

    async fn broadcast(&self, attempt: &Attempt) -> Broadcast {
        let queued = self.payer(attempt).with_sequences(|sequences| {
            sequences.sent(attempt.action);
            sequences.queues_behind(attempt.action, attempt.nonce)
        });
        let handed = join_all(
            self.network
                .submit
                .iter()
                .map(|client| async move { (client.operator(), self.hand(client, attempt, queued).await) }),
        )
        .await;
        self.learn(attempt, &handed);
        let replies = handed.into_iter().map(|(operator, handed)| {
            let (accepted, text) = match handed {
                Handed::Taken(text) => (true, text.to_owned()),
                Handed::Refused(_, text) | Handed::Silent(text) => (false, text),
            };
            EndpointReply { operator, accepted, detail: detail(&text, DETAIL_MAX_BYTES) }
        });
        Broadcast { replies: replies.collect() }
    }

    async fn landing(&self, attempt: &Attempt) -> Result<Landing, AdapterError> {
        let payer = self.payer(attempt);
        let landing = landing::landing(&self.network, &payer.address, attempt).await?;
        if landing != Landing::Pending {
            payer.with_sequences(|sequences| sequences.settle(attempt.action, attempt.nonce));
        }
        Ok(landing)
    }

    fn effect(&self, action: &Action, block: BlockRef) -> Claim {
        // SECURITY: the word of a Gate's scope says that it was tripped; what counts is what of it is enforced.
        let own = if self.compiled.is_gate(action.target) {
            guard::enforced_key(action.scope)
        } else {
            guard::scope_key(action.scope)
        };
        let key = self.network.keys.learn(&own);
        word::effect(self.network.chain, action, block, key)
    }

    async fn gate(&self, target: B256, scope: B256) -> Result<GateReport, AdapterError> {
        state::gate(&self.compiled, &self.network, target, scope).await
    }

    async fn unenforced(&self, target: B256, scope: B256) -> Option<String> {
        state::unenforced(&self.compiled, &self.network, target, scope).await
    }

    async fn rehearse(&self, action: &Action) -> Result<Vec<Readiness>, AdapterError> {
        rehearse::rehearse(self, action).await
    }
}
