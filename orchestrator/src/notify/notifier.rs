//! Sends what is due, one task per webhook, so that one that is down or slow keeps no other waiting.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{broadcast, mpsc};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{Heartbeat, Message, NotifyConfig, SendError, Sender, Webhook};
use crate::budget;
use crate::store::{Due, Store, StoreError};
use crate::telemetry::{Phase, Status};
use portcullis_adapter::error::chain_of;

/// Tells people.
pub struct Notifier {
    /// Who is told.
    pub config: NotifyConfig,
    /// Where messages wait.
    pub store: Store,
    /// Pages that the database could not take.
    pub direct: mpsc::Receiver<Message>,
    /// Says whether the service does its work, for the heartbeat.
    pub status: Arc<Status>,
}

impl Notifier {
    /// Runs until told to stop.
    ///
    /// # Errors
    /// When no HTTP client can be made on this machine.
    pub async fn run(self, stop: CancellationToken) -> Result<(), SendError> {
        let Self { config, store, mut direct, status } = self;
        let sender = Sender::new()?;
        let mut tasks = JoinSet::new();
        let (pages, _) = broadcast::channel(budget::DIRECT_PAGES);
        if !config.webhooks.is_empty() {
            tasks.spawn(register(store.clone(), config.webhooks.clone(), stop.clone()));
        }
        for webhook in config.webhooks {
            let line = Line { webhook, store: store.clone(), sender: sender.clone(), told: Told::default() };
            tasks.spawn(line.run(pages.subscribe(), stop.clone()));
        }
        if let Some(heartbeat) = config.heartbeat {
            tasks.spawn(beat(heartbeat, sender, status, stop.clone()));
        }
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                // Nobody listens where no webhook is configured.
                Some(page) = direct.recv() => drop(pages.send(page)),
                else => { stop.cancelled().await; break; }
            }
        }
        while tasks.join_next().await.is_some() {}
        Ok(())
    }
}

/// Makes the table of webhooks that of the configuration, however long the database takes.
async fn register(store: Store, webhooks: Vec<Webhook>, stop: CancellationToken) {
    let rows: Vec<_> = webhooks.iter().map(|webhook| (webhook.id, webhook.least)).collect();
    while let Err(error) = store.register_webhooks(&rows).await {
        tracing::warn!(code = error.code(), %error, "the webhooks are not registered yet");
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(budget::NOTIFY_LOOK) => {}
        }
    }
}

/// Keys of what was confirmed lately: what was sent directly need not be sent again when it is stored.
#[derive(Debug, Default)]
struct Told {
    keys: BTreeSet<String>,
}

impl Told {
    fn put(&mut self, key: String) {
        if self.keys.len() >= budget::DIRECT_PAGES {
            self.keys.clear();
        }
        self.keys.insert(key);
    }
}

/// Everything that goes to one webhook.
struct Line {
    webhook: Webhook,
    store: Store,
    sender: Sender,
    told: Told,
}

impl Line {
    async fn run(mut self, mut pages: broadcast::Receiver<Message>, stop: CancellationToken) {
        let mut waiting: Vec<Message> = Vec::new();
        let mut pause = budget::NOTIFY_RETRY.0;
        loop {
            let sent = self.send_due(&stop).await;
            while let Ok(page) = pages.try_recv() {
                waiting.push(page);
            }
            let before = waiting.len();
            waiting = self.send_directly(waiting).await;
            // The direct way has no table: it asks again in its own rhythm.
            pause = if waiting.len() < before || waiting.is_empty() {
                budget::NOTIFY_RETRY.0
            } else {
                budget::back_off(pause, budget::NOTIFY_RETRY.1)
            };
            let rest = match sent {
                Ok(0) => budget::NOTIFY_LOOK,
                Ok(_) => Duration::ZERO,
                Err(error) => {
                    tracing::debug!(
                        code = error.code(),
                        error = chain_of(&error),
                        "messages wait for the database"
                    );
                    budget::NOTIFY_LOOK
                }
            };
            let rest = if waiting.is_empty() { rest } else { rest.min(pause) };
            tokio::select! {
                () = stop.cancelled() => return,
                page = pages.recv() => waiting.extend(page.ok()),
                () = tokio::time::sleep(rest) => {}
            }
        }
    }

    /// Sends what the database holds for this webhook; gives how many were due.
    async fn send_due(&mut self, stop: &CancellationToken) -> Result<usize, StoreError> {
        let due = self.store.claim_deliveries(self.webhook.id).await?;
        let count = due.len();
        for due in due {
            if stop.is_cancelled() {
                break;
            }
            let answer = if self.told.keys.contains(&due.message.key) {
                Ok(())
            } else {
                self.sender.send(&self.webhook, &due.message).await
            };
            self.settle(&due, answer).await?;
        }
        Ok(count)
    }

    async fn settle(&mut self, due: &Due, answer: Result<(), SendError>) -> Result<(), StoreError> {
        self.count(&answer);
        match answer {
            Ok(()) => {
                self.told.put(due.message.key.clone());
                self.store.delivered(due.id, self.webhook.id).await
            }
            Err(error) => {
                let pause = pause_after(due.tries, &error);
                self.warn(&error, due.tries);
                self.store.not_delivered(due.id, self.webhook.id, pause, &chain_of(&error)).await
            }
        }
    }

    /// Sends pages that the database could not take; gives those that did not arrive.
    async fn send_directly(&mut self, pages: Vec<Message>) -> Vec<Message> {
        let mut left = Vec::new();
        for page in pages {
            if page.severity < self.webhook.least || self.told.keys.contains(&page.key) {
                continue;
            }
            let answer = self.sender.send(&self.webhook, &page).await;
            self.count(&answer);
            match answer {
                Ok(()) => self.told.put(page.key),
                Err(error) => {
                    self.warn(&error, 0);
                    left.push(page);
                }
            }
        }
        let surplus = left.len().saturating_sub(budget::DIRECT_PAGES);
        left.drain(..surplus);
        left
    }

    fn count(&self, answer: &Result<(), SendError>) {
        let result = if answer.is_ok() { "delivered" } else { "failed" };
        let webhook = self.webhook.id.to_string();
        metrics::counter!("portcullis_notify_total", "webhook" => webhook, "result" => result).increment(1);
    }

    fn warn(&self, error: &SendError, tries: u32) {
        let (code, webhook) = (error.code(), self.webhook.id);
        tracing::warn!(code, %webhook, tries, error = chain_of(error), "a message did not arrive; it is sent again");
    }
}

/// Doubles with every try, up to a bound; the other side may ask for more, up to the same bound.
fn pause_after(tries: u32, error: &SendError) -> Duration {
    let factor = 1u32.checked_shl(tries.min(16)).unwrap_or(u32::MAX);
    let pause = budget::NOTIFY_RETRY.0.saturating_mul(factor).min(budget::NOTIFY_RETRY.1);
    match error {
        SendError::Refused { retry_after: Some(asked), .. } => (*asked).clamp(pause, budget::NOTIFY_ASKED),
        _ => pause,
    }
}

/// Beats while every group is worked on, here or by another process: silence is what raises the alarm.
async fn beat(heartbeat: Heartbeat, sender: Sender, status: Arc<Status>, stop: CancellationToken) {
    let every = Duration::from_secs(heartbeat.every_secs);
    loop {
        if is_alive(&status)
            && let Err(error) = sender.beat(&heartbeat.url).await
        {
            tracing::warn!(code = error.code(), error = chain_of(&error), "the heartbeat did not arrive");
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(every) => {}
        }
    }
}

fn is_alive(status: &Status) -> bool {
    let now = status.snapshot();
    let works = |phase| matches!(phase, Phase::Running | Phase::Standby);
    !now.groups.is_empty() && now.groups.values().all(|group| works(group.phase))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_bound_and_the_other_side_may_ask_for_more() {
        let refused = |secs| SendError::Refused { status: 503, retry_after: Some(Duration::from_secs(secs)) };
        assert_eq!(pause_after(0, &refused(0)), budget::NOTIFY_RETRY.0);
        assert_eq!(pause_after(1, &refused(0)), budget::NOTIFY_RETRY.0 * 2);
        assert_eq!(pause_after(u32::MAX, &refused(0)), budget::NOTIFY_RETRY.1);
        assert_eq!(pause_after(0, &refused(30)), Duration::from_secs(30));
        assert_eq!(pause_after(0, &refused(1_000_000)), budget::NOTIFY_ASKED);
    }

    #[test]
    fn a_group_that_nobody_works_on_silences_the_heartbeat() {
        let status = Status::default();
        assert!(!is_alive(&status));
        status.group("g".parse().unwrap(), |group| group.phase = Phase::Running);
        assert!(is_alive(&status));
        for phase in [Phase::Failed, Phase::Waiting] {
            status.group("h".parse().unwrap(), |group| group.phase = phase);
            assert!(!is_alive(&status), "{phase:?}");
        }
    }
}
