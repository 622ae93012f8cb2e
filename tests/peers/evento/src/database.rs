use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, ensure};
use evento::migrator::{Migrate, Plan};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{SqliteConnection, SqlitePool};

use crate::arguments::Durability;

/// The age at which an event becomes visible to subscriptions and snapshots. evento's default, a second, is
/// for several processes: each command of `one` would read the events of the last second again. evento's
/// tests for a single process use this value.
const STABLE_MARGIN: Duration = Duration::from_millis(50);

pub struct Database {
    pub executor: evento::Sqlite,
    pool: SqlitePool,
    file: PathBuf,
}

impl Database {
    pub async fn create(folder: &Path, durability: Durability) -> Result<Self> {
        let file = folder.join("evento.db");
        ensure!(!file.exists(), "{} exists already", file.display());
        let (synchronous, expected) = match durability {
            Durability::Full => (SqliteSynchronous::Full, 2),
            Durability::Normal => (SqliteSynchronous::Normal, 1),
        };
        let options = SqliteConnectOptions::new()
            .filename(&file)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(synchronous);
        // sqlx's default number of connections, which evento's documents use.
        let pool = SqlitePoolOptions::new()
            .after_connect(move |connection, _| Box::pin(verify(connection, expected)))
            .connect_with(options)
            .await?;
        let mut connection = pool.acquire().await?;
        evento::sql_migrator::new::<sqlx::Sqlite>()?.run(&mut *connection, &Plan::apply_all()).await?;
        drop(connection);
        let executor = evento::Sqlite::from(pool.clone()).stable_margin(STABLE_MARGIN);
        Ok(Self { executor, pool, file })
    }

    pub async fn events(&self) -> Result<usize> {
        let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM event").fetch_one(&self.pool).await?;
        Ok(usize::try_from(rows)?)
    }

    /// The size of the file once the write-ahead log is empty.
    pub async fn bytes(&self) -> Result<u64> {
        let busy: i64 = sqlx::query_scalar("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(&self.pool).await?;
        ensure!(busy == 0, "the checkpoint could not finish");
        Ok(std::fs::metadata(&self.file)?.len())
    }

    /// Waits until all events are older than the margin: a subscription would wait while the clock runs.
    pub async fn settle(&self) {
        tokio::time::sleep(STABLE_MARGIN * 4).await;
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
