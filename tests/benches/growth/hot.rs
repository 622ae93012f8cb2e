//! One command after the other on an aggregate that stays in memory, when its stream is new and when it is long.

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

/// How many commands one of two aggregates gets before it is the other one's turn.
const TURN: u32 = 20;

/// How many events come with one append while a stream grows.
const BATCH: u64 = 1_000;

const KEY: &str = "a";

/// Commands a second on the grown stream, over those on the same stream when it was new.
///
/// Between the two halves of an aggregate's life lies the time in which it grows, and machines change their pace
/// meanwhile. So lives overlap: while one aggregate is old, the next one is young, and the two take turns.
pub(crate) fn compare(folder: &Path, durability: Durability, sizes: &Hot) -> Result<f64, Box<dyn Error>> {
    let mut old = Life::begin(folder, durability, sizes)?;
    // Its youth has nobody to be compared with.
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

/// How long each took for its `commands`.
fn take_turns<const LIVES: usize>(
    lives: [&Life; LIVES],
    commands: u32,
) -> Result<[Duration; LIVES], Box<dyn Error>> {
    let mut times = [Duration::ZERO; LIVES];
    for turn in 0..commands / TURN {
        for place in 0..LIVES {
            // Nobody always comes after the other.
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

/// An aggregate, the one repository that it is used through, and the folder with its file, which goes last.
struct Life {
    accounts: Repository<Account, SqliteStore>,
    _folder: TempDir,
}

impl Life {
    fn begin(folder: &Path, durability: Durability, sizes: &Hot) -> Result<Self, Box<dyn Error>> {
        let folder = tempfile::tempdir_in(folder)?;
        let store = open(&folder.path().join("hot.db"), durability)?;
        // A log that still grows is slower to write than one that is written over: the new stream would be at a
        // disadvantage only because its file is new, too. So another stream has been there before.
        fill(&store, "other", 0..sizes.others, sizes.others)?;
        Ok(Self { accounts: store.repository(), _folder: folder })
    }

    fn command(&self) -> Result<u64, Box<dyn Error>> {
        Ok(self.accounts.execute(Deposit { account: KEY.into(), cents: 5 })?.version())
    }

    /// Makes the stream so long, and reads what is new to the repository.
    fn grow(&self, events: u64) -> Result<(), Box<dyn Error>> {
        let version = self.accounts.load(&KEY.to_owned())?.version();
        fill(self.accounts.store(), KEY, version..events, BATCH)?;
        assert_eq!(self.command()?, events + 1);
        Ok(())
    }
}
