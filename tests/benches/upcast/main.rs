//! The cost of reading events of version 1 in code at version 5: with factum, and in other ways. And the cost of
//! verifying checksums.
//!
//! `cargo bench -p factum-tests --bench upcast [-- EVENTS]`

mod ledgers;
mod measure;
mod payment;
mod rivals;

use std::error::Error;
use std::hint::black_box;
use std::num::NonZeroU32;

use factum::prelude::*;
use factum::sqlite::SqliteOptions;
use factum::store::{Append, ExpectedVersion, NewEvent};
use factum::{CacheOptions, Metadata, StreamName};
use tempfile::TempDir;
use uuid::Uuid;

use self::ledgers::{Ledger, LedgerByHops, LedgerByValues, Totals};
use self::measure::{Arm, Times, measure};
use self::payment::{PaymentTaken, payment};
use self::rivals::{ByHops, ByValues};

/// An odd number has a median. There are many rounds because the machine is shared.
const ROUNDS: usize = 21;

/// The streams: all payments at version 5, and all payments at version 1.
const CURRENT: &str = "current";
const FIRST: &str = "first";

const FILE: &str = "upcast.db";

/// The number of ways to read, in the order of the arms. The arms with a store come before those without.
const WAYS: usize = 4;
const FACTUM: usize = 1;
const VALUES: usize = 2;
const UNVERIFIED: usize = 8;

fn main() -> Result<(), Box<dyn Error>> {
    let count = events_asked_for()?.get();
    let payments = Payments::make(count)?;
    let (directory, store) = payments.store()?;
    let unverified = options().ignore_checksums().open(directory.path().join(FILE))?;
    let arms = [
        Arm { name: "load    stored at 5", run: load::<Ledger>(&store, CURRENT) },
        Arm { name: "load    stored at 1, factum", run: load::<Ledger>(&store, FIRST) },
        Arm { name: "load    stored at 1, chain of values", run: load::<LedgerByValues>(&store, FIRST) },
        Arm { name: "load    stored at 1, typed hops", run: load::<LedgerByHops>(&store, FIRST) },
        Arm { name: "decode  stored at 5", run: decode::<PaymentTaken>(5, &payments.current) },
        Arm { name: "decode  stored at 1, factum", run: decode::<PaymentTaken>(1, &payments.first) },
        Arm { name: "decode  stored at 1, chain of values", run: decode::<ByValues>(1, &payments.first) },
        Arm { name: "decode  stored at 1, typed hops", run: decode::<ByHops>(1, &payments.first) },
        Arm { name: "load    stored at 5, checksums ignored", run: load::<Ledger>(&unverified, CURRENT) },
    ];
    println!(
        "{count} events, {ROUNDS} rounds; {} bytes at version 1, {} at version 5",
        bytes(&payments.first),
        bytes(&payments.current),
    );
    print(&arms, &measure(&arms, ROUNDS, &payments.totals), count);
    Ok(())
}

/// The first argument that is no option. Without one: enough events to measure if cargo runs `cargo bench`,
/// else (`cargo test --benches`) enough to compare the results of all ways.
fn events_asked_for() -> Result<NonZeroU32, Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some(count) = arguments.iter().find(|argument| !argument.starts_with('-')) {
        return count.parse().map_err(|error| format!("`{count}` is no number of events: {error}").into());
    }
    let is_bench = arguments.iter().any(|argument| argument == "--bench");
    Ok(NonZeroU32::new(if is_bench { 50_000 } else { 200 }).unwrap_or(NonZeroU32::MIN))
}

/// The payments as texts of both versions.
struct Payments {
    current: Vec<String>,
    first: Vec<String>,
    totals: Totals,
}

impl Payments {
    /// Makes the payments, and checks that each way reads each of them right: the sums could be right by
    /// chance.
    fn make(count: u32) -> Result<Self, Box<dyn Error>> {
        let mut made = Self { current: Vec::new(), first: Vec::new(), totals: Totals::default() };
        for number in 0..count {
            let mut first = String::new();
            let payment = payment(number, &mut first);
            let mut current = Vec::new();
            payment.encode(&mut current)?;
            let current = String::from_utf8(current)?;
            assert_eq!(PaymentTaken::decode(5, &current)?, payment);
            assert_eq!(PaymentTaken::decode(1, &first)?, payment);
            assert_eq!(ByValues::decode(1, &first)?.as_ref(), &payment);
            assert_eq!(ByHops::decode(1, &first)?.as_ref(), &payment);
            made.totals.add(&payment);
            made.current.push(current);
            made.first.push(first);
        }
        Ok(made)
    }

    /// A store with both streams, in a file in a temporary folder.
    fn store(&self) -> Result<(TempDir, SqliteStore), Box<dyn Error>> {
        let directory = tempfile::tempdir()?;
        let store = options().open(directory.path().join(FILE))?;
        for (key, event_version, payloads) in [(CURRENT, 5, &self.current), (FIRST, 1, &self.first)] {
            let metadata = Metadata::default();
            let recorded_at = Timestamp::now();
            let events: Vec<_> = payloads
                .iter()
                .map(|payload| {
                    let id = Uuid::now_v7();
                    NewEvent::new(PaymentTaken::NAME, event_version, payload, id, recorded_at, &metadata)
                })
                .collect();
            let stream = StreamName::of::<Ledger>(&key.to_owned());
            store.append(&[Append::new(&stream, ExpectedVersion::NoStream, &events)])?;
        }
        Ok((directory, store))
    }
}

/// The default cache is smaller than the file: the speed of an arm would depend on the arm before it.
fn options() -> SqliteOptions {
    SqliteOptions::new().cache_bytes(1 << 30)
}

/// A complete load, with the rows in a file.
fn load<'a, A>(store: &SqliteStore, key: &'a str) -> Box<dyn Fn() -> Totals + 'a>
where
    A: Aggregate<Id = String, Services = ()> + Into<Totals>,
{
    // Without a cache: a hot aggregate would not be read at all.
    let ledgers: Repository<A, SqliteStore> = store.repository().with_cache(CacheOptions::aggregates(0));
    Box::new(move || ledgers.load(&key.to_owned()).expect("the ledger is there").into_state().into())
}

/// Only the decoding and the sums.
fn decode<E: Event + AsRef<PaymentTaken>>(version: u32, payloads: &[String]) -> Box<dyn Fn() -> Totals + '_> {
    Box::new(move || {
        let mut totals = Totals::default();
        for payload in payloads {
            // A version known at compile time would let the compiler drop the other arms of the match.
            let event = E::decode(black_box(version), payload).expect("the payload is an event");
            totals.add(&event);
        }
        totals
    })
}

fn bytes(payloads: &[String]) -> usize {
    payloads.iter().map(String::len).sum()
}

fn print(arms: &[Arm<'_, Totals>], times: &[Times], count: u32) {
    println!("\n{:<40}{:>36}{:>24}", "", "events a second", "time, with factum's");
    println!("{:<40}{:>12}{:>12}{:>12}{:>12}{:>12}", "", "median", "min", "max", "at 5 = 1", "at 1 = 1");
    for (arms, times) in arms.chunks(WAYS).zip(times.chunks(WAYS)) {
        for (arm, time) in arms.iter().zip(times) {
            let [median, min, max] = time.rates(count);
            let (current, factum) = (time.over(&times[0]), time.over(&times[FACTUM]));
            println!("{:<40}{median:>12.0}{min:>12.0}{max:>12.0}{current:>12.2}{factum:>12.2}", arm.name);
        }
    }
    let of_current = times[FACTUM].over(&times[0]);
    let of_factum = times[VALUES].over(&times[FACTUM]);
    println!("\nratio upcast/v1-of-5-vs-current {of_current:.2} target <= 1.15");
    let verified = times[0].over(&times[UNVERIFIED]);
    println!("ratio upcast/value-chain-vs-factum {of_factum:.2} target >= 1.00");
    println!("ratio upcast/load-with-checksums-vs-without {verified:.2} target <= 1.15");
}
