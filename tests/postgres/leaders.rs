//! Another server leads, and the one that led before still answers, as after it was suspended.

use std::ops::ControlFlow;
use std::thread;
use std::time::Duration;

use factum::postgres::PostgresOptions;
use factum::prelude::*;
use factum::store::{ExpectedVersion, StoreError};

use crate::appends::{append_one, stream};
use crate::server::Server;

/// How long the store looks for a server that leads.
const PATIENCE: Duration = Duration::from_secs(10);

#[test]
fn no_answer_of_an_earlier_leader_counts() {
    let Some(first) = Server::start() else { return };
    let schema = first.new_schema();
    let second = first.start_standby();
    // The second server is asked first, and refuses as long as it is a standby.
    let url = format!("postgresql://postgres@127.0.0.1:{},127.0.0.1:{}/postgres", second.port, first.port);
    let store =
        PostgresOptions::new().schema(&schema).readers(4).outage_timeout(PATIENCE).connect(&url).unwrap();
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
