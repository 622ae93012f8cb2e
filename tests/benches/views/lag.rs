//! The time from the end of an append until a background view shows it.

use std::error::Error;
use std::path::Path;
use std::time::{Duration, Instant};

use factum::prelude::*;

use crate::account::{Account, Deposit};
use crate::sizes::Sizes;
use crate::table::Balances;
use crate::{fill, open};

/// A time that no wait takes, unless the benchmark fails.
const LONG: Duration = Duration::from_mins(1);

pub(crate) fn measure(folder: &Path, sizes: &Sizes) -> Result<(), Box<dyn Error>> {
    let path = folder.join("lag.db");
    let store = open(&path)?;
    // A second store, as in another process: it learns of the first one's appends only from the file.
    let other = open(&path)?;
    fill::fill(&store, "before", 0..10_000, 1_000)?;
    println!("lag from append to view, over {} appends:", sizes.appends);
    for (name, follower, pause) in [
        ("the same process, one append after the other", &store, Duration::ZERO),
        ("the same process, at rest before each", &store, Duration::from_millis(2)),
        ("another process, one append after the other", &other, Duration::ZERO),
        ("another process, at rest before each", &other, Duration::from_millis(2)),
    ] {
        let following = SqliteProjection::new(follower, Balances)?.follow().start()?;
        following.wait_for(store.position()?, LONG)?;
        let accounts = store.repository::<Account>();
        let mut lags = Vec::new();
        for _ in 0..sizes.appends {
            std::thread::sleep(pause);
            let done = accounts.execute(Deposit { account: "a".into(), cents: 1 })?;
            let appended = Instant::now();
            following.wait_for(done.position().ok_or("nothing was appended")?, LONG)?;
            lags.push(appended.elapsed());
        }
        following.stop()?;
        lags.sort();
        let (median, worst) = (lags[lags.len() / 2], lags[lags.len() - 1]);
        println!("  {name:46} median {:8.3} ms, worst {:8.3} ms", millis(median), millis(worst));
    }
    println!();
    Ok(())
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
