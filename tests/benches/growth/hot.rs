//! One command after the other on a hot aggregate, when its stream is new and when it is long.

use std::error::Error;
use std::path::Path;
use std::time::{Duration, Instant};

use factum::prelude::*;
use factum::sqlite::Durability;
use tempfile::TempDir;

use crate::account::{Account, Deposit};
use crate::fill::fill;
use crate::median::median;
use crate::open;
use crate::sizes::Hot;

/// The number of commands before the other aggregate gets its turn.
const TURN: u32 = 20;

/// The number of events in one append while a stream grows.
const BATCH: u64 = 1_000;

const KEY: &str = "a";

/// Commands a second on the grown stream, divided by those on it when it was new.
///
/// An aggregate needs time to grow, in which a machine changes its pace. So two aggregates overlap and take
/// turns: the old one and the next young one.
pub(crate) fn compare(folder: &Path, durability: Durability, sizes: &Hot) -> Result<f64, Box<dyn Error>> {
    let mut old = Life::begin(folder, durability, sizes)?;
    // The first aggregate has no old one to be compared with.
    take_turns([&old], sizes.commands)?;
    let (mut ratios, mut rates_young, mut rates_old) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..sizes.rounds {
        old.grow(sizes.grown)?;
        let young = Life::begin(folder, durability, sizes)?;
        let [time_young, time_old] = take_turns([&young, &old], sizes.commands)?;
        ratios.push(time_young.div_duration_f64(time_old));
        rates_young.push(f64::from(sizes.commands) / time_young.as_secs_f64());
        rates_old.push(f64::from(sizes.commands) / time_old.as_secs_f64());
        old = young;
    }
    println!(
        "hot, {durability:?}: {:.0} commands a second on a new stream, {:.0} on one of {} events",
        median(rates_young),
        median(rates_old),
        sizes.grown,
    );
    Ok(median(ratios))
}

/// The time of each for its `commands`.
fn take_turns<const LIVES: usize>(
    lives: [&Life; LIVES],
    commands: u32,
) -> Result<[Duration; LIVES], Box<dyn Error>> {
    let mut times = [Duration::ZERO; LIVES];
    for turn in 0..commands / TURN {
        for place in 0..LIVES {
            // The order alternates.
            let index = if turn.is_multiple_of(2) { place } else { LIVES - 1 - place };
            let start = Instant::now();
            for _ in 0..TURN {
                lives[index].command()?;
            }
            times[index] += start.elapsed();
        }
    }
    Ok(times)
}

/// An aggregate, its one repository, and the folder with its file, which is dropped last.
struct Life {
    accounts: Repository<Account, SqliteStore>,
    _folder: TempDir,
}

impl Life {
    fn begin(folder: &Path, durability: Durability, sizes: &Hot) -> Result<Self, Box<dyn Error>> {
        let folder = tempfile::tempdir_in(folder)?;
        let store = open(&folder.path().join("hot.db"), durability)?;
        // A growing log is slower to write than one that is overwritten. Another stream makes it grow first,
        // or else the new stream would be slower only because its file is new.
        fill(&store, "other", 0..sizes.others, sizes.others)?;
        Ok(Self { accounts: store.repository(), _folder: folder })
    }

    fn command(&self) -> Result<u64, Box<dyn Error>> {
        Ok(self.accounts.execute(Deposit { account: KEY.into(), cents: 5 })?.version())
    }

    /// Makes the stream this long, and loads the new events into the repository.
    fn grow(&self, events: u64) -> Result<(), Box<dyn Error>> {
        let version = self.accounts.load(&KEY.to_owned())?.version();
        fill(self.accounts.store(), KEY, version..events, BATCH)?;
        assert_eq!(self.command()?, events + 1);
        Ok(())
    }
}
