//! Rebuilds: a new view is built beside the old one, then replaces it.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use factum::follow::Progress;
use factum::prelude::*;
use factum::sqlite::rusqlite::{self, Transaction};

use crate::support::account::{Account, Deposited, Opened, deposit, id, open};

/// Enough events for several transactions.
const MANY: u64 = 12_000;

/// A view of balances with a given version, in which each cent counts `$factor` times. All versions have one
/// name.
macro_rules! balances_view {
    ($view:ident, $version:literal, $factor:literal $(, $init:literal)?) => {
        #[derive(Debug, Default, Clone, Projection)]
        #[projection(
            name = "balances",
            version = $version,
            events(Opened, Deposited),
            from(Account),
            into = Sqlite,
            init = concat!(
                "CREATE TABLE balances (account TEXT PRIMARY KEY, cents INTEGER NOT NULL);",
                $($init)?
            ),
        )]
        struct $view {
            /// How many events its handlers have received.
            taken: Arc<AtomicU64>,
        }

        #[handlers]
        impl $view {
            #[project]
            fn opened(&self, _: &Opened, key: &str, transaction: &Transaction<'_>) -> rusqlite::Result<()> {
                self.taken.fetch_add(1, Ordering::SeqCst);
                transaction.execute("INSERT INTO balances VALUES (?1, 0)", [key]).map(drop)
            }

            #[project]
            fn deposited(
                &self,
                event: &Deposited,
                key: &str,
                transaction: &Transaction<'_>,
            ) -> Result<(), BoxError> {
                if event.cents == 13 && $version == 3 {
                    return Err("13 is refused".into());
                }
                self.taken.fetch_add(1, Ordering::SeqCst);
                transaction
                    .prepare_cached("UPDATE balances SET cents = cents + ?2 WHERE account = ?1")?
                    .execute((key, event.cents * $factor))?;
                Ok(())
            }
        }
    };
}

balances_view!(First, 1, 1);
balances_view!(Second, 2, 100, "CREATE INDEX by_cents ON balances (cents);");
// Refuses some events.
balances_view!(Third, 3, 1);

balances_view!(Fourth, 4, 1);

fn row(account: &str, cents: i64) -> Vec<(String, i64)> {
    vec![(account.to_owned(), cents)]
}

fn fill(store: &SqliteStore, events: u64) {
    let accounts = store.repository::<Account>();
    accounts.execute(open("alice")).unwrap();
    accounts.execute_batch(&id("alice"), (1..events).map(|_| deposit("alice", 1))).unwrap();
}

/// The names of the files in a folder that belong to a rebuild.
fn left_behind(folder: &Path) -> Vec<String> {
    let names = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| name.contains("rebuild"));
    names.sort();
    names
}

/// All progress reports.
#[derive(Debug, Default, Clone)]
struct Reports(Arc<Mutex<Vec<Progress>>>);

impl Reports {
    /// Records each report, and stops after `until` events.
    fn until(&self, until: u64) -> impl FnMut(&Progress) -> ControlFlow<()> + Send + use<> {
        let reports = self.clone();
        move |progress| {
            reports.0.lock().unwrap().push(*progress);
            if progress.done >= until { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        }
    }

    fn take(&self) -> Vec<Progress> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

// After the macro, because `schema` uses it.
mod beside_others;
pub(crate) mod contests;
mod files;
mod progress;
mod schema;
mod versions;
