//! Whether a read of more events takes more memory, and how long the write-ahead log gets during a long read.
//!
//! `cargo bench -p factum-tests --bench memory [-- --quick]`

#[path = "../shared/account.rs"]
mod account;
#[path = "../shared/fill.rs"]
mod fill;
mod reader;
#[path = "../shared/report.rs"]
mod report;
mod sizes;
mod writer;

use std::error::Error;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use factum::sqlite::{Durability, OpenError, SqliteOptions, SqliteStore};

use self::fill::fill;
use self::report::print_ratio;
use self::sizes::Sizes;
use self::writer::write_while;

/// The number of events in one append.
const BATCH: u64 = 10_000;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["read", path, events, cache_bytes] => {
            reader::read(Path::new(path), events.parse()?, cache_bytes.parse()?)
        }
        _ => compare(&Sizes::asked_for()),
    }
}

fn compare(sizes: &Sizes) -> Result<(), Box<dyn Error>> {
    // Below `target`: the system's temporary folder may be in memory.
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let path = folder.path().join("memory.db");
    let mut built = 0;
    let mut peaks = Vec::new();
    for events in [sizes.few, sizes.many] {
        fill(&open(&path, sizes.cache_bytes)?, reader::KEY, built..events, BATCH)?;
        built = events;
        peaks.push(measure(&path, events, sizes.cache_bytes)?);
    }
    if let Some(name) = sizes.name {
        println!();
        print_ratio(name, f64::from(peaks[1]) / f64::from(peaks[0]), "<=", 1.1);
    }
    Ok(())
}

/// The peak memory, in KiB, of a process that reads all events.
///
/// That process reads alone: an append of another process empties its cache, which then would never fill.
/// Another process then reads during appends.
fn measure(path: &Path, events: u64, cache_bytes: u32) -> Result<u32, Box<dyn Error>> {
    let read = || {
        Command::new(std::env::current_exe()?)
            .arg("read")
            .arg(path)
            .args([events.to_string(), cache_bytes.to_string()])
            .stdout(Stdio::piped())
            .spawn()
    };
    let alone = peak(&read()?.wait_with_output()?)?;
    let (output, written) = write_while(read()?, &open(path, cache_bytes)?, path)?;
    println!(
        "{events} events read: {alone} KiB at most; {} KiB while {} others are appended, write-ahead log {} KiB",
        peak(&output)?,
        written.events,
        written.longest_log / 1024,
    );
    Ok(alone)
}

fn peak(reader: &Output) -> Result<u32, Box<dyn Error>> {
    if !reader.status.success() {
        return Err(format!("the reader: {}", reader.status).into());
    }
    Ok(str::from_utf8(&reader.stdout)?.trim().parse()?)
}

fn open(path: &Path, cache_bytes: u32) -> Result<SqliteStore, OpenError> {
    SqliteOptions::new().durability(Durability::Normal).cache_bytes(cache_bytes).open(path)
}
