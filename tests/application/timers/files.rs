//! Timers in a file: restarts, crashes, several programs, rows that can't be read, versions of commands.

use std::path::PathBuf;
use std::time::Duration;

use factum::prelude::*;
use factum::sqlite::rusqlite::Connection;
use factum::testing::{Lock, TestClock};
use factum::{ExecuteError, ExecuteOptions};
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use super::tower::{Bell, Tower, keys, ring, rung, rung_in_the_end, set_up};
use crate::support::bounded::wait_until;

const HOUR: Duration = Duration::from_hours(1);

fn file() -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("tower.db");
    (folder, path)
}

#[test]
fn timers_survive_a_restart_and_are_sent_late_rather_than_never() {
    let (_folder, path) = file();
    let tower = Tower::default().start(&SqliteStore::open(&path).unwrap()).unwrap();
    tower.schedule(Timestamp::now().after(HOUR), ring("a"), "a").unwrap();
    tower.schedule(Timestamp::now().after(2 * HOUR), ring("b"), "b").unwrap();
    tower.stop(HOUR).unwrap();
    let clock = TestClock::default();
    clock.forward(24 * HOUR);
    let tower = Tower::default().start_with(&SqliteStore::open(&path).unwrap(), clock).unwrap();
    assert_eq!(rung_in_the_end(&tower), ["a", "b"]);
}

#[test]
fn a_crash_around_a_command_does_not_repeat_it() {
    let (_folder, path) = file();
    let store = SqliteStore::open(&path).unwrap();
    let clock = TestClock::default();
    let tower = Tower::default().start_with(&store, clock.clone()).unwrap();
    tower.schedule(Timestamp::now().after(HOUR), ring("a"), "a").unwrap();
    let other = Connection::open(&path).unwrap();
    other.execute_batch("CREATE TABLE copy AS SELECT * FROM factum_timers").unwrap();
    clock.forward(HOUR);
    assert_eq!(rung_in_the_end(&tower), ["a"]);
    tower.stop(HOUR).unwrap();
    // As if the program had ended before it recorded that the command was executed.
    other.execute_batch("UPDATE copy SET status = 1; INSERT INTO factum_timers SELECT * FROM copy").unwrap();
    let tower = Tower::default().start(&store).unwrap();
    assert_eq!(rung_in_the_end(&tower), ["a"]);
    // As if it had ended before it sent the command.
    tower.schedule(Timestamp::now().after(HOUR), ring("b"), "b").unwrap();
    tower.stop(HOUR).unwrap();
    other.execute_batch("UPDATE factum_timers SET status = 1").unwrap();
    let tower = Tower::default().start(&store).unwrap();
    assert!(!tower.cancel("b").unwrap(), "it is being sent");
    assert_eq!(rung_in_the_end(&tower), ["a", "b"]);
}

#[test]
fn programs_with_the_file_send_each_command_once() {
    let (_folder, path) = file();
    let towers: Vec<_> =
        (0..3).map(|_| Tower::default().start(&SqliteStore::open(&path).unwrap()).unwrap()).collect();
    for number in 0..30 {
        let tower = &towers[number % towers.len()];
        tower.schedule(Timestamp::now(), ring(&number.to_string()), number.to_string()).unwrap();
    }
    for tower in &towers {
        let mut notes = rung_in_the_end(tower);
        notes.sort();
        notes.dedup();
        assert_eq!(notes.len(), 30);
        assert_eq!(tower.repository::<Bell>().load(&"bell".to_owned()).unwrap().version(), 30);
    }
}

#[test]
fn an_append_that_the_file_refuses_sets_no_timer() {
    let (_folder, path) = file();
    let tower = Tower::default().start(&SqliteStore::open(&path).unwrap()).unwrap();
    let other = Connection::open(&path).unwrap();
    // After the row of the timer, the row of the event.
    other
        .execute_batch(
            "CREATE TRIGGER refuse BEFORE INSERT ON factum_events BEGIN SELECT RAISE(ABORT, 'no'); END",
        )
        .unwrap();
    let later = Timestamp::now().after(HOUR);
    let options = ExecuteOptions::new().schedule(later, ring("a"), "a");
    let failed = tower.execute_with(set_up(), &options);
    assert!(matches!(failed, Err(ExecuteError::Append(_))), "{failed:?}");
    assert_eq!(tower.scheduled().unwrap(), []);
    // And the other way round.
    other
        .execute_batch(
            "DROP TRIGGER refuse;
             CREATE TRIGGER refuse BEFORE INSERT ON factum_timers BEGIN SELECT RAISE(ABORT, 'no'); END",
        )
        .unwrap();
    let failed = tower.execute_with(set_up(), &options);
    assert!(matches!(failed, Err(ExecuteError::Append(_))), "{failed:?}");
    assert!(!tower.repository::<Bell>().exists(&"bell".to_owned()).unwrap());
    other.execute_batch("DROP TRIGGER refuse").unwrap();
    tower.execute_with(set_up(), &options).unwrap();
    assert_eq!(keys(&tower.scheduled().unwrap()), ["a"]);
}

#[test]
fn a_row_that_cannot_be_read_is_a_dead_letter() {
    let (_folder, path) = file();
    let store = SqliteStore::open(&path).unwrap();
    let clock = TestClock::default();
    let tower = Tower::default().start_with(&store, clock.clone()).unwrap();
    let at = Timestamp::now().after(HOUR);
    for (index, key) in ["content", "id", "version", "command", "newer", "right"].into_iter().enumerate() {
        let at = at.after(Duration::from_micros(u64::try_from(index).unwrap()));
        tower.schedule(at, ring(key), key).unwrap();
    }
    let other = Connection::open(&path).unwrap();
    other
        .execute_batch(
            "UPDATE factum_timers SET content = '{' WHERE key = 'content';
             UPDATE factum_timers SET id = x'00' WHERE key = 'id';
             UPDATE factum_timers SET version = -1 WHERE key = 'version';
             UPDATE factum_timers SET command = 'shout' WHERE key = 'command';
             UPDATE factum_timers SET version = 9 WHERE key = 'newer';",
        )
        .unwrap();
    clock.forward(HOUR);
    clock.forward(Duration::from_secs(1));
    assert_eq!(rung_in_the_end(&tower), ["right"]);
    let letters = tower.timers().dead_letters().unwrap();
    assert_eq!(keys(&letters), ["content", "id", "version", "command", "newer"]);
    let has = |index: usize, text: &str| {
        let error = &letters[index].failure.as_ref().unwrap().error;
        assert!(error.contains(text), "{error}");
    };
    has(0, "JSON");
    has(1, "the stored timer can't be read");
    has(2, "the stored timer can't be read");
    has(3, "shout");
    has(4, "version 9 of `ring` is newer than version 1");
    // A row that is right again is sent.
    other.execute_batch("UPDATE factum_timers SET version = 1 WHERE key = 'newer'").unwrap();
    assert!(tower.timers().retry(letters[4].number).unwrap());
    wait_until(|| rung(&tower) == ["right", "newer"]);
}

/// A command that has changed since it was first stored. `Event` is for its versions.
#[derive(Debug, Clone, Serialize, Deserialize, Command, Event)]
#[event(version = 2, aliases("jot"))]
struct Note {
    #[command(id)]
    page: String,
    #[event(added(since = 2, default = "none".to_owned()))]
    text: String,
}

#[derive(Debug, Serialize, Deserialize, Event)]
struct Noted {
    text: String,
}

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(id = String, commands(Note), events(Noted))]
struct Page;

#[handlers]
impl Page {
    #[execute]
    fn note(&self, command: Note) -> Noted {
        Noted { text: command.text }
    }

    #[apply]
    fn noted(&mut self, _: &Noted) {}
}

#[derive(Application)]
#[application(aggregates(Page), schedules(Note))]
struct Book {}

#[test]
fn a_stored_command_of_an_older_version_and_name_is_read_as_it_is_now() {
    let (folder, path) = file();
    let clock = TestClock::default();
    let book = Book {}.start_with(&SqliteStore::open(&path).unwrap(), clock.clone()).unwrap();
    let note = Note { page: "p".to_owned(), text: "new".to_owned() };
    book.schedule(Timestamp::now().after(HOUR), note, "a").unwrap();
    let other = Connection::open(&path).unwrap();
    let stored: u32 = other.query_row("SELECT version FROM factum_timers", (), |row| row.get(0)).unwrap();
    assert_eq!(stored, 2);
    other
        .execute_batch(r#"UPDATE factum_timers SET command = 'jot', version = 1, content = '{"page":"p"}'"#)
        .unwrap();
    clock.forward(2 * HOUR);
    wait_until(|| book.scheduled().unwrap().is_empty());
    let mut history = book.repository::<Page>().history(&"p".to_owned()).unwrap();
    let PageEvent::Noted(Noted { text }) = history.next().unwrap().unwrap().event;
    assert_eq!(text, "none");
    // The lock records its shapes.
    Lock::of_crate(folder.path()).write_new().timers::<Book>().check();
    let lock = std::fs::read_to_string(folder.path().join("events.lock")).unwrap();
    assert!(lock.contains("event note 2"), "{lock}");
}
