//! Two arms of the comparison: `ours factum ..` and `ours raw ..`.
//!
//! `ours <arm> <work> <full|normal> <count> <folder>` does one work on a new file in an empty folder and
//! prints `rate <operations a second>`. Preparations do not count.

mod account;
mod by_factum;
mod by_hand;

use std::error::Error;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// The work, its durability, its count, and its folder.
struct Job {
    work: String,
    full: bool,
    count: usize,
    folder: PathBuf,
}

impl Job {
    fn file(&self) -> PathBuf {
        self.folder.join("events.db")
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [arm, work, durability, count, folder] = &arguments[..] else {
        return Err("ours <factum|raw> <work> <full|normal> <count> <folder>".into());
    };
    let full = match durability.as_str() {
        "full" => true,
        "normal" => false,
        other => return Err(format!("no such durability: {other}").into()),
    };
    let job = Job { work: work.clone(), full, count: count.parse()?, folder: folder.into() };
    let rate = match arm.as_str() {
        "factum" => by_factum::run(&job)?,
        "raw" => by_hand::run(&job)?,
        other => return Err(format!("no such arm: {other}").into()),
    };
    match rate {
        Some(rate) => println!("rate {rate}"),
        None => println!("rate -"),
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "counts are small enough to be exact")]
/// Operations a second, if `count` took this long.
fn rate(count: usize, time: Duration) -> f64 {
    count as f64 / time.as_secs_f64()
}

/// The median time of five runs.
fn median<E>(mut run: impl FnMut() -> Result<(), E>) -> Result<Duration, E> {
    let mut times = Vec::new();
    for _ in 0..5 {
        let start = Instant::now();
        run()?;
        times.push(start.elapsed());
    }
    times.sort();
    Ok(times[2])
}

#[expect(clippy::cast_precision_loss, reason = "sizes are small enough to be exact")]
/// The size of the file divided by the number of its events.
fn bytes_per_event(job: &Job) -> Result<f64, std::io::Error> {
    Ok(std::fs::metadata(job.file())?.len() as f64 / job.count as f64)
}
