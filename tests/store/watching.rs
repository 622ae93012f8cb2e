//! Readers that wait without a thread: a store wakes them after each append.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::task::{Wake, Waker};

use factum::prelude::*;
use factum::store::ExpectedVersion::Any;

use crate::support::events::{append, stream};
use crate::support::stores::{LONG, open_store};

struct Bell(Mutex<Sender<()>>);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        // The test may have ended.
        let _ = self.0.lock().unwrap().send(());
    }
}

fn bell() -> (Waker, Receiver<()>) {
    let (sender, receiver) = channel();
    (Arc::new(Bell(Mutex::new(sender))).into(), receiver)
}

#[test]
fn each_append_wakes_the_watchers() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("events.db");
    let (store, other) = (open_store(&file), open_store(&file));
    let (sqlite, memory) = (SqliteStore::in_memory().unwrap(), MemoryStore::new());
    // The store of another process learns of an append only from the file. So does another store of this one.
    let cases: [(&dyn EventStore, &dyn EventStore); 4] =
        [(&memory, &memory), (&sqlite, &sqlite), (&store, &store), (&other, &store)];
    for (watched, written) in cases {
        let (waker, rings) = bell();
        assert!(watched.watch(&waker).unwrap());
        for _ in 0..3 {
            append(&written, &stream("a"), Any, &["1"]).unwrap();
            rings.recv_timeout(LONG).unwrap();
        }
        watched.unwatch(&waker);
        drop(waker);
        // The store has dropped its clones of the waker.
        while rings.recv_timeout(LONG).is_ok() {}
        assert!(rings.try_recv().is_err());
    }
}

#[test]
fn a_waker_that_panics_harms_no_append() {
    struct Bomb;

    impl Wake for Bomb {
        fn wake(self: Arc<Self>) {
            panic!("a waker");
        }
    }

    let stores: [&dyn EventStore; 2] = [&MemoryStore::new(), &SqliteStore::in_memory().unwrap()];
    for store in stores {
        let (waker, rings) = bell();
        assert!(store.watch(&Arc::new(Bomb).into()).unwrap() && store.watch(&waker).unwrap());
        append(&store, &stream("a"), Any, &["1"]).unwrap();
        rings.recv_timeout(LONG).unwrap();
    }
}
