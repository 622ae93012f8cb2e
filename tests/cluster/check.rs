//! What the store has, beside what the programs were told.

use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;

use factum::follow::SqlRow;
use factum::postgres::PostgresProjection;
use factum::postgres::tokio_postgres::Row;
use factum::prelude::*;
use factum::store::Filter;
use factum::{Position, Uuid};
use serde_json::Value;

use crate::bank::{Balances, Ledger};

/// An event as its command was acknowledged: id, position, version and stream.
pub(crate) type Written = (Uuid, u64, u64, String);

/// Every command was answered in the end. So the store has what was acknowledged, `others` that a process has caused, and
/// nothing else.
pub(crate) fn nothing_is_lost_or_doubled(store: &PostgresStore, written: &[Written], others: u64) {
    let mut stored = HashMap::new();
    let mut versions = HashMap::new();
    store
        .read_all(Filter::new(), Position::START, usize::MAX, &mut |event| {
            let envelope = &event.envelope;
            let stream = envelope.stream();
            assert_eq!(envelope.position.get(), stored.len() as u64 + 1, "positions have no gap");
            let version = versions.entry(stream.clone()).or_insert(0);
            *version += 1;
            assert_eq!(envelope.version, *version, "versions of {stream} have no gap");
            let place = (envelope.position.get(), envelope.version, stream.as_str().to_owned());
            assert!(stored.insert(envelope.id, place).is_none(), "an event is stored twice");
            ControlFlow::Continue(())
        })
        .unwrap();
    for (id, position, version, stream) in written {
        let place = stored.get(id);
        assert_eq!(place, Some(&(*position, *version, stream.clone())), "an acknowledged event");
    }
    let all = written.len() as u64 + others;
    assert_eq!(stored.len() as u64, all, "each command was acknowledged once, and has one event");
}

/// The accounts that were opened.
pub(crate) fn accounts(written: &[Written]) -> Vec<String> {
    let first = written.iter().filter(|(_, _, version, _)| *version == 1);
    first.map(|(.., stream)| stream.strip_prefix("account/").expect("an account").to_owned()).collect()
}

/// Cents and number of events of each account.
type Rows = BTreeMap<String, (i64, i64)>;

/// The views that are in the cluster itself have a row for each account, with what its events say.
pub(crate) fn views_in_the_cluster_are_exact(store: &PostgresStore) {
    let mut expected = Rows::new();
    let filter = Filter::new().names(&["opened", "deposited"]);
    store
        .read_all(filter, Position::START, usize::MAX, &mut |event| {
            let payload: Value = serde_json::from_str(event.payload).unwrap();
            let (cents, events) = expected.entry(event.envelope.key.to_owned()).or_default();
            *cents += payload["cents"].as_i64().unwrap_or(0);
            *events += 1;
            ControlFlow::Continue(())
        })
        .unwrap();
    // The newest events may be those of a program without the inline view.
    PostgresProjection::new(store, Balances).unwrap().catch_up().unwrap();
    let balances =
        store.sql_view::<Balances>().query("SELECT account, cents, events FROM balances", &[]).unwrap();
    let row = |row: &SqlRow| (row.get(0).unwrap(), (row.get(1).unwrap(), row.get(2).unwrap()));
    assert!(
        balances.iter().map(row).collect::<Rows>() == expected,
        "the inline view differs from the events"
    );
    let ledger = PostgresProjection::new(store, Ledger).unwrap();
    let sums = format!(
        "SELECT account, sum(cents)::bigint, count(*) FROM \"{}\".entries GROUP BY account",
        ledger.schema()
    );
    let sums = store.begin().unwrap().query(&sums, &[]).unwrap();
    let row = |row: &Row| (row.get(0), (row.get(1), row.get(2)));
    assert!(sums.iter().map(row).collect::<Rows>() == expected, "the view differs from the events");
}
