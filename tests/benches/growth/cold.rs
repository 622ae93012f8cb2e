//! The first command of a program that has just opened its store.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use factum::prelude::*;
use factum::sqlite::Durability;

use crate::account::{Account, Deposit};
use crate::fill::fill;
use crate::median::median;
use crate::open;
use crate::sizes::Cold;

/// The number of events in one append while a stream is made.
const BATCH: u64 = 1_000;

/// The time in a long stream divided by that in a short one, each alone in a file.
///
/// Both streams grow by a command a round, and so have equally many events since their newest snapshot. In
/// each round the two loads have the same work. A hundred rounds cover every number of events since a
/// snapshot.
pub(crate) fn compare(folder: &Path, sizes: &Cold) -> Result<f64, Box<dyn Error>> {
    let short = Stream::make(folder, sizes.short)?;
    let long = Stream::make(folder, sizes.long)?;
    let (mut of_short, mut of_long) = (Vec::new(), Vec::new());
    // The first round finds nothing in the operating system's cache, and does not count.
    for round in 0..=sizes.rounds {
        let (short, long) = if round.is_multiple_of(2) {
            let short = short.command()?;
            (short, long.command()?)
        } else {
            let long = long.command()?;
            (short.command()?, long)
        };
        if round > 0 {
            of_short.push(short);
            of_long.push(long);
        }
    }
    print("a command", sizes, &of_short, &of_long, |times| times.command);
    print("its load", sizes, &of_short, &of_long, |times| times.load);
    Ok(over(&of_long, &of_short, |times| times.command))
}

/// A file with one stream.
struct Stream {
    path: PathBuf,
}

/// Of one command, from the opened store to the answer; and of its load alone. The first append waits for the
/// disk even with [`Durability::Normal`], which would hide a slow load.
struct Times {
    command: Duration,
    load: Duration,
}

impl Stream {
    fn make(folder: &Path, events: u64) -> Result<Self, Box<dyn Error>> {
        let made = Self { path: folder.join(format!("cold-{events}.db")) };
        let store = open(&made.path, Durability::Normal)?;
        fill(&store, KEY, 0..events, BATCH)?;
        // Loads all events, which takes the snapshot, and appends one. The file gets the snapshot at the
        // latest when the store is dropped.
        let accounts = store.repository::<Account>();
        assert_eq!(accounts.execute(deposit())?.version(), events + 1);
        assert_eq!(accounts.statistics().snapshots_taken, 1);
        Ok(made)
    }

    /// One load and one command, each with its own store and repository. Opening and closing do not count.
    fn command(&self) -> Result<Times, Box<dyn Error>> {
        let load = {
            let store = open(&self.path, Durability::Normal)?;
            let start = Instant::now();
            let accounts = store.repository::<Account>();
            accounts.load(&KEY.to_owned())?;
            start.elapsed()
        };
        let store = open(&self.path, Durability::Normal)?;
        let start = Instant::now();
        let accounts = store.repository::<Account>();
        accounts.execute(deposit())?;
        let command = start.elapsed();
        assert_eq!(accounts.statistics().snapshots_used, 1, "the load begins at a snapshot");
        Ok(Times { command, load })
    }
}

const KEY: &str = "a";

fn deposit() -> Deposit {
    Deposit { account: KEY.into(), cents: 5 }
}

/// The median of the ratios of all rounds: a slow second of the machine affects both sides of one round.
fn over(times: &[Times], others: &[Times], part: impl Fn(&Times) -> Duration) -> f64 {
    median(times.iter().zip(others).map(|(time, other)| part(time).div_duration_f64(part(other))))
}

fn print(what: &str, sizes: &Cold, short: &[Times], long: &[Times], part: fn(&Times) -> Duration) {
    let micros = |times: &[Times]| median(times.iter().map(|times| part(times).as_secs_f64() * 1e6));
    println!(
        "cold, {what:<9}: {:>7.0} µs after {} events, {:>7.0} µs after {}; {:.2} times as long",
        micros(short),
        sizes.short,
        micros(long),
        sizes.long,
        over(long, short, part),
    );
}
