//! The version of the schema: brought up to date by `portcullis migrate`, and refused by the service when it is
//! another one than its own.
//!
//! Migrations only add (a test reads them for that), so that a service goes on while the schema is brought up to date
//! under it. It is not started on another version: what a newer program wrote, this one may not know.

use sqlx::{Connection, PgConnection};

use super::{MIGRATIONS, Store, StoreError};
use crate::budget;

/// Version of this program.
pub const PROGRAM: &str = env!("CARGO_PKG_VERSION");

/// SQLSTATE of a lock that was not had in time.
const LOCK_NOT_AVAILABLE: &str = "55P03";

/// How the schema of a database stands to this program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Schema {
    /// There is none yet.
    Empty,
    /// The program's own.
    Current,
    /// The program needs migrations that were not applied.
    Older {
        /// Newest migration that was applied.
        found: i64,
    },
    /// Migrations were applied that the program does not know.
    Newer {
        /// Newest migration that was applied.
        found: i64,
        /// Version of the program that applied it; empty when nobody wrote it down.
        program: String,
    },
}

/// Newest migration of this program.
#[must_use]
pub fn newest() -> i64 {
    MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or_default()
}

impl Store {
    /// How the schema stands to this program.
    ///
    /// # Errors
    /// As the database gives them.
    pub async fn schema(&self) -> Result<Schema, StoreError> {
        let refused = |e| StoreError::from_driver("the version of the schema", e);
        let mut connection = self.general.acquire().await.map_err(refused)?;
        // These tables may not be there, so the queries are not checked while compiling.
        let there: bool = sqlx::query_scalar("SELECT to_regclass('_sqlx_migrations') IS NOT NULL")
            .fetch_one(&mut *connection)
            .await
            .map_err(refused)?;
        if !there {
            return Ok(Schema::Empty);
        }
        let found: Option<i64> =
            sqlx::query_scalar("SELECT max(version) FROM _sqlx_migrations WHERE success")
                .fetch_one(&mut *connection)
                .await
                .map_err(refused)?;
        let Some(found) = found else { return Ok(Schema::Empty) };
        if found < newest() {
            return Ok(Schema::Older { found });
        }
        if found == newest() {
            return Ok(Schema::Current);
        }
        let sql = "SELECT program FROM schema_history ORDER BY version DESC, at DESC LIMIT 1";
        let program: Option<String> =
            sqlx::query_scalar(sql).fetch_optional(&mut *connection).await.map_err(refused)?;
        Ok(Schema::Newer { found, program: program.unwrap_or_default() })
    }

    /// Makes the schema where there is none, and accepts only this program's own otherwise.
    ///
    /// # Errors
    /// [`StoreError::SchemaOlder`] and [`StoreError::SchemaNewer`] say the way out; others as the database gives them.
    pub async fn require_schema(&self) -> Result<(), StoreError> {
        match self.schema().await? {
            Schema::Empty => self.migrate().await,
            Schema::Current => Ok(()),
            Schema::Older { found } => Err(StoreError::SchemaOlder { found, needed: newest() }),
            Schema::Newer { found, program } => {
                Err(StoreError::SchemaNewer { found, known: newest(), program })
            }
        }
    }

    /// Brings the schema up to date, while services work on it. Safe to be called by several processes at once.
    ///
    /// # Errors
    /// [`StoreError::SchemaNewer`] when the schema is ahead of this program; [`StoreError::Migrate`] when a migration
    /// fails.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        self.migrate_to(newest()).await
    }

    /// Brings the schema to a version of the past, for a backup of that time.
    ///
    /// # Errors
    /// As [`Store::migrate`].
    pub async fn migrate_to(&self, version: i64) -> Result<(), StoreError> {
        if let Schema::Newer { found, program } = self.schema().await? {
            return Err(StoreError::SchemaNewer { found, known: newest(), program });
        }
        let mut tries = budget::MIGRATE_TRIES;
        loop {
            tries = tries.saturating_sub(1);
            match self.try_migrate(version).await {
                Err(StoreError::Migrate(error)) if tries > 0 && is_late(&error) => {
                    tracing::info!("the schema is in use; trying again");
                    tokio::time::sleep(budget::MIGRATE_PAUSE).await;
                }
                other => return other,
            }
        }
    }

    /// On a connection of its own: should a migration fail, the lock that keeps others out goes with it.
    async fn try_migrate(&self, version: i64) -> Result<(), StoreError> {
        let refused = |e| StoreError::from_driver("a migration", e);
        let mut connection =
            PgConnection::connect_with(&self.general.connect_options()).await.map_err(refused)?;
        // A change of a table waits for whoever reads it, and makes all others wait behind itself. Not for long.
        sqlx::query("SELECT set_config('lock_timeout', $1, false)")
            .bind(format!("{}ms", budget::MIGRATE_LOCK.as_millis()))
            .execute(&mut connection)
            .await
            .map_err(refused)?;
        MIGRATIONS.run_to(version, &mut connection).await.map_err(StoreError::Migrate)?;
        let history: bool = sqlx::query_scalar("SELECT to_regclass('schema_history') IS NOT NULL")
            .fetch_one(&mut connection)
            .await
            .map_err(refused)?;
        if history {
            sqlx::query(
                "INSERT INTO schema_history (version, program) VALUES ($1, $2) ON CONFLICT DO NOTHING",
            )
            .bind(version)
            .bind(PROGRAM)
            .execute(&mut connection)
            .await
            .map_err(refused)?;
        }
        connection.close().await.map_err(refused)
    }
}

fn is_late(error: &sqlx::migrate::MigrateError) -> bool {
    use sqlx::migrate::MigrateError::{Execute, ExecuteMigration};
    let (Execute(error) | ExecuteMigration(error, _)) = error else { return false };
    error.as_database_error().and_then(|e| e.code()).is_some_and(|code| code == LOCK_NOT_AVAILABLE)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What would break a service that runs on the schema before: it neither knows the new nor lets go of the old.
    fn breaks(sql: &str) -> Option<&'static str> {
        let code: String = sql.lines().map(|line| line.split("--").next().unwrap_or_default()).fold(
            String::new(),
            |mut code, line| {
                code.push_str(line);
                code.push('\n');
                code
            },
        );
        let code = code.to_uppercase();
        let banned = [
            "DROP TABLE",
            "DROP COLUMN",
            "RENAME ",
            "SET NOT NULL",
            " TYPE ",
            "TRUNCATE TABLE",
            "DELETE FROM",
        ];
        if let Some(found) = banned.into_iter().find(|word| code.contains(word)) {
            return Some(found);
        }
        let adds = code.split(';').filter(|statement| statement.contains("ADD COLUMN"));
        let strict = |statement: &&str| statement.contains("NOT NULL") && !statement.contains("DEFAULT");
        adds.filter(strict).map(|_| "ADD COLUMN … NOT NULL without DEFAULT").next()
    }

    #[test]
    fn migrations_only_add() {
        for migration in MIGRATIONS.iter().filter(|migration| migration.version > 1) {
            let found = breaks(migration.sql.as_str());
            assert_eq!(found, None, "migration {}", migration.version);
        }
        assert!(breaks("ALTER TABLE logs DROP COLUMN head;").is_some());
        assert!(breaks("ALTER TABLE logs ADD COLUMN x text NOT NULL;").is_some());
        assert_eq!(breaks("ALTER TABLE logs ADD COLUMN x text NOT NULL DEFAULT '';"), None);
        assert_eq!(breaks("-- DROP TABLE\nCREATE TABLE t (x bigint NOT NULL);"), None);
    }
}
