//! Tasks: many calls on their way to the server at once, on few threads.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::time::Instant;

use factum::CacheOptions;
use factum::follow::SubscriptionOptions;
use factum::postgres::{PostgresOptions, PostgresProjection, PostgresStore};
use factum::prelude::*;
use factum::tasks::AsyncStoreExt as _;
use futures_core::Stream as _;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;

use crate::LONG;
use crate::account::{Account, Refused, deposit, id, open, withdraw};
use crate::proxy::Proxy;
use crate::server::{Server, on_server};
use crate::support::sql_views::SqlBalances;

/// More than the machine has threads.
const TASKS: usize = 100;

type Accounts = Repository<Account, PostgresStore>;

/// Accounts behind a proxy, none of which is in memory.
struct Bank {
    runtime: Runtime,
    proxy: Proxy,
    accounts: Accounts,
}

impl Bank {
    fn open(server: &Server) -> Self {
        let proxy = Proxy::start(server.port, 0);
        // With more sessions, one could begin while no answer arrives.
        let options = PostgresOptions::new().schema(server.new_schema()).readers(1).outage_timeout(LONG);
        let store = options.connect(&format!("{}?sslmode=disable", Server::url_at(proxy.port))).unwrap();
        let accounts = store.repository::<Account>().with_cache(CacheOptions::aggregates(0));
        for account in 0..TASKS {
            accounts.execute_with(open(&account.to_string()), &keyed(account)).unwrap();
        }
        let runtime = Builder::new_multi_thread().worker_threads(1).build().unwrap();
        Self { runtime, proxy, accounts }
    }

    /// Has each task call once. All calls have to be on their way before the first one gets its answer.
    fn all_at_once<F: Future<Output = ()> + Send + 'static>(&self, call: impl Fn(Accounts, usize) -> F) {
        // The first time, the session begins and prepares its statements.
        for holds_answers in [false, true] {
            let before = self.proxy.statements();
            self.proxy.hold_answers(holds_answers);
            self.runtime.block_on(async {
                let mut tasks = JoinSet::new();
                (0..TASKS).for_each(|task| drop(tasks.spawn(call(self.accounts.clone(), task))));
                let begun = Instant::now();
                while holds_answers && self.proxy.statements() < before + TASKS as u64 {
                    let sent = self.proxy.statements() - before;
                    assert!(begun.elapsed() < LONG, "only {sent} of {TASKS} calls are on their way");
                    tokio::task::yield_now().await;
                }
                self.proxy.hold_answers(false);
                while let Some(done) = tasks.join_next().await {
                    done.unwrap();
                }
            });
        }
    }
}

fn keyed(account: usize) -> ExecuteOptions<'static> {
    ExecuteOptions::new().idempotency_key(account.to_string())
}

#[test]
fn loads_hold_no_threads() {
    on_server!(server);
    Bank::open(server).all_at_once(|accounts, task| async move {
        let account = accounts.load_async(&id(&task.to_string())).await.unwrap();
        assert_eq!((account.version(), account.state().cents), (1, 0));
    });
}

#[test]
fn other_reads_hold_no_threads() {
    on_server!(server);
    Bank::open(server).all_at_once(|accounts, task| async move {
        let (store, account) = (accounts.store(), id(&task.to_string()));
        match task % 4 {
            0 => assert_eq!(store.position_async().await.unwrap().get(), TASKS as u64),
            1 => assert!(accounts.exists_async(&account).await.unwrap()),
            2 => assert_eq!(accounts.load_at_async(&account, 1).await.unwrap().version(), 1),
            _ => {
                let mut history = pin!(accounts.history_async(&account).await.unwrap());
                let opened = poll_fn(|context| history.as_mut().poll_next(context)).await.unwrap().unwrap();
                assert_eq!(opened.version, 1);
            }
        }
    });
}

#[test]
fn events_of_a_stream_are_read_without_threads() {
    on_server!(server);
    Bank::open(server).all_at_once(|accounts, _| async move {
        let mut events = pin!(accounts.store().stream(SubscriptionOptions::new()));
        for position in 1..=TASKS as u64 {
            let event = poll_fn(|context| events.as_mut().poll_next(context)).await.unwrap().unwrap();
            assert_eq!((event.name(), event.envelope().position.get()), ("opened", position));
        }
    });
}

/// Commands that are refused or have no effect, so that they can be given twice.
#[test]
fn commands_hold_no_threads() {
    on_server!(server);
    Bank::open(server).all_at_once(|accounts, task| async move {
        let account = &task.to_string();
        match task % 3 {
            0 => {
                let opened = accounts.execute_with_async(open(account), &keyed(task)).await.unwrap();
                assert!(opened.is_repeated());
                assert_eq!((opened.version(), opened.events().len()), (1, 1));
            }
            1 => {
                let refused = accounts.execute_async(withdraw(account, 5)).await.unwrap_err();
                assert!(
                    matches!(refused, ExecuteError::Refused(Refused::Overdrawn { missing: 5 })),
                    "{refused:?}"
                );
            }
            _ => assert!(accounts.execute_async(open(account)).await.unwrap().is_unchanged()),
        }
    });
}

/// A page of many events comes in parts, of which the next is asked for while this one is visited.
#[test]
fn long_streams_are_replayed() {
    const DEPOSITS: u64 = 3_000;
    on_server!(server);
    let store = server.new_store();
    let accounts = store.repository::<Account>().with_cache(CacheOptions::aggregates(0));
    accounts.execute(open("a")).unwrap();
    accounts.execute_batch(&id("a"), (0..DEPOSITS).map(|_| deposit("a", 1))).unwrap();
    let runtime = Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let account = accounts.load_async(&id("a")).await.unwrap();
        assert_eq!((account.version(), account.state().cents), (1 + DEPOSITS, DEPOSITS.cast_signed()));
        let before = accounts.load_at_async(&id("a"), 2_000).await.unwrap();
        assert_eq!((before.version(), before.state().cents), (2_000, 1_999));
    });
}

#[test]
fn tasks_on_one_aggregate_are_all_carried_out() {
    on_server!(server);
    let bank = Bank::open(server);
    bank.runtime.block_on(async {
        let mut tasks = JoinSet::new();
        for _ in 0..TASKS {
            let (accounts, retry) = (bank.accounts.clone(), ExecuteOptions::new().retry(1_000));
            drop(
                tasks.spawn(
                    async move { accounts.execute_with_async(deposit("0", 1), &retry).await.unwrap() },
                ),
            );
        }
        while let Some(done) = tasks.join_next().await {
            done.unwrap();
        }
        let account = bank.accounts.load_async(&id("0")).await.unwrap();
        assert_eq!(account.state().cents, TASKS.cast_signed() as i64);
    });
}

#[test]
fn a_rebuild_can_be_awaited() {
    on_server!(server);
    let store = server.new_store();
    let accounts = store.repository::<Account>();
    accounts.execute(open("alice")).unwrap();
    Builder::new_multi_thread().worker_threads(1).build().unwrap().block_on(async {
        let view = PostgresProjection::new(&store, SqlBalances::default()).unwrap();
        let (view, rebuilt) = view.rebuild_async().await;
        assert_eq!(rebuilt.unwrap().position, view.position().unwrap());
    });
    assert_eq!(store.sql_view::<SqlBalances>().serving().unwrap().unwrap().position.get(), 1);
}
