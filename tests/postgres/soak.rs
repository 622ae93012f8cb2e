//! Three programs append for a time beside long transactions of others, and a reader follows.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use factum::follow::SubscriptionOptions;
use factum::postgres::PostgresStore;
use factum::prelude::*;
use factum::store::{Append, ExpectedVersion};

use crate::LONG;
use crate::appends::{Fact, append_in_transaction, stream};
use crate::server::{Server, on_server};

const PROGRAMS: usize = 3;
const THREADS: usize = 4;

/// How long the test takes: seconds in `FACTUM_SOAK`, or 3.
fn duration() -> Duration {
    Duration::from_secs(std::env::var("FACTUM_SOAK").map_or(3, |seconds| seconds.parse().unwrap()))
}

/// Appends one to three events to a stream of its own until the time is up. Returns their number.
fn append_until(store: &PostgresStore, name: &str, until: Instant) -> u64 {
    let own = stream(name);
    let mut version = 0;
    for round in 0.. {
        if Instant::now() >= until {
            break;
        }
        let facts: Vec<_> = (0..=round % 3).map(|_| Fact::new()).collect();
        let events: Vec<_> = facts.iter().map(Fact::event).collect();
        let appended = store.append(&[Append::new(&own, version, &events)]).unwrap();
        version = appended.versions[0];
    }
    version
}

/// Keeps transactions open: some that only have a number, and some that have appended. Returns how many events these stored.
fn disturb_until(server: &Server, schema: &str, until: Instant) -> u64 {
    let mut stored = 0;
    for round in 0.. {
        if Instant::now() >= until {
            break;
        }
        let older = server.session();
        older.sql("BEGIN; SELECT pg_current_xact_id()").unwrap();
        let session = append_in_transaction(server, schema, ("tests", "other", -1), ("counted", "{}"));
        thread::sleep(Duration::from_millis(20));
        let end = if round % 3 == 0 { "ROLLBACK" } else { "COMMIT" };
        session.sql(end).unwrap();
        stored += u64::from(end == "COMMIT");
        thread::sleep(Duration::from_millis(200));
        older.sql("COMMIT").unwrap();
    }
    stored
}

/// Follows from the first event on, until it has seen all. Each position and each version has to be the next one.
fn follow(store: &PostgresStore, all: &AtomicU64, is_over: &AtomicBool) -> HashMap<String, u64> {
    let mut subscription = store.subscribe(SubscriptionOptions::new());
    let (mut position, mut versions, mut last) = (0, HashMap::<String, u64>::new(), Instant::now());
    while !is_over.load(Ordering::SeqCst) || position < all.load(Ordering::SeqCst) {
        let Some(event) = subscription.next_within(Duration::from_millis(100)) else {
            assert!(last.elapsed() < LONG, "position {} does not come", position + 1);
            continue;
        };
        last = Instant::now();
        let event = event.unwrap();
        let envelope = event.envelope();
        position += 1;
        assert_eq!(envelope.position.get(), position, "an event was skipped");
        let version = versions.entry(envelope.key.to_owned()).or_default();
        *version += 1;
        assert_eq!(envelope.version, *version, "an event of {} was skipped", envelope.key);
    }
    versions
}

#[test]
fn a_reader_skips_nothing() {
    on_server!(server);
    let schema = server.new_schema();
    let programs: Vec<_> = (0..PROGRAMS).map(|_| server.store(&schema)).collect();
    let reader = server.store(&schema);
    let until = Instant::now() + duration();
    let (all, is_over) = (AtomicU64::new(0), AtomicBool::new(false));
    let (written, others, followed) = thread::scope(|scope| {
        let reader = scope.spawn(|| follow(&reader, &all, &is_over));
        let others = scope.spawn(|| disturb_until(server, &schema, until));
        let writers: Vec<_> = (0..PROGRAMS * THREADS)
            .map(|writer| {
                let (store, name) = (&programs[writer % PROGRAMS], format!("w{writer}"));
                (name.clone(), scope.spawn(move || append_until(store, &name, until)))
            })
            .collect();
        let written: HashMap<_, _> =
            writers.into_iter().map(|(name, writer)| (name, writer.join().unwrap())).collect();
        let others = others.join().unwrap();
        all.store(written.values().sum::<u64>() + others, Ordering::SeqCst);
        is_over.store(true, Ordering::SeqCst);
        (written, others, reader.join().unwrap())
    });
    for (name, events) in &written {
        assert_eq!(followed.get(name), Some(events), "{name}");
    }
    assert_eq!(followed.get("other").copied().unwrap_or(0), others);
    println!(
        "{} events of {PROGRAMS} programs, and {others} of long transactions",
        written.values().sum::<u64>()
    );
    let last = programs[0].wait_for(reader.position().unwrap(), LONG).unwrap();
    assert_eq!(last.get(), all.load(Ordering::SeqCst));
    assert!(
        programs[0]
            .append(&[Append::new(&stream("w0"), ExpectedVersion::Exactly(written["w0"]), &[])])
            .is_ok()
    );
}
