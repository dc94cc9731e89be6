//! What the chain calls final, as enough operators report it, and by which rules its validators agree.

use portcullis_rpc::{Client, ReplySize, RpcError, RpcRequest};
use portcullis_verifier::{
    Progress,
    solana::{GenesisCertificate, Regime},
};
use serde_json::{Value, json};

/// Slots that operators call rooted. Pure.
#[derive(Debug)]
pub(crate) struct Settled {
    quorum: usize,
    roots: Vec<u64>,
}

impl Settled {
    pub(crate) fn new(quorum: usize, operators: usize) -> Self {
        Self { quorum, roots: vec![0; operators] }
    }

    /// An operator's root. Within one operator it never goes back: a rooted block stays.
    pub(crate) fn report(&mut self, operator: usize, root: u64) {
        if let Some(place) = self.roots.get_mut(operator) {
            *place = root.max(*place);
        }
    }

    /// Fills in the settled heights of a progress: what is delivered is confirmed, and final as far as at least the quorum of
    /// operators have rooted.
    ///
    /// SECURITY: the slot that `quorum` operators have rooted, not the highest: one liar cannot make a block
    /// final, which would make a missing source event look decided.
    pub(crate) fn settle(&self, progress: Progress) -> Progress {
        let mut roots = self.roots.clone();
        roots.sort_unstable_by(|a, b| b.cmp(a));
        let root = roots.get(self.quorum.saturating_sub(1)).copied().unwrap_or(0);
        Progress { safe_height: progress.height, final_height: root.min(progress.height), ..progress }
    }
}

/// By which rules a node says that validators agree; none where its answer tells nothing, which is not "as before".
pub(crate) async fn regime(client: &Client) -> Result<Option<Regime>, RpcError> {
    /// JSON-RPC: there is no such method.
    const UNKNOWN: i64 = -32_601;
    let request = RpcRequest::read("getAgGenesisCert", json!([]), ReplySize::Block);
    let answer = match client.ask::<Value>(request, "genesis certificate").await {
        Ok(Value::Object(_)) => GenesisCertificate::Object,
        Ok(Value::Null) => GenesisCertificate::Null,
        Ok(_) => GenesisCertificate::Unreadable,
        Err(RpcError::Server { code: UNKNOWN, .. }) => GenesisCertificate::NoSuchMethod,
        Err(error) => return Err(error),
    };
    Ok(Regime::told_by(answer))
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_verifier::{B256, ChainId};

    fn progress(height: u64) -> Progress {
        let chain = ChainId::new("solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp").unwrap();
        Progress {
            chain,
            height,
            block_hash: B256::ZERO,
            time: 0,
            safe_height: 0,
            final_height: 0,
            head_time: 0,
        }
    }

    #[test]
    fn one_operator_of_three_cannot_make_a_block_final() {
        let mut settled = Settled::new(2, 3);
        settled.report(0, 1_000);
        assert_eq!(settled.settle(progress(500)).final_height, 0);
        settled.report(1, 80);
        let said = settled.settle(progress(500));
        assert_eq!((said.safe_height, said.final_height), (500, 80), "what is delivered is confirmed");
        settled.report(1, 10);
        assert_eq!(settled.settle(progress(500)).final_height, 80, "final does not go back");
        assert_eq!(settled.settle(progress(50)).final_height, 50, "never above what is delivered");
    }
}
