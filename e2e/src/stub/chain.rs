//! One chain: its blocks, what waits for the next one, and who listens.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use alloy::consensus::transaction::SignerRecoverable;
use alloy::consensus::{Transaction as _, TxEnvelope};
use alloy::eips::eip2718::Decodable2718;
use alloy::primitives::{Address, B256, Bytes, Log, LogData, U256};
use tokio::sync::broadcast;

use super::block::{Block, Transaction};
use super::guard;
use super::state::{Account, State};

/// Blocks that are kept: what a service may ask back for while it works at the tip.
const KEPT_BLOCKS: usize = 192;
/// Blocks that a slow listener may be behind before its socket is closed.
const BACKLOG: usize = 64;
/// Accounts beside the bridges': a trie with one leaf would prove itself.
const STRANGERS: u8 = 60;

/// A trip that arrived at an endpoint.
#[derive(Debug, Clone, Copy)]
pub struct Arrival {
    /// When.
    pub at: Instant,
    /// At which operator's, by its place.
    pub operator: usize,
    /// Scope that it closes.
    pub scope: B256,
}

/// A transaction that waits for a block.
#[derive(Debug, Clone)]
struct Waiting {
    hash: B256,
    to: Address,
    fee: u128,
    input: Bytes,
}

/// Where a transaction landed.
#[derive(Debug, Clone, Copy)]
pub struct Landed {
    /// Height of its block.
    pub height: u64,
    /// Its place there.
    pub index: usize,
}

#[derive(Debug)]
struct Inner {
    head: Arc<Block>,
    blocks: VecDeque<Arc<Block>>,
    by_hash: BTreeMap<B256, u64>,
    state: Arc<State>,
    root: B256,
    /// By sender and nonce: a later offer that pays more replaces an earlier one.
    pool: BTreeMap<(Address, u64), Waiting>,
    landed: BTreeMap<B256, Landed>,
    arrivals: Vec<Arrival>,
}

/// A chain.
#[derive(Debug)]
pub struct Chain {
    /// EIP-155 number.
    pub id: u64,
    /// Longest closure of one trip, seconds and blocks.
    pub max_secs: u64,
    inner: Mutex<Inner>,
    heads: broadcast::Sender<Arc<Block>>,
}

/// What becomes of a transaction that is handed in, as nodes word it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taken {
    /// It waits for a block.
    Yes(B256),
    /// It is refused.
    No(&'static str),
}

impl Chain {
    /// A chain with one block, at height `height` and time `time`.
    ///
    /// `guards` are registered with these scopes; `signers` have something to pay with.
    #[must_use]
    pub fn new(
        id: u64,
        (height, time): (u64, u64),
        guards: &[(Address, B256)],
        signers: &[Address],
        max_secs: u64,
    ) -> Self {
        let mut state = State::default();
        for stranger in 1..=STRANGERS {
            let account = Account::person(U256::from(stranger));
            state.accounts.insert(Address::repeat_byte(stranger), account);
        }
        for signer in signers {
            state.accounts.insert(*signer, Account::person(U256::from(10u64).pow(U256::from(24u64))));
        }
        for (address, scope) in guards {
            let account = state.accounts.entry(*address).or_insert_with(|| Account::contract("guard"));
            account.storage.insert(guard::slot(*scope), guard::fresh());
            // A few words of other matters, so that a path in the storage has more than one node.
            for word in 1..8u64 {
                account.storage.insert(B256::from(U256::from(word)), U256::from(word));
            }
        }
        let root = state.root();
        let state = Arc::new(state);
        let first =
            Arc::new(Block::build((height, B256::ZERO, time), Vec::new(), (Arc::clone(&state), root)));
        let inner = Inner {
            head: Arc::clone(&first),
            by_hash: BTreeMap::from([(first.hash, height)]),
            blocks: VecDeque::from([first]),
            state,
            root,
            pool: BTreeMap::new(),
            landed: BTreeMap::new(),
            arrivals: Vec::new(),
        };
        Self { id, max_secs, inner: Mutex::new(inner), heads: broadcast::Sender::new(BACKLOG) }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Every change is made whole before the lock is given back.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The name that a configuration gives it.
    #[must_use]
    pub fn caip2(&self) -> String {
        format!("eip155:{}", self.id)
    }

    /// Blocks from now on.
    #[must_use]
    pub fn follow(&self) -> broadcast::Receiver<Arc<Block>> {
        self.heads.subscribe()
    }

    /// The newest block.
    #[must_use]
    pub fn head(&self) -> Arc<Block> {
        Arc::clone(&self.lock().head)
    }

    /// The block at a height, while it is kept.
    #[must_use]
    pub fn at(&self, height: u64) -> Option<Arc<Block>> {
        self.lock().at(height)
    }

    /// The block with a hash, while it is kept.
    #[must_use]
    pub fn by_hash(&self, hash: B256) -> Option<Arc<Block>> {
        let inner = self.lock();
        let height = inner.by_hash.get(&hash)?;
        inner.at(*height)
    }

    /// Transactions of an account that are in blocks, and with those that wait.
    #[must_use]
    pub fn nonces(&self, account: Address) -> (u64, u64) {
        let inner = self.lock();
        let latest = inner.nonce(account);
        let pending = (latest..).take_while(|nonce| inner.pool.contains_key(&(account, *nonce))).count();
        (latest, latest + pending as u64)
    }

    /// Where a transaction landed; none while it waits or is not known.
    #[must_use]
    pub fn landed(&self, hash: B256) -> Option<Landed> {
        self.lock().landed.get(&hash).copied()
    }

    /// Whether a transaction waits for a block.
    #[must_use]
    pub fn waits(&self, hash: B256) -> bool {
        self.lock().pool.values().any(|waiting| waiting.hash == hash)
    }

    /// Trips that have arrived since a moment, in order.
    #[must_use]
    pub fn arrivals(&self, since: Instant) -> Vec<Arrival> {
        self.lock().arrivals.iter().filter(|arrival| arrival.at >= since).copied().collect()
    }

    /// Whether nothing gets out through a gate, for a block that came now.
    #[must_use]
    pub fn closed(&self, guard_at: Address, scope: B256) -> bool {
        let (state, head) = {
            let inner = self.lock();
            (Arc::clone(&inner.state), Arc::clone(&inner.head))
        };
        guard::is_closed(state.word(guard_at, guard::slot(scope)), head.time, head.height)
    }

    /// Takes a signed transaction from an operator's endpoint.
    pub fn submit(&self, operator: usize, raw: &[u8]) -> Taken {
        let at = Instant::now();
        let Ok(envelope) = TxEnvelope::decode_2718(&mut &*raw) else {
            return Taken::No("rlp: cannot decode");
        };
        if envelope.chain_id() != Some(self.id) {
            return Taken::No("invalid chain id for signer");
        }
        let (Ok(from), Some(to)) = (envelope.recover_signer(), envelope.to()) else {
            return Taken::No("invalid sender");
        };
        let (hash, nonce) = (*envelope.tx_hash(), envelope.nonce());
        let waiting = Waiting { hash, to, fee: envelope.max_fee_per_gas(), input: envelope.input().clone() };
        let mut inner = self.lock();
        if let Some(trip) = guard::trip_of(&waiting.input) {
            inner.arrivals.push(Arrival { at, operator, scope: trip.scope });
        }
        if inner.landed.contains_key(&hash) || inner.pool.values().any(|known| known.hash == hash) {
            return Taken::No("already known");
        }
        if nonce < inner.nonce(from) {
            return Taken::No("nonce too low");
        }
        if inner.pool.get(&(from, nonce)).is_some_and(|old| waiting.fee < old.fee + old.fee / 10) {
            return Taken::No("replacement transaction underpriced");
        }
        inner.pool.insert((from, nonce), waiting);
        Taken::Yes(hash)
    }

    /// Makes the next block of what users did and of what waits, and tells everybody.
    pub fn mine(&self, time: u64, mut transactions: Vec<Transaction>) -> Arc<Block> {
        let mut inner = self.lock();
        let (height, parent) = (inner.head.height + 1, inner.head.hash);
        let users = transactions.len();
        transactions.extend(inner.run_pool((time, height, self.max_secs)));
        let after = (Arc::clone(&inner.state), inner.root);
        let block = Arc::new(Block::build((height, parent, time), transactions, after));
        // What users did is asked for by block only; the service asks for its own one by one.
        for (index, transaction) in block.transactions.iter().enumerate().skip(users) {
            inner.landed.insert(transaction.hash, Landed { height, index });
        }
        inner.head = Arc::clone(&block);
        inner.by_hash.insert(block.hash, height);
        inner.blocks.push_back(Arc::clone(&block));
        if inner.blocks.len() > KEPT_BLOCKS
            && let Some(old) = inner.blocks.pop_front()
        {
            inner.by_hash.remove(&old.hash);
        }
        drop(inner);
        let _nobody_listens = self.heads.send(Arc::clone(&block));
        block
    }
}

impl Inner {
    fn at(&self, height: u64) -> Option<Arc<Block>> {
        let first = self.blocks.front()?.height;
        self.blocks.get(usize::try_from(height.checked_sub(first)?).ok()?).map(Arc::clone)
    }

    fn nonce(&self, account: Address) -> u64 {
        self.state.accounts.get(&account).map_or(0, |account| account.nonce)
    }

    /// Runs every transaction whose turn it is, sender by sender.
    fn run_pool(&mut self, now: (u64, u64, u64)) -> Vec<Transaction> {
        let mut done = Vec::new();
        let senders: Vec<Address> = self.pool.keys().map(|(sender, _)| *sender).collect();
        if senders.is_empty() {
            return done;
        }
        let mut state = State::clone(&self.state);
        for from in senders {
            loop {
                let nonce = state.accounts.get(&from).map_or(0, |account| account.nonce);
                let Some(waiting) = self.pool.remove(&(from, nonce)) else { break };
                let event = guard::trip_of(&waiting.input)
                    .and_then(|request| guard::trip(&mut state, waiting.to, from, &request, now));
                state.accounts.entry(from).or_insert_with(|| Account::person(U256::ZERO)).nonce += 1;
                done.push(receipt(&waiting, from, event));
            }
        }
        let nonces: BTreeMap<Address, u64> =
            state.accounts.iter().map(|(address, account)| (*address, account.nonce)).collect();
        self.pool.retain(|(from, nonce), _| nonces.get(from).is_none_or(|next| nonce >= next));
        self.root = state.root();
        self.state = Arc::new(state);
        done
    }
}

fn receipt(waiting: &Waiting, from: Address, event: Option<LogData>) -> Transaction {
    let success = event.is_some();
    let logs = event.into_iter().map(|data| Log { address: waiting.to, data }).collect();
    Transaction { hash: waiting.hash, from, to: waiting.to, success, logs }
}
