//! Several processes that write one file.

use std::io::Write;
use std::path::Path;

use factum::prelude::*;
use factum::sqlite::SqliteStore;
use factum::store::AppendError;
use factum::store::ExpectedVersion::{Any, Exactly};
use tempfile::TempDir;

use super::own_payload;
use crate::execute::concurrency::{EACH, deposit_each};
use crate::support::account::{Account, id, open};
use crate::support::events::{append, read, read_all, stream};
use crate::support::job::{Job, say};
use crate::support::stores::open_store;

const PROCESSES: usize = 3;
const APPENDS: usize = 40;

#[test]
fn appends_of_several_processes_lose_nothing() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("store.db");
    let jobs: Vec<_> = (0..PROCESSES)
        .flat_map(|_| ["append-any", "append-exactly"])
        .map(|job| Job::start(job, &file))
        .collect();
    let said: Vec<_> = jobs.into_iter().flat_map(Job::finish).collect();

    let store = SqliteStore::open(&file).unwrap();
    let any = read(&store, &stream("any")).unwrap();
    let exactly = read(&store, &stream("exactly")).unwrap();
    assert_eq!((any.len(), exactly.len()), (PROCESSES * APPENDS, PROCESSES * APPENDS));
    assert_eq!(read_all(&store).unwrap().len(), any.len() + exactly.len());
    // Each process reports the version of each of its payloads. The file must agree.
    let mut acknowledged = 0;
    for said in said {
        let mut words = said.split(' ');
        let (name, version, payload) =
            (words.next().unwrap(), words.next().unwrap().parse::<usize>().unwrap(), words.next().unwrap());
        let stored = if name == "any" { &any } else { &exactly };
        assert_eq!(stored[version - 1], payload, "{name} version {version}");
        acknowledged += 1;
    }
    assert_eq!(acknowledged, any.len() + exactly.len());
}

/// Appends without an expected version: each must succeed.
pub(crate) fn append_any(file: &Path) {
    let store = open_store(file);
    for number in 0..APPENDS {
        let payload = own_payload(number);
        let appended = append(&store, &stream("any"), Any, &[&payload]).unwrap();
        say(format_args!("any {} {payload}", appended.versions[0]));
    }
}

/// Appends at the version last seen, and again after each conflict. No other error may occur.
pub(crate) fn append_exactly(file: &Path) {
    let store = open_store(file);
    let contested = stream("exactly");
    for number in 0..APPENDS {
        let payload = own_payload(number);
        let mut expected = store.stream_version(&contested).unwrap();
        loop {
            match append(&store, &contested, Exactly(expected), &[&payload]) {
                Ok(appended) => {
                    assert_eq!(appended.versions, [expected + 1]);
                    break say(format_args!("exactly {} {payload}", expected + 1));
                }
                Err(AppendError::Conflict(conflict)) => {
                    assert!(conflict.actual > expected, "no reason for: {conflict}");
                    expected = conflict.actual;
                }
                Err(error) => panic!("neither stored nor a conflict: {error}"),
            }
        }
    }
}

#[test]
fn a_missing_file_may_be_opened_by_many_at_once() {
    const FILES: usize = 12;
    let folder = TempDir::new().unwrap();
    let mut jobs: Vec<_> = (0..5).map(|_| Job::start("open-files", folder.path())).collect();
    for job in &mut jobs {
        assert_eq!(job.hear().as_deref(), Some("ready"));
    }
    for number in 0..FILES {
        let file = folder.path().join(format!("{number}.db"));
        for job in &mut jobs {
            writeln!(job.input, "{}", file.display()).unwrap();
        }
        for job in &mut jobs {
            assert_eq!(job.hear().as_deref(), Some("appended"), "file {number}");
        }
        assert_eq!(read_all(&SqliteStore::open(&file).unwrap()).unwrap().len(), jobs.len());
    }
    for job in &mut jobs {
        writeln!(job.input).unwrap();
    }
    for job in jobs {
        job.finish();
    }
}

/// Opens the files that the parent names, appends to each, and closes it.
pub(crate) fn open_files() {
    say("ready");
    for line in std::io::stdin().lines() {
        let line = line.unwrap();
        if line.is_empty() {
            return;
        }
        append(&open_store(Path::new(&line)), &stream("any"), Any, &["{}"]).unwrap();
        say("appended");
    }
}

#[test]
fn two_processes_on_one_file_lose_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("bank.db");
    let accounts = SqliteStore::open(&file).unwrap().repository::<Account>();
    accounts.execute(open("alice")).unwrap();
    let jobs = [(); 2].map(|()| Job::start("deposit", &file));
    for job in jobs {
        job.finish();
    }
    let alice = accounts.load(&id("alice")).unwrap();
    assert_eq!((alice.version(), alice.state().cents.unsigned_abs()), (1 + 2 * EACH, 2 * EACH));
}

/// One of two processes that write the same account in the same file.
pub(crate) fn deposit_each_of_two(file: &Path) {
    deposit_each(&SqliteStore::open(file).unwrap().repository());
}
