//! The simulated chain keeps the promises that every family must keep.

use std::sync::Arc;

use async_trait::async_trait;
use portcullis_adapter::{
    Observe,
    conformance::{Harness, HarnessError, Misbehaviour, TrueEvent, Truth, run_all},
};
use portcullis_replay::sim::{Behaviour, SimConfig, SimNet, SimObserver};
use portcullis_verifier::{ChainId, OperatorId, Slug};

struct Simulated(SimNet);

fn behaviour(how: Misbehaviour) -> Behaviour {
    match how {
        Misbehaviour::LieAboutHeads => Behaviour::LieAboutHeads,
        Misbehaviour::LieAboutEvents => Behaviour::LieAboutEvents,
        Misbehaviour::HalfOpen => Behaviour::HalfOpen,
        Misbehaviour::Oversize => Behaviour::Oversize,
        Misbehaviour::Refuse => Behaviour::Refuse,
        Misbehaviour::Garbage => Behaviour::Garbage,
        Misbehaviour::Dark => Behaviour::Dark,
        Misbehaviour::Twice => Behaviour::Twice,
    }
}

#[async_trait]
impl Harness for Simulated {
    fn operators(&self) -> Vec<OperatorId> {
        self.0.config().operators.clone()
    }

    fn reorganises(&self) -> bool {
        true
    }

    async fn observer(&self) -> Result<Arc<dyn Observe>, HarnessError> {
        Ok(Arc::new(SimObserver::new(self.0.clone())))
    }

    async fn produce(&self, blocks: u64, events_each: u32) -> Result<(), HarnessError> {
        self.0.produce(blocks, events_each);
        Ok(())
    }

    async fn reorg(&self, depth: u64, events: u32) -> Result<(), HarnessError> {
        let done = self.0.reorg(depth, events);
        done.then_some(()).ok_or_else(|| HarnessError(format!("the chain has no {depth} blocks to replace")))
    }

    async fn misbehave(&self, operator: OperatorId, how: Misbehaviour) -> Result<(), HarnessError> {
        let known = self.0.behave(operator, behaviour(how));
        known.then_some(()).ok_or_else(|| HarnessError(format!("no operator {operator}")))
    }

    async fn hang_up(&self) -> Result<(), HarnessError> {
        self.0.hang_up();
        Ok(())
    }

    async fn heal(&self) -> Result<(), HarnessError> {
        self.0.heal();
        Ok(())
    }

    async fn truth(&self) -> Result<Truth, HarnessError> {
        let head = self.0.head();
        let events = self.0.truth().into_iter().map(|(block, log)| TrueEvent {
            height: block.height,
            index: log.index,
            block_hash: block.hash,
            raw: log.raw,
        });
        Ok(Truth { height: head.height, block_hash: head.hash, events: events.collect() })
    }
}

#[tokio::test]
async fn the_simulated_chain_conforms() {
    let net = SimNet::new(SimConfig {
        chain: ChainId::new("sim:conformance").unwrap(),
        operators: ["a", "b", "c"].map(|name| Slug::new(name).unwrap()).to_vec(),
        quorum: 2,
        genesis_secs: 1_700_000_000,
        block_secs: 12,
        start_height: 1,
        reorg_bound_blocks: 8,
        safe_depth_blocks: 4,
        final_depth_blocks: 8,
    });
    let report = run_all(&Simulated(net)).await;
    println!("{report}");
    assert!(report.passed(), "\n{report}");
}
