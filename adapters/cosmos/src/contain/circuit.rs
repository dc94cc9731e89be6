//! The chain's own circuit breaker (`x/circuit`): who may trip which messages, and which are tripped.
//!
//! Its list of what is tripped is a set of keys without values, and of those there is no proof of existence. So it is
//! told by so many of so many operators, and labelled so; what is proven is the word of the Gate that trips it.

use portcullis_rpc::{Client, RpcError, Wait, quorum};
use portcullis_verifier::B256;
use prost::Message;

use super::{
    guard,
    query::{self, QueryError},
};
use crate::{error::no_quorum, limits, transport::Network};
use portcullis_adapter::AdapterError;

/// `cosmos.circuit.v1.QueryAccountRequest`
#[derive(Clone, PartialEq, Message)]
struct AccountQuestion {
    #[prost(string, tag = "1")]
    address: String,
}

/// `cosmos.circuit.v1.AccountResponse`
#[derive(Clone, PartialEq, Message)]
struct AccountAnswer {
    #[prost(message, optional, tag = "1")]
    permission: Option<Permissions>,
}

/// `cosmos.circuit.v1.Permissions`
#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct Permissions {
    /// 0 none, 1 some messages, 2 all messages, 3 all and the granting of permissions.
    #[prost(int32, tag = "1")]
    pub(crate) level: i32,
    /// Which, where it is some.
    #[prost(string, repeated, tag = "2")]
    pub(crate) messages: Vec<String>,
}

/// `cosmos.circuit.v1.QueryDisabledListRequest`
#[derive(Clone, PartialEq, Message)]
struct ListQuestion {}

/// `cosmos.circuit.v1.DisabledListResponse`
#[derive(Clone, PartialEq, Message)]
struct ListAnswer {
    #[prost(string, repeated, tag = "1")]
    messages: Vec<String>,
}

impl Permissions {
    /// Whether one message may be tripped.
    pub(crate) fn covers(&self, message: &str) -> bool {
        match self.level {
            1 => self.messages.iter().any(|known| known == message),
            2 | 3 => true,
            _ => false,
        }
    }

    /// In words.
    pub(crate) fn describe(&self) -> String {
        match self.level {
            1 => format!("may trip {}", self.messages.join(", ")),
            2 => "may trip every message, which is more than it needs".to_owned(),
            3 => "may trip every message and grant that power, which is more than it needs".to_owned(),
            _ => "may trip nothing".to_owned(),
        }
    }
}

/// What an account may trip; none where it holds no permission. One voice.
pub(crate) async fn permission(client: &Client, account: &str) -> Result<Option<Permissions>, QueryError> {
    let question = AccountQuestion { address: account.to_owned() };
    let path = "/cosmos.circuit.v1.Query/Account";
    let asked = query::service::<_, AccountAnswer>(client, path, &question, "circuit permission").await;
    match asked {
        Ok(answer) => Ok(answer.permission.filter(|permission| permission.level != 0)),
        // The module answers for an account without permission as for one that it does not know.
        Err(QueryError::Refused { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether a Gate may trip every message that it closes with a scope, in words; none where the node does not say. One
/// voice.
///
/// A Gate that lacks the power is tripped all the same, and says so in its word: only its target is not closed.
pub(crate) async fn power(client: &Client, gate: &str, scope: B256) -> Option<(bool, String)> {
    let question = guard::targets_question(scope);
    let asked = query::contract::<Vec<guard::GateTargetView>>(client, gate, &question, "list of targets");
    let targets = asked.await.ok()?;
    let messages: Vec<&str> = targets.iter().filter_map(guard::GateTargetView::message).collect();
    if targets.is_empty() {
        return Some((false, format!("{gate} closes nothing with this scope; its owner must add a target")));
    }
    if messages.is_empty() {
        return Some((true, format!("{gate} needs no circuit permission")));
    }
    let held = permission(client, gate).await.ok()?;
    let uncovered = |message: &&str| !held.as_ref().is_some_and(|held| held.covers(message));
    let lacking: Vec<&str> = messages.into_iter().filter(uncovered).collect();
    Some(match (&held, lacking.is_empty()) {
        (Some(held), true) => (true, format!("{gate} {}", held.describe())),
        _ => {
            let lacking = lacking.join(", ");
            let text = format!(
                "{gate} holds no circuit permission for {lacking}, so it cannot close that: let the chain's authority \
                 grant it LEVEL_SOME_MSGS for it"
            );
            (false, text)
        }
    })
}

/// Messages that are tripped now, as one node tells it, in order.
async fn list(client: &Client) -> Result<Vec<String>, RpcError> {
    let path = "/cosmos.circuit.v1.Query/DisabledList";
    let asked = query::service::<_, ListAnswer>(client, path, &ListQuestion {}, "list of tripped messages");
    let mut messages = asked.await.map_err(query::flat)?.messages;
    messages.sort_unstable();
    Ok(messages)
}

/// What is tripped, and how many of how many operators say so: reported, never proven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tripped {
    pub(crate) messages: Vec<String>,
    pub(crate) agreeing: usize,
    pub(crate) of: usize,
}

/// Messages that are tripped now, as a quorum reports it.
pub(crate) async fn tripped(network: &Network) -> Result<Tripped, AdapterError> {
    let questions = network.operators.iter().map(|operator| {
        let client = operator.lanes.contain.clone();
        (operator.name, async move { list(&client).await })
    });
    let agreed = quorum(questions, network.quorum, Wait::Grace(limits::GRACE_MIN))
        .await
        .map_err(|split| no_quorum(network.chain, "list of tripped messages").caused_by(split))?;
    let (agreeing, of) = (agreed.agreeing.len(), network.operators.len());
    Ok(Tripped { messages: agreed.value, agreeing, of })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_permission_covers_what_it_names_and_more_than_needed_is_said() {
        let some = Permissions { level: 1, messages: vec!["/a".to_owned()] };
        assert!(some.covers("/a") && !some.covers("/b"));
        assert!(some.describe().ends_with("/a"));
        assert!(Permissions { level: 2, messages: Vec::new() }.covers("/b"));
        let none = Permissions { level: 0, messages: vec!["/a".to_owned()] };
        assert!(!none.covers("/a"), "what is listed without a level is not permitted");
        assert!(Permissions { level: 3, messages: Vec::new() }.describe().contains("more than it needs"));
    }

    #[test]
    fn permissions_are_read_as_the_module_writes_them() {
        let bytes = [8, 1, 18, 2, b'/', b'a', 18, 2, b'/', b'b'];
        let read = Permissions::decode(bytes.as_slice()).ok();
        let messages = vec!["/a".to_owned(), "/b".to_owned()];
        assert_eq!(read, Some(Permissions { level: 1, messages }));
    }
}
