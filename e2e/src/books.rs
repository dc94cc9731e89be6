//! The service's private database, read from outside: what was written, and nothing else.

use std::path::Path;

use alloy::primitives::B256;
use eyre::{Result, WrapErr, eyre};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Connection, Row};

/// A connection to the service's private database.
#[derive(Debug)]
pub struct Books {
    connection: PgConnection,
}

/// A signed attempt as it was written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// Hash by which the chain knows it.
    pub hash: B256,
    /// What is sent.
    pub bytes: Vec<u8>,
    /// When it was signed, milliseconds since 1970, by the service's clock.
    pub at_ms: i64,
}

/// An event as it was written down.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Observed {
    /// In whose record.
    pub replica: String,
    /// CAIP-2.
    pub chain: String,
    /// Block.
    pub block: B256,
    /// Index of the log in the block.
    pub log_index: i64,
    /// `included`, `retracted`, …
    pub status: String,
}

/// A block's events as they were written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedBlock {
    /// CAIP-2.
    pub chain: String,
    /// Hash.
    pub hash: B256,
    /// Rows.
    pub events: u64,
    /// Rows with different places in the block.
    pub different: u64,
    /// Sum of the different places.
    pub places: u64,
    /// When the engine had consumed the last of them, milliseconds since 1970.
    pub consumed_ms: i64,
}

impl Books {
    /// Connects to the private database of a data folder.
    ///
    /// # Errors
    /// When none runs there.
    pub async fn open(data: &Path) -> Result<Self> {
        let options = PgConnectOptions::new_without_pgpass()
            .socket(socket(data)?)
            .port(5432)
            .username("portcullis")
            .database("portcullis")
            .disable_statement_logging();
        let connection =
            PgConnection::connect_with(&options).await.wrap_err("the database does not answer")?;
        Ok(Self { connection })
    }

    /// Hashes of all signed attempts.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn attempts(&mut self) -> Result<Vec<B256>> {
        let rows = sqlx::query("SELECT hash FROM attempts").fetch_all(&mut self.connection).await?;
        rows.iter().map(|row| hash(row, "hash")).collect()
    }

    /// All signed attempts with their bytes.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn signed(&mut self) -> Result<Vec<Signed>> {
        let query = "SELECT hash, bytes, signed_at_ms FROM attempts";
        let rows = sqlx::query(query).fetch_all(&mut self.connection).await?;
        rows.iter()
            .map(|row| {
                let bytes: Vec<u8> = row.try_get("bytes")?;
                let at_ms: i64 = row.try_get("signed_at_ms")?;
                Ok(Signed { hash: hash(row, "hash")?, bytes, at_ms })
            })
            .collect()
    }

    /// Events of bridges, each as often as it was written down.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn observed(&mut self) -> Result<Vec<Observed>> {
        let query = "SELECT replica, chain, block_hash, log_index, status FROM observations \
                     WHERE kind IN ('transfer', 'admin', 'unmapped') ORDER BY seq";
        let rows = sqlx::query(query).fetch_all(&mut self.connection).await?;
        rows.iter()
            .map(|row| {
                Ok(Observed {
                    replica: row.try_get("replica")?,
                    chain: row.try_get("chain")?,
                    block: hash(row, "block_hash")?,
                    log_index: row.try_get("log_index")?,
                    status: row.try_get("status")?,
                })
            })
            .collect()
    }

    /// Events of bridges that are included, block by block.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn blocks(&mut self) -> Result<Vec<RecordedBlock>> {
        let query = "SELECT o.chain, o.block_hash, count(*) AS events, count(DISTINCT o.log_index) AS different, \
                            sum(DISTINCT o.log_index)::bigint AS places, max(l.at_ms) AS consumed_ms \
                     FROM observations o JOIN input_log l USING (group_id, replica, seq) \
                     WHERE o.kind IN ('transfer', 'admin', 'unmapped') AND o.status = 'included' \
                     GROUP BY o.chain, o.block_hash";
        let rows = sqlx::query(query).fetch_all(&mut self.connection).await?;
        let number = |row: &sqlx::postgres::PgRow, column| -> Result<u64> {
            Ok(u64::try_from(row.try_get::<i64, _>(column)?)?)
        };
        rows.iter()
            .map(|row| {
                Ok(RecordedBlock {
                    chain: row.try_get("chain")?,
                    hash: hash(row, "block_hash")?,
                    events: number(row, "events")?,
                    different: number(row, "different")?,
                    places: number(row, "places")?,
                    consumed_ms: row.try_get("consumed_ms")?,
                })
            })
            .collect()
    }

    /// Everything told about faults of endpoints: the recorded views as text.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn faults(&mut self) -> Result<Vec<String>> {
        let query = "SELECT view::text AS view FROM observations WHERE kind = 'fault' ORDER BY seq";
        let rows = sqlx::query(query).fetch_all(&mut self.connection).await?;
        rows.iter().map(|row| Ok(row.try_get("view")?)).collect()
    }

    /// From now on nobody can write an attempt; reading goes on. Ends with this connection.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn hold_attempts(&mut self) -> Result<()> {
        for statement in ["BEGIN", "LOCK TABLE attempts IN EXCLUSIVE MODE"] {
            sqlx::query(statement).execute(&mut self.connection).await?;
        }
        Ok(())
    }

    /// Ends every connection that waits for a lock: its statement, which would go through as soon as the lock is free,
    /// never happened.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn end_waiting(&mut self) -> Result<()> {
        let query =
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
        sqlx::query(query).execute(&mut self.connection).await?;
        Ok(())
    }

    /// A number, by a query that gives one.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn count(&mut self, query: &'static str) -> Result<i64> {
        Ok(sqlx::query_scalar(query).fetch_one(&mut self.connection).await?)
    }
}

fn hash(row: &sqlx::postgres::PgRow, column: &str) -> Result<B256> {
    let bytes: Vec<u8> = row.try_get(column)?;
    B256::try_from(bytes.as_slice()).wrap_err_with(|| format!("{column} is no hash"))
}

/// Folder of the socket of the server that runs in a data folder.
///
/// # Errors
/// When none runs there.
pub fn socket(data: &Path) -> Result<String> {
    let file = find(data).ok_or_else(|| eyre!("no database runs in {}", data.display()))?;
    let text = std::fs::read_to_string(&file)?;
    // The server writes its socket's folder into the fifth line.
    let socket = text.lines().nth(4).filter(|line| !line.is_empty());
    socket.map(str::to_owned).ok_or_else(|| eyre!("{} names no socket", file.display()))
}

/// The file that a running server keeps, somewhere below a data folder.
#[must_use]
pub fn find(data: &Path) -> Option<std::path::PathBuf> {
    let mut folders = vec![(data.to_path_buf(), 0)];
    while let Some((folder, depth)) = folders.pop() {
        let file = folder.join("postmaster.pid");
        if file.is_file() {
            return Some(file);
        }
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            if depth < 3 && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                folders.push((entry.path(), depth + 1));
            }
        }
    }
    None
}
