//! Springs once, at a moment that is seen from outside: a request, an answer or a push at an endpoint, or a line of the
//! service's log.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use alloy::primitives::B256;
use eyre::{Result, bail};
use serde_json::Value;
use tokio::sync::broadcast::error::RecvError;

use crate::lab::World;
use crate::proxy::{Ear, Lie};
use crate::service::Service;
use crate::timeline::Step;
use crate::trial::{Attack, PATIENCE};

/// Does something once, at once, in whatever task the moment came.
pub(super) struct Trap {
    blow: Mutex<Option<Box<dyn FnOnce() + Send>>>,
    sprung: AtomicBool,
    /// Whether the false release has been on its way to the service.
    shown: AtomicBool,
}

impl fmt::Debug for Trap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trap").field("sprung", &self.sprung).finish_non_exhaustive()
    }
}

/// When it springs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moment {
    /// The first push or answer that shows the false release is about to reach the service.
    Shown,
    /// After that, the service asks with this method.
    Asked(&'static str),
    /// After that, a node's answer to this method is about to reach the service, and it is not empty.
    Answered(&'static str),
    /// As [`Moment::Asked`], and from then on no such request reaches any node.
    Swallowed(&'static str),
    /// The service told a step of its timeline.
    Told(Step),
}

impl Trap {
    /// Sets a trap on every endpoint of a world and on the service's log.
    pub(super) fn set(
        world: &World,
        service: &Service,
        moment: Moment,
        blow: impl FnOnce() + Send + 'static,
    ) -> Arc<Self> {
        let trap = Arc::new(Self {
            blow: Mutex::new(Some(Box::new(blow))),
            sprung: AtomicBool::new(false),
            shown: AtomicBool::new(false),
        });
        let attack = Attack::of(world);
        for proxy in world.sides().into_iter().flat_map(|side| &side.operators) {
            proxy.set_lie(Some(trap.watch_answers(moment, attack.clone())));
            proxy.set_ear(Some(trap.watch_requests(moment)));
        }
        if let Moment::Told(step) = moment {
            let (trap, mut lines) = (Arc::clone(&trap), service.told.follow());
            tokio::spawn(async move {
                loop {
                    match lines.recv().await {
                        Ok(line) if line.step == Some(step) => return trap.spring(),
                        Ok(_) | Err(RecvError::Lagged(_)) => {}
                        Err(RecvError::Closed) => return,
                    }
                }
            });
        }
        trap
    }

    /// Leaves endpoints as they were.
    pub(super) fn clear(world: &World) {
        for proxy in world.sides().into_iter().flat_map(|side| &side.operators) {
            proxy.set_lie(None);
            proxy.set_ear(None);
        }
    }

    fn watch_answers(self: &Arc<Self>, moment: Moment, attack: Attack) -> Lie {
        let trap = Arc::clone(self);
        Arc::new(move |method, _params, result| {
            if shows(&attack, result) {
                trap.shown.store(true, Ordering::SeqCst);
                if moment == Moment::Shown {
                    trap.spring();
                }
            }
            if let Moment::Answered(wanted) = moment
                && method == wanted
                && !result.is_null()
            {
                trap.spring_once_shown();
            }
        })
    }

    fn watch_requests(self: &Arc<Self>, moment: Moment) -> Ear {
        let trap = Arc::clone(self);
        Arc::new(move |method, _params| match moment {
            Moment::Asked(wanted) if method == wanted => {
                trap.spring_once_shown();
                true
            }
            Moment::Swallowed(wanted) if method == wanted => {
                trap.spring_once_shown();
                // Not `sprung`: the blow may still be under way in another endpoint's task.
                !trap.shown.load(Ordering::SeqCst)
            }
            _ => true,
        })
    }

    fn spring_once_shown(&self) {
        if self.shown.load(Ordering::SeqCst) {
            self.spring();
        }
    }

    fn spring(&self) {
        let blow = self.blow.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(blow) = blow {
            blow();
            self.sprung.store(true, Ordering::SeqCst);
        }
    }

    /// Waits until it has sprung.
    ///
    /// # Errors
    /// When the moment does not come within [`PATIENCE`].
    pub(super) async fn sprung(&self) -> Result<Instant> {
        let deadline = Instant::now() + PATIENCE;
        while !self.sprung.load(Ordering::SeqCst) {
            if Instant::now() > deadline {
                bail!("the moment of the fault did not come within {PATIENCE:?}");
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Ok(Instant::now())
    }
}

/// Whether an answer or a push holds the log of a false release, alone or among others.
fn shows(attack: &Attack, result: &Value) -> bool {
    let is = |log: &Value| {
        let topics = log.get("topics").and_then(Value::as_array).into_iter().flatten();
        let topics: Vec<B256> = topics.filter_map(|topic| topic.as_str()?.parse().ok()).collect();
        attack.is(&topics)
    };
    is(result) || result.as_array().is_some_and(|list| list.iter().any(is))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy::primitives::{Address, U256, keccak256};
    use serde_json::json;

    #[test]
    fn a_false_release_is_seen_alone_in_a_push_and_among_others_in_an_answer() {
        let released = keccak256(b"Released(uint32,uint256,address,address,uint256)");
        let attack = Attack::on(Address::ZERO, [7]);
        let log = |id: u64| json!({"topics": [released, B256::ZERO, B256::from(U256::from(id))]});
        assert!(shows(&attack, &log(7)));
        assert!(!shows(&attack, &log(8)), "an honest release");
        assert!(shows(&attack, &json!([log(8), log(7)])));
        assert!(!shows(&attack, &json!({"number": "0x7"})), "a head");
    }
}
