//! Warming the connections of containment.
//!
//! The first use of a statement on a connection costs a parse, a plan, and a look into the catalogues: milliseconds
//! that the first decision would pay, in the very moment that matters. So a set is written once on each connection
//! before anything happens, and rolled back.

use portcullis_adapter::{Attempt, Cursor};
use portcullis_core::log::{encode_effects, encode_input};
use portcullis_core::{Body, ENGINE_VERSION, Effects, Input};
use portcullis_verifier::{ActionId, B256, BlockRef, ChainId, Slug};
use sqlx::{Connection, PgConnection};

use super::convert::unreadable;
use super::{LogEnd, LogName, LogRecord, Signed, Step, Store, StoreError, WriteSet, commit};
use crate::budget;

/// How often a set is written on each connection: after five times, the server keeps its plan.
const REHEARSALS: usize = 6;

impl Store {
    /// Opens and warms every connection of containment, once for all groups of the process.
    ///
    /// Failing here is no loss of safety: a cold connection is slower, and the journal stands in for a missing one.
    ///
    /// # Errors
    /// As the database gives them.
    pub async fn warm(&self) -> Result<(), StoreError> {
        self.warmed.get_or_try_init(|| self.warm_all()).await.map(|_warm| ())
    }

    async fn warm_all(&self) -> Result<(), StoreError> {
        let set = sample()?;
        let connections = (0..budget::CONTAINMENT_CONNECTIONS).map(|_| self.containment.acquire());
        // Held all at once, so that each is another one.
        for connection in futures::future::join_all(connections).await {
            let mut connection = connection.map_err(|e| StoreError::from_driver("a connection", e))?;
            for _ in 0..REHEARSALS {
                rehearse(&mut connection, &set).await?;
            }
        }
        Ok(())
    }
}

async fn rehearse(connection: &mut PgConnection, set: &WriteSet) -> Result<(), StoreError> {
    let mut tx = connection.begin().await.map_err(|e| StoreError::from_driver("a transaction", e))?;
    sqlx::query!(
        "INSERT INTO logs (group_id, replica, next_seq, head, last_at_ms, engine_version)
         VALUES ($1, $2, 0, $3, 0, 0) ON CONFLICT (group_id, replica) DO NOTHING",
        set.log.group.as_str(),
        set.log.replica.as_str(),
        LogEnd::EMPTY.head.as_slice(),
    )
    .execute(&mut *tx)
    .await
    .map_err(|e| StoreError::from_driver("a log", e))?;
    commit::write(&mut *tx, set).await?;
    sqlx::query!("SELECT scope, set_by, reason FROM kill_switches ORDER BY scope")
        .fetch_all(&mut *tx)
        .await
        .map_err(|e| StoreError::from_driver("kill switches", e))?;
    tx.rollback().await.map_err(|e| StoreError::from_driver("a rollback", e))
}

/// A set that fills every table of a commit; nothing of it is ever committed.
fn sample() -> Result<WriteSet, StoreError> {
    let name = |text| Slug::new(text).map_err(|error| unreadable("a name", error.to_string()));
    let chain = ChainId::new("none:0").map_err(|error| unreadable("a chain", error.to_string()))?;
    let (word, warm_up) = (B256::ZERO, name("warm-up")?);
    let mut set = WriteSet::new(LogName { group: warm_up, replica: warm_up }, LogEnd::EMPTY);
    let (input, effects) = (Input { at_ms: 0, body: Body::Tick }, Effects::default());
    let record = LogRecord {
        seq: 0,
        at_ms: 0,
        encoded: encode_input(&input),
        head: word,
        engine_version: ENGINE_VERSION,
        effects: encode_effects(&effects),
    };
    set.steps.push(Step { record, input, effects });
    set.put_cursor(Cursor { chain, recent: vec![BlockRef { height: 0, hash: word }], undoable: Vec::new() });
    let attempt = Attempt {
        action: ActionId(word),
        chain,
        hash: word,
        bytes: Vec::new(),
        sender: word,
        nonce: 0,
        bump: 0,
        fee: 0,
    };
    set.attempts.push(Signed { attempt, at_ms: 0 });
    Ok(set)
}
