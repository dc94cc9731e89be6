//! Writes a backup: every table in one snapshot of the database, while services go on.

use std::fs::{self, File};
use std::io::{BufReader, BufWriter, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use futures::TryStreamExt;
use sha2::{Digest, Sha256};
use sqlx::{PgConnection, Row};

use super::check::check;
use super::copy::Rows;
use super::{
    BackupError, FORMAT, INPUT_LOG, LogMark, MANIFEST, Manifest, NOT_DATA, Progress, Table, columns, damaged,
    fail, hex, quoted,
};
use crate::store::{LogName, Store, StoreError, schema};
use crate::telemetry::now_ms;

/// Writes everything that the database holds into a folder, and checks what was written. The folder must be empty or
/// not there; without its manifest, which comes last, it is no backup.
///
/// # Errors
/// As [`BackupError`] says.
pub async fn export(
    store: &Store,
    folder: &Path,
    progress: &mut (dyn FnMut(Progress<'_>) + Send),
) -> Result<Manifest, BackupError> {
    prepare(folder)?;
    let manifest = snapshot(store, folder, progress).await?;
    let path = folder.join(MANIFEST);
    let text = serde_json::to_string_pretty(&manifest).map_err(|error| damaged(&path, error.to_string()))?;
    let mut file = create(&path)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(fail("cannot write", &path))?;
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(fail("cannot write", folder))?;
    Ok(check(folder, progress)?.manifest)
}

/// SECURITY: signed transactions and evidence are for nobody else's eyes.
fn prepare(folder: &Path) -> Result<(), BackupError> {
    fs::create_dir_all(folder).map_err(fail("cannot make the folder", folder))?;
    let mut entries = fs::read_dir(folder).map_err(fail("cannot read the folder", folder))?;
    if entries.next().is_some() {
        return Err(BackupError::Occupied { folder: folder.to_path_buf() });
    }
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700))
        .map_err(fail("cannot close to others", folder))
}

fn create(path: &Path) -> Result<File, BackupError> {
    let file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    file.map_err(fail("cannot make", path))
}

async fn snapshot(
    store: &Store,
    folder: &Path,
    progress: &mut (dyn FnMut(Progress<'_>) + Send),
) -> Result<Manifest, BackupError> {
    let mut connection = store.connection().await?;
    let connection = &mut *connection;
    let refused = |e| StoreError::from_driver("a snapshot", e);
    sqlx::query("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        .execute(&mut *connection)
        .await
        .map_err(refused)?;
    let written = async {
        // The disk that the backup goes to may be slow.
        sqlx::query("SET LOCAL idle_in_transaction_session_timeout TO 0")
            .execute(&mut *connection)
            .await
            .map_err(refused)?;
        let taken_at_ms = now_ms();
        let schema_version: Option<i64> =
            sqlx::query_scalar("SELECT max(version) FROM _sqlx_migrations WHERE success")
                .fetch_one(&mut *connection)
                .await
                .map_err(refused)?;
        let mut tables = Vec::new();
        for (name, columns) in catalogue(&mut *connection).await? {
            tables.push(write_table(&mut *connection, folder, name, columns, progress).await?);
        }
        let logs = logs(&mut *connection).await?;
        let (format, program) = (FORMAT, schema::PROGRAM.to_owned());
        let schema_version = schema_version.unwrap_or_default();
        Ok::<_, BackupError>(Manifest { format, program, schema_version, taken_at_ms, tables, logs })
    };
    let written = written.await;
    sqlx::query("ROLLBACK").execute(&mut *connection).await.map_err(refused)?;
    written
}

/// Every table with data and its columns; a partitioned one as a whole.
pub(super) async fn catalogue(
    connection: &mut PgConnection,
) -> Result<Vec<(String, Vec<String>)>, BackupError> {
    let sql = "SELECT c.relname::text, array_agg(a.attname::text ORDER BY a.attnum) AS columns
               FROM pg_class c
               JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = current_schema()
               JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
                                      AND a.attgenerated = ''
               WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relname <> ALL ($1)
               GROUP BY c.relname ORDER BY c.relname";
    let not_data: Vec<String> = NOT_DATA.map(str::to_owned).to_vec();
    let rows = sqlx::query(sql).bind(not_data).fetch_all(connection).await;
    let rows = rows.map_err(|e| StoreError::from_driver("the catalogue", e))?;
    let read = |row: sqlx::postgres::PgRow| Ok((row.try_get(0)?, row.try_get(1)?));
    let tables: Result<_, sqlx::Error> = rows.into_iter().map(read).collect();
    Ok(tables.map_err(|e| StoreError::from_driver("the catalogue", e))?)
}

async fn write_table(
    connection: &mut PgConnection,
    folder: &Path,
    name: String,
    names: Vec<String>,
    progress: &mut (dyn FnMut(Progress<'_>) + Send),
) -> Result<Table, BackupError> {
    // In its order, so that the chain of hashes can be followed through the file.
    let order = if name == INPUT_LOG { " ORDER BY group_id, replica, seq" } else { "" };
    let sql =
        format!("COPY (SELECT {} FROM {}{order}) TO STDOUT (FORMAT binary)", columns(&names), quoted(&name));
    let mut table = Table { name, columns: names, rows: 0, bytes: 0, sha256: String::new() };
    let path = table.file(folder);
    let mut file = BufWriter::new(create(&path)?);
    let mut hash = Sha256::new();
    let refused = |e| StoreError::from_driver("reading a table", e);
    {
        let mut stream = connection.copy_out_raw(&sql).await.map_err(refused)?;
        while let Some(bytes) = stream.try_next().await.map_err(refused)? {
            hash.update(&bytes);
            file.write_all(&bytes).map_err(fail("cannot write", &path))?;
            table.bytes = table.bytes.saturating_add(u64::try_from(bytes.len()).unwrap_or_default());
            progress(Progress { doing: "writing", table: &table.name, bytes: table.bytes, done: false });
        }
    }
    let file = file.into_inner().map_err(|error| fail("cannot write", &path)(error.into_error()))?;
    file.sync_all().map_err(fail("cannot write", &path))?;
    table.sha256 = hex(&hash.finalize());
    table.rows = count(&path)?;
    progress(Progress { doing: "writing", table: &table.name, bytes: table.bytes, done: true });
    Ok(table)
}

fn count(path: &Path) -> Result<u64, BackupError> {
    let file = BufReader::new(File::open(path).map_err(fail("cannot open", path))?);
    let unreadable = |error: std::io::Error| damaged(path, error.to_string());
    let mut rows = Rows::new(file).map_err(unreadable)?;
    let (mut row, mut count) = (Vec::new(), 0u64);
    while rows.next(&mut row).map_err(unreadable)? {
        count = count.saturating_add(1);
    }
    Ok(count)
}

async fn logs(connection: &mut PgConnection) -> Result<Vec<LogMark>, BackupError> {
    let logs: Vec<(LogName, _)> = Store::logs_on(connection).await?;
    // A log that was opened and never written has no record to follow.
    let written = logs.into_iter().filter(|(_, end)| end.next_seq > 0);
    let mark = |(name, end): (LogName, crate::store::LogEnd)| LogMark {
        group: name.group.to_string(),
        replica: name.replica.to_string(),
        records: end.next_seq,
        head: end.head,
    };
    Ok(written.map(mark).collect())
}
