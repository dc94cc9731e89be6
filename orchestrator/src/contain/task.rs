//! One action, from its signed bytes until nothing more is to be done about it.

use std::time::Duration;

use portcullis_adapter::Attempt;
use portcullis_core::Body;
use portcullis_core::config::Target;
use portcullis_core::input::{Check, CheckKind, Outcome};
use portcullis_verifier::{Action, B256, Slug};
use tokio_util::sync::CancellationToken;

use super::{Shared, Signing};
use crate::budget;
use crate::confirm::{Kept, Seen, Watch};
use crate::persist::Dispatch;
use crate::recover::readings::Place;
use crate::telemetry::{Note, Verb, now_ms};
use portcullis_adapter::error::chain_of;

mod tell;

/// Drives one action.
pub struct ActionTask {
    shared: Shared,
    action: Action,
    playbook: Slug,
    record: B256,
    seen: Option<std::time::Instant>,
    /// Everything that was signed and may still land, oldest first.
    attempts: Vec<Attempt>,
    /// What is sent next: the newest candidates.
    next: Vec<Attempt>,
    bump: u16,
    pause: Duration,
    effective: bool,
    /// The account seems stuck or empty: another one carries the trip beside it.
    stuck: bool,
    /// It was said that the hour's budget is used up.
    broke: bool,
    /// The kill switches were read a moment ago.
    cleared: bool,
    /// Why it was delayed last: the same reason is told once.
    delay: Option<String>,
    person: CancellationToken,
}

/// What is told when people opened what an action had closed.
pub(super) const RELEASED: &str = "people released the gate; this action does not close it again";

/// What to do after a step.
enum Then {
    /// Go on with what is signed, or sign when nothing is.
    Again,
    /// Nothing more is to be done now.
    Done(End),
}

/// How an action ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// Its effect is proven and final.
    Effective,
    /// Its time ran out, or people said stop, in whichever way.
    Over,
}

impl ActionTask {
    /// Takes over a durable action.
    #[must_use]
    pub fn new(shared: Shared, dispatch: Dispatch, person: CancellationToken) -> Self {
        let Dispatch { action, playbook, record, seen, attempts, effective, cleared } = dispatch;
        let bump = attempts.iter().map(|attempt| attempt.bump).max().unwrap_or(0);
        let next: Vec<Attempt> = attempts.iter().filter(|attempt| attempt.bump == bump).cloned().collect();
        let pause = budget::RETRY.0;
        // An earlier run may have handed over what it had signed.
        if !cleared && !attempts.is_empty() {
            shared.readings.sent(&action);
        }
        Self {
            shared,
            action,
            playbook,
            record,
            seen,
            attempts,
            next,
            bump,
            pause,
            effective,
            stuck: false,
            broke: false,
            cleared,
            delay: None,
            person,
        }
    }

    /// Runs until nothing more is to be done; gives the action back when its effect is proven and final.
    pub async fn run(mut self) -> Option<Dispatch> {
        let person = self.person.clone();
        let end = tokio::select! {
            end = self.drive() => Some(end),
            () = person.cancelled() => None,
        };
        match end {
            Some(End::Effective) => Some(self.give_back()),
            Some(End::Over) => None,
            None => {
                self.report(Outcome::Stopped { detail: "a person said stop".to_owned() }).await;
                None
            }
        }
    }

    /// As [`ActionTask::run`], for an action whose effect was final and is gone all the same.
    pub async fn resume(mut self) -> Option<Dispatch> {
        self.lost().await;
        self.effective = false;
        self.run().await
    }

    fn give_back(self) -> Dispatch {
        Dispatch {
            action: self.action,
            playbook: self.playbook,
            record: self.record,
            seen: None,
            attempts: self.attempts,
            effective: true,
            cleared: false,
        }
    }

    async fn drive(&mut self) -> End {
        if self.effective
            && let Then::Done(end) = self.keep_watch().await
        {
            return end;
        }
        loop {
            if self.is_over() {
                self.expire();
                return End::Over;
            }
            // What was signed a moment ago was signed under the switches: asking again would only cost time.
            if !std::mem::take(&mut self.cleared) && !self.allowed().await {
                continue;
            }
            if self.next.is_empty() && !self.sign().await {
                self.rest().await;
                continue;
            }
            if !self.affordable().await {
                self.rest().await;
                continue;
            }
            let known = if self.send().await {
                self.shared.confirm.watch(&self.action, &self.attempts).await
            } else if let Some(known) = self.refused().await {
                known
            } else {
                continue;
            };
            if let Then::Done(end) = self.learn(known).await {
                return end;
            }
        }
    }

    /// True once its time has run out, by the chain's last block or by this machine's clock: a chain that is not
    /// seen goes on all the same, and a trip whose time is over closes nothing. Long before that the engine asks anew
    /// for a closure that is still wanted and not known to be in effect.
    fn is_over(&self) -> bool {
        let here_secs = now_ms().checked_div(1_000).unwrap_or(0);
        here_secs >= self.action.until || self.shared.confirm.has_run_out(&self.action)
    }

    /// Waits while a kill switch forbids the action; false when it had to wait.
    async fn allowed(&self) -> bool {
        let Some(forbidden) = self.shared.signer.forbids(self.action.chain, self.playbook).await else {
            return true;
        };
        self.stopped_by(&forbidden.scope, &forbidden.reason).await;
        while !self.is_over() {
            tokio::time::sleep(budget::KILL_SWITCH_POLL).await;
            if self.shared.signer.forbids(self.action.chain, self.playbook).await.is_none() {
                break;
            }
        }
        false
    }

    async fn stopped_by(&self, scope: &str, reason: &str) {
        let detail = format!("kill switch {scope}: {reason}");
        self.note(Verb::Contain, format!("not sent: {detail}"));
        self.report(Outcome::Stopped { detail }).await;
    }

    /// Signs at the present step of the fee schedule and makes the bytes durable; false when nothing may be sent.
    async fn sign(&mut self) -> bool {
        match self.shared.signer.sign(&self.action, self.playbook, self.record, self.bump).await {
            Signing::Signed(mut fresh) => {
                if self.stuck {
                    fresh.extend(self.shared.signer.carry(&self.action, self.record, self.bump).await);
                }
                // Row before bytes.
                if let Err(error) = self.shared.durable.attempts(&fresh).await {
                    tracing::error!(
                        code = error.code(),
                        error = chain_of(&error),
                        "attempts are not durable; not sent"
                    );
                    return false;
                }
                for attempt in &fresh {
                    if !self.attempts.iter().any(|known| known.hash == attempt.hash) {
                        self.attempts.push(attempt.clone());
                    }
                }
                let surplus = self.attempts.len().saturating_sub(budget::WATCHED_ATTEMPTS);
                self.attempts.drain(..surplus);
                self.next = fresh;
                true
            }
            Signing::Forbidden(forbidden) => {
                self.stopped_by(&forbidden.scope, &forbidden.reason).await;
                false
            }
            Signing::NoSigner => {
                self.delayed("no signer is configured for this chain: close this gate by hand".to_owned())
                    .await;
                false
            }
            Signing::Failed(why) => {
                self.delayed(format!("not signed: {why}")).await;
                false
            }
        }
    }

    /// Whether the hour's budget suffices for what is signed. What closes an open gate is sent whatever was spent; what
    /// extends a closure waits, and people are told.
    async fn affordable(&mut self) -> bool {
        let now = now_ms();
        let short = self.next.iter().find_map(|attempt| self.shared.purse.fits(attempt, now).err());
        let Some(why) = short else {
            if std::mem::take(&mut self.broke) {
                self.check_gas(Vec::new()).await;
            }
            return true;
        };
        if !self.is_closed_already().await {
            tracing::warn!(code = "PC-0604", action = %self.action.id, why, "sent all the same: the gate is open");
            return true;
        }
        let why = format!("the hour's budget is used up, and the gate is closed for now: {why}");
        if !std::mem::replace(&mut self.broke, true) {
            tracing::error!(code = "PC-0604", action = %self.action.id, why, "an extension waits");
            self.check_gas(vec![why.clone()]).await;
        }
        self.delayed(why).await;
        false
    }

    /// SECURITY: only a gate that says itself that it is as tight may wait; one that cannot be read counts as open.
    /// One that is known to be open is not asked: that would cost what an attacker gains.
    async fn is_closed_already(&self) -> bool {
        let head = self.shared.heads.get(self.action.chain);
        if self.shared.readings.is_open(Place::of(&self.action), self.action.level, head) {
            return false;
        }
        let Some(contain) = self.shared.signer.container(self.action.chain) else { return false };
        let asked = contain.gate(self.action.target, self.action.scope);
        match tokio::time::timeout(budget::LANDING_POLL, asked).await {
            Ok(Ok(gate)) => gate.registered && gate.level >= self.action.level,
            _ => false,
        }
    }

    /// A used-up budget is an incident until it is free again.
    async fn check_gas(&self, failing: Vec<String>) {
        let (chain, address, scope) = (self.action.chain, self.action.target, self.action.scope);
        let mine = |t: &&Target| t.chain == chain && t.address == address && t.scope == scope;
        let Some(target) = self.shared.targets.iter().find(mine) else { return };
        let check = Check { target: target.id, kind: CheckKind::Gas, failing, took_ms: 0 };
        // The engine's loop ends only with the group; then nobody needs the report.
        let _told = self.shared.engine.send(Body::Checked(check)).await;
    }

    /// Hands the newest candidates to every endpoint at once; false when nobody took them.
    async fn send(&mut self) -> bool {
        let Some(contain) = self.shared.signer.container(self.action.chain).cloned() else { return false };
        let sent_at_ms = now_ms();
        self.next.iter().for_each(|attempt| self.shared.purse.reserve(attempt, sent_at_ms));
        self.shared.readings.sent(&self.action);
        let answers =
            futures::future::join_all(self.next.iter().map(|attempt| contain.broadcast(attempt))).await;
        let (mut accepted, mut asked) = (0u16, 0u16);
        for (attempt, broadcast) in self.next.iter().zip(&answers) {
            let took = broadcast.replies.iter().filter(|reply| reply.accepted).count();
            accepted = accepted.saturating_add(u16::try_from(took).unwrap_or(u16::MAX));
            asked = asked.saturating_add(u16::try_from(broadcast.replies.len()).unwrap_or(u16::MAX));
            self.put_attempt(attempt, "sent", String::new(), Some(broadcast.clone()), Some(sent_at_ms));
        }
        if let Some(seen) = self.seen.take() {
            metrics::histogram!("portcullis_contain_observed_to_broadcast_seconds")
                .record(seen.elapsed().as_secs_f64());
        }
        let fee = self.next.last().map_or(0, |attempt| attempt.fee);
        // The family may have signed at a later step, because less would not have been taken.
        let step = self.next.iter().map(|attempt| attempt.bump).max().unwrap_or(self.bump);
        if accepted > 0 {
            // What replaces it has to offer more.
            self.bump = self.bump.max(step);
        }
        let text =
            format!("handed to {asked} endpoints, {accepted} took it (step {step} of the fees, {fee})");
        let note = Note::new(Verb::Contain, text)
            .incident(self.action.incident)
            .chain(self.action.chain)
            .action(self.action.id)
            .at_ms(sent_at_ms);
        self.shared.background.note(note);
        self.report(Outcome::Broadcast { accepted, asked }).await;
        if accepted == 0 {
            let replies = answers.iter().flat_map(|broadcast| &broadcast.replies);
            let said: Vec<&str> = replies.map(|reply| reply.detail.as_str()).take(4).collect();
            self.delayed(format!("no endpoint took it: {}", said.join("; "))).await;
        }
        accepted > 0
    }

    /// Nobody took it. Perhaps an earlier attempt has landed, or somebody else has closed the gate; otherwise what
    /// signing needs is read anew and it is signed again.
    async fn refused(&mut self) -> Option<Watch> {
        let known = self.shared.confirm.glance(&self.action, &self.attempts).await;
        if known.is_some() {
            return known;
        }
        let closed = self.shared.confirm.closed_by_somebody(&self.action).await;
        if closed.is_none() {
            // Empty, or stuck behind something that cannot be replaced: the next try does not depend on it alone.
            self.stuck = true;
            self.sign_anew().await;
        }
        closed
    }

    /// Draws the consequence of what became known.
    async fn learn(&mut self, known: Watch) -> Then {
        match known {
            Watch::Effective { landed, verdict } => {
                if let Some(Seen { attempt, block }) = &landed {
                    self.put_attempt(attempt, "included", format!("in block {}", block.height), None, None);
                    self.note_at(Verb::Confirm, "landed".to_owned(), block.height);
                    self.report(Outcome::Landed { height: block.height, block_hash: block.hash }).await;
                }
                self.note(Verb::Confirm, "the gate is as tight as asked".to_owned());
                self.report(Outcome::Effective { verdict }).await;
                self.pause = budget::RETRY.0;
                self.keep_watch().await
            }
            Watch::Reverted { seen, why } => {
                self.put_attempt(&seen.attempt, "reverted", why.clone(), None, None);
                self.attempts.retain(|attempt| attempt.hash != seen.attempt.hash);
                self.note_at(Verb::Confirm, format!("failed: {why}"), seen.block.height);
                self.report(Outcome::Reverted { detail: why }).await;
                self.sign_anew().await
            }
            Watch::Ineffective { seen, why } => {
                self.attempts.retain(|attempt| attempt.hash != seen.attempt.hash);
                self.note_at(Verb::Confirm, format!("landed without effect: {why}"), seen.block.height);
                self.delayed(format!("landed without effect: {why}")).await;
                self.sign_anew().await
            }
            Watch::Replaced => {
                for attempt in std::mem::take(&mut self.attempts) {
                    self.put_attempt(&attempt, "replaced", String::new(), None, None);
                }
                self.note(Verb::Contain, "another transaction took the nonce; signing anew".to_owned());
                self.refresh().await;
                self.next.clear();
                Then::Again
            }
            Watch::NotLanded => {
                let raised = self.bump < budget::BUMPS;
                if raised {
                    self.bump = self.bump.saturating_add(1);
                }
                // A family may begin at the top of the fees, because others pay as much: there is no raise left to wait for.
                let stuck = self.stuck || self.bump >= budget::CARRY_BUMP;
                let helped = stuck && !std::mem::replace(&mut self.stuck, stuck);
                if raised || helped {
                    self.refresh().await;
                    self.next.clear();
                }
                Then::Again
            }
        }
    }

    async fn sign_anew(&mut self) -> Then {
        self.rest().await;
        self.refresh().await;
        self.next.clear();
        Then::Again
    }

    /// Watches an effect until it is final, or until it was lost again and the action has to go on.
    async fn keep_watch(&mut self) -> Then {
        match self.shared.confirm.keep(&self.action, &self.attempts).await {
            Kept::Held => Then::Done(End::Effective),
            Kept::Released => {
                self.note(Verb::Recover, RELEASED.to_owned());
                Then::Done(End::Over)
            }
            Kept::Lost => {
                self.lost().await;
                Then::Again
            }
        }
    }

    /// The effect has left the chain.
    async fn lost(&mut self) {
        self.note(Verb::Confirm, "the effect left the chain; containing again".to_owned());
        self.report(Outcome::Reorged).await;
        // The same bytes may land again; should their nonce be gone, they are signed anew.
        self.refresh().await;
        self.next = self.attempts.last().cloned().into_iter().collect();
    }

    async fn refresh(&self) {
        if let Some(contain) = self.shared.signer.container(self.action.chain)
            && let Err(error) = contain.warm().await
        {
            tracing::warn!(
                error = chain_of(&error),
                "nonces and fees could not be read; the last known ones stay"
            );
        }
    }

    async fn rest(&mut self) {
        tokio::time::sleep(self.pause).await;
        self.pause = budget::back_off(self.pause, budget::RETRY.1);
    }
}
