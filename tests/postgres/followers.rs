//! Followers of several programs: leases, connections that break, and progress in another database.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use factum::follow::{Activity, RunningFollower};
use factum::postgres::PostgresOptions;
use factum::prelude::*;
use factum::sqlite::rusqlite::{self, Transaction};
use factum::store::StoreError;

use crate::LONG;
use crate::account::{Account, Deposited, deposit, id, open};
use crate::process_managers::kills;
use crate::proxy::Proxy;
use crate::server::{Server, on_server};
use crate::support::bounded::wait_until;
use crate::support::kept;
use crate::support::shop::Shop;

/// A lease that ends long after the test.
const ENDLESS: Duration = Duration::from_hours(10);

/// The positions that it has seen, by account.
#[derive(Debug, Default, Clone, Reaction)]
#[reaction(name = "mails", events(Deposited), from(Account), partition_by = stream)]
struct Mails(Arc<Mutex<HashMap<String, Vec<u64>>>>);

#[handlers]
impl Mails {
    #[react]
    fn deposited(&self, _: &Deposited, envelope: &Envelope<'_>) {
        let mut seen = self.0.lock().unwrap();
        seen.entry(envelope.key.to_owned()).or_default().push(envelope.position.get());
    }
}

type Running = RunningFollower<PostgresReaction<Mails>>;

fn start(store: &PostgresStore, mails: &Mails) -> Running {
    let mails = PostgresReaction::new(store, mails.clone()).unwrap();
    mails.follow().lease(ENDLESS).on_failure(OnFailure::DeadLetter).on_change(|_| {}).start().unwrap()
}

fn waits_for_the_lease(running: &Running) -> bool {
    matches!(running.state().activity, Activity::WaitingForLease { .. })
}

/// A holder on another machine, of which only the server knows whether it lives.
#[test]
fn a_lease_ends_with_the_sessions_of_its_program_or_by_the_clock_of_the_server() {
    on_server!(server);
    for by_the_clock in [false, true] {
        let schema = server.new_schema();
        let store = server.store(&schema);
        let accounts = store.repository::<Account>();
        accounts.execute(open("alice")).unwrap();
        let other = server.session();
        other.sql("SELECT pg_advisory_lock_shared(4711)").unwrap();
        let until = "(extract(epoch FROM clock_timestamp() + interval '10 hours') * 1000000)::bigint";
        server.sql(&format!(
            "INSERT INTO {schema}.leases (name, holder, session, until) VALUES ('mails', '\\x00', 4711, {until})"
        ));
        let running = start(&store, &Mails::default());
        wait_until(|| waits_for_the_lease(&running));
        if by_the_clock {
            server.sql(&format!("UPDATE {schema}.leases SET until = {until} - 36000000000"));
        } else {
            drop(other);
        }
        let done = accounts.execute(deposit("alice", 5)).unwrap();
        running.wait_for(done.position().unwrap(), LONG).unwrap();
    }
}

/// A program that is cut off from the server loses its leases, and what it does afterwards changes nothing.
#[test]
fn another_program_takes_over_from_one_that_is_cut_off() {
    on_server!(server);
    let schema = server.new_schema();
    let proxy = Proxy::start(server.port, 3);
    let options = PostgresOptions::new().schema(&schema).outage_timeout(Duration::from_millis(200));
    let (one, two) = (options.connect(&Server::url_at(proxy.port)).unwrap(), server.store(&schema));
    let accounts = two.repository::<Account>();
    accounts.execute(open("alice")).unwrap();
    let mails = Mails::default();
    let first = start(&one, &mails);
    first.wait_for(two.position().unwrap(), LONG).unwrap();
    let second = start(&two, &mails);
    wait_until(|| waits_for_the_lease(&second));
    proxy.cut_off();
    for _ in 0..10 {
        let done = accounts.execute(deposit("alice", 5)).unwrap();
        second.wait_for(done.position().unwrap(), LONG).unwrap();
    }
    assert_eq!(mails.0.lock().unwrap()["alice"], (2..=11).collect::<Vec<_>>());
}

/// The store begins another session for notifications as soon as one is cut, and looks for what it has missed.
#[test]
fn a_follower_hears_of_events_after_its_connections_were_cut() {
    on_server!(server);
    let schema = server.new_schema();
    let proxy = Proxy::start(server.port, 4);
    let options = PostgresOptions::new().schema(&schema).poll_every(ENDLESS);
    let (one, two) = (options.connect(&Server::url_at(proxy.port)).unwrap(), server.store(&schema));
    let accounts = two.repository::<Account>();
    accounts.execute(open("alice")).unwrap();
    let running = start(&one, &Mails::default());
    running.wait_for(two.position().unwrap(), LONG).unwrap();
    for _ in 0..5 {
        proxy.cut_all();
        let done = accounts.execute(deposit("alice", 5)).unwrap();
        running.wait_for(done.position().unwrap(), LONG).unwrap();
    }
}

/// Each event is handled, in the order of its stream, whatever happens to the connections. No event is at fault.
#[test]
fn cut_connections_skip_no_event_of_a_reaction() {
    const CUTS: u32 = 60;
    on_server!(server);
    let schema = server.new_schema();
    let proxies = [1, 2].map(|seed| Proxy::start(server.port, seed));
    let stores = proxies.each_ref().map(|proxy| {
        let options = PostgresOptions::new().schema(&schema).lock_timeout(LONG).outage_timeout(LONG);
        options.connect(&Server::url_at(proxy.port)).unwrap()
    });
    let store = server.store(&schema);
    let accounts = store.repository::<Account>();
    let names = ["a", "b", "c", "d", "e"];
    for name in names {
        accounts.execute(open(name)).unwrap();
    }
    let mails = Mails::default();
    let running = stores.each_ref().map(|store| {
        let mails = PostgresReaction::new(store, mails.clone()).unwrap().workers(2);
        mails.follow().on_failure(OnFailure::DeadLetter).on_change(|_| {}).start().unwrap()
    });
    for proxy in &proxies {
        proxy.cut_one_in(25);
    }
    wait_until(|| {
        for name in names {
            accounts.execute(deposit(name, 1)).unwrap();
        }
        // Otherwise, a fast machine appends more than the reactions can handle in time.
        running[0].wait_for(store.position().unwrap(), LONG).unwrap();
        proxies.iter().map(Proxy::cuts).sum::<u32>() >= CUTS
    });
    for proxy in &proxies {
        proxy.cut_one_in(0);
    }
    let newest = store.position().unwrap();
    for running in running {
        running.wait_for(newest, LONG).unwrap();
        let reaction = running.stop().unwrap();
        assert_eq!(reaction.dead_letters().unwrap(), []);
        assert_eq!(reaction.position().unwrap(), newest);
    }
    let seen = mails.0.lock().unwrap();
    for name in names {
        let mut first_seen = seen[name].clone();
        let mut newest = 0;
        // An event that comes again is one that was handled, and not recorded.
        first_seen.retain(|position| {
            let is_new = *position > newest;
            newest = newest.max(*position);
            is_new
        });
        let history = accounts.history(&id(name)).unwrap().map(|event| event.unwrap().position.get());
        assert_eq!(first_seen, history.skip(1).collect::<Vec<_>>(), "{name}");
    }
}

/// Two programs run an application. Each command happens once, and each order ends right, whatever happens to the connections.
#[test]
fn cut_connections_fulfil_each_order_once() {
    const ORDERS: u32 = 60;
    on_server!(server);
    let folder = tempfile::tempdir().unwrap();
    let shop = Shop::open(folder.path());
    let stock = kills::fill(&shop, ORDERS);
    let proxies = [5, 6].map(|seed| Proxy::start(server.port, seed));
    // One clock: whichever program runs the process at the end sees that the time to pay has passed.
    let shops = proxies.each_ref().map(|proxy| {
        let mut other = Shop::on(folder.path(), kept::open_at(folder.path(), &Server::url_at(proxy.port)));
        other.clock = shop.clock.clone();
        other
    });
    let running = shops.each_ref().map(kills::start);
    for proxy in &proxies {
        proxy.cut_one_in(60);
    }
    for shop in &shops {
        kills::wait_for_all(shop);
    }
    let cuts = proxies.iter().map(Proxy::cuts).sum::<u32>();
    assert!(cuts > 5, "{cuts}");
    for proxy in &proxies {
        proxy.cut_one_in(0);
    }
    drop(running);
    kills::check(&shop, stock, ORDERS);
}

/// Moves a follower while it handles an event. What it records afterwards must not undo that.
#[test]
fn a_rewind_by_another_program_is_not_lost() {
    on_server!(server);
    let schema = server.new_schema();
    let (one, two) = (server.store(&schema), server.store(&schema));
    let accounts = one.repository::<Account>();
    accounts.execute(open("alice")).unwrap();
    let mails = Mails::default();
    let running = start(&one, &mails);
    for round in 1..=30 {
        accounts.execute(deposit("alice", 1)).unwrap();
        PostgresReaction::new(&two, mails.clone()).unwrap().rewind(factum::Position::START).unwrap();
        let newest = accounts.execute(deposit("alice", 1)).unwrap().position().unwrap();
        wait_until(|| {
            let seen = mails.0.lock().unwrap();
            let seen = seen.get("alice").map(Vec::as_slice).unwrap_or_default();
            seen.iter().filter(|position| **position == 2).count() >= round
                && seen.last() == Some(&newest.get())
        });
    }
    drop(running);
}

/// The view is in a file, or in memory, and the events are in the server.
#[test]
fn views_elsewhere_follow_a_store_in_postgresql() {
    #[derive(Projection)]
    #[projection(name = "sums", events(Deposited), from(Account), into = Sqlite)]
    #[projection(init = "CREATE TABLE sums (account TEXT PRIMARY KEY, cents INTEGER NOT NULL)")]
    struct Sums;

    #[handlers]
    impl Sums {
        #[project]
        fn deposited(
            &self,
            event: &Deposited,
            key: &str,
            transaction: &Transaction<'_>,
        ) -> rusqlite::Result<()> {
            let sql =
                "INSERT INTO sums VALUES (?1, ?2) ON CONFLICT DO UPDATE SET cents = cents + excluded.cents";
            transaction.execute(sql, (key, event.cents)).map(drop)
        }
    }

    #[derive(Debug, Default, Projection)]
    #[projection(events(Deposited), from(Account))]
    struct InMemory {
        cents: i64,
    }

    #[handlers]
    impl InMemory {
        #[project]
        fn deposited(&mut self, event: &Deposited) {
            self.cents += event.cents;
        }
    }

    on_server!(server);
    let store = server.new_store();
    let accounts = store.repository::<Account>();
    accounts.execute(open("alice")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let views = SqliteStore::open(folder.path().join("views.db")).unwrap();
    let running = SqliteProjection::in_store(&views, &store, Sums).unwrap().follow().start().unwrap();
    let mut in_memory = MemoryProjection::new(&store, InMemory::default());
    for cents in [5, 6] {
        let done = accounts.execute(deposit("alice", cents)).unwrap();
        running.wait_for(done.position().unwrap(), LONG).unwrap();
    }
    let sum =
        views.query(|view| view.query_row("SELECT cents FROM sums", (), |row| row.get::<_, i64>(0))).unwrap();
    in_memory.catch_up().unwrap();
    assert_eq!((sum, in_memory.view().cents), (11, 11));
    // Another store is not taken for this one.
    let mut view = SqliteProjection::in_store(&views, &server.new_store(), Sums).unwrap();
    let error = factum::with_causes(&view.catch_up().unwrap_err());
    assert!(error.contains("has seen events of the store"), "{error}");
}

/// A store error of a handler is that of the server.
#[test]
fn a_server_that_is_gone_is_not_the_fault_of_an_event() {
    let Some(server) = Server::start() else { return };
    let options = PostgresOptions::new().outage_timeout(Duration::from_millis(300));
    let store = options.connect(&server.url()).unwrap();
    let accounts = store.repository::<Account>();
    accounts.execute(open("alice")).unwrap();
    let mails = Mails::default();
    let running = start(&store, &mails);
    running.wait_for(store.position().unwrap(), LONG).unwrap();
    // The event can't be handled before the server is gone.
    let seen = mails.0.lock().unwrap();
    accounts.execute(deposit("alice", 1)).unwrap();
    server.crash();
    assert!(matches!(store.position(), Err(StoreError::Unreachable(_))));
    drop(seen);
    wait_until(|| matches!(running.state().activity, Activity::Retrying { .. }));
    server.restart();
    let done = accounts.execute(deposit("alice", 5)).unwrap();
    running.wait_for(done.position().unwrap(), LONG).unwrap();
    assert_eq!(running.stop().unwrap().dead_letters().unwrap(), []);
}
