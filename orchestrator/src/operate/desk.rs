//! The desk: people's commands, from their table to the engine.
//!
//! A command is an input like any other, so it is logged before it is acted on, and its answer is made from the log.
//! Should this process end between taking a command and logging it, the next one takes it again: asking twice for the
//! same changes nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use portcullis_core::config::Target;
use portcullis_core::{Body, Command};
use portcullis_verifier::{ChainId, Slug};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::approve::{self, Request};
use super::{Operate, drill};
use crate::budget;
use crate::service::ChainWiring;
use crate::store::commands::WaitingCommand;
use crate::store::{LogName, Store, StoreError};
use portcullis_adapter::error::chain_of;

/// Takes the commands of one log.
pub struct Desk {
    /// Where they wait.
    pub store: Store,
    /// Of which log.
    pub log: LogName,
    /// To the engine's loop.
    pub engine: mpsc::Sender<Body>,
    /// How the service is operated.
    pub operate: Arc<Operate>,
    /// Gates of the group.
    pub targets: Vec<Target>,
    /// Adapters.
    pub chains: Arc<BTreeMap<ChainId, ChainWiring>>,
}

impl Desk {
    /// Runs until told to stop. A database that does not answer only makes people wait.
    pub async fn run(self, stop: CancellationToken) {
        let mut begun = false;
        while !stop.is_cancelled() {
            let round = async {
                if !begun {
                    self.store.take_again(&self.log).await?;
                    begun = true;
                }
                self.round().await
            };
            let done = tokio::select! {
                done = round => done,
                () = stop.cancelled() => return,
            };
            if let Err(error) = done {
                tracing::debug!(
                    code = error.code(),
                    error = chain_of(&error),
                    "commands wait for the database"
                );
            }
            tokio::select! {
                () = tokio::time::sleep(budget::COMMAND_POLL) => {}
                () = stop.cancelled() => return,
            }
        }
    }

    async fn round(&self) -> Result<(), StoreError> {
        let delay = self.operate.trust_delay;
        for waiting in self.store.waiting_commands(&self.log, delay, budget::COMMAND_STALE).await? {
            let judged = match self.judge(&waiting).await {
                Ok(command) if self.store.was_asked_before(&self.log, waiting.id, &command).await? => {
                    Err("this request was brought before: trust that is lent again is signed again"
                        .to_owned())
                }
                judged => judged,
            };
            match judged {
                Ok(command) => {
                    if matches!(command, Command::FalseAlarm { .. }) {
                        // SECURITY: who was wrong a moment ago is not trusted further by what was asked before.
                        self.store.cancel_trust(&self.log).await?;
                    }
                    if self.store.take_command(waiting.id, &command).await? {
                        tracing::info!(id = waiting.id, kind = waiting.kind, "a person's command");
                        // The loop ends only with the group; then the next life takes the command again.
                        let _given = self.engine.send(Body::Command(command)).await;
                    }
                }
                Err(why) => {
                    tracing::warn!(code = "PC-0606", id = waiting.id, why, "a command is refused");
                    self.store.refuse_command(waiting.id, &why).await?;
                }
            }
        }
        Ok(())
    }

    /// The command that the engine is given, or why it is given none.
    async fn judge(&self, waiting: &WaitingCommand) -> Result<Command, String> {
        let command: Command = serde_json::from_value(waiting.command.clone())
            .map_err(|error| format!("this version cannot read it: {error}"))?;
        // SECURITY: what lends trust waits by its kind; a row that calls it something else would not wait.
        let kind = crate::store::commands::kind_of(&command);
        if kind != waiting.kind {
            return Err(format!("the row says {}, the command is {kind}", waiting.kind));
        }
        if let Command::Canary { target, by, .. } = &command {
            // SECURITY: which scope is a canary is configured, never asked for.
            return self.canary(*target, *by).await;
        }
        if let Some(request) = Request::of(self.log.group, &command) {
            // SECURITY: whoever reaches the database can write two names; a row counts by what two keys have signed.
            let signatures = approve::signatures_of(&waiting.command);
            self.operate.approvers.check(&request, &signatures)?;
        }
        if let Some(unknown) = named(&command).into_iter().find(|name| self.target(*name).is_none()) {
            return Err(format!("no gate of this group is called {unknown}"));
        }
        Ok(command)
    }

    async fn canary(&self, name: Slug, by: Slug) -> Result<Command, String> {
        let target = self.target(name).ok_or_else(|| format!("no gate of this group is called {name}"))?;
        let scope = self.operate.canaries.get(&name).copied();
        let scope = scope.ok_or_else(|| {
            format!("the guard {name} has no canary: add `canary = \"…\"` to it and register that scope")
        })?;
        let contain = self.chains.get(&target.chain).and_then(|wiring| wiring.contain.as_ref());
        let contain = contain.ok_or_else(|| format!("no signer is configured for {}", target.chain))?;
        drill::canary(contain.as_ref(), target, scope, by).await
    }

    fn target(&self, name: Slug) -> Option<&Target> {
        self.targets.iter().find(|target| target.id == name)
    }
}

/// Gates that a command names.
fn named(command: &Command) -> Vec<Slug> {
    match command {
        Command::Contain { targets, .. } => targets.clone(),
        Command::SetMode { target, .. } | Command::Trust { target, .. } | Command::Canary { target, .. } => {
            vec![*target]
        }
        Command::FalseAlarm { .. } | Command::Stop { .. } => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_core::config::Mode;

    #[test]
    fn every_gate_that_a_command_names_is_looked_up() {
        let (home, ada) = (Slug::new("home").unwrap(), Slug::new("ada").unwrap());
        let lower = Command::SetMode { target: home, mode: Mode::Limit, by: ada };
        assert_eq!(named(&lower), [home]);
        let all = Command::Contain {
            targets: Vec::new(),
            level: portcullis_verifier::Level::Closed,
            by: ada,
            reason: String::new(),
        };
        assert!(named(&all).is_empty(), "none named means all");
    }
}
