//! Reads from a standby.

use factum::CacheOptions;
use factum::Position;
use factum::postgres::{ConnectError, PostgresOptions, PostgresStore};
use factum::prelude::*;
use factum::store::StoreError;

use crate::LONG;
use crate::account::{Account, deposit, id, open};
use crate::appends::{append_one, stream};
use crate::server::Server;
use crate::support::bounded::wait_until;

/// A server and its standby.
struct Pair {
    primary: Server,
    standby: Server,
}

impl Pair {
    fn start() -> Option<Self> {
        let primary = Server::start()?;
        let standby = primary.start_standby();
        Some(Self { primary, standby })
    }

    /// A program that reads from the standby.
    fn store(&self, name: &str) -> PostgresStore {
        let url = format!(
            "postgresql://postgres@127.0.0.1:{},127.0.0.1:{}/postgres?application_name={name}",
            self.primary.port, self.standby.port
        );
        PostgresOptions::new().read_from_standbys(true).connect(&url).unwrap()
    }

    /// Whether the standby shows what is new.
    fn replays(&self, replays: bool) {
        let word = if replays { "resume" } else { "pause" };
        self.standby.sql(&format!("SELECT pg_wal_replay_{word}()"));
        let state = if replays { "not paused" } else { "paused" };
        while self.standby.sql("SELECT pg_get_wal_replay_pause_state()") != [state] {}
    }

    /// Waits until the standby has all that the primary has now.
    fn wait_until_replayed(&self) {
        let newest = self.primary.sql("SELECT pg_current_wal_lsn()::text").remove(0);
        let has_it = format!("SELECT (pg_last_wal_replay_lsn() >= '{newest}')::text");
        wait_until(|| self.standby.sql(&has_it) == ["true"]);
    }

    /// Reads until the standby is asked: at first it may lack the tables, and is not asked again at once.
    fn read_until_asked(&self, name: &str, read: impl Fn()) {
        wait_until(|| {
            read();
            self.sessions_with_standby(name) > 0
        });
    }

    /// How many sessions a program has with the standby.
    fn sessions_with_standby(&self, name: &str) -> usize {
        self.standby.sql(&format!("SELECT pid FROM pg_stat_activity WHERE application_name = '{name}'")).len()
    }
}

#[test]
fn a_program_reads_its_own_writes_from_a_standby() {
    let Some(pair) = Pair::start() else { return };
    let store = pair.store("own");
    let accounts = store.repository::<Account>().with_cache(CacheOptions::aggregates(0));
    accounts.execute(open("a")).unwrap();
    pair.read_until_asked("own", || assert_eq!(accounts.load(&id("a")).unwrap().version(), 1));
    for cents in 1..=100 {
        let done = accounts.execute(deposit("a", 1)).unwrap();
        assert_eq!(accounts.load(&id("a")).unwrap().state().cents, cents);
        assert_eq!(store.wait_for(done.position().unwrap(), LONG).unwrap(), done.position().unwrap());
    }
}

/// A standby that lags behind is not asked for what it can't have yet.
#[test]
fn what_a_standby_does_not_have_is_read_elsewhere() {
    let Some(pair) = Pair::start() else { return };
    let (store, other) = (pair.store("here"), pair.store("there"));
    append_one(&store, &stream("a"), 0).unwrap();
    pair.read_until_asked("here", || assert_eq!(store.stream_version(&stream("a")).unwrap(), 1));
    pair.replays(false);
    append_one(&store, &stream("a"), 1).unwrap();
    assert_eq!(store.stream_version(&stream("a")).unwrap(), 2);
    // What another program has appended is seen once it was waited for.
    append_one(&other, &stream("a"), 2).unwrap();
    assert_eq!(store.wait_for(Position::new(3), LONG).unwrap(), Position::new(3));
    assert_eq!(store.stream_version(&stream("a")).unwrap(), 3);
    let id = store.event_id(Position::new(3)).unwrap();
    assert!(id.is_some());
    pair.replays(true);
    assert_eq!(store.event_id(Position::new(3)).unwrap(), id);
}

/// A command that was refused because of events that the standby lacks is decided on these in its next try.
#[test]
fn a_retry_reads_what_the_command_has_conflicted_with() {
    let Some(pair) = Pair::start() else { return };
    let [here, there] = ["here", "there"]
        .map(|name| pair.store(name).repository::<Account>().with_cache(CacheOptions::aggregates(0)));
    here.execute(open("a")).unwrap();
    here.load(&id("a")).unwrap();
    pair.replays(false);
    there.execute_with(deposit("a", 5), &ExecuteOptions::new().retry(1)).unwrap();
    let done = here.execute_with(deposit("a", 7), &ExecuteOptions::new().retry(1)).unwrap();
    assert_eq!((done.version(), done.state().cents), (3, 12));
}

/// Reads go on when the standby is gone, and go back to it when it is there again.
#[test]
fn reads_do_not_need_the_standby() {
    let Some(pair) = Pair::start() else { return };
    let store = pair.store("own");
    append_one(&store, &stream("a"), 0).unwrap();
    pair.standby.crash();
    assert_eq!(store.stream_version(&stream("a")).unwrap(), 1);
    pair.standby.restart();
    pair.read_until_asked("own", || assert_eq!(store.stream_version(&stream("a")).unwrap(), 1));
}

/// A standby alone is a server without writes. Once it is promoted, appends that wait for a server go on there.
#[test]
fn appends_go_on_after_a_failover() {
    let Some(pair) = Pair::start() else { return };
    let at_standby = PostgresOptions::new().connect(&Server::url_at(pair.standby.port));
    assert!(matches!(at_standby, Err(ConnectError::Store(StoreError::ReadOnly))), "{at_standby:?}");
    let store = pair.store("own");
    append_one(&store, &stream("a"), 0).unwrap();
    pair.wait_until_replayed();
    pair.primary.crash();
    std::thread::scope(|scope| {
        let append = scope.spawn(|| append_one(&store, &stream("a"), 1));
        pair.standby.sql("SELECT pg_promote()");
        assert_eq!(append.join().unwrap().unwrap(), 2);
    });
    assert_eq!(store.position().unwrap(), Position::new(2));
    assert_eq!(store.stream_version(&stream("a")).unwrap(), 2);
}
