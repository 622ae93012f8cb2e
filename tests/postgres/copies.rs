//! Copies of stores from SQLite to PostgreSQL and back.

use std::env;
use std::io::{BufRead, BufReader};
use std::ops::ControlFlow;
use std::path::Path;
use std::process::{Command, Stdio};

use factum::copy::{Change, CopyError};
use factum::postgres::PostgresOptions;
use factum::prelude::*;
use factum::store::{AppendError, StoreError};
use tempfile::TempDir;

use crate::account::{Account, Opened, deposit, id, open};
use crate::contents::{Contents, fill};
use crate::server::on_server;

#[test]
fn a_copy_there_and_back_is_the_same() {
    on_server!(server);
    let folder = TempDir::new().unwrap();
    let [from, back] = ["from", "back"].map(|name| SqliteStore::open(folder.path().join(name)).unwrap());
    fill(&from, 0, 1_000);
    let there = server.new_store();
    let report = factum::copy(&from, &there).batch(100).run().unwrap();
    assert!(Contents::of(&there) == Contents::of(&from));
    // Streams without events have keys as well, and names that PostgreSQL can't store as they are.
    let odd = factum::StreamName::new("odd", "a\0b\u{1}");
    let keys = [factum::store::NewKey::new("k\0", 0..0, Timestamp::now())];
    let append = factum::store::Append::new(&odd, 0, &[]).with_keys(&keys);
    from.append(&[append]).unwrap();
    let again = factum::copy(&from, &there).run().unwrap();
    assert_eq!((again.appended, again.checksum, again.keys), (0, report.checksum, report.keys + 1));
    let returned = factum::copy(&there, &back).run().unwrap();
    assert_eq!((returned.checksum, returned.keys), (report.checksum, again.keys));
    assert!(Contents::of(&back) == Contents::of(&from));
    assert!(back.check().unwrap().is_empty());
}

#[test]
fn commands_go_on_in_postgresql() {
    on_server!(server);
    let from = SqliteStore::in_memory().unwrap();
    let once = ExecuteOptions::new().idempotency_key("once");
    let accounts = from.repository::<Account>();
    accounts.execute(open("alice")).unwrap();
    accounts.execute_with(deposit("alice", 5), &once).unwrap();
    let to = server.new_store();
    let copy = factum::copy(&from, &to).changing(|event| {
        if let Some(mut opened) = event.decode::<Opened>()? {
            opened.owner = "(erased)".to_owned();
            event.replace(&opened)?;
        }
        Ok(Change::Keep)
    });
    copy.run().unwrap();
    let accounts = to.repository::<Account>();
    assert!(accounts.execute_with(deposit("alice", 5), &once).unwrap().is_repeated());
    assert_eq!(accounts.execute(deposit("alice", 2)).unwrap().state().cents, 7);
    assert_eq!(accounts.load(&id("alice")).unwrap().state().owner.as_deref(), Some("(erased)"));
}

#[test]
fn a_target_that_is_in_use_is_refused() {
    on_server!(server);
    let (from, to) = (MemoryStore::new(), server.new_store());
    fill(&from, 0, 200);
    let (writer, mut batches) = (to.clone(), 0);
    let copy = factum::copy(&from, &to).batch(20).on_progress(move |_| {
        batches += 1;
        if batches == 3 {
            fill(&writer, 1, 4);
        }
        ControlFlow::Continue(())
    });
    let error = copy.run().unwrap_err();
    assert!(matches!(error, CopyError::OtherEvents { .. } | CopyError::OtherWriter { .. }), "{error:?}");

    // A text with a NUL in an event is more than PostgreSQL can store. What comes before it is copied.
    let from = MemoryStore::new();
    fill(&from, 0, 30);
    let to = server.new_store();
    let with_nul = factum::copy(&from, &to).batch(10).changing(|event| {
        if event.position().get() == 15 {
            event.name.push('\0');
        }
        Ok(Change::Keep)
    });
    let error = with_nul.run().unwrap_err();
    assert!(
        matches!(
            &error,
            CopyError::Append(AppendError::Store { source: StoreError::NotStorable { .. }, .. })
        ),
        "{error:?}"
    );
    factum::copy(&from, &to).run().unwrap();
    assert!(Contents::of(&to) == Contents::of(&from));
}

const FILE: &str = "FACTUM_COPY_FILE";
const URL: &str = "FACTUM_COPY_URL";
const SCHEMA: &str = "FACTUM_COPY_SCHEMA";

/// The program that is killed. As a test it does nothing.
#[test]
fn copying_program() {
    let Some(file) = env::var_os(FILE) else { return };
    let to =
        PostgresOptions::new().schema(env::var(SCHEMA).unwrap()).connect(&env::var(URL).unwrap()).unwrap();
    let copy = factum::copy(SqliteStore::open(file).unwrap(), to).batch(30).on_progress(|progress| {
        println!("\ndone {}", progress.done);
        ControlFlow::Continue(())
    });
    copy.run().unwrap();
    println!("\nfinished");
}

/// Runs the program until it has said so many lines, and kills it. Returns whether it has finished before.
fn killed_after(lines: usize, file: &Path, url: &str, schema: &str) -> bool {
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["copies::copying_program", "--exact", "--nocapture"])
        .envs([(URL, url), (SCHEMA, schema)])
        .env(FILE, file)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let said = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let said = said.filter(|line| line.starts_with("done") || line == "finished");
    let last = said.take(lines).last();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(last.is_some(), "the program says nothing");
    last.is_some_and(|line| line == "finished")
}

#[test]
fn a_copy_resumes_after_each_kill() {
    on_server!(server);
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("from.db");
    let from = SqliteStore::open(&file).unwrap();
    fill(&from, 0, 1_200);
    let schema = server.new_schema();
    let mut kills = 0;
    while !killed_after(1 + kills * kills * 3, &file, &server.url(), &schema) {
        kills += 1;
        assert!(kills < 1_000, "no copy ends");
    }
    assert!(kills > 3, "only {kills} copies were killed");
    let to = server.store(&schema);
    assert!(Contents::of(&to) == Contents::of(&from));
}
