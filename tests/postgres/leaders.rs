//! Another server leads. The one that led before is silent, or still answers, as after it was suspended.

use std::net::TcpListener;
use std::ops::ControlFlow;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use factum::follow::{FollowerOptions, KeepsTables as _};
use factum::postgres::PostgresOptions;
use factum::prelude::*;
use factum::store::{ExpectedVersion, StoreError};

use crate::LONG;
use crate::account::{Account, open};
use crate::appends::{append_one, stream};
use crate::proxy::Proxy;
use crate::server::{Server, on_server};
use crate::support::bounded::wait_until;
use crate::support::sql_views::{SqlBalances, balances, row};

/// How long the store looks for a server that leads.
const PATIENCE: Duration = Duration::from_secs(10);

/// A time that is over long after the test.
const ENDLESS: Duration = Duration::from_hours(10);

/// Does something that may last for ever.
fn in_background<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Receiver<T> {
    let (done, result) = mpsc::channel();
    thread::spawn(move || done.send(work()));
    result
}

fn url(ports: [u16; 2]) -> String {
    format!("postgresql://postgres@127.0.0.1:{},127.0.0.1:{}/postgres", ports[0], ports[1])
}

/// Waits until a server has what a query asks for.
fn wait_for(server: &Server, query: &str, answer: &str) {
    wait_until(|| server.sql(query) == [answer]);
}

/// A host that takes connections and never answers, as a machine that is suspended.
#[test]
fn a_silent_host_keeps_the_store_from_no_other() {
    on_server!(server);
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = url([silent.local_addr().unwrap().port(), server.port]);
    let options = PostgresOptions::new().schema(server.new_schema()).connect_timeout(ENDLESS);
    let store = in_background(move || options.connect(&url)).recv_timeout(LONG).unwrap().unwrap();
    assert_eq!(append_one(&store, &stream("a"), 0).unwrap(), 1);
}

/// A standby becomes leader while another host is silent.
#[test]
fn a_host_is_asked_again_while_another_one_is_silent() {
    let Some(first) = Server::start() else { return };
    let second = first.start_standby();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = url([silent.local_addr().unwrap().port(), second.port]);
    let options = PostgresOptions::new().connect_timeout(ENDLESS);
    let store = in_background(move || options.connect(&url));
    // It was asked, and has refused.
    wait_for(&second, "SELECT (sessions > 1)::text FROM pg_stat_database WHERE datname = 'postgres'", "true");
    second.sql("SELECT pg_promote()");
    store.recv_timeout(LONG).unwrap().unwrap();
}

/// The leader is suspended while it has statements of the program, and another one leads.
#[test]
fn calls_that_wait_for_a_silent_leader_are_answered_by_the_next_one() {
    let Some(first) = Server::start() else { return };
    let second = first.start_standby();
    let proxy = Proxy::start(first.port, 1);
    let schema = first.new_schema();
    let options = PostgresOptions::new().schema(&schema).connect_timeout(ENDLESS);
    let options = options.statement_timeout(ENDLESS).outage_timeout(ENDLESS);
    let store = options.connect(&url([proxy.port, second.port])).unwrap();
    append_one(&store, &stream("a"), 0).unwrap();
    let count = format!("SELECT count(*) FROM {schema}.events");
    while second.sql(&format!("SELECT to_regclass('{schema}.events')")) == [""] {}
    wait_for(&second, &count, "1");
    proxy.hold_answers(true);
    let (reader, writer) = (store.clone(), store.clone());
    let version = in_background(move || reader.stream_version(&stream("a")));
    let appended = in_background(move || append_one(&writer, &stream("b"), 0));
    // The append may reach the second server as well, or be sent to it again.
    wait_for(&first, &count, "2");
    second.sql("SELECT pg_promote()");
    assert_eq!(version.recv_timeout(LONG).unwrap().unwrap(), 1);
    assert_eq!(appended.recv_timeout(LONG).unwrap().unwrap(), 1);
    assert_eq!(second.sql(&count), ["2"]);
    proxy.hold_answers(false);
}

/// While a statement takes long, the other host is asked again and again whether it leads, in one session.
#[test]
fn a_long_statement_opens_few_sessions() {
    const ASKED: u64 = 10;
    on_server!(server);
    let proxy = Proxy::start(server.port, 1);
    let options = PostgresOptions::new().schema(server.new_schema());
    let options = options.statement_timeout(LONG).lock_timeout(LONG);
    let store = options.connect(&format!("{}?sslmode=disable", url([server.port, proxy.port]))).unwrap();
    let lock = server.session();
    lock.sql("SELECT pg_advisory_lock(4711)").unwrap();
    let waits = in_background(move || store.begin()?.query("SELECT pg_advisory_xact_lock(4711)", &[]));
    while proxy.statements() < ASKED {
        assert!(proxy.connections() < 2, "{} sessions", proxy.connections());
        thread::sleep(Duration::from_millis(10));
    }
    lock.sql("SELECT pg_advisory_unlock(4711)").unwrap();
    assert_eq!(waits.recv_timeout(LONG).unwrap().unwrap().len(), 1);
}

/// The leader is lost in the commit of an append with an inline view. The next one says what has become of it, also if the
/// append has only a key, as the command has changed nothing.
#[test]
fn an_append_with_an_inline_view_gets_its_answer_from_the_next_leader() {
    for (has_it, account) in [(true, "b"), (false, "b"), (true, "a"), (false, "a")] {
        let Some(first) = Server::start() else { return };
        let second = first.start_standby();
        let proxy = Proxy::start(first.port, 1);
        let schema = first.new_schema();
        let options = PostgresOptions::new().schema(&schema).lock_timeout(LONG);
        let store = options.outage_timeout(LONG).connect(&url([proxy.port, second.port])).unwrap();
        let _running = store.inline(SqlBalances::default(), &FollowerOptions::new()).unwrap();
        store.repository::<Account>().execute(open("a")).unwrap();
        // The commit waits for a lock.
        first.sql(&format!(
            "CREATE FUNCTION {schema}.of_test() RETURNS trigger LANGUAGE plpgsql
                 AS $$ BEGIN PERFORM pg_advisory_xact_lock(42); RETURN new; END $$;
             CREATE CONSTRAINT TRIGGER of_test AFTER INSERT ON {schema}.keys DEFERRABLE INITIALLY DEFERRED
                 FOR EACH ROW EXECUTE FUNCTION {schema}.of_test()"
        ));
        wait_for(&second, "SELECT count(*) FROM pg_trigger WHERE tgname = 'of_test'", "1");
        let lock = first.session();
        lock.sql("SELECT pg_advisory_lock(42)").unwrap();
        let accounts = store.repository::<Account>();
        let opened = in_background(move || {
            let options = ExecuteOptions::new().idempotency_key("open");
            accounts.execute_with(open(account), &options).map(|done| done.version())
        });
        wait_for(&first, "SELECT count(*) FROM pg_locks WHERE objid = 42 AND NOT granted", "1");
        let keys = format!("SELECT count(*) FROM {schema}.keys");
        proxy.hold_answers(true);
        if has_it {
            drop(lock);
            wait_for(&second, &keys, "1");
        }
        second.sql("SELECT pg_promote()");
        assert_eq!(opened.recv_timeout(LONG).unwrap().unwrap(), 1);
        assert_eq!(second.sql(&keys), ["1"]);
        let mut expected = row("a", 0, 1);
        expected.extend(row(account, 0, 1));
        assert_eq!(balances(&store), expected);
        let events = format!("SELECT count(*) FROM {schema}.events");
        assert_eq!(second.sql(&events), [expected.len().to_string()]);
        proxy.hold_answers(false);
    }
}

#[test]
fn no_answer_of_an_earlier_leader_counts() {
    let Some(first) = Server::start() else { return };
    let schema = first.new_schema();
    let second = first.start_standby();
    // The second server is asked first, and refuses as long as it is a standby.
    let options = PostgresOptions::new().schema(&schema).readers(4).outage_timeout(PATIENCE);
    let store = options.connect(&url([second.port, first.port])).unwrap();
    let a = stream("a");
    append_one(&store, &a, 0).unwrap();
    // All readers have sessions with the first server.
    for _ in 0..16 {
        assert_eq!(store.stream_version(&a).unwrap(), 1);
    }
    let version = format!("SELECT max(version) FROM {schema}.events");
    while second.sql(&format!("SELECT to_regclass('{schema}.events')")) == [""]
        || second.sql(&version) != ["1"]
    {
        thread::sleep(Duration::from_millis(10));
    }
    second.sql("SELECT pg_promote()");

    // Only the session that writes is lost.
    let lost = first.sql(
        "SELECT pg_terminate_backend(pid) FROM pg_locks JOIN pg_database AS d ON d.oid = database
         WHERE locktype = 'advisory' AND objsubid = 1 AND granted AND mode = 'ExclusiveLock'
           AND datname = current_database()",
    );
    assert_eq!(lost.len(), 1);
    for version in 1..20 {
        assert_eq!(append_one(&store, &a, ExpectedVersion::Any).unwrap(), version + 1);
        assert_eq!(store.stream_version(&a).unwrap(), version + 1);
        let mut seen = 0;
        store
            .read_stream(&a, 0, usize::MAX, &mut |_| {
                seen += 1;
                ControlFlow::Continue(())
            })
            .unwrap();
        assert_eq!(seen, version + 1);
    }
    assert_eq!([&first, &second].map(|server| server.sql(&version)), [["1"], ["20"]]);

    // Old events are no answer either, if the earlier leader is the only one that is left.
    second.crash();
    let error = store.stream_version(&a).unwrap_err();
    assert!(matches!(error, StoreError::Unreachable(_) | StoreError::ReadOnly), "{error:?}");
    second.restart();
    assert_eq!(store.stream_version(&a).unwrap(), 20);
}
