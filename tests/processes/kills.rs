//! A process that is killed while it appends.

use std::collections::HashMap;
use std::path::Path;

use factum::Position;
use factum::prelude::*;
use factum::sqlite::SqliteStore;
use factum::store::ExpectedVersion::Any;
use tempfile::TempDir;

use super::own_payload;
use crate::support::events::{append, append_all, count, read, read_all, stream};
use crate::support::job::{Job, say};

#[test]
fn a_killed_process_loses_nothing_it_had_acknowledged() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("store.db");
    let mut acknowledged = Vec::new();
    for survived in [3, 10, 17] {
        let mut job = Job::start("append-until-killed", &file);
        for _ in 0..survived {
            acknowledged.push(job.hear().expect("the job ended too early"));
        }
        acknowledged.extend(job.kill());
        check_whole(&SqliteStore::open(&file).unwrap(), &acknowledged);
    }
    let store = SqliteStore::open(&file).unwrap();
    append(&store, &stream("a"), Any, &["\"after\""]).unwrap();
}

/// Every acknowledged append is stored, and every stored append is complete.
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
    assert_eq!(store.position().unwrap(), Position::new(count(a + b)));
}

/// How many events each append of the killed job has, and how many of them go to the first stream.
const EVENTS: usize = 10;
const A_EVENTS: usize = 6;

/// Appends many pages to two streams, so that the kill is likely to come during an append.
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

/// The part of a payload that is unique to its append.
fn mark(payload: &str) -> &str {
    payload.split(' ').next().unwrap_or_default()
}
