use std::path::{Path, PathBuf};

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{SqliteConnection, SqlitePool};

use crate::Outcome;
use crate::arguments::Durability;

/// The tables that sqlite-es requires, and one for this program's view.
const TABLES: &str = include_str!("tables.sql");

pub struct Database {
    pub pool: SqlitePool,
    file: PathBuf,
}

impl Database {
    pub async fn create(folder: &Path, durability: Durability) -> Outcome<Self> {
        let file = folder.join("cqrs-es.db");
        if file.exists() {
            return Err(format!("{} exists already", file.display()).into());
        }
        let (synchronous, expected) = match durability {
            Durability::Full => (SqliteSynchronous::Full, 2),
            Durability::Normal => (SqliteSynchronous::Normal, 1),
        };
        // `sqlite_es::default_sqlite_pool` with one difference: that one supports only NORMAL.
        let options = SqliteConnectOptions::new()
            .filename(&file)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(synchronous)
            .foreign_keys(true);
        let pool = SqlitePoolOptions::new()
            .max_connections(10)
            .after_connect(move |connection, _| Box::pin(verify(connection, expected)))
            .connect_with(options)
            .await?;
        sqlx::raw_sql(TABLES).execute(&pool).await?;
        Ok(Self { pool, file })
    }

    pub async fn events(&self) -> Outcome<usize> {
        let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM events").fetch_one(&self.pool).await?;
        Ok(usize::try_from(rows)?)
    }

    /// The size of the file once the write-ahead log is empty.
    pub async fn bytes(&self) -> Outcome<u64> {
        let busy: i64 = sqlx::query_scalar("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(&self.pool).await?;
        if busy != 0 {
            return Err("the checkpoint could not finish".into());
        }
        Ok(std::fs::metadata(&self.file)?.len())
    }
}

async fn verify(connection: &mut SqliteConnection, expected: i64) -> Result<(), sqlx::Error> {
    let journal: String = sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&mut *connection).await?;
    let synchronous: i64 = sqlx::query_scalar("PRAGMA synchronous").fetch_one(&mut *connection).await?;
    if journal != "wal" || synchronous != expected {
        let found = format!("journal_mode {journal}, synchronous {synchronous} instead of wal, {expected}");
        return Err(sqlx::Error::Configuration(found.into()));
    }
    Ok(())
}
