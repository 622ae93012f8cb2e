//! Failures of the server, and of what is between: each is an error of its own, or is tried again.

use std::path::{Path, PathBuf};
use std::process::Command;

use factum::postgres::PostgresStore;
use factum::prelude::*;
use factum::store::{Append, AppendError, ExpectedVersion, NewEvent, StoreError};
use factum::{Metadata, Uuid};
use tempfile::TempDir;

use crate::appends::{append_one, stream};
use crate::server::{Server, on_server};

/// From now on, this runs in the session and the transaction of each append, before its event is stored.
fn before_each_event(server: &Server, schema: &str, statements: &str) {
    server.sql(&format!(
        "DROP TRIGGER IF EXISTS of_test ON {schema}.events;
         CREATE OR REPLACE FUNCTION {schema}.of_test() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {statements} RETURN new; END $$;
         CREATE TRIGGER of_test BEFORE INSERT ON {schema}.events FOR EACH ROW EXECUTE FUNCTION {schema}.of_test()"
    ));
}

fn append(store: &PostgresStore) -> Result<u64, StoreError> {
    append_one(store, &stream("a"), ExpectedVersion::Any).map_err(|error| match error {
        AppendError::Store { source, .. } => source,
        other => panic!("{other:?}"),
    })
}

/// A transaction that the server has undone is tried again, but not for ever.
#[test]
fn undone_transactions_are_tried_again() {
    on_server!(server);
    let schema = server.new_schema();
    let store = server.store(&schema);
    // What a sequence has counted is not undone.
    server.sql(&format!("CREATE SEQUENCE {schema}.tries"));
    for (version, code) in [(1, "serialization_failure"), (2, "deadlock_detected")] {
        let fail = |times: u32| {
            server.sql(&format!("ALTER SEQUENCE {schema}.tries RESTART"));
            before_each_event(
                server,
                &schema,
                &format!("IF nextval('{schema}.tries') <= {times} THEN RAISE {code}; END IF;"),
            );
        };
        fail(u32::MAX);
        let error = append(&store).unwrap_err();
        assert!(matches!(error, StoreError::Busy), "{code}: {error:?}");
        fail(3);
        assert_eq!(append(&store).unwrap(), version);
        assert_eq!(server.sql(&format!("SELECT last_value::text FROM {schema}.tries")), ["4"], "{code}");
    }
}

/// As if a pooler had given the session to another client between two transactions.
#[test]
fn a_session_that_others_have_had_is_not_used() {
    on_server!(server);
    let others = ["PERFORM set_config('factum.token', 'of another', false);", "DEALLOCATE ALL;"];
    for of_other in others {
        let schema = server.new_schema();
        let store = server.store(&schema);
        append(&store).unwrap();
        before_each_event(server, &schema, of_other);
        assert_eq!(append(&store).unwrap(), 2);
        let error = append(&store).unwrap_err();
        assert!(matches!(error, StoreError::Pooled), "{of_other}: {error:?}");
        assert_eq!(store.position().unwrap().get(), 2);
    }
}

/// A folder on a disk of its own.
struct SmallDisk {
    folder: TempDir,
}

impl SmallDisk {
    fn new(size: &str) -> Option<Self> {
        let disk = Self { folder: TempDir::new().unwrap() };
        if !disk.mount(&["-t", "tmpfs", "-o", &format!("size={size},mode=0700"), "none"]) {
            println!("skipped: this user can't mount a small disk");
            return None;
        }
        Server::give(disk.path());
        Some(disk)
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn mount(&self, arguments: &[&str]) -> bool {
        let mounted = Command::new("mount").args(arguments).arg(self.path()).output();
        mounted.is_ok_and(|mounted| mounted.status.success())
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let path: PathBuf = self.path().to_owned();
        drop(Command::new("umount").arg("--lazy").arg(path).output());
    }
}

/// A full disk refuses an append, and nothing else. With space again, appends go on.
#[test]
fn a_full_disk_is_an_error() {
    let Some(server) = Server::start() else { return };
    let Some(disk) = SmallDisk::new("4m") else { return };
    let schema = server.new_schema();
    let store = server.store(&schema);
    server.sql(&format!("CREATE TABLESPACE small LOCATION '{}'", disk.path().display()));
    server.sql(&format!("ALTER TABLE {schema}.events SET TABLESPACE small"));
    let fill = || {
        // The server compresses what it can.
        let text: String = (0..5_000).map(|_| Uuid::new_v4().simple().to_string()).collect();
        let (payload, metadata) = (format!("\"{text}\""), Metadata::default());
        let event = NewEvent::new("counted", 1, &payload, Uuid::now_v7(), Timestamp::now(), &metadata);
        let appended = store.append(&[Append::new(&stream("a"), ExpectedVersion::Any, &[event])]);
        appended.map(|appended| appended.versions[0])
    };
    let (stored, error) = (0..1_000)
        .find_map(|stored| fill().err().map(|error| (stored, error)))
        .expect("the disk has no space for so much");
    assert!(matches!(error, AppendError::Store { source: StoreError::Full, .. }), "{error:?}");
    assert_eq!(store.position().unwrap().get(), stored);
    assert!(disk.mount(&["-o", "remount,size=64m"]));
    assert_eq!(fill().unwrap(), stored + 1);
}
