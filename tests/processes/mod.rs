//! Several processes and one file.

use std::collections::HashMap;
use std::io::Write;
use std::path::Path;

use factum::ExpectedVersion::{Any, Exactly};
use factum::sqlite::{Durability, SqliteOptions, SqliteStore};
use factum::{AppendError, EventStore};
use tempfile::TempDir;

use crate::support::events::{append, append_all, count, read, read_all, stream};
use crate::support::process::{Job, say};

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
    // Each says which version each of its payloads got: the file must agree.
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

/// Appends with no expectation: each must succeed.
pub(crate) fn append_any(file: &Path) {
    let store = quick(file);
    for number in 0..APPENDS {
        let payload = own_payload(number);
        let appended = append(&store, &stream("any"), Any, &[&payload]).unwrap();
        say(format_args!("any {} {payload}", appended.versions[0]));
    }
}

/// Appends at the version last seen, again after each conflict: nothing but a conflict may come between.
pub(crate) fn append_exactly(file: &Path) {
    let store = quick(file);
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

/// Opens the files that the parent names, appends to each, and keeps none open.
pub(crate) fn open_files() {
    say("ready");
    for line in std::io::stdin().lines() {
        let line = line.unwrap();
        if line.is_empty() {
            return;
        }
        append(&quick(Path::new(&line)), &stream("any"), Any, &["{}"]).unwrap();
        say("appended");
    }
}

#[test]
fn a_killed_process_loses_nothing_it_had_acknowledged() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("store.db");
    let mut acknowledged = Vec::new();
    for survived in [3, 10, 17] {
        let mut job = Job::start("append-until-killed", &file);
        for _ in 0..survived {
            acknowledged.push(job.hear().expect("the job ended by itself"));
        }
        acknowledged.extend(job.kill());
        check_whole(&SqliteStore::open(&file).unwrap(), &acknowledged);
    }
    let store = SqliteStore::open(&file).unwrap();
    append(&store, &stream("a"), Any, &["\"after\""]).unwrap();
}

/// Each acknowledged append is there, and each that is there is whole.
fn check_whole(store: &SqliteStore, acknowledged: &[String]) {
    let mut parts = HashMap::new();
    for payload in read_all(store).unwrap() {
        *parts.entry(mark(&payload).to_owned()).or_insert(0) += 1;
    }
    for mark in acknowledged {
        assert!(parts.contains_key(mark), "an acknowledged append is lost: {mark}");
    }
    assert!(parts.values().all(|events| *events == EVENTS), "a part of an append was stored: {parts:?}");
    let (a, b) = (read(store, &stream("a")).unwrap().len(), read(store, &stream("b")).unwrap().len());
    assert_eq!((a, b), (parts.len() * A_EVENTS, parts.len() * (EVENTS - A_EVENTS)));
    assert_eq!(store.position().unwrap(), count(a + b));
}

/// How many events each append of the job that is killed has, and how many of them go to the first stream.
const EVENTS: usize = 10;
const A_EVENTS: usize = 6;

/// Appends of many pages to two streams, so that the end is likely to come in the middle of one.
pub(crate) fn append_until_killed(file: &Path) {
    let store = SqliteStore::open(file).unwrap();
    for number in 0.. {
        let payload = format!("{} {}", own_payload(number), "x".repeat(8 << 10));
        let payloads = [&*payload; EVENTS];
        let (to_a, to_b) = payloads.split_at(A_EVENTS);
        append_all(&store, &[(&stream("a"), Any, to_a), (&stream("b"), Any, to_b)]).unwrap();
        say(mark(&payload));
    }
}

/// The part of a payload that tells the appends apart.
fn mark(payload: &str) -> &str {
    payload.split(' ').next().unwrap_or_default()
}

fn own_payload(number: usize) -> String {
    format!("{}-{number}", std::process::id())
}

/// A store that does not wait for the disk: what these tests look at does not depend on it.
fn quick(file: &Path) -> SqliteStore {
    SqliteOptions::new().durability(Durability::Normal).open(file).unwrap()
}
