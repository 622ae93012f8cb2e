//! Road-traffic fines: replays the log of a police force, each row as a command, and prints how the fines
//! have ended.
//!
//! `cargo run --example fines -- FILE.csv [STORE.db]` replays a log; `-- --rebuild STORE.db` rebuilds the
//! view. The file has the columns of the public event log "Road Traffic Fine Management Process" (de Leoni
//! and Mannhardt, 2015).
//!
//! * `log` turns rows into commands, and `fine` decides on them.
//! * `import` executes the commands of a log.
//! * `outcomes` is the view that the summary is read from.
//! * `progress` draws progress bars.
//!
//! The files name each other by `super`, because the tests of this package include the whole program as a
//! module.

mod fine;
mod import;
mod log;
mod outcomes;
mod progress;
mod values;

use std::error::Error;
use std::ffi::OsString;
use std::fs::File;
use std::io::{BufReader, Write as _};
use std::path::Path;
use std::process::ExitCode;

use factum::prelude::*;
use factum::sqlite::{Durability, OpenError, SqliteOptions};

use self::import::{Imported, import};
use self::log::Log;
use self::outcomes::{Outcomes, Summary};
use self::progress::Bars;

const USAGE: &str = "usage: fines FILE.csv [STORE.db]
       fines --rebuild STORE.db
Without STORE.db the fines are kept in memory, and gone at the end.";

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let result = match arguments.as_slice() {
        [flag, store] if flag == "--rebuild" => rebuild(store.as_ref()),
        [file] if file != "--rebuild" => run(file.as_ref(), None),
        [file, store] => run(file.as_ref(), Some(store.as_ref())),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::from(1),
        Err(error) => {
            eprintln!("fines: {}", factum::with_causes(&*error));
            ExitCode::from(2)
        }
    }
}

/// Replays the file, prints the results, and returns the number of skipped rows.
fn run(file: &Path, store: Option<&Path>) -> Result<u64, Box<dyn Error>> {
    // The log is opened first, so that a mistyped name leaves no empty store behind.
    let bars = Bars::new();
    let log = File::open(file).map_err(Into::into).and_then(|input| {
        let bytes = input.metadata()?.len();
        Log::open(BufReader::new(bars.reading(bytes).wrap_read(input)))
    });
    let log = log.map_err(|error| format!("can't read {}: {error}", file.display()))?;
    let store = open(store)?;

    let imported =
        import(log, &store.repository(), |line, reason| bars.line(&format!("line {line}: {reason}")))?;
    SqliteProjection::new(&store, Outcomes)?.on_progress(bars.view("outcomes")).catch_up()?;
    drop(bars);

    let Imported { recorded, known, skipped } = imported;
    let accepted = recorded + known;
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "{accepted} rows accepted: {recorded} recorded, {known} already known; {skipped} skipped\n"
    )?;
    write!(out, "{}", Summary::read(&store)?)?;
    Ok(skipped)
}

/// Rebuilds the view beside the one that readers use, and prints the summary.
fn rebuild(store: &Path) -> Result<u64, Box<dyn Error>> {
    // A mistyped name must not create a store.
    if !store.exists() {
        return Err(format!("there is no {}", store.display()).into());
    }
    let store = open(Some(store))?;
    let bars = Bars::new();
    SqliteProjection::new(&store, Outcomes)?.on_progress(bars.view("outcomes")).rebuild()?;
    drop(bars);
    write!(std::io::stdout().lock(), "{}", Summary::read(&store)?)?;
    Ok(0)
}

fn open(store: Option<&Path>) -> Result<SqliteStore, OpenError> {
    // After a power failure the log can be replayed, so there is no need to wait for the disk at each row.
    let options = SqliteOptions::new().durability(Durability::Normal);
    match store {
        Some(path) => options.open(path),
        None => options.in_memory(),
    }
}
