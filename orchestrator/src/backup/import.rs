//! Brings a backup into an empty database: all or nothing, and checked before it counts.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use sqlx::{AssertSqlSafe, PgConnection};

use super::check::{Checked, check};
use super::export::catalogue;
use super::{BackupError, Manifest, Progress, Table, columns, fail, quoted};
use crate::store::schema::{self, Schema};
use crate::store::{LogEnd, LogName, Store, StoreError, verify_chain};

/// Bytes that are sent to the database at once.
const CHUNK: usize = 256 * 1024;

/// Shortest month, milliseconds: steps of this length touch every month of a span.
const MONTH_MS: u64 = 28 * 24 * 3_600 * 1_000;

/// Checks a backup, fills an empty database with it, and checks the logs there.
///
/// # Errors
/// As [`BackupError`] says; the database is as empty as before then, apart from its schema.
pub async fn import(
    store: &Store,
    folder: &Path,
    progress: &mut (dyn FnMut(Progress<'_>) + Send),
) -> Result<Manifest, BackupError> {
    let Checked { manifest, span_ms } = check(folder, progress)?;
    let (found, known) = (manifest.schema_version, schema::newest());
    if found > known {
        return Err(BackupError::Newer { found, program: manifest.program, known });
    }
    make_schema(store, &manifest).await?;
    let mut connection = store.connection().await?;
    refuse_rows(&mut connection).await?;
    let refused = |e| StoreError::from_driver("a restore", e);
    sqlx::query("BEGIN").execute(&mut *connection).await.map_err(refused)?;
    let filled = fill(&mut connection, folder, &manifest, span_ms, progress).await;
    let end = if filled.is_ok() { "COMMIT" } else { "ROLLBACK" };
    sqlx::query(end).execute(&mut *connection).await.map_err(refused)?;
    filled?;
    drop(connection);
    store.migrate().await?;
    verify(store, &manifest).await?;
    Ok(manifest)
}

/// The schema as it was when the backup was made; it is brought up to date with the rows in it.
async fn make_schema(store: &Store, manifest: &Manifest) -> Result<(), BackupError> {
    match store.schema().await? {
        Schema::Empty => Ok(store.migrate_to(manifest.schema_version).await?),
        Schema::Current if manifest.schema_version == schema::newest() => Ok(()),
        // An earlier restore ended after it had made the schema.
        Schema::Older { found } if manifest.schema_version == found => Ok(()),
        Schema::Current | Schema::Older { .. } | Schema::Newer { .. } => {
            Err(BackupError::NotEmpty { found: "a schema of another version than the backup's".to_owned() })
        }
    }
}

async fn refuse_rows(connection: &mut PgConnection) -> Result<(), BackupError> {
    for (table, _) in catalogue(&mut *connection).await? {
        let sql = format!("SELECT EXISTS (SELECT FROM {})", quoted(&table));
        let some: bool = sqlx::query_scalar(AssertSqlSafe(sql))
            .fetch_one(&mut *connection)
            .await
            .map_err(|e| StoreError::from_driver("a table", e))?;
        if some {
            return Err(BackupError::NotEmpty { found: format!("rows in {table}") });
        }
    }
    Ok(())
}

async fn fill(
    connection: &mut PgConnection,
    folder: &Path,
    manifest: &Manifest,
    span_ms: Option<(u64, u64)>,
    progress: &mut (dyn FnMut(Progress<'_>) + Send),
) -> Result<(), BackupError> {
    let refused = |e| StoreError::from_driver("a restore", e);
    sqlx::query("SET LOCAL idle_in_transaction_session_timeout TO 0")
        .execute(&mut *connection)
        .await
        .map_err(refused)?;
    if let Some((first, last)) = span_ms {
        let mut moment = first;
        loop {
            sqlx::query("SELECT ensure_log_partition($1)")
                .bind(i64::try_from(moment.min(last)).unwrap_or(i64::MAX))
                .execute(&mut *connection)
                .await
                .map_err(refused)?;
            if moment >= last {
                break;
            }
            moment = moment.saturating_add(MONTH_MS);
        }
    }
    for table in &manifest.tables {
        fill_table(connection, folder, table, progress).await?;
    }
    follow_sequences(connection).await
}

async fn fill_table(
    connection: &mut PgConnection,
    folder: &Path,
    table: &Table,
    progress: &mut (dyn FnMut(Progress<'_>) + Send),
) -> Result<(), BackupError> {
    let refused = |e| StoreError::from_driver("filling a table", e);
    let path = table.file(folder);
    let mut file = File::open(&path).map_err(fail("cannot open", &path))?;
    let sql =
        format!("COPY {} ({}) FROM STDIN (FORMAT binary)", quoted(&table.name), columns(&table.columns));
    let mut copy = connection.copy_in_raw(&sql).await.map_err(refused)?;
    let (mut chunk, mut bytes) = (vec![0; CHUNK], 0u64);
    loop {
        let read = match file.read(&mut chunk) {
            Ok(0) => break,
            Ok(read) => read,
            Err(source) => {
                copy.abort("the backup cannot be read").await.map_err(refused)?;
                return Err(fail("cannot read", &path)(source));
            }
        };
        copy.send(chunk.get(..read).unwrap_or_default()).await.map_err(refused)?;
        bytes = bytes.saturating_add(u64::try_from(read).unwrap_or_default());
        progress(Progress { doing: "restoring", table: &table.name, bytes, done: false });
    }
    let rows = copy.finish().await.map_err(refused)?;
    progress(Progress { doing: "restoring", table: &table.name, bytes, done: true });
    if rows != table.rows {
        return Err(super::damaged(&path, format!("{rows} of {} rows were taken", table.rows)));
    }
    Ok(())
}

/// Numbers that the database gives out go on behind those that it has given.
async fn follow_sequences(connection: &mut PgConnection) -> Result<(), BackupError> {
    let refused = |e| StoreError::from_driver("a sequence", e);
    let sql =
        "SELECT c.relname::text, a.attname::text FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
               JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = current_schema()
               WHERE a.attidentity <> '' AND c.relkind IN ('r', 'p') AND NOT c.relispartition";
    let columns: Vec<(String, String)> =
        sqlx::query_as(sql).fetch_all(&mut *connection).await.map_err(refused)?;
    for (table, column) in columns {
        let (name, of) = (quoted(&table), quoted(&column));
        let sql = format!(
            "SELECT setval(pg_get_serial_sequence($1, $2), COALESCE(max({of}), 0) + 1, false) FROM {name}"
        );
        sqlx::query(AssertSqlSafe(sql))
            .bind(&name)
            .bind(&column)
            .execute(&mut *connection)
            .await
            .map_err(refused)?;
    }
    Ok(())
}

/// The logs as the database gives them back end where the backup says.
async fn verify(store: &Store, manifest: &Manifest) -> Result<(), BackupError> {
    let logs: Vec<(LogName, LogEnd)> = store.logs().await?;
    for (log, stored) in logs.into_iter().filter(|(_, end)| end.next_seq > 0) {
        let mut end = LogEnd::EMPTY;
        loop {
            let page = store.log_page(&log, end.next_seq).await?;
            if page.is_empty() {
                break;
            }
            end = verify_chain(&log, end, &page)?;
        }
        let marked =
            manifest.logs.iter().any(|m| m.is_of(&log) && (m.records, m.head) == (end.next_seq, end.head));
        if !marked || end != stored {
            let (group, replica) = (log.group.to_string(), log.replica.to_string());
            let (expected, found) = (stored.head, end.head);
            return Err(StoreError::Broken { group, replica, seq: end.next_seq, expected, found }.into());
        }
    }
    Ok(())
}
