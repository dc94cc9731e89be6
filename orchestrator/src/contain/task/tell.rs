//! What an action's task tells: the engine, people, and the record.

use portcullis_adapter::{Attempt, Broadcast};
use portcullis_core::Body;
use portcullis_core::input::Outcome;

use super::ActionTask;
use crate::store::BackgroundRow;
use crate::store::people::AttemptRow;
use crate::telemetry::{Note, Verb, now_ms};

impl ActionTask {
    /// Its time ran out.
    pub(super) fn expire(&self) {
        self.note(Verb::Contain, "its time ran out before it took effect".to_owned());
        self.shared.background.put(BackgroundRow::Expired {
            log: self.shared.background.log(),
            action: self.action.id,
            at_ms: now_ms(),
        });
    }

    /// It does not get on; the same reason is told once.
    pub(super) async fn delayed(&mut self, detail: String) {
        if self.delay.as_ref() == Some(&detail) {
            return;
        }
        self.delay = Some(detail.clone());
        self.note(Verb::Contain, detail.clone());
        self.report(Outcome::Delayed { detail }).await;
    }

    /// The engine's loop ends only with the group; then nobody needs the report.
    pub(super) async fn report(&self, outcome: Outcome) {
        let _told = self.shared.engine.send(Body::Landed { action: self.action.id, outcome }).await;
    }

    pub(super) fn note(&self, verb: Verb, detail: String) {
        let note = Note::new(verb, detail).incident(self.action.incident).chain(self.action.chain);
        self.shared.background.note(note.action(self.action.id));
    }

    pub(super) fn note_at(&self, verb: Verb, detail: String, height: u64) {
        let note = Note::new(verb, detail).incident(self.action.incident).chain(self.action.chain);
        self.shared.background.note(note.action(self.action.id).height(height));
    }

    pub(super) fn put_attempt(
        &self,
        attempt: &Attempt,
        state: &'static str,
        detail: String,
        replies: Option<Broadcast>,
        sent_at_ms: Option<u64>,
    ) {
        let (chain, hash) = (attempt.chain, attempt.hash);
        self.shared.background.put(BackgroundRow::Attempt(AttemptRow {
            chain,
            hash,
            state,
            detail,
            replies,
            sent_at_ms,
        }));
    }
}
