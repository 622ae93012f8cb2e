//! What follows the events of an application, and how it runs.

use std::sync::Arc;
use std::time::Duration;

use factum::Position;
use factum::follow::{Activity, WaitError};
use factum::prelude::*;
use factum::sqlite::rusqlite::{self, Transaction};
use factum::with_causes;

use crate::support::stores::open_store;

use super::shop::{
    Gateway, LONG, Mailer, Order, OrderBoard, Payment, Sales, Ship, Shop, TakePayment, Totals, id, place,
    shop,
};

fn count(store: &SqliteStore, sql: &str) -> u64 {
    store.query(|connection| connection.query_row(sql, (), |row| row.get(0))).unwrap()
}

#[test]
fn every_follower_follows_as_its_field_says() {
    let (shop, mail) = shop();
    shop.execute(place("a", 10)).unwrap();
    // An inline view is part of the append.
    assert_eq!(count(shop.store(), "SELECT count(*) FROM board WHERE status = 'placed'"), 1);
    for order in ["a", "b", "c"] {
        shop.execute(TakePayment { order: id(order), cents: 20 }).unwrap();
    }
    let position = shop.execute(Ship(id("a"))).unwrap().position().unwrap();

    shop.wait_for_all(position, LONG).unwrap();
    assert_eq!(count(shop.store(), "SELECT count(*) FROM board WHERE status = 'shipped'"), 1);
    assert_eq!(count(shop.store(), "SELECT sum(cents) FROM sales"), 60);
    assert_eq!(shop.view(|totals: &Totals| (totals.orders, totals.cents)), Some((1, 10)));
    assert_eq!(*mail.sent.lock().unwrap(), ["a placed", "a shipped"]);

    let health = shop.health();
    let names: Vec<_> = health.iter().map(|state| state.follower).collect();
    assert_eq!(names, ["order-board", "sales", "totals", "mailer"]);
    for state in health {
        assert_eq!((state.position, state.lag.unwrap().events), (position, 0), "{}", state.follower);
        assert_eq!(state.activity, Activity::Running, "{}", state.follower);
    }
    shop.stop(LONG).unwrap();
}

#[test]
fn an_event_that_fails_becomes_a_dead_letter_where_the_field_says_so() {
    #[derive(Application)]
    #[application(aggregates(Order))]
    struct Any(#[reaction(dead_letters)] Mailer);

    #[derive(Application)]
    #[application(aggregates(Order))]
    struct Sequenced(#[reaction(sequenced, workers = 3)] Mailer);

    #[derive(Application)]
    #[application(aggregates(Order))]
    struct Stops(#[reaction] Mailer);

    fn sent_of<A>(start: impl FnOnce(Mailer) -> A) -> Vec<String>
    where
        A: factum::application::RunsOn<SqliteStore>
            + factum::application::Routes<super::shop::PlaceOrder, Order>
            + factum::application::Routes<Ship, Order>
            + factum::application::Runs<Mailer>,
    {
        let (store, mail) = (SqliteStore::in_memory().unwrap(), Mailer::default());
        let app = start(mail.clone()).start(&store).unwrap();
        app.execute(place("a", 13)).unwrap();
        let position = app.execute(Ship(id("a"))).unwrap().position().unwrap();
        let _ = app.wait_for::<Mailer>(position, LONG);
        drop(app);
        Arc::into_inner(mail.sent).unwrap().into_inner().unwrap()
    }
    assert_eq!(sent_of(Any), ["a shipped"]);
    assert_eq!(sent_of(Sequenced), [""; 0]);
    assert_eq!(sent_of(Stops), [""; 0]);

    let app = Stops(Mailer::default()).start(&SqliteStore::in_memory().unwrap()).unwrap();
    let position = app.execute(place("a", 13)).unwrap().position().unwrap();
    let error = app.wait_for::<Mailer>(position, LONG).unwrap_err();
    assert_eq!(error.to_string(), "`mailer` has ended at position 0, before 1");
    assert!(
        matches!(&app.health()[0].activity, Activity::Stopped { error: Some(error), .. } if error.contains("13 cents"))
    );
    let error = app.stop(LONG).unwrap_err();
    assert_eq!(error.failed[0].0, "mailer");
}

/// A writer without the view appends. A caller that waits for its events gets a view that has them.
#[test]
fn an_inline_view_says_how_far_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("shop.db");
    let (with, without) = (open_store(&file), open_store(&file));
    let shop = Shop::new(&Mailer::default()).start(&with).unwrap();
    let options = ExecuteOptions::new().idempotency_key("first");
    let placed = without.repository::<Order>().execute_with(place("a", 10), &options).unwrap();
    let board = shop.health().swap_remove(0);
    assert_eq!(
        (board.follower, board.position, board.lag.unwrap().events),
        ("order-board", Position::START, 1)
    );

    let again = shop.execute_with(place("a", 10), &options.seen_by::<OrderBoard>(LONG)).unwrap();
    assert!(again.is_repeated());
    assert_eq!(count(shop.store(), "SELECT count(*) FROM board"), 1);
    assert_eq!(shop.health()[0].position, placed.position().unwrap());
}

/// A task that waits may not block its thread, so the view catches up on another one.
#[test]
fn a_task_that_waits_for_an_inline_view_brings_it_up_to_date() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("shop.db");
    let (with, without) = (open_store(&file), open_store(&file));
    let shop = Shop::new(&Mailer::default()).start(&with).unwrap();
    without.repository::<Order>().execute(place("a", 10)).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().build().unwrap();
    runtime.block_on(shop.wait_for_async::<OrderBoard>(without.position().unwrap(), LONG)).unwrap();
    assert_eq!(count(&with, "SELECT count(*) FROM board"), 1);
}

/// The view catches up in batches, and no batch begins once the time is over.
#[test]
fn a_wait_for_an_inline_view_that_is_far_behind_ends_in_time() {
    #[derive(Projection)]
    #[projection(events(super::shop::OrderPlaced), from(Order), into = Sqlite, init = "CREATE TABLE plodding (id)")]
    struct Plodding;

    #[handlers]
    impl Plodding {
        #[project]
        fn placed(
            &self,
            _: &super::shop::OrderPlaced,
            transaction: &Transaction<'_>,
        ) -> rusqlite::Result<()> {
            std::thread::sleep(Duration::from_millis(1));
            transaction.execute("INSERT INTO plodding VALUES (1)", ()).map(drop)
        }
    }

    #[derive(Application)]
    #[application(aggregates(Order))]
    struct App(#[projection(inline)] Plodding);

    const ORDERS: u64 = 2_000;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("shop.db");
    let (with, without) = (open_store(&file), open_store(&file));
    let app = App(Plodding).start(&with).unwrap();
    without.repository::<Order>().execute_batch(&id("a"), (0..ORDERS).map(|_| place("a", 10))).unwrap();
    let position = without.position().unwrap();
    let error = app.wait_for::<Plodding>(position, Duration::from_millis(20)).unwrap_err();
    assert!(matches!(error, WaitError::TimedOut { .. }), "{error}");
    assert!(count(&with, "SELECT count(*) FROM plodding") < ORDERS);
}

/// An inline view that is left behind has failed, as any other follower.
#[test]
fn an_application_names_an_inline_view_that_has_failed() {
    /// Has no orders of 13 cents.
    #[derive(Projection)]
    #[projection(events(super::shop::OrderPlaced), from(Order), into = Sqlite, init = "CREATE TABLE strict (id)")]
    struct Strict;

    #[handlers]
    impl Strict {
        #[project]
        fn placed(&self, event: &super::shop::OrderPlaced) -> Result<(), BoxError> {
            if event.cents == 13 { Err("13 cents".into()) } else { Ok(()) }
        }
    }

    #[derive(Application)]
    #[application(aggregates(Order))]
    struct App(#[projection(inline)] Strict);

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("shop.db");
    let (with, without) = (open_store(&file), open_store(&file));
    let app = App(Strict).start(&with).unwrap();
    without.repository::<Order>().execute(place("a", 13)).unwrap();
    let position = app.execute(place("b", 10)).unwrap().position().unwrap();
    let error = app.wait_for::<Strict>(position, LONG).unwrap_err();
    assert_eq!(error.to_string(), "`strict` has ended at position 0, before 2");
    let error = app.stop(LONG).unwrap_err();
    assert!(error.to_string().contains("`strict`: ") && error.to_string().contains("13 cents"), "{error}");
}

/// A view, and the progress of a reaction, are in a store of their own.
#[test]
fn a_follower_is_kept_in_another_store() {
    #[derive(Application)]
    #[application(aggregates(Order, Payment))]
    struct Apart {
        #[services(Payment)]
        gateway: Gateway,
        #[store]
        views: SqliteStore,
        #[projection(store = views)]
        board: OrderBoard,
        #[projection(store = views, workers = 2)]
        sales: Sales,
        #[reaction(store = views)]
        mail: Mailer,
    }
    let (views, mail) = (SqliteStore::in_memory().unwrap(), Mailer::default());
    let apart = Apart {
        gateway: Gateway { limit: 10 },
        views: views.clone(),
        board: OrderBoard,
        sales: Sales,
        mail: mail.clone(),
    };
    // The events are in a store that can't keep views.
    let apart = apart.start(&MemoryStore::new()).unwrap();
    apart.execute(TakePayment { order: id("a"), cents: 10 }).unwrap();
    let position = apart.execute(place("a", 10)).unwrap().position().unwrap();
    apart.wait_for_all(position, LONG).unwrap();
    assert_eq!(count(&views, "SELECT count(*) FROM board"), 1);
    assert_eq!(count(&views, "SELECT count(*) FROM sales"), 1);
    assert_eq!(*mail.sent.lock().unwrap(), ["a placed"]);
}

#[test]
fn an_application_that_can_not_start_says_why() {
    let store = SqliteStore::in_memory().unwrap();
    SqliteReaction::new(&store, Taken).unwrap();
    let error = Shop::new(&Mailer::default()).start(&store).unwrap_err();
    assert_eq!(error.follower, "sales");
    let text = with_causes(&error);
    assert!(text.starts_with("the application can't start `sales`: `sales` "), "{text}");
    // The inline view before it is no longer part of appends.
    assert!(store.inline_views().unwrap().is_empty());
}

/// A reaction with the name of the view `Sales`.
#[derive(Reaction)]
#[reaction(name = "sales", events(super::shop::OrderPlaced), from(Order))]
struct Taken;

#[handlers]
impl Taken {
    #[react]
    fn placed(&self, _: &super::shop::OrderPlaced) {}
}
