//! The write-ahead log made as long as it will get before there is something to write: a commit then flushes bytes of a
//! file, but not its length.

use std::error::Error;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::time::Instant;

use rusqlite::Connection;

use crate::content::Append;
use crate::database::{Database, Durability};
use crate::layout::LAYOUTS;
use crate::sizes::Sizes;
use crate::table::Table;
use crate::turns::{Figures, Turns};
use crate::write::writer;

/// A little more than what SQLite writes before it begins the log anew.
const LENGTH: u64 = 4 << 20;

/// Some 5 pages a commit, and so a good half of it.
const WHILE_NEW: u32 = 120;

const WAYS: [&str; 3] = ["grows as it is written", "again", "grown beforehand"];
const GROWN: usize = 2;
const COLUMNS: [&str; 2] = ["while the log is new", "later"];

pub(super) fn compare(sizes: &Sizes) -> Result<(), Box<dyn Error>> {
    let mut figures = vec![vec![Figures::default(); COLUMNS.len()]; WAYS.len()];
    let mut growing = Figures::default();
    let mut turns = Turns::new(WAYS.len());
    for round in 0..=sizes.rounds {
        let [first, later] = [WHILE_NEW, sizes.full].map(|commits| {
            let appends: Vec<_> = (0..commits).map(|_| Append::fresh()).collect();
            appends
        });
        for &arm in turns.next() {
            let Run { rates, seconds_growing } = run(arm == GROWN, round == 0, &first, &later)?;
            if round > 0 {
                figures[arm].iter_mut().zip(rates).for_each(|(figures, rate)| figures.push(rate));
                if arm == GROWN {
                    growing.push(seconds_growing * 1e3);
                }
            }
        }
    }
    let rows = WAYS.into_iter().zip(&figures).map(|(name, figures)| (name, &**figures)).collect();
    let table = Table { columns: &COLUMNS, rows };
    table.print_medians("## The log after opening, FULL, fresh streams, commits a second");
    table.print_ratios("## The same, of the first", &[]);
    println!("\nGrowing the log: {:.1} ms, once for each time that it is opened", growing.median());
    Ok(())
}

struct Run {
    /// One a column.
    rates: [f64; 2],
    seconds_growing: f64,
}

fn run(
    is_grown: bool,
    is_warming_up: bool,
    first: &[Append],
    later: &[Append],
) -> Result<Run, Box<dyn Error>> {
    let database = Database::create(&LAYOUTS[0])?;
    database.set_durability(Durability::Full)?;
    // The tables are in the file and the log is empty, as if it had just been opened.
    database.bytes()?;
    let start = Instant::now();
    if is_grown {
        grow(&database)?;
    }
    let seconds_growing = start.elapsed().as_secs_f64();
    let commit = |appends: &[Append]| -> Result<f64, Box<dyn Error>> {
        let mut writer = writer(&database);
        let start = Instant::now();
        appends.iter().try_for_each(|append| writer.commit([append]))?;
        Ok(f64::from(u32::try_from(appends.len())?) / start.elapsed().as_secs_f64())
    };
    let while_new = commit(first)?;
    if is_grown {
        assert_eq!(log(&database.path).metadata()?.len(), LENGTH, "so many commits do not fill it");
    }
    // Copies are work for the disk that the clock would see.
    if is_warming_up {
        check_recovery(&database, first.len())?;
    }
    Ok(Run { rates: [while_new, commit(later)?], seconds_growing })
}

/// Nobody else may write to the log meanwhile, and its lock is the transaction's. SQLite tells what belongs to the log
/// by checksums, and does not mind zeros.
fn grow(database: &Database) -> Result<(), Box<dyn Error>> {
    database.connection.execute_batch("BEGIN IMMEDIATE")?;
    let mut log = log(&database.path);
    let missing = LENGTH.saturating_sub(log.metadata()?.len());
    log.write_all(&vec![0; usize::try_from(missing)?])?;
    log.sync_all()?;
    database.connection.execute_batch("COMMIT")?;
    Ok(())
}

fn log(database: &Path) -> File {
    File::options().append(true).open(log_path(database)).expect("SQLite has made its log")
}

fn log_path(database: &Path) -> OsString {
    let mut path = database.as_os_str().to_owned();
    path.push("-wal");
    path
}

/// What a crash would leave has all events in it.
fn check_recovery(database: &Database, events: usize) -> Result<(), Box<dyn Error>> {
    let directory = tempfile::tempdir()?;
    let copy = directory.path().join("copy.db");
    fs::copy(&database.path, &copy)?;
    fs::copy(log_path(&database.path), log_path(&copy))?;
    let connection = Connection::open(&copy)?;
    let found: i64 = connection.query_row("SELECT count(*) FROM events", (), |row| row.get(0))?;
    assert_eq!(usize::try_from(found)?, events);
    let integrity: String = connection.query_row("PRAGMA integrity_check", (), |row| row.get(0))?;
    assert_eq!(integrity, "ok");
    Ok(())
}
