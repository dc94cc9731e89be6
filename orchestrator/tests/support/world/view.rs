//! The chains as the adapters' traits show them.

use super::*;

/// One chain as its adapter sees it.
pub(super) struct View {
    chain: ChainId,
    world: World,
}

impl View {
    pub(super) fn new(chain: ChainId, world: World) -> Self {
        Self { chain, world }
    }

    fn side<T>(&self, f: impl FnOnce(&mut ChainState) -> T) -> T {
        self.world.with(|state| f(state.chains.get_mut(&self.chain).unwrap()))
    }

    /// What an account's key signs: the next nonce that is known of it.
    fn signed(&self, action: &Action, record: B256, bump: u16, sender: B256) -> Attempt {
        let (nonce, hook) = self.world.with(|state| {
            (state.nonces.get(&(self.chain, sender)).copied().unwrap_or(0), state.on_sign.clone())
        });
        let bump = self.side(|side| side.jammed).map_or(bump, |step| bump.max(step));
        let trip =
            Trip { until: action.until, record, nonce, bump, action: action.id.0, scope: action.scope };
        let bytes = borsh::to_vec(&trip).unwrap();
        let hash = keccak256([self.chain.as_str().as_bytes(), sender.as_slice(), bytes.as_slice()].concat());
        let fee = 1 + u128::from(bump);
        let attempt = Attempt { action: action.id, chain: self.chain, hash, bytes, sender, nonce, bump, fee };
        if let Some(hook) = hook {
            hook(&attempt);
        }
        attempt
    }

    /// What follows what was delivered, one block, or the retractions that come first.
    fn next(&self, delivered: &mut Vec<Block>) -> Option<Batch> {
        let canonical = self.side(|side| side.blocks.clone());
        let mut observations = Vec::new();
        let on_chain = |block: &Block| canonical.iter().any(|b| b.hash == block.hash);
        while delivered.last().is_some_and(|block| !on_chain(block)) {
            let gone = delivered.pop().unwrap();
            observations.extend(gone.events.iter().rev().map(|o| o.with_status(Status::Retracted)));
        }
        let height = delivered.last().map_or(0, |b| b.height);
        let next = canonical.iter().find(|b| b.height == height + 1);
        if next.is_none() && observations.is_empty() {
            return None;
        }
        if let Some(block) = next {
            observations.extend(block.events.clone());
            delivered.push(block.clone());
        }
        let newest = delivered.last().unwrap();
        let final_height = newest.height.saturating_sub(DEPTH);
        let recent: Vec<_> = delivered.iter().rev().take(20).collect();
        Some(Batch {
            chain: self.chain,
            seen_at: std::time::Instant::now(),
            observations,
            progress: Some(Progress {
                chain: self.chain,
                height: newest.height,
                block_hash: newest.hash,
                time: newest.time,
                safe_height: final_height,
                final_height,
                head_time: newest.time,
            }),
            cursor: Some(Cursor {
                chain: self.chain,
                recent: recent.iter().map(|b| b.reference()).collect(),
                undoable: recent
                    .iter()
                    .filter(|b| !b.events.is_empty())
                    .map(|b| (b.reference(), b.events.clone().into()))
                    .collect(),
            }),
        })
    }
}

fn delivered_by(cursor: Option<Cursor>) -> Vec<Block> {
    let Some(cursor) = cursor else { return Vec::new() };
    let events = |at: &BlockRef| -> Vec<Observation> {
        let found = cursor.undoable.iter().find(|(block, _)| block == at);
        found.map(|(_, events)| events.to_vec()).unwrap_or_default()
    };
    let block = |at: &BlockRef| Block {
        height: at.height,
        hash: at.hash,
        time: 0,
        events: events(at),
        attempts: Vec::new(),
    };
    cursor.recent.iter().rev().map(block).collect()
}

#[async_trait]
impl Observe for View {
    fn chain(&self) -> ChainId {
        self.chain
    }

    async fn observe(
        &self,
        from: Option<Cursor>,
        feed: Feed,
        stop: CancellationToken,
    ) -> Result<(), AdapterError> {
        let mut heads = self.world.heads.subscribe();
        let mut delivered = delivered_by(from);
        loop {
            while let Some(batch) = self.next(&mut delivered) {
                if feed.send(batch).await.is_err() {
                    return Ok(());
                }
            }
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                _ = heads.changed() => {}
            }
        }
    }
}

#[async_trait]
impl Prove for View {
    fn chain(&self) -> ChainId {
        self.chain
    }

    async fn evidence(&self, claim: &Claim) -> Result<Evidence, AdapterError> {
        let truth = self.side(|side| match claim {
            Claim::Emitted { block, log_index, raw, .. } => side
                .blocks
                .iter()
                .find(|b| b.hash == block.hash)
                .map(|b| b.events.iter().any(|o| o.position().log_index == *log_index && o.raw() == *raw)),
            Claim::State { block, value, key, .. } => {
                side.blocks.iter().any(|b| b.hash == block.hash).then(|| {
                    side.heedless.is_none() && U256::from(until_at(side, *key, block.height)) >= *value
                })
            }
            _ => None,
        });
        match truth {
            Some(truth) => Ok(Evidence { system: slug("world"), bytes: vec![u8::from(truth)] }),
            None => Err(AdapterError::new(self.chain, None, Class::Transient, "the block is not there")),
        }
    }

    async fn head(&self) -> Result<BlockRef, AdapterError> {
        Ok(self.side(|side| side.blocks.last().unwrap().reference()))
    }
}

pub(super) struct WorldSystem;

impl System for WorldSystem {
    fn name(&self) -> Slug {
        slug("world")
    }

    fn verify(&self, _: &Claim, evidence: &Evidence, _: &Trust) -> Verdict {
        let assurance = Assurance::proved_under_quorum(2, 3);
        match evidence.bytes.as_slice() {
            [1] => Verdict::Proven(assurance),
            [0] => Verdict::Refuted(Refutation { expected: "so".into(), found: "not so".into() }, assurance),
            _ => Verdict::Undecided(Undecided::BadEvidence { detail: "not one byte".into() }),
        }
    }
}

#[async_trait]
impl Contain for View {
    fn chain(&self) -> ChainId {
        self.chain
    }

    async fn warm(&self) -> Result<(), AdapterError> {
        self.world.with(|state| {
            for sender in [word(TRIPPER), word(CARRIER)] {
                let side = &state.chains[&self.chain];
                let landed = side.blocks.iter().flat_map(|b| &b.attempts).filter(|a| a.sender == sender);
                let next = landed.map(|attempt| attempt.nonce + 1).max().unwrap_or(0);
                state.nonces.insert((self.chain, sender), next);
            }
        });
        Ok(())
    }

    async fn sign(&self, action: &Action, record: B256, bump: u16) -> Result<Vec<Attempt>, AdapterError> {
        Ok(vec![self.signed(action, record, bump, word(TRIPPER))])
    }

    async fn carry(&self, action: &Action, record: B256, bump: u16) -> Result<Vec<Attempt>, AdapterError> {
        Ok(vec![self.signed(action, record, bump, word(CARRIER))])
    }

    async fn broadcast(&self, attempt: &Attempt) -> Broadcast {
        let hook = self.world.with(|state| state.on_broadcast.clone());
        if let Some(hook) = hook {
            hook(attempt);
        }
        let accepted = self.world.with(|state| {
            state.received.push(attempt.clone());
            let side = state.chains.get_mut(&self.chain).unwrap();
            let same = |a: &Attempt| a.nonce == attempt.nonce && a.sender == attempt.sender;
            let taken = side.blocks.iter().flat_map(|b| &b.attempts).any(same);
            let penniless = side.drained && attempt.sender == word(TRIPPER);
            if side.refuse || taken || penniless {
                return false;
            }
            // A later bump replaces an earlier one of the same nonce.
            side.mempool.retain(|a| !same(a) || a.bump > attempt.bump);
            side.mempool.push(attempt.clone());
            true
        });
        let reply = |operator| EndpointReply { operator, accepted, detail: String::new() };
        Broadcast { replies: operators().into_iter().map(reply).collect() }
    }

    async fn landing(&self, attempt: &Attempt) -> Result<Landing, AdapterError> {
        Ok(self.side(|side| {
            for block in &side.blocks {
                for landed in &block.attempts {
                    if landed.hash == attempt.hash {
                        return Landing::Included(block.reference());
                    }
                    if landed.nonce == attempt.nonce && landed.sender == attempt.sender {
                        return Landing::Replaced;
                    }
                }
            }
            Landing::Pending
        }))
    }

    fn effect(&self, action: &Action, block: BlockRef) -> Claim {
        Claim::State {
            chain: self.chain,
            block,
            contract: action.target,
            key: action.scope,
            mask: U256::MAX,
            relation: Relation::AtLeast,
            value: U256::from(action.until),
        }
    }

    async fn unenforced(&self, _target: B256, _scope: B256) -> Option<String> {
        self.side(|side| side.heedless.clone())
    }

    async fn gate(&self, _target: B256, scope: B256) -> Result<GateReport, AdapterError> {
        self.world.with(|state| state.gates_asked += 1);
        Ok(self.side(|side| {
            let newest = side.blocks.last().unwrap();
            let until = until_at(side, scope, u64::MAX);
            let level = if until > newest.time { Level::Closed } else { Level::Open };
            GateReport {
                block: newest.reference(),
                time: newest.time,
                registered: true,
                level,
                until,
                until_height: 0,
                generation: u32::from(side.released.is_some()),
            }
        }))
    }

    async fn rehearse(&self, _action: &Action) -> Result<Vec<Readiness>, AdapterError> {
        let drained = self.side(|side| side.drained);
        let detail = if drained { "the account is empty; send it money" } else { "enough" };
        Ok(vec![Readiness { check: slug("balance"), ok: !drained, detail: detail.to_owned() }])
    }
}
