//! Copies of stores in tasks.

use factum::copy::{Change, CopyError};
use factum::prelude::*;

use crate::account::{Account, open};
use crate::{runtime, stores};

#[test]
fn a_task_copies_a_store() {
    let (stores, _folder) = stores();
    for from in stores {
        from.repository::<Account>().execute(open("alice")).unwrap();
        let to = MemoryStore::new();
        let runtime = runtime();
        let copied = runtime.block_on(runtime.spawn(factum::copy(from.clone(), to.clone()).run_async()));
        let report = copied.unwrap().unwrap();
        assert_eq!((report.events, to.position().unwrap()), (1, from.position().unwrap()));
        let failing = factum::copy(from, MemoryStore::new()).changing(|event| {
            event.payload.clear();
            Ok(Change::Keep)
        });
        let failed = runtime.block_on(runtime.spawn(failing.run_async())).unwrap();
        assert!(matches!(failed, Err(CopyError::NotJson { .. })));
    }
}
