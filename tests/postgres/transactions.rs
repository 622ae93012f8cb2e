//! Transactions that callers hold: stored as a whole or not at all, whatever happens to the connection.

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use factum::postgres::{PostgresOptions, PostgresStore, PostgresTransaction};
use factum::store::StoreError;

use crate::LONG;
use crate::proxy::Proxy;
use crate::server::{Server, on_server};
use crate::support::bounded::wait_until;

const INSERT: &str = "INSERT INTO public.notes (id, text) VALUES ($1, $2)";

/// A table `public.notes` in a database of its own would be best; a server of its own does as well.
fn server_with_notes() -> Option<Server> {
    let server = Server::start()?;
    server.sql("CREATE TABLE public.notes (id bigint PRIMARY KEY DEFERRABLE INITIALLY DEFERRED, text text)");
    Some(server)
}

fn notes(server: &Server) -> Vec<String> {
    server.sql("SELECT id FROM public.notes ORDER BY id")
}

fn insert(transaction: &PostgresTransaction, id: i64) {
    assert_eq!(transaction.execute(INSERT, &[&id, &"a"]).unwrap(), 1);
}

#[test]
fn a_transaction_is_stored_as_a_whole_or_not_at_all() {
    let Some(server) = server_with_notes() else { return };
    let options = PostgresOptions::new().transactions(1);
    let store = options.connect(&server.url()).unwrap();
    let transaction = store.begin().unwrap();
    insert(&transaction, 1);
    for id in 2..1_000_i64 {
        transaction.queue(INSERT, &[&id, &None::<&str>]).unwrap();
    }
    let rows = transaction.query("SELECT count(*), max(text) FROM public.notes", &[]).unwrap();
    assert_eq!((rows[0].get(0), rows[0].get(1)), (999_i64, Some("a")));
    assert!(notes(&server).is_empty(), "nothing is stored before the commit");
    transaction.commit().unwrap();
    assert_eq!(notes(&server).len(), 999);

    let transaction = store.begin().unwrap();
    insert(&transaction, 1_001);
    drop(transaction);
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let transaction = store.begin().unwrap();
        insert(&transaction, 1_002);
        panic!("a handler panics");
    }));
    assert!(panicked.is_err());
    let transaction = store.begin().unwrap();
    transaction.queue("DELETE FROM public.notes WHERE id < $1", &[&1_000_i64]).unwrap();
    transaction
        .run("ALTER TABLE public.notes DROP COLUMN text; ALTER TABLE public.notes ADD COLUMN text int")
        .unwrap();
    transaction.commit().unwrap();
    assert!(notes(&server).is_empty());
    // The session has prepared the statement for the old column.
    let transaction = store.begin().unwrap();
    transaction.execute(INSERT, &[&1_i64, &2_i32]).unwrap();
    transaction.commit().unwrap();
    assert_eq!(notes(&server), ["1"]);
}

#[test]
fn the_first_error_is_that_of_all_later_steps() {
    let Some(server) = server_with_notes() else { return };
    let store = server.new_store();
    let code = |error: &StoreError| {
        let StoreError::Other(source) = error else { panic!("{error:?}") };
        source.to_string()
    };
    let divide = "SELECT 1 / ($1::int - 1)";
    let transaction = store.begin().unwrap();
    transaction.execute(divide, &[&2]).unwrap();
    insert(&transaction, 0);
    transaction.queue(divide, &[&1]).unwrap();
    transaction.queue(INSERT, &[&1_i64, &"a"]).unwrap();
    let error = transaction.wait().unwrap_err();
    assert!(code(&error).contains("db error"), "{error:?}");
    let error = transaction.query("SELECT 1", &[]).unwrap_err();
    assert!(code(&error).contains("division by zero"), "{error:?}");
    let error = transaction.commit().unwrap_err();
    assert!(code(&error).contains("division by zero"), "{error:?}");

    // An error that the commit is the first to meet.
    let transaction = store.begin().unwrap();
    transaction.queue(INSERT, &[&1_i64, &"a"]).unwrap();
    transaction.queue(divide, &[&1]).unwrap();
    transaction.commit().unwrap_err();
    let transaction = store.begin().unwrap();
    insert(&transaction, 1);
    insert(&transaction, 1);
    // The table checks its key at the end.
    transaction.commit().unwrap_err();

    // A value that does not fit, or is missing, leaves the transaction as it is.
    let transaction = store.begin().unwrap();
    assert!(code(&transaction.execute(INSERT, &[&1_i32, &"a"]).unwrap_err()).contains("int"));
    assert!(code(&transaction.execute(INSERT, &[&1_i64]).unwrap_err()).contains("2 values, and 1"));
    insert(&transaction, 2);
    transaction.commit().unwrap();
    assert_eq!(notes(&server), ["2"]);
}

/// More callers than sessions wait for each other. Calls work inside of a runtime too.
#[test]
fn transactions_share_a_bounded_number_of_sessions() {
    on_server!(server);
    let options = PostgresOptions::new().schema(server.new_schema()).transactions(2).lock_timeout(LONG);
    let store = options.clone().connect(&server.url()).unwrap();
    let transaction = store.begin().unwrap();
    transaction
        .run("CREATE SCHEMA shared_sessions; CREATE TABLE shared_sessions.counter (count bigint)")
        .unwrap();
    transaction.run("INSERT INTO shared_sessions.counter VALUES (0)").unwrap();
    transaction.commit().unwrap();
    let count = |store: &PostgresStore| {
        let transaction = store.begin().unwrap();
        let rows = transaction
            .query("UPDATE shared_sessions.counter SET count = count + 1 RETURNING pg_backend_pid()", &[])
            .unwrap();
        transaction.commit().unwrap();
        rows[0].get::<_, i32>(0)
    };
    let pids: HashSet<_> = thread::scope(|scope| {
        let callers: Vec<_> =
            (0..8).map(|_| scope.spawn(|| (0..5).map(|_| count(&store)).collect::<Vec<_>>())).collect();
        callers.into_iter().flat_map(|caller| caller.join().unwrap()).collect()
    });
    assert!(pids.len() <= 2, "{pids:?}");
    assert_eq!(server.sql("SELECT count FROM shared_sessions.counter"), ["40"]);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async { count(&store) });

    let impatient = options.lock_timeout(Duration::from_millis(50)).connect(&server.url()).unwrap();
    let held = [impatient.begin().unwrap(), impatient.begin().unwrap()];
    let error = impatient.begin().unwrap_err();
    assert!(matches!(error, StoreError::Busy), "{error:?}");
    drop(held);
    impatient.begin().unwrap();
    // A lock that another transaction holds.
    let held = store.begin().unwrap();
    held.run("UPDATE shared_sessions.counter SET count = 0").unwrap();
    let waits = impatient.begin().unwrap();
    let error = waits.run("UPDATE shared_sessions.counter SET count = 0").unwrap_err();
    assert!(matches!(error, StoreError::Busy), "{error:?}");
}

/// Each answer to a commit is right: `Ok` if the transaction is stored, and an error if it is not.
#[test]
fn a_commit_whose_connection_breaks_gets_the_right_answer() {
    const CUTS: u32 = 60;
    let Some(server) = server_with_notes() else { return };
    let proxy = Proxy::start(server.port, 7);
    let options = PostgresOptions::new().schema(server.new_schema()).lock_timeout(LONG).outage_timeout(LONG);
    let store = options.connect(&Server::url_at(proxy.port)).unwrap();
    proxy.cut_one_in(25);
    let next = AtomicU64::new(1);
    let write = |id: i64| {
        let transaction = store.begin()?;
        transaction.queue(INSERT, &[&id, &"a"])?;
        transaction.queue("UPDATE public.notes SET text = 'b' WHERE id = $1", &[&id])?;
        transaction.commit()
    };
    let answers: Vec<_> = thread::scope(|scope| {
        let writers: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let mut answers = Vec::new();
                    wait_until(|| {
                        let id = next.fetch_add(1, Ordering::Relaxed).cast_signed();
                        answers.push((id, write(id)));
                        proxy.cuts() >= CUTS
                    });
                    answers
                })
            })
            .collect();
        writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect()
    });
    let mut stored: Vec<_> = answers.iter().filter(|(_, answer)| answer.is_ok()).map(|(id, _)| *id).collect();
    stored.sort_unstable();
    for (_, answer) in &answers {
        assert!(matches!(answer, Ok(()) | Err(StoreError::Unreachable(_))), "{answer:?}");
    }
    assert!(stored.len() < answers.len(), "some broke");
    assert_eq!(notes(&server), stored.iter().map(ToString::to_string).collect::<Vec<_>>());
}

/// A commit returns once the standbys have it. If the wait for them is cancelled, its outcome is open. If the session ends
/// meanwhile, the commit is found, and the wait begins again.
#[test]
fn a_commit_waits_for_standbys() {
    let Some(server) = server_with_notes() else { return };
    let store = server.new_store();
    let standbys = |names: &str| {
        server.sql(&format!("ALTER SYSTEM SET synchronous_standby_names = '{names}'"));
        server.sql("SELECT pg_reload_conf()");
        wait_until(|| server.sql("SHOW synchronous_standby_names") == [names]);
    };
    let waiting = |but: &str| {
        let pids = server.sql("SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep'");
        pids.into_iter().find(|pid| pid != but)
    };
    let next = AtomicU64::new(1);
    let write = || {
        let transaction = store.begin()?;
        let id = next.fetch_add(1, Ordering::Relaxed).cast_signed();
        transaction.queue(INSERT, &[&id, &"a"])?;
        transaction.commit().map(|()| id)
    };
    write().unwrap();
    standbys("missing");
    thread::scope(|scope| {
        // The server needs a moment until it waits for standbys.
        let write_that_waits = || loop {
            let write = scope.spawn(write);
            while !write.is_finished() {
                if let Some(pid) = waiting("") {
                    return (write, pid);
                }
            }
            write.join().unwrap().unwrap();
        };
        let (write, pid) = write_that_waits();
        server.sql(&format!("SELECT pg_cancel_backend({pid})"));
        let error = write.join().unwrap().unwrap_err();
        assert!(matches!(error, StoreError::CommitUnknown(_)), "{error:?}");
        let (write, ended) = write_that_waits();
        server.sql(&format!("SELECT pg_terminate_backend({ended})"));
        // The new session waits for the standbys as well.
        wait_until(|| {
            assert!(!write.is_finished(), "the commit does not wait");
            waiting(&ended).is_some()
        });
        standbys("");
        let id = write.join().unwrap().unwrap();
        assert_eq!(notes(&server).last(), Some(&id.to_string()));
    });
}
