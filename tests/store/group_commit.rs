//! Group commit: appends of many threads in one commit, each with its own answer.

use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use factum::Position;
use factum::sqlite::{Durability, SqliteOptions, SqliteStore};
use factum::store::ExpectedVersion::{Any, Exactly, NoStream};
use factum::store::{AppendError, EventStore, StoreError};
use rusqlite::Connection;
use tempfile::TempDir;

use crate::support::events::{append, append_all, count, read, read_all, stream};
use crate::support::stores::doctor;

/// What each thread does, by its number.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Does {
    Right,
    Conflict,
    /// An append to two streams, where the second has another version: the first must not get anything.
    HalfConflict,
    /// An append that a trigger refuses, in the middle of its events.
    Fails,
}

const ALL: [Does; 4] = [Does::Right, Does::Conflict, Does::HalfConflict, Does::Fails];

/// Another connection locks the file while all threads arrive: one leads, and the rest is committed together
/// after it. Other orders would be correct too, but must give equal answers.
#[test]
fn a_refused_or_failing_append_leaves_the_others_alone() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("store.db");
    let store = SqliteOptions::new().durability(Durability::Normal).open(&file).unwrap();
    append(&store, &stream("taken"), NoStream, &["\"taken\""]).unwrap();
    doctor(
        &file,
        "CREATE TRIGGER refuse BEFORE INSERT ON factum_events WHEN new.payload = '\"refused\"'
         BEGIN SELECT raise(ABORT, 'by the trigger'); END",
    );
    for round in 0..5 {
        let before = store.position().unwrap();
        let other = Connection::open(&file).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        let answers: Vec<_> = thread::scope(|scope| {
            let threads: Vec<_> = (0..32)
                .map(|number| {
                    let store = &store;
                    scope.spawn(move || (number, act(store, round, number)))
                })
                .collect();
            thread::sleep(Duration::from_millis(30));
            other.execute_batch("COMMIT").unwrap();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let mut right = 0;
        for (number, answer) in answers {
            let own = read(&store, &stream(&format!("{round}-{number}"))).unwrap();
            match (ALL[number % ALL.len()], answer) {
                (Does::Right, Ok(())) => {
                    assert_eq!(own, ["1", "2"], "{number}");
                    right += 1;
                }
                (Does::Conflict | Does::HalfConflict, Err(AppendError::Conflict(conflict))) => {
                    assert_eq!((conflict.stream, conflict.actual), (stream("taken"), 1));
                    assert!(own.is_empty(), "{number}");
                }
                (
                    Does::Fails,
                    Err(AppendError::Store { stream: named, source: StoreError::Other(error), .. }),
                ) => {
                    assert_eq!(named, stream(&format!("{round}-{number}")));
                    assert!(error.to_string().contains("by the trigger"), "{error}");
                    assert!(own.is_empty(), "{number}");
                }
                (does, answer) => panic!("thread {number} ({does:?}) got {answer:?}"),
            }
        }
        assert_eq!(right, 8);
        assert_eq!(store.position().unwrap().get(), before.get() + 16);
    }
    read_all(&store).unwrap();
    assert_eq!(read(&store, &stream("taken")).unwrap().len(), 1);
}

fn act(store: &SqliteStore, round: usize, number: usize) -> Result<(), AppendError> {
    let (own, taken) = (stream(&format!("{round}-{number}")), stream("taken"));
    match ALL[number % ALL.len()] {
        Does::Right => append(store, &own, NoStream, &["1", "2"]),
        Does::Conflict => append(store, &taken, Exactly(0), &["1"]),
        Does::HalfConflict => append_all(store, &[(&own, NoStream, &["1"]), (&taken, Exactly(7), &["1"])]),
        Does::Fails => append(store, &own, NoStream, &["1", "\"refused\"", "2"]),
    }
    .map(drop)
}

/// If the file is locked, every caller gets an error that names its own stream.
#[test]
fn every_caller_gets_an_error_if_the_file_is_busy() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("store.db");
    let store = SqliteOptions::new().busy_timeout(Duration::from_millis(50)).open(&file).unwrap();
    let other = Connection::open(&file).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    thread::scope(|scope| {
        for number in 0..8 {
            let store = &store;
            scope.spawn(move || {
                let own = stream(&number.to_string());
                match append(store, &own, Any, &["1"]) {
                    Err(AppendError::Store { stream, source: StoreError::Busy, .. }) => {
                        assert_eq!(stream, own);
                    }
                    other => panic!("{other:?}"),
                }
            });
        }
    });
    other.execute_batch("ROLLBACK").unwrap();
    append(&store, &stream("0"), NoStream, &["1"]).unwrap();
    assert_eq!(read_all(&store).unwrap().len(), 1);
}

/// Every reader sees an append once it has returned.
#[test]
fn an_append_that_returned_is_stored() {
    const THREADS: usize = 16;
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("store.db");
    let store = SqliteOptions::new().durability(Durability::Normal).open(&file).unwrap();
    let start = Barrier::new(THREADS);
    thread::scope(|scope| {
        for number in 0..THREADS {
            let (store, file, start) = (&store, &file, &start);
            scope.spawn(move || {
                let elsewhere = Connection::open(file).unwrap();
                let own = stream(&number.to_string());
                start.wait();
                for round in 1..=20 {
                    let appended = append(store, &own, Exactly(round - 1), &["1"]).unwrap();
                    assert_eq!(appended.versions, [round]);
                    let found: u64 = elsewhere
                        .query_row(
                            "SELECT version FROM factum_events WHERE position = ?1",
                            [appended.first_position.unwrap().get()],
                            |row| row.get(0),
                        )
                        .unwrap();
                    assert_eq!(found, round);
                }
            });
        }
    });
    assert_eq!(store.position().unwrap(), Position::new(count(THREADS * 20)));
}
