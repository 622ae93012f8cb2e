//! Processes that are killed at any moment: in the end each view matches the events.

pub(crate) mod catch_ups;
#[cfg(target_os = "linux")]
pub(crate) mod leases;
pub(crate) mod projections;
pub(crate) mod reactions;

use factum::prelude::*;
use factum::sqlite::rusqlite::{self, Transaction};

use crate::support::account::{Account, Deposited, Opened};
use crate::support::views::{Rows, rows};

/// How often a process is killed in each of the tests.
const KILLS: u32 = 60;

macro_rules! view {
    ($view:ident, $name:literal, $init:literal, $insert:literal) => {
        /// Cents and events of each account.
        #[derive(Clone, Projection)]
        #[projection(name = $name, events(Opened, Deposited), from(Account), partition_by = stream)]
        #[projection(into = Sqlite, init = $init)]
        struct $view;

        #[handlers]
        impl $view {
            #[project]
            fn opened(&self, _: &Opened, key: &str, transaction: &Transaction<'_>) -> rusqlite::Result<()> {
                Self::add(transaction, key, 0)
            }

            #[project]
            fn deposited(
                &self,
                event: &Deposited,
                key: &str,
                transaction: &Transaction<'_>,
            ) -> rusqlite::Result<()> {
                Self::add(transaction, key, event.cents)
            }

            fn add(transaction: &Transaction<'_>, key: &str, cents: i64) -> rusqlite::Result<()> {
                transaction.prepare_cached($insert)?.execute((key, cents)).map(drop)
            }
        }
    };
}

view!(
    Inline,
    "inline",
    "CREATE TABLE inline (account TEXT PRIMARY KEY, cents INTEGER NOT NULL, events INTEGER NOT NULL)",
    "INSERT INTO inline VALUES (?1, ?2, 1)
     ON CONFLICT DO UPDATE SET cents = cents + excluded.cents, events = events + 1"
);

view!(
    Followed,
    "followed",
    "CREATE TABLE followed (account TEXT PRIMARY KEY, cents INTEGER NOT NULL, events INTEGER NOT NULL)",
    "INSERT INTO followed VALUES (?1, ?2, 1)
     ON CONFLICT DO UPDATE SET cents = cents + excluded.cents, events = events + 1"
);

/// The views as they should be, computed from the events by SQL.
fn counted(store: &SqliteStore, until: u64) -> Rows {
    rows(
        store,
        &format!(
            "SELECT key, coalesce(sum(payload ->> 'cents'), 0), count(*)
             FROM factum_events JOIN factum_streams ON factum_streams.id = stream
             WHERE position <= {until} GROUP BY key"
        ),
    )
}
