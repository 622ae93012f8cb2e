use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use factum::application::{TenantError, Tenants};
use factum::prelude::*;
use factum::sqlite::BackupError;
use factum::sqlite::rusqlite::{self, Transaction};
use factum::tasks::blocking;
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use crate::account::{Account, Close, Deposited, Opened, deposit, id, open};
use crate::{LONG, open_file, runtime};

#[derive(Projection)]
#[projection(
    events(Deposited),
    from(Account),
    into = Sqlite,
    init = "CREATE TABLE deposits (account TEXT NOT NULL, cents INTEGER NOT NULL)"
)]
struct Deposits;

#[handlers]
impl Deposits {
    #[project]
    fn deposited(
        &mut self,
        event: &Deposited,
        envelope: &Envelope<'_>,
        sql: &Transaction<'_>,
    ) -> rusqlite::Result<()> {
        sql.execute("INSERT INTO deposits VALUES (?1, ?2)", (envelope.key, event.cents)).map(drop)
    }
}

/// Queries, checks, backups and rebuilds, on a file.
#[test]
fn what_takes_long_on_a_file_can_be_awaited() {
    let folder = TempDir::new().unwrap();
    let store = open_file(&folder);
    let accounts = store.repository::<Account>();
    accounts.execute(open("alice")).unwrap();
    accounts.execute(deposit("alice", 5)).unwrap();
    runtime().block_on(async {
        let view = SqliteProjection::new(&store, Deposits).unwrap();
        let (_view, rebuilt) = view.rebuild_async().await;
        assert_eq!(rebuilt.unwrap().position, factum::Position::new(2));
        let sum = store.query_async(|connection| {
            connection.query_row("SELECT sum(cents) FROM deposits", (), |row| row.get::<_, i64>(0))
        });
        assert_eq!(sum.await.unwrap(), 5);
        assert!(store.check_async().await.unwrap().is_empty());
        store.vacuum_async().await.unwrap();
        let copy = folder.path().join("copy.db");
        store.backup_async(&copy).await.unwrap();
        assert!(matches!(store.backup_async(&copy).await, Err(BackupError::Exists { .. })));
        let copied = blocking(move || SqliteStore::open(copy)).await.unwrap();
        let loaded = copied.repository::<Account>().load_async(&id("alice")).await.unwrap();
        assert_eq!(loaded.state().cents, 5);
    });
}

/// Waits for a deposit.
#[derive(Debug, Default, Clone, Serialize, Deserialize, Process)]
#[process(
    name = "greeting",
    id = crate::account::AccountId,
    starts(Opened by stream),
    events(Deposited by stream),
    from(Account),
    commands(Close unrefused),
)]
struct Greeting {
    cents: i64,
}

#[handlers]
impl Greeting {
    #[apply]
    fn opened(&mut self, _: &Opened) {}

    #[apply]
    fn deposited(&mut self, event: &Deposited) {
        self.cents += event.cents;
    }
}

#[derive(Application)]
#[application(aggregates(Account))]
struct Bank {
    #[process]
    greeting: Greeting,
}

/// Tenants and the instances of a process.
#[test]
fn tenants_and_instances_can_be_awaited() {
    let folder = TempDir::new().unwrap();
    let fails = Arc::new(AtomicBool::new(true));
    let (path, is_failing) = (folder.path().to_owned(), Arc::clone(&fails));
    let tenants = Tenants::new(move |tenant: &str| {
        if is_failing.load(Ordering::SeqCst) {
            return Err("not yet".into());
        }
        let store = SqliteStore::open(path.join(format!("{tenant}.db")))?;
        Ok(Bank { greeting: Greeting::default() }.start(&store)?)
    });
    runtime().block_on(async {
        assert!(matches!(tenants.get_async("acme").await, Err(TenantError::Open { .. })));
        fails.store(false, Ordering::SeqCst);
        let bank = tenants.get_async("acme").await.unwrap();
        bank.execute_async(open("alice")).await.unwrap();
        let done = bank.execute_async(deposit("alice", 7)).await.unwrap();
        bank.wait_for_all_async(done.position().unwrap(), LONG).await.unwrap();
        let instances = bank.instances::<Greeting>();
        match instances.get_async(&id("alice")).await.unwrap() {
            Some(factum::follow::InstanceState::Running(greeting)) => assert_eq!(greeting.cents, 7),
            other => panic!("{other:?}"),
        }
        assert_eq!(instances.history_async(&id("alice")).await.unwrap().len(), 2);
        assert!(instances.dead_letters_async().await.unwrap().is_empty());
        assert!(!instances.retry_async(&id("alice")).await.unwrap());
        assert!(instances.discard_async(&id("alice"), "no reason").await.unwrap().is_none());
        assert_eq!(instances.remove_done_async(Timestamp::now()).await.unwrap(), 0);
        drop(bank);
        blocking(move || tenants.stop(LONG)).await.unwrap();
    });
}
