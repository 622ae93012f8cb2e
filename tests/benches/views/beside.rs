//! How long appends wait beside a catch-up of another process, in the same file.

use std::error::Error;
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use factum::prelude::*;

use crate::account::{Account, Deposit};
use crate::report::print_ratio;
use crate::sizes::Sizes;
use crate::table::Balances;
use crate::{fill, open};

/// How long an append may wait, in milliseconds, at the 99.9th percentile.
const BOUND: f64 = 50.0;

pub(crate) fn measure(folder: &Path, sizes: &Sizes) -> Result<(), Box<dyn Error>> {
    let path = folder.join("beside.db");
    let store = open(&path)?;
    for account in 0..sizes.beside / 1_000 {
        fill::fill(&store, &format!("{account:08}"), 0..1_000, 1_000)?;
    }
    let accounts = store.repository::<Account>();
    let append = || -> Result<Duration, Box<dyn Error>> {
        let begun = Instant::now();
        accounts.execute(Deposit { account: "beside".into(), cents: 1 })?;
        Ok(begun.elapsed())
    };
    let alone = (0..sizes.appends).map(|_| append()).collect::<Result<Vec<_>, _>>()?;
    // One process that appends all the time would slow the catch-up down for as long as it likes: this one
    // pauses, and so has about as many appends as a busy service.
    let mut catch_up = Process::start(&path)?;
    let mut beside = Vec::new();
    while catch_up.is_running()? {
        beside.push(append()?);
        std::thread::sleep(Duration::from_micros(500));
    }
    println!("appends of one thread, and the same beside a catch-up of {} events:", sizes.beside);
    for (name, mut waits) in [("alone", alone), ("beside the catch-up", beside)] {
        waits.sort();
        let at = |per_mille: usize| {
            let index = (waits.len() * per_mille / 1_000).min(waits.len().saturating_sub(1));
            waits.get(index).map_or(0.0, |wait| wait.as_secs_f64() * 1e3)
        };
        println!(
            "  {name:20} {:6} appends: median {:7.3} ms, 99 % {:7.3}, 99.9 % {:7.3}, worst {:7.3}",
            waits.len(),
            at(500),
            at(990),
            at(999),
            at(1_000)
        );
        if sizes.counts && name != "alone" {
            println!();
            print_ratio("views/append-beside-catch-up-ms", at(999), "<=", BOUND);
        }
    }
    println!();
    Ok(())
}

/// A child process that runs [`catch_up`]. It is killed if the benchmark fails.
struct Process(Child);

impl Process {
    fn start(path: &Path) -> Result<Self, Box<dyn Error>> {
        let child = Command::new(std::env::current_exe()?).args([Path::new("catch-up-of"), path]).spawn()?;
        Ok(Self(child))
    }

    fn is_running(&mut self) -> Result<bool, Box<dyn Error>> {
        match self.0.try_wait()? {
            None => Ok(true),
            Some(status) if status.success() => Ok(false),
            Some(status) => Err(format!("the catch-up: {status}").into()),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Catches the view up, in a process of its own.
pub(crate) fn catch_up(path: &Path) -> Result<(), Box<dyn Error>> {
    let begun = Instant::now();
    let done = SqliteProjection::new(&open(path)?, Balances)?.catch_up()?;
    println!("  the catch-up: {} events in {:.0} ms", done.events, begun.elapsed().as_secs_f64() * 1e3);
    Ok(())
}
