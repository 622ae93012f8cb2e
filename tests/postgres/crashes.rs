//! Connections that break, sessions that are ended, a server that crashes: nothing acknowledged is lost, none is stored twice,
//! positions have no gap, and no append is refused that was stored.

use std::collections::HashMap;
use std::ops::ControlFlow;
#[cfg(unix)]
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use factum::postgres::{PostgresOptions, PostgresStore};
use factum::prelude::*;
use factum::store::{Append, AppendError, ExpectedVersion, Filter, StoreError};
use factum::{Position, StreamName, Uuid};

use crate::LONG;
use crate::appends::{Fact, append_one, stream};
use crate::proxy::Proxy;
use crate::server::{Server, on_server};
use crate::support::bounded::{LONGEST, SetOnDrop, wait_until};

/// An event whose append was acknowledged: where it is said to be.
type Acknowledged = (Uuid, StreamName, u64, u64);

/// Appends to a stream of its own, to new streams, and to a shared one. An append that is refused was stored before: no
/// other writer has the stream.
fn write(store: &PostgresStore, writer: &str, goes_on: impl Fn() -> bool) -> Vec<Acknowledged> {
    let (own, shared) = (stream(writer), stream("shared"));
    let (mut acknowledged, mut version) = (Vec::new(), 0);
    let begun = Instant::now();
    for append in (0..).take_while(|_| goes_on()) {
        assert!(begun.elapsed() < LONGEST, "the test does not end");
        let facts = [Fact::new(), Fact::new()];
        let events = facts.each_ref().map(Fact::event);
        let new = stream(&format!("{writer}-{append}"));
        let appends = match append % 3 {
            0 => vec![Append::new(&own, version, &events)],
            1 => vec![Append::new(&new, 0, &events[..1])],
            _ => vec![
                Append::new(&own, version, &events[..1]),
                Append::new(&shared, ExpectedVersion::Any, &events[1..]),
            ],
        };
        let appended = store.append(&appends).unwrap_or_else(|error| {
            panic!("{writer}, append {append}: {}", factum::with_causes(&error));
        });
        let mut position = appended.first_position.unwrap().get();
        let mut facts = facts.iter();
        for (append, after) in appends.iter().zip(&appended.versions) {
            let before = after - append.events.len() as u64;
            for (fact, version) in facts.by_ref().take(append.events.len()).zip(before + 1..) {
                acknowledged.push((fact.id, append.stream.clone(), version, position));
                position += 1;
            }
            if *append.stream == own {
                version = *after;
            }
        }
    }
    acknowledged
}

fn check(store: &PostgresStore, acknowledged: &[Acknowledged]) {
    let mut stored = HashMap::new();
    let mut newest = 0;
    store
        .read_all(Filter::new(), Position::START, usize::MAX, &mut |event| {
            let envelope = &event.envelope;
            newest += 1;
            assert_eq!(envelope.position.get(), newest, "positions have no gap");
            let place = (envelope.stream(), envelope.version, envelope.position.get());
            assert!(stored.insert(envelope.id, place).is_none(), "an event is stored twice");
            ControlFlow::Continue(())
        })
        .unwrap();
    for (id, stream, version, position) in acknowledged {
        assert_eq!(stored.get(id), Some(&(stream.clone(), *version, *position)), "an acknowledged event");
    }
    assert_eq!(
        stored.len(),
        acknowledged.len(),
        "every event was acknowledged, as every append was answered"
    );
    assert_eq!(store.position().unwrap().get(), newest);
}

fn connect(server: &Server, port: u16, schema: &str) -> PostgresStore {
    assert!(port > 0 && server.port > 0);
    let options = PostgresOptions::new().schema(schema).lock_timeout(LONG).outage_timeout(LONG);
    options.connect(&Server::url_at(port)).unwrap()
}

#[test]
fn cut_connections_lose_and_double_nothing() {
    const CUTS: u32 = 80;
    on_server!(server);
    let schema = server.new_schema();
    let proxies = [1, 2].map(|seed| Proxy::start(server.port, seed));
    let stores = proxies.each_ref().map(|proxy| connect(server, proxy.port, &schema));
    for proxy in &proxies {
        proxy.cut_one_in(30);
    }
    let cuts = || proxies.iter().map(Proxy::cuts).sum::<u32>();
    let acknowledged: Vec<_> = thread::scope(|scope| {
        let writers: Vec<_> = (0..10)
            .map(|number| {
                let (store, cuts) = (&stores[number % 2], &cuts);
                scope.spawn(move || write(store, &format!("w{number}"), || cuts() < CUTS))
            })
            .collect();
        writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect()
    });
    check(&server.store(&schema), &acknowledged);
}

#[test]
fn ended_sessions_lose_and_double_nothing() {
    on_server!(server);
    let schema = server.new_schema();
    let stores = [server.store(&schema), server.store(&schema)];
    let is_over = AtomicBool::new(false);
    let acknowledged: Vec<_> = thread::scope(|scope| {
        let writers: Vec<_> = (0..8)
            .map(|number| {
                let (store, is_over) = (&stores[number % 2], &is_over);
                scope.spawn(move || write(store, &format!("w{number}"), || !is_over.load(Ordering::SeqCst)))
            })
            .collect();
        let session = server.session();
        let end = format!(
            "SELECT pg_terminate_backend(pid) FROM pg_locks
             WHERE locktype = 'relation' AND relation = '{schema}.counter'::regclass AND mode = 'RowExclusiveLock'"
        );
        let over = SetOnDrop(&is_over);
        let mut ended = 0;
        wait_until(|| {
            ended += session.sql(&end).unwrap().len();
            ended >= 40
        });
        drop(over);
        writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect()
    });
    check(&server.store(&schema), &acknowledged);
}

#[test]
fn a_crash_of_the_server_loses_and_doubles_nothing() {
    let Some(server) = Server::start() else { return };
    let schema = server.new_schema();
    let stores = [connect(&server, server.port, &schema), connect(&server, server.port, &schema)];
    let is_over = AtomicBool::new(false);
    let acknowledged: Vec<_> = thread::scope(|scope| {
        let writers: Vec<_> = (0..8)
            .map(|number| {
                let (store, is_over) = (&stores[number % 2], &is_over);
                scope.spawn(move || write(store, &format!("w{number}"), || !is_over.load(Ordering::SeqCst)))
            })
            .collect();
        let over = SetOnDrop(&is_over);
        for _ in 0..3 {
            let newest = stores[0].position().unwrap();
            assert!(stores[0].wait_for(newest.next(), LONG).unwrap() > newest, "the writers go on");
            thread::sleep(Duration::from_millis(100));
            server.crash();
            server.restart();
        }
        drop(over);
        writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect()
    });
    check(&server.store(&schema), &acknowledged);
}

/// While the server is away, calls wait for it, and then say that it can't be reached.
#[test]
fn a_server_that_stays_away_is_an_error() {
    let Some(server) = Server::start() else { return };
    let options = PostgresOptions::new().outage_timeout(Duration::from_millis(500));
    let store = options.connect(&server.url()).unwrap();
    append_one(&store, &stream("a"), 0).unwrap();
    server.crash();
    let error = append_one(&store, &stream("a"), 1).unwrap_err();
    let AppendError::Store { source, .. } = error else { panic!("{error:?}") };
    // The outcome is open if the append was sent before the store knew of the crash.
    assert!(matches!(source, StoreError::Unreachable(_) | StoreError::CommitUnknown(_)), "{source:?}");
    let error = store.position().unwrap_err();
    assert!(matches!(error, StoreError::Unreachable(_)), "{error:?}");
    server.restart();
    assert_eq!(store.position().unwrap(), Position::new(1));
    assert_eq!(append_one(&store, &stream("a"), 1).unwrap(), 2);
}

/// An append is acknowledged once the standbys have it. If the wait for them is cancelled, its outcome is open. If the session
/// ends meanwhile, the append is found, and the wait begins again.
#[test]
fn an_append_waits_for_standbys() {
    let Some(server) = Server::start() else { return };
    let store = server.store(&server.new_schema());
    let standbys = |names: &str| {
        server.sql(&format!("ALTER SYSTEM SET synchronous_standby_names = '{names}'"));
        server.sql("SELECT pg_reload_conf()");
        wait_until(|| server.sql("SHOW synchronous_standby_names") == [names]);
    };
    let waiting = |but: &str| {
        let pids = server.sql("SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep'");
        pids.into_iter().find(|pid| pid != but)
    };
    let append = || append_one(&store, &stream("a"), ExpectedVersion::Any);
    append().unwrap();
    standbys("missing");
    thread::scope(|scope| {
        // The server needs a moment until it waits for standbys.
        let append_that_waits = || loop {
            let append = scope.spawn(append);
            while !append.is_finished() {
                if let Some(pid) = waiting("") {
                    return (append, pid);
                }
            }
            append.join().unwrap().unwrap();
        };
        let (append, pid) = append_that_waits();
        server.sql(&format!("SELECT pg_cancel_backend({pid})"));
        let error = append.join().unwrap().unwrap_err();
        assert!(
            matches!(error, AppendError::Store { source: StoreError::CommitUnknown(_), .. }),
            "{error:?}"
        );
        let (append, ended) = append_that_waits();
        server.sql(&format!("SELECT pg_terminate_backend({ended})"));
        // The new session waits for the standbys as well.
        wait_until(|| {
            assert!(!append.is_finished(), "the append does not wait");
            waiting(&ended).is_some()
        });
        standbys("");
        assert_eq!(append.join().unwrap().unwrap(), store.position().unwrap().get());
    });
}

/// A commit that waits for the standbys is not seen before they have it, also if its connection breaks meanwhile: the loss of
/// the server would undo it.
#[test]
fn a_commit_that_waits_for_standbys_is_not_seen_if_its_connection_breaks() {
    let Some(server) = Server::start() else { return };
    let (schema, proxy) = (server.new_schema(), Proxy::start(server.port, 1));
    let options = PostgresOptions::new().schema(&schema).lock_timeout(LONG).outage_timeout(LONG);
    let url = format!("{}?sslmode=disable", Server::url_at(proxy.port));
    let store = options.connect(&url).unwrap();
    append_one(&store, &stream("a"), 0).unwrap();
    server.sql("ALTER SYSTEM SET synchronous_standby_names = 'missing'");
    server.sql("SELECT pg_reload_conf()");
    wait_until(|| server.sql("SHOW synchronous_standby_names") == ["missing"]);
    let waiting = || server.sql("SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep'");
    let events = || server.sql(&format!("SELECT count(*) FROM {schema}.events"));
    thread::scope(|scope| {
        // The server needs a moment until it waits for standbys.
        let (append, stored) = loop {
            let stored = events();
            let append = scope.spawn(|| append_one(&store, &stream("a"), ExpectedVersion::Any));
            wait_until(|| append.is_finished() || !waiting().is_empty());
            if !append.is_finished() {
                break (append, stored);
            }
            append.join().unwrap().unwrap();
        };
        let before = waiting();
        proxy.cut_all();
        // The store looks for the end of the session, again and again.
        let sent = proxy.statements();
        wait_until(|| {
            assert_eq!((waiting(), events()), (before.clone(), stored.clone()));
            proxy.statements() >= sent + 20
        });
        server.sql("ALTER SYSTEM RESET synchronous_standby_names");
        server.sql("SELECT pg_reload_conf()");
        assert_eq!(append.join().unwrap().unwrap(), store.position().unwrap().get());
        assert_ne!(events(), stored);
    });
}

/// A signal that comes before the wait for the standbys would end that wait as well.
#[cfg(unix)]
#[test]
fn a_commit_whose_connection_breaks_before_it_waits_for_standbys_is_not_seen() {
    // The server rests for 100 milliseconds in each commit, before it writes to the disk.
    let Some(server) = Server::start_with("commit_delay = 100000\ncommit_siblings = 0\n") else { return };
    server.sql("CREATE TABLE public.notes (id bigint)");
    let (schema, proxy) = (server.new_schema(), Proxy::start(server.port, 1));
    let options = PostgresOptions::new().schema(&schema).lock_timeout(LONG).outage_timeout(LONG);
    let store = options.connect(&format!("{}?sslmode=disable", Server::url_at(proxy.port))).unwrap();
    append_one(&store, &stream("a"), 0).unwrap();
    let append = || {
        append_one(&store, &stream("a"), ExpectedVersion::Any).unwrap();
    };
    let write = || {
        let transaction = store.begin().unwrap();
        transaction.queue("INSERT INTO public.notes VALUES (1)", &[]).unwrap();
        transaction.commit().unwrap();
    };
    let works: [(&(dyn Fn() + Sync), _); 2] = [(&append, "SELECT%append%"), (&write, "%COMMIT")];
    for (work, query) in works {
        while !is_unseen_if_its_connection_breaks(&server, &proxy, &schema, work, query) {}
    }
}

/// Breaks the connection of a commit. Returns false if the server had not yet begun with it.
#[cfg(unix)]
fn is_unseen_if_its_connection_breaks(
    server: &Server,
    proxy: &Proxy,
    schema: &str,
    work: &(dyn Fn() + Sync),
    query: &str,
) -> bool {
    let session = server.session();
    let sql = |sql: &str| session.sql(sql).unwrap();
    let stored =
        || sql(&format!("SELECT count(*) FROM {schema}.events UNION ALL SELECT count(*) FROM public.notes"));
    let waiting = || sql("SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep'");
    server.sql("ALTER SYSTEM SET synchronous_standby_names = 'missing'");
    server.sql("SELECT pg_reload_conf()");
    // The server needs a moment until it waits for standbys.
    thread::scope(|scope| {
        let commit = || server.sql("SELECT pg_logical_emit_message(true, 'of test', '')");
        let mut commits = scope.spawn(commit);
        loop {
            if let Some(pid) = waiting().pop() {
                sql(&format!("SELECT pg_cancel_backend({pid})"));
                return;
            }
            if commits.is_finished() {
                commits = scope.spawn(commit);
            }
        }
    });
    let before = stored();
    thread::scope(|scope| {
        let works = scope.spawn(work);
        let commits = format!(
            "SELECT pid FROM pg_stat_activity WHERE state = 'active' AND backend_xid IS NOT NULL AND query LIKE '{query}'"
        );
        let pid = loop {
            if let Some(pid) = sql(&commits).pop() {
                break pid;
            }
        };
        let signal = |signal: &str| Command::new("kill").args([signal, &*pid]).status().unwrap();
        // Statements before the commit are shorter than this.
        thread::sleep(Duration::from_millis(30));
        signal("-STOP");
        proxy.cut_all();
        // The store looks for the end of the session, again and again.
        let sent = proxy.statements();
        while proxy.statements() < sent + 12 {
            thread::sleep(Duration::from_millis(5));
        }
        signal("-CONT");
        let waits = loop {
            assert_eq!(stored(), before, "a commit is seen that no standby has");
            if let Some(waits) = waiting().pop() {
                break waits;
            }
        };
        server.sql("ALTER SYSTEM RESET synchronous_standby_names");
        server.sql("SELECT pg_reload_conf()");
        works.join().unwrap();
        assert_ne!(stored(), before);
        waits == pid
    })
}
