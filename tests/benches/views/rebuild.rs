//! Rebuilds of a view: their memory, and how long appends wait while the new view replaces the old one.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use factum::prelude::*;

use crate::account::{Account, Deposit};
use crate::fill::fill;
use crate::median::median;
use crate::open;
use crate::report::print_ratio;
use crate::sizes::Sizes;
use crate::table::Balances;

/// The number of events of each account: the view has a row for each account.
const EACH: u64 = 100;

/// The number of rebuilds: each thread rounds the memory that the system reports. An odd number has a median.
const ROUNDS: usize = 3;

pub(crate) fn compare(folder: &Path, sizes: &Sizes) -> Result<(), Box<dyn Error>> {
    let mut peaks = Vec::new();
    for events in sizes.rebuilt {
        let path = folder.join(format!("rebuild-{events}.db"));
        let store = open(&path)?;
        for account in 0..events / EACH {
            fill(&store, &format!("{account:08}"), 0..EACH, EACH)?;
        }
        SqliteProjection::new(&store, Balances)?.catch_up()?;
        store.checkpoint_wal()?;
        let done = AtomicBool::new(false);
        let (rebuilds, longest) = std::thread::scope(|scope| {
            let appends = scope.spawn(|| longest_append(&store, &done));
            let rebuilds = (0..ROUNDS).map(|_| in_its_own_process(&path)).collect::<Result<Vec<_>, _>>();
            done.store(true, Ordering::SeqCst);
            let longest = appends.join().map_err(|_| "the appending thread panicked")?;
            Ok::<_, Box<dyn Error>>((rebuilds?, longest?))
        })?;
        let peak = median(rebuilds.iter().map(|(peak, _)| *peak));
        println!(
            "rebuild: {events} events at {:.0} a second, {peak:.0} KiB at most; an append waited {:.0} ms at most",
            median(rebuilds.iter().map(|(_, rate)| *rate)),
            longest.as_secs_f64() * 1e3
        );
        peaks.push(peak);
    }
    if sizes.counts {
        println!();
        print_ratio("views/rebuild-memory-10x-events", peaks[1] / peaks[0], "<=", 1.1);
    }
    Ok(())
}

/// Runs [`rebuild`] in a child process, and returns what it prints.
fn in_its_own_process(path: &Path) -> Result<(f64, f64), Box<dyn Error>> {
    let output = Command::new(std::env::current_exe()?)
        .args([Path::new("rebuild-of"), path])
        .stdout(Stdio::piped())
        .output()?;
    if !output.status.success() {
        return Err(format!("the rebuild: {}", output.status).into());
    }
    let printed = String::from_utf8(output.stdout)?;
    let (peak, rate) = printed.trim().split_once(' ').ok_or("the rebuild printed no result")?;
    Ok((peak.parse()?, rate.parse()?))
}

/// Appends now and then until `done`. Returns the longest time of one append.
fn longest_append(store: &SqliteStore, done: &AtomicBool) -> Result<Duration, String> {
    let accounts = store.repository::<Account>();
    let mut longest = Duration::ZERO;
    while !done.load(Ordering::SeqCst) {
        std::thread::sleep(Duration::from_millis(5));
        let begun = Instant::now();
        accounts
            .execute(Deposit { account: "beside".into(), cents: 1 })
            .map_err(|error| error.to_string())?;
        longest = longest.max(begun.elapsed());
    }
    Ok(longest)
}

/// Rebuilds the view, and prints this process's peak memory in KiB and the events per second. Runs in a
/// process of its own.
pub(crate) fn rebuild(path: &Path) -> Result<(), Box<dyn Error>> {
    let store = open(path)?;
    let mut view = SqliteProjection::new(&store, Balances)?;
    let begun = Instant::now();
    let events = view.rebuild()?.events;
    #[expect(clippy::cast_precision_loss, reason = "counts are small enough to be exact")]
    let rate = events as f64 / begun.elapsed().as_secs_f64();
    // As Linux reports it.
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak = line.and_then(|line| line.trim().strip_suffix(" kB")).ok_or("no `VmHWM` in kB")?;
    println!("{peak} {rate:.0}");
    Ok(())
}
