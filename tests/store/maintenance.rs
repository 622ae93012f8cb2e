//! Backups, checks, and the size of a file.

use std::sync::atomic::{AtomicBool, Ordering};
use std::{fs, thread};

use factum::Position;
use factum::sqlite::{BackupError, Durability, SqliteOptions, SqliteStore};
use factum::store::EventStore;
use factum::store::ExpectedVersion::Any;
use tempfile::TempDir;

use crate::support::bounded::SetOnDrop;
use crate::support::events::{append, append_all, count, read, read_all, stream};
use crate::support::stores::doctor;

fn names(folder: &TempDir) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !name.ends_with("-shm") && !name.ends_with("-wal"))
        .collect();
    names.sort();
    names
}

/// A backup is a copy of one moment, even while others write.
#[test]
fn a_backup_is_made_while_others_write() {
    let folder = TempDir::new().unwrap();
    let store =
        SqliteOptions::new().durability(Durability::Normal).open(folder.path().join("store.db")).unwrap();
    let long = format!("\"{}\"", "x".repeat(2_000));
    for _ in 0..20 {
        append(&store, &stream("old"), Any, &[&*long; 50]).unwrap();
    }
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let _stop = SetOnDrop(&stop);
        for writer in 0..2 {
            let (store, stop) = (&store, &stop);
            scope.spawn(move || {
                let (a, b) = (stream(&format!("a{writer}")), stream(&format!("b{writer}")));
                while !stop.load(Ordering::Relaxed) {
                    append_all(store, &[(&a, Any, &["1"]), (&b, Any, &["2", "3"])]).unwrap();
                }
            });
        }
        for number in 0..5 {
            let before = store.position().unwrap();
            let path = folder.path().join(format!("backup-{number}.db"));
            let mut steps = Vec::new();
            store.backup_with(&path, |progress| steps.push(progress)).unwrap();
            let last = steps.last().unwrap();
            assert!(steps.len() > 1, "it reports its progress");
            assert_eq!(last.done, last.total);
            assert!(steps.is_sorted_by_key(|step| step.done));
            assert!(steps.iter().all(|step| step.total == last.total), "it started over: {steps:?}");

            let copy = SqliteStore::open(&path).unwrap();
            let events = read_all(&copy).unwrap().len();
            assert!(count(events) >= before.get());
            for writer in 0..2 {
                let a = read(&copy, &stream(&format!("a{writer}"))).unwrap().len();
                let b = read(&copy, &stream(&format!("b{writer}"))).unwrap().len();
                assert_eq!(2 * a, b, "a part of an append");
            }
            assert_eq!(copy.check().unwrap(), []);
        }
    });
    let backups = (0..5).map(|number| format!("backup-{number}.db"));
    assert_eq!(
        names(&folder),
        backups.chain(["store.db".into()]).collect::<Vec<_>>(),
        "no other file is left"
    );
}

#[test]
fn a_backup_replaces_nothing_and_leaves_nothing_behind() {
    let folder = TempDir::new().unwrap();
    for store in
        [SqliteStore::open(folder.path().join("store.db")).unwrap(), SqliteStore::in_memory().unwrap()]
    {
        append(&store, &stream("a"), Any, &["1"]).unwrap();
        let there = folder.path().join("there.db");
        fs::write(&there, "mine").unwrap();
        let error = store.backup(&there).unwrap_err();
        assert!(matches!(error, BackupError::Exists { .. }), "{error}");
        assert_eq!(fs::read(&there).unwrap(), b"mine");
        let error = store.backup(folder.path().join("no").join("folder.db")).unwrap_err();
        assert!(matches!(error, BackupError::Sqlite(_)), "{error}");
        assert_eq!(names(&folder), ["store.db", "there.db"]);
        let path = folder.path().join("copy.db");
        store.backup(&path).unwrap();
        // The copy is one file, without a log beside it.
        assert_eq!(read_all(&SqliteStore::open(&path).unwrap()).unwrap(), ["1"]);
        fs::remove_file(path).unwrap();
    }
}

/// The log of a killed program, whose file was deleted: SQLite would play it into the backup.
#[test]
fn a_backup_does_not_go_beside_the_log_of_another_file() {
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name);
    let store = SqliteStore::open(path("store.db")).unwrap();
    append(&store, &stream("a"), Any, &["1"]).unwrap();
    let other = SqliteStore::open(path("other.db")).unwrap();
    append(&other, &stream("b"), Any, &["2", "3"]).unwrap();
    fs::copy(path("other.db-wal"), path("copy.db-wal")).unwrap();
    fs::write(path("second.db-journal"), "").unwrap();
    for (name, log) in [("copy.db", "copy.db-wal"), ("second.db", "second.db-journal")] {
        let error = store.backup(path(name)).unwrap_err();
        assert!(matches!(&error, BackupError::Exists { path: taken, .. } if *taken == path(log)), "{error}");
        fs::remove_file(path(log)).unwrap();
        store.backup(path(name)).unwrap();
        assert_eq!(read_all(&SqliteStore::open(path(name)).unwrap()).unwrap(), ["1"]);
    }
}

#[test]
fn a_check_reports_all_damage() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("store.db");
    let store = SqliteStore::open(&file).unwrap();
    append(&store, &stream("a"), Any, &["1", "2", "3"]).unwrap();
    append(&store, &stream("b"), Any, &["4"]).unwrap();
    append(&store, &stream("c"), Any, &["5"]).unwrap();
    assert_eq!(store.check().unwrap(), []);
    doctor(
        &file,
        "DELETE FROM factum_events WHERE position = 2;
         UPDATE factum_events SET payload = 'no JSON' WHERE position = 4;
         DELETE FROM factum_streams WHERE key = 'c'",
    );
    let found: Vec<_> = store.check().unwrap().into_iter().map(|damage| damage.message).collect();
    assert_eq!(
        found,
        [
            "events are missing between position 1 and position 3",
            "the event at position 4 is damaged: checksum is not that of the event: the event, its place, or the name \
             of its stream has changed",
            "the event at position 5 is damaged: category is missing: the stream has no name",
            "tested/a has 2 events, and versions from 1 to 3",
            "the payload of the event at position 4 is not JSON",
        ]
    );
}

/// A check also reads SQLite's own structures.
#[test]
fn a_check_finds_overwritten_pages() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("store.db");
    let store = SqliteStore::open(&file).unwrap();
    // So many that the second half of the file has none of the pages that are read when it is opened.
    for number in 0..400 {
        append(&store, &stream(&number.to_string()), Any, &["\"some text of some length\""; 5]).unwrap();
    }
    drop(store);
    let mut bytes = fs::read(&file).unwrap();
    let pages = bytes.len() / 4096;
    assert!(pages > 20);
    for page in (pages / 2..pages).step_by(3) {
        bytes[page * 4096..(page + 1) * 4096].fill(0x5a);
    }
    fs::write(&file, bytes).unwrap();
    let store = SqliteStore::open(&file).unwrap();
    assert!(!store.check().unwrap().is_empty());
}

#[test]
fn positions_survive_a_vacuum_and_room_is_given_back() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("store.db");
    let store = SqliteStore::open(&file).unwrap();
    for number in 0..50 {
        append(&store, &stream(&number.to_string()), Any, &["1", "2"]).unwrap();
    }
    doctor(&file, "CREATE TABLE ballast AS SELECT zeroblob(2000000) AS b; DROP TABLE ballast");
    let before = read_all(&store).unwrap();
    store.checkpoint_wal().unwrap();
    let size = fs::metadata(&file).unwrap().len();
    store.vacuum().unwrap();
    let checkpoint = store.checkpoint_wal().unwrap();
    assert!(checkpoint.complete);
    assert_eq!(checkpoint.left, 0);
    assert_eq!(fs::metadata(folder.path().join("store.db-wal")).unwrap().len(), 0);
    assert!(fs::metadata(&file).unwrap().len() + 1_900_000 < size);
    assert_eq!(read_all(&store).unwrap(), before, "with the positions from 1 on");
    append(&store, &stream("after"), Any, &["3"]).unwrap();
    assert_eq!(store.position().unwrap(), Position::new(101));
}

/// A reader keeps the log from being emptied, and the checkpoint reports it.
#[test]
fn a_wal_checkpoint_reports_that_a_reader_blocks_it() {
    let folder = TempDir::new().unwrap();
    let options = SqliteOptions::new().busy_timeout(std::time::Duration::from_millis(20));
    let store = options.open(folder.path().join("store.db")).unwrap();
    append(&store, &stream("a"), Any, &["1"]).unwrap();
    let checkpoint = store
        .query(|connection| {
            connection.query_row("SELECT count(*) FROM factum_events", (), |row| row.get::<_, i64>(0))?;
            append(&store, &stream("a"), Any, &["2"]).unwrap();
            Ok(store.checkpoint_wal().unwrap())
        })
        .unwrap();
    assert!(!checkpoint.complete);
    assert!(store.checkpoint_wal().unwrap().complete);
}
