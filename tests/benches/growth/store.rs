//! The whole store, as it grows: what a command, a load, a scan and an open cost at each power of ten.

use std::error::Error;
use std::hint::black_box;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::{Duration, Instant};

use factum::prelude::*;
use factum::sqlite::{Durability, SqliteStore};
use factum::store::{Append, Filter, NewEvent};
use factum::{CacheOptions, Metadata, Position, StreamName, Uuid};

use crate::account::{Account, Deposit, MoneyDeposited, Replayed};
use crate::median::median;
use crate::open;

/// The events of each stream.
const EACH: u64 = 10;

/// How many streams one append writes.
const STREAMS: u64 = 200;

/// How often each work is timed at each size. An odd number has a median.
const TIMES: u64 = 201;

/// How many events a scan reads.
const SCANNED: usize = 100_000;

/// Fills a store to this number of events, and prints a row at each power of ten on the way. Returns the time of a
/// command on a new stream at the end, divided by that at 100,000 events, in turns.
pub(crate) fn grow(folder: &Path, events: u64) -> Result<f64, Box<dyn Error>> {
    let path = folder.join("grown.db");
    println!("\nthe store as it grows; microseconds, medians of {TIMES}");
    println!(
        "{:>12}{:>10}{:>10}{:>12}{:>10}{:>14}{:>14}",
        "events", "new", "old", "load of 10", "open", "scanned/s", "bytes/event"
    );
    let small = folder.join("small.db");
    let (mut size, mut streams) = (10_000.min(events), 0);
    loop {
        let store = open(&path, Durability::Normal)?;
        while store.position()?.get() < size {
            fill(&store, streams)?;
            streams += STREAMS;
        }
        store.checkpoint_wal()?;
        drop(store);
        row(&path, size, streams)?;
        if size >= 100_000.min(events) && !small.exists() {
            std::fs::copy(&path, &small)?;
        }
        if size >= events {
            return beside(&path, &small);
        }
        size = (size * 10).min(events);
    }
}

fn key(stream: u64) -> String {
    format!("{stream:012}")
}

/// Appends to so many new streams, in one commit.
fn fill(store: &SqliteStore, first: u64) -> Result<(), Box<dyn Error>> {
    let mut payload = Vec::new();
    MoneyDeposited::new(50).encode(&mut payload)?;
    let payload = String::from_utf8(payload)?;
    let (metadata, now) = (Metadata::default(), Timestamp::now());
    let streams: Vec<_> =
        (first..first + STREAMS).map(|stream| StreamName::new("account", &key(stream))).collect();
    let event = || {
        NewEvent::new(MoneyDeposited::NAME, MoneyDeposited::VERSION, &payload, Uuid::now_v7(), now, &metadata)
    };
    let events: Vec<Vec<_>> = streams.iter().map(|_| (0..EACH).map(|_| event()).collect()).collect();
    let appends: Vec<_> =
        streams.iter().zip(&events).map(|(stream, events)| Append::new(stream, 0, events)).collect();
    store.append(&appends)?;
    Ok(())
}

/// The time of a command on a new stream of one store, divided by that of the other.
fn beside(large: &Path, small: &Path) -> Result<f64, Box<dyn Error>> {
    let stores = [open(large, Durability::Normal)?, open(small, Durability::Normal)?];
    let commands = stores.map(|store| store.repository::<Account>().with_cache(CacheOptions::aggregates(0)));
    let mut times = [Vec::new(), Vec::new()];
    for time in 0..20 * TIMES {
        for (commands, times) in commands.iter().zip(&mut times) {
            let start = Instant::now();
            commands.execute(Deposit { account: format!("beside-{time}"), cents: 1 })?;
            times.push(start.elapsed().as_secs_f64());
        }
    }
    let [large, small] = times.map(median);
    Ok(large / small)
}

/// Prints the row of this size.
fn row(path: &Path, size: u64, streams: u64) -> Result<(), Box<dyn Error>> {
    // A prime that is no divisor of a number of streams: each number is met once.
    let old = |time: u64| key(time.wrapping_mul(2_654_435_761) % streams);
    let opened = micros(|_| open(path, Durability::Normal).map(drop))?;
    let store = open(path, Durability::Normal)?;
    let uncached = CacheOptions::aggregates(0);
    let loads = store.repository::<Replayed>().with_cache(uncached);
    let load = micros(|time| loads.load(&old(time)).map(|loaded| drop(black_box(loaded))))?;
    let commands = store.repository::<Account>().with_cache(CacheOptions::aggregates(0));
    let command = |account| commands.execute(Deposit { account, cents: 1 }).map(drop);
    let new = micros(|time| command(format!("new-{size}-{time}")))?;
    let of_old = micros(|time| command(old(time)))?;
    let start = Instant::now();
    let after = Position::new(store.position()?.get() / 2);
    let mut scanned = 0;
    store.read_all(Filter::new(), after, SCANNED, &mut |event| {
        scanned += black_box(event.payload).len().min(1);
        ControlFlow::Continue(())
    })?;
    #[expect(clippy::cast_precision_loss, reason = "the numbers are small enough")]
    let (rate, bytes) =
        (scanned as f64 / start.elapsed().as_secs_f64(), std::fs::metadata(path)?.len() as f64 / size as f64);
    println!("{size:>12}{new:>10.0}{of_old:>10.0}{load:>12.0}{opened:>10.0}{rate:>14.0}{bytes:>14.0}");
    Ok(())
}

/// The median time of `work`, in microseconds.
fn micros<E>(mut work: impl FnMut(u64) -> Result<(), E>) -> Result<f64, E> {
    let times = (0..TIMES).map(|time| {
        let start = Instant::now();
        work(time).map(|()| start.elapsed())
    });
    let times = times.collect::<Result<Vec<Duration>, E>>()?;
    Ok(median(times.iter().map(|time| time.as_secs_f64() * 1e6)))
}
