//! A store knows which streams its file has. Whatever others write, it takes none for a new one.

use factum::prelude::*;
use factum::store::ExpectedVersion::{Any, NoStream};

use crate::support::events::{append, stream};
use crate::support::stores::{open_store, restore};

/// Looks for streams that do not exist, until the store knows them without a look at the file.
fn look(store: &SqliteStore) {
    for number in 0..200 {
        assert_eq!(store.stream_version(&stream(&format!("none-{number}"))).unwrap(), 0);
    }
}

fn version(store: &SqliteStore, key: &str) -> u64 {
    store.stream_version(&stream(key)).unwrap()
}

#[test]
fn streams_of_other_writers_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("store.db");
    let (store, other) = (open_store(&file), open_store(&file));
    for round in 0..50 {
        look(&store);
        let [own, foreign, later] = ["own", "foreign", "later"].map(|name| format!("{name}-{round}"));
        append(&other, &stream(&foreign), NoStream, &["1"]).unwrap();
        // A commit of this store comes between, or the store looks at once.
        if round % 2 == 0 {
            append(&store, &stream(&own), NoStream, &["1"]).unwrap();
            assert_eq!(version(&store, &own), 1);
        }
        assert_eq!(version(&store, &foreign), 1, "round {round}");
        look(&store);
        append(&store, &stream(&later), NoStream, &["1"]).unwrap();
        append(&store, &stream(&later), Any, &["2"]).unwrap();
        assert_eq!(version(&store, &later), 2);
    }
}

#[test]
fn streams_of_many_threads_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("store.db");
    let (store, other) = (open_store(&file), open_store(&file));
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (store, writer) = (&store, if thread == 0 { &other } else { &store });
            scope.spawn(move || {
                for number in 0..300 {
                    let key = format!("{thread}-{number}");
                    assert_eq!(version(store, &key), 0);
                    append(writer, &stream(&key), NoStream, &["1"]).unwrap();
                    assert_eq!(version(store, &key), 1, "{key}");
                }
            });
        }
    });
}

#[test]
fn streams_of_a_restored_copy_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let (file, copy) = (folder.path().join("store.db"), folder.path().join("copy.db"));
    let store = open_store(&file);
    append(&store, &stream("first"), NoStream, &["1"]).unwrap();
    store.backup(&copy).unwrap();
    for number in 0..3 {
        append(&store, &stream(&format!("lost-{number}")), NoStream, &["1"]).unwrap();
    }
    look(&store);
    restore(&copy, &file);
    // These get the numbers of the streams that were lost.
    let other = open_store(&file);
    for number in 0..4 {
        append(&other, &stream(&format!("other-{number}")), NoStream, &["1"]).unwrap();
    }
    for _ in 0..2 {
        for number in 0..4 {
            assert_eq!(version(&store, &format!("other-{number}")), 1, "{number}");
        }
        look(&store);
    }
}
