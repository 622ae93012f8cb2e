//! Much of everything: names in a filter, bytes of events, the write-ahead log.

use std::fs;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use factum::Position;
use factum::follow::SubscriptionOptions;
use factum::prelude::*;
use factum::store::ExpectedVersion::Any;
use factum::store::Filter;
use tempfile::TempDir;

use crate::support::account::{Account, AccountId, Open, Opened};
use crate::support::events::{append, append_event, stream};
use crate::support::stores::{LONG, open_store, sqlite_stores, stores};

/// SQLite takes 32,766 parameters at most.
#[test]
fn a_filter_takes_many_names_and_categories() {
    let many: Vec<_> = (0..40_000).map(|number| format!("name-{number}")).collect();
    for store in stores() {
        for (category, name) in
            [("name-1", "name-39999"), ("name-39998", "other"), ("other", "name-0"), ("name-2", "it's \"0\"")]
        {
            append_event(&store, category, "a", name, 1, "{}");
        }
        let positions = |names: &[&str], categories: &[&str]| {
            let mut seen = Vec::new();
            let filter = Filter::new().names(names).categories(categories);
            store
                .read_all(filter, Position::START, usize::MAX, &mut |event| {
                    seen.push(event.envelope.position.get());
                    ControlFlow::Continue(())
                })
                .unwrap();
            seen
        };
        let all: Vec<_> = many.iter().map(String::as_str).chain(["it's \"0\""]).collect();
        assert_eq!(positions(&all, &[]), [1, 3, 4]);
        assert_eq!(positions(&[], &all), [1, 2, 4]);
        assert_eq!(positions(&all, &all), [1, 4]);
        assert_eq!(positions(&["other"], &all), [2]);
        assert_eq!(positions(&all, &["other"]), [3]);
        let options = SubscriptionOptions::new().names(many.clone()).categories(many.clone());
        let mut subscription = store.subscribe(options);
        assert_eq!(subscription.next_within(LONG).unwrap().unwrap().envelope().position, Position::new(1));
        assert!(subscription.try_next().is_none());
    }
}

/// Counts the accounts that were opened.
#[derive(Clone, Projection)]
#[projection(
    from(Account),
    events(Opened),
    into = Sqlite,
    partition_by = stream,
    init = "CREATE TABLE opened (account TEXT)"
)]
struct OpenedAccounts;

#[handlers]
impl OpenedAccounts {
    #[project]
    fn opened(
        &self,
        _: &Opened,
        key: &str,
        transaction: &factum::sqlite::ViewTransaction<'_>,
    ) -> Result<(), BoxError> {
        transaction.execute("INSERT INTO opened VALUES (?1)", [key])?;
        Ok(())
    }
}

/// Counts its calls.
#[derive(Reaction)]
#[reaction(from(Account), events(Opened))]
struct Greeting(Arc<AtomicU64>);

#[handlers]
impl Greeting {
    #[react]
    fn opened(&self, _: &Opened) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Readers that copy events ahead stop at some megabytes, and go on behind the last one.
#[test]
fn large_events_are_read_in_several_steps() {
    let folder = TempDir::new().unwrap();
    for store in sqlite_stores(&folder) {
        let accounts = store.repository::<Account>();
        for account in ["a", "b", "c", "d", "e", "f", "g"] {
            accounts
                .execute(Open { account: AccountId(account.into()), owner: "x".repeat(2 << 20) })
                .unwrap();
        }
        let greeted = Arc::new(AtomicU64::new(0));
        SqliteReaction::new(&store, Greeting(greeted.clone())).unwrap().catch_up().unwrap();
        assert_eq!(greeted.load(Ordering::SeqCst), 7);
        let mut view = SqliteProjection::new(&store, OpenedAccounts).unwrap().workers(2);
        assert_eq!(view.catch_up().unwrap().events, 7);
        let mut subscription = store.subscribe(SubscriptionOptions::new());
        for position in 1..=7 {
            assert_eq!(subscription.next_within(LONG).unwrap().unwrap().envelope().position.get(), position);
        }
    }
}

/// A query that is held open keeps SQLite from restarting the log.
#[test]
fn the_log_shrinks_after_a_query_that_was_held_open() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("store.db");
    let store = open_store(&file);
    let log = || fs::metadata(folder.path().join("store.db-wal")).unwrap().len();
    let payload = format!("\"{}\"", "x".repeat(1 << 20));
    append(&store, &stream("a"), Any, &["1"]).unwrap();
    store
        .query(|connection| {
            connection.query_row("SELECT count(*) FROM factum_events", (), |row| row.get::<_, i64>(0))?;
            for _ in 0..40 {
                append(&store, &stream("a"), Any, &[&*payload]).unwrap();
            }
            Ok(())
        })
        .unwrap();
    assert!(log() > 40 << 20, "{}", log());
    for _ in 0..3 {
        append(&store, &stream("a"), Any, &["2"]).unwrap();
    }
    assert!(log() <= 16 << 20, "{}", log());
}
