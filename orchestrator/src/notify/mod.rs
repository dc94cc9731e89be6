//! Notify: people are told what the log says, by webhooks, until each has confirmed it.
//!
//! *Who is in the play.* [`message::messages`] makes messages from a step of the log. They are stored with the tables for
//! people, one delivery per webhook; the [`Notifier`] sends what is due, and asks again until the other side confirms it.
//! While the database is away, pages go out directly from what the journal took; they are sent again with the same
//! `Idempotency-Key` once they are stored. Nothing here is waited for by a decision or a containment.

pub mod message;
mod notifier;
mod send;

use portcullis_verifier::Slug;
use secrecy::SecretString;
use tokio::sync::mpsc;
use url::Url;

pub use message::{Message, Severity, messages, operational};
pub use notifier::Notifier;
pub use send::{SendError, Sender, signature};

use crate::budget;

/// `[[notify.webhook]]`
#[derive(Debug, Clone)]
pub struct Webhook {
    /// Name.
    pub id: Slug,
    /// Where to.
    pub url: Url,
    /// Signs every message; shared with the other side.
    pub secret: SecretString,
    /// Least severity that is sent there.
    pub least: Severity,
}

/// `[notify]`
#[derive(Debug, Clone, Default)]
pub struct NotifyConfig {
    /// Who is told.
    pub webhooks: Vec<Webhook>,
    /// A dead man's switch.
    pub heartbeat: Option<Heartbeat>,
}

/// Somebody who raises an alarm when this service falls silent.
#[derive(Debug, Clone)]
pub struct Heartbeat {
    /// Where to.
    pub url: Url,
    /// How often, seconds.
    pub every_secs: u64,
}

/// The near end of the direct way for pages, for whoever makes them durable elsewhere than in the database.
#[derive(Debug, Clone, Default)]
pub struct Pager {
    queue: Option<mpsc::Sender<Message>>,
}

impl Pager {
    /// A pager and its far end for the [`Notifier`].
    #[must_use]
    pub fn new() -> (Self, mpsc::Receiver<Message>) {
        let (queue, far) = mpsc::channel(budget::DIRECT_PAGES);
        (Self { queue: Some(queue) }, far)
    }

    /// Sends a page without waiting. One that does not fit is counted; it is sent when it is stored.
    pub fn page(&self, message: Message) {
        let Some(queue) = &self.queue else { return };
        if message.severity == Severity::Page && queue.try_send(message).is_err() {
            metrics::counter!("portcullis_notify_direct_dropped_total").increment(1);
        }
    }
}
