//! Events that are stored before the clock starts.

use eventcore::StreamId;
use eventcore_sqlite::SqliteEventStore;
use eventcore_types::{EventStore, StreamVersion, StreamWrites};

use crate::account::{self, AccountEvent};
use crate::database::{Contents, Database};

pub(crate) const PER_ACCOUNT: usize = 100;

/// Appends streams of `per_account` deposits, each stream in one append.
///
/// The store is closed again: the measured work begins with a connection that has read nothing.
pub(crate) async fn events(database: &Database, count: usize, per_account: usize) -> Vec<StreamId> {
    let store = database.store().await;
    let accounts = account::account_ids(count.div_ceil(per_account));
    let numbers: Vec<usize> = (0..count).collect();
    for (account, numbers) in accounts.iter().zip(numbers.chunks(per_account)) {
        append(&store, account, numbers).await;
    }
    drop(store);

    let contents = database.contents();
    assert_eq!(contents, Contents { events: count, accounts: accounts.len(), total: account::total(count) });
    accounts
}

async fn append(store: &SqliteEventStore, account: &StreamId, numbers: &[usize]) {
    let empty = StreamWrites::new()
        .register_stream(account.clone(), StreamVersion::new(0))
        .expect("a stream is registered once");
    let writes = numbers.iter().fold(empty, |writes, number| {
        let event = AccountEvent::deposited(account.clone(), account::amount(*number));
        writes.append(event).expect("the event goes to its own stream")
    });
    let _ = store.append_events(writes).await.expect("the events are appended");
}
