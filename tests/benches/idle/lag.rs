//! The time from the end of an append in another process until a view shows it.

use std::error::Error;
use std::fmt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use factum::follow::RunningFollower;
use factum::prelude::*;

use crate::account::{Account, Deposit};
use crate::followers::View;

/// A time that no wait takes, unless the benchmark fails.
const LONG: Duration = Duration::from_mins(1);

/// Milliseconds.
pub(crate) struct Lag {
    pub(crate) median: f64,
    pub(crate) worst: f64,
}

impl fmt::Display for Lag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "median {:.3} ms, worst {:.3} ms", self.median, self.worst)
    }
}

/// Lets another process append so many events, with a pause of `pause` milliseconds before each.
pub(crate) fn measure(
    store: &SqliteStore,
    view: &RunningFollower<SqliteProjection<View>>,
    count: usize,
    pause: u64,
) -> Result<Lag, Box<dyn Error>> {
    let mut next = store.position()?;
    view.wait_for(next, LONG)?;
    let path = store.path().ok_or("a store in a file")?;
    let other = Command::new(std::env::current_exe()?)
        .arg("append-to")
        .arg(path)
        .args([count.to_string(), pause.to_string()])
        .stdout(Stdio::piped())
        .spawn()?;
    let mut seen = Vec::new();
    for _ in 0..count {
        next = next.next();
        view.wait_for(next, LONG)?;
        seen.push(micros()?);
    }
    let said = String::from_utf8(other.wait_with_output()?.stdout)?;
    let appended = said.lines().map(str::parse).collect::<Result<Vec<u64>, _>>()?;
    if appended.len() != seen.len() {
        return Err("the other process has failed".into());
    }
    let mut lags: Vec<u64> =
        seen.iter().zip(appended).map(|(seen, appended)| seen.saturating_sub(appended)).collect();
    lags.sort_unstable();
    #[expect(clippy::cast_precision_loss, reason = "microseconds are few")]
    let millis = |micros: u64| micros as f64 / 1e3;
    Ok(Lag { median: millis(lags[lags.len() / 2]), worst: millis(lags[lags.len() - 1]) })
}

/// The other process: prints the time after each append, in microseconds.
pub(crate) fn append(path: &Path, count: usize, pause: Duration) -> Result<(), Box<dyn Error>> {
    let store = SqliteStore::open(path)?;
    let accounts = store.repository::<Account>();
    for _ in 0..count {
        std::thread::sleep(pause);
        accounts.execute(Deposit { account: "a".into(), cents: 1 })?;
        println!("{}", micros()?);
    }
    Ok(())
}

fn micros() -> Result<u64, Box<dyn Error>> {
    Ok(u64::try_from(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_micros())?)
}
