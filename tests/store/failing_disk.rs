//! A disk that fails while a commit is written.

use std::path::Path;

use factum::prelude::*;
use factum::store::ExpectedVersion::Any;
use factum::store::{AppendError, StoreError};
use tempfile::TempDir;

use crate::support::account::{Account, deposit, id, open};
use crate::support::events::{append, read_all, stream};
use crate::support::job::{Job, say};
use crate::support::stores::open_store;

/// The system refuses to let the log grow further.
#[test]
fn an_error_of_the_commit_leaves_the_outcome_open() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("bank.db");
    let said = Job::start_with_small_files("append-to-the-limit", &file).finish();
    let [acknowledged] = &*said else { panic!("{said:?}") };
    let acknowledged: usize = acknowledged.parse().unwrap();
    let store = open_store(&file);
    assert!(acknowledged > 1);
    assert_eq!(read_all(&store).unwrap().len(), acknowledged);
    assert_eq!(store.check().unwrap(), []);
}

/// Appends until the system lets no file grow, and says how many appends were acknowledged.
pub(crate) fn append_to_the_limit(file: &Path) {
    let store = open_store(file);
    let accounts = store.repository::<Account>();
    accounts.execute(open("a")).unwrap();
    let mut acknowledged = 1;
    let error = loop {
        match accounts.execute(deposit("a", 1)) {
            Ok(_) => acknowledged += 1,
            Err(error) => break error,
        }
    };
    assert!(
        matches!(
            error,
            ExecuteError::Append(AppendError::Store { source: StoreError::CommitUnknown(_), .. })
        ),
        "{error:?}"
    );
    let text = factum::with_causes(&error);
    assert!(text.contains("idempotency key"), "{text}");
    assert_eq!(accounts.load(&id("a")).unwrap().version(), acknowledged);
    // Several callers share a commit that fails: none of them gets a certain answer.
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let store = &store;
            scope.spawn(move || match append(store, &stream(&writer.to_string()), Any, &["1"]) {
                Err(AppendError::Store { source: StoreError::CommitUnknown(_), .. }) => {}
                other => panic!("{other:?}"),
            });
        }
    });
    say(acknowledged);
}
