//! Processes that are killed while they react to events.

use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use factum::prelude::*;
use factum::sqlite::rusqlite::Connection;

use crate::support::account::{Account, Deposited, deposit, open};
use crate::support::bounded::wait_until;
use crate::support::job::Job;
use crate::support::stores::{LONG, open_store};

const KILLS: u32 = 30;

/// Records its events in a file of its own. Like a mail, a record cannot be undone with a transaction.
#[derive(Reaction)]
#[reaction(events(Deposited), from(Account))]
struct Sends {
    out: Mutex<Connection>,
}

#[handlers]
impl Sends {
    #[react]
    fn deposited(&self, _: &Deposited, envelope: &Envelope<'_>, delivery: &Delivery) -> Result<(), BoxError> {
        let out = self.out.lock().unwrap();
        out.execute(
            "INSERT INTO sent VALUES (?1, ?2)",
            (envelope.position.get(), delivery.idempotency_key()),
        )?;
        Ok(())
    }
}

fn sends(file: &Path) -> Sends {
    let out = Connection::open(file.with_extension("out")).unwrap();
    out.busy_timeout(LONG).unwrap();
    out.execute_batch("PRAGMA synchronous = OFF; CREATE TABLE IF NOT EXISTS sent (position, key)").unwrap();
    Sends { out: Mutex::new(out) }
}

#[test]
fn every_event_is_handled_after_kills() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bank.db");
    let store = open_store(&file);
    store.repository::<Account>().execute(open("alice")).unwrap();
    let reaction = sends(&file);
    let sent = |sql: &str| {
        let out = Connection::open(file.with_extension("out")).unwrap();
        out.query_row(sql, (), |row| row.get::<_, u64>(0)).unwrap()
    };
    let mut random = 1_u64;
    for _ in 0..KILLS {
        let before = sent("SELECT count(*) FROM sent");
        let job = Job::start("react", &file);
        wait_until(|| sent("SELECT count(*) FROM sent") != before);
        random = random * 48_271 % 0x7fff_ffff;
        std::thread::sleep(Duration::from_micros(random % 15_000));
        job.kill();
    }
    SqliteReaction::new(&store, reaction).unwrap().catch_up().unwrap();
    let events = store.position().unwrap().get() - 1;
    assert_eq!(sent("SELECT count(DISTINCT position) FROM sent"), events, "at least once");
    assert_eq!(sent("SELECT count(DISTINCT key) FROM sent"), events, "one key, one event");
    // At most one event for each kill came again: the event that was being handled.
    assert!(sent("SELECT count(*) FROM sent") <= events + u64::from(KILLS));
}

/// Appends until it is killed, with a reaction in the background.
pub(crate) fn react_until_killed(file: &Path) {
    let store = open_store(file);
    let reaction = SqliteReaction::new(&store, sends(file)).unwrap();
    let _following = reaction.follow().lease(Duration::from_millis(20)).start().unwrap();
    let accounts = store.repository::<Account>();
    loop {
        accounts.execute(deposit("alice", 1)).unwrap();
    }
}
