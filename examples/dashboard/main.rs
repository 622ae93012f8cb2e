//! A dashboard of road-traffic fines: views of their events, drawn as charts into one HTML file.
//!
//! `cargo run --example dashboard -- FILE.csv [OUT.html]` runs these steps, with a progress bar for each
//! view:
//!
//! * It imports the log that the example `fines` imports, with the same domain, into a store in memory.
//! * It builds four views: those of `views`, and the `outcomes` of `fines`.
//! * `figures` reads the views, and `bars`, `columns` and `lines` draw them, with `scale` and `svg`.
//! * `page` writes the page, which needs no script, font or image.

mod bars;
mod columns;
/// The domain, the log, a view and the bars of the example `fines`.
#[path = "../fines"]
#[allow(dead_code, reason = "the example `fines` uses more of them than this one")]
mod fines {
    pub mod fine;
    pub mod import;
    pub mod log;
    pub mod outcomes;
    pub mod progress;
    pub mod values;
}
mod figures;
mod lines;
mod page;
mod scale;
mod svg;
mod views;

use std::error::Error;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::BufReader;
use std::path::Path;
use std::process::ExitCode;

use factum::prelude::*;

use self::fines::import::import;
use self::fines::log::Log;
use self::fines::progress::Bars;

const USAGE: &str = "usage: dashboard FILE.csv [OUT.html]
Without OUT.html the page is written to dashboard.html.";

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let (file, out) = match arguments.as_slice() {
        [file] => (Path::new(file), Path::new("dashboard.html")),
        [file, out] => (Path::new(file), Path::new(out)),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match run(file, out) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("dashboard: {}", factum::with_causes(&*error));
            ExitCode::from(2)
        }
    }
}

fn run(file: &Path, out: &Path) -> Result<(), Box<dyn Error>> {
    let bars = Bars::new();
    let store = SqliteStore::in_memory()?;
    let input = File::open(file).map_err(|error| format!("can't read {}: {error}", file.display()))?;
    let bytes = input.metadata()?.len();
    let input = BufReader::new(bars.reading(bytes).wrap_read(input));
    let log = Log::open(input).map_err(|error| format!("can't read {}: {error}", file.display()))?;
    import(log, &store.repository(), |line, reason| bars.line(&format!("line {line}: {reason}")))?;
    views::make(&store, &bars)?;
    drop(bars);
    let figures = figures::all(&store)?;
    fs::write(out, page::page(&figures))
        .map_err(|error| format!("can't write {}: {error}", out.display()))?;
    println!("{}: {} figures, made from {} events", out.display(), figures.len(), store.position()?);
    Ok(())
}
