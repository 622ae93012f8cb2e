//! factum beside SQLite by hand and beside other libraries: the same works, each run in a process of its own.
//!
//! ```text
//! cargo run --release --manifest-path tests/peers/compare/Cargo.toml --
//!     [--rounds 5] [--only <work>] [--scale 1.0]
//! ```

#![forbid(unsafe_code)]

mod arms;
mod measure;
mod options;
mod shuffle;
mod stats;
mod table;
mod works;

use std::process::ExitCode;

use crate::arms::ARMS;
use crate::measure::Scratch;
use crate::options::Options;
use crate::shuffle::Shuffle;
use crate::works::ROWS;

fn main() -> ExitCode {
    let options = match Options::read(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(problem) => {
            eprintln!("{problem}\n{}", options::USAGE);
            return ExitCode::FAILURE;
        }
    };
    let rows: Vec<_> = ROWS.iter().filter(|row| options.wants(row)).collect();
    if rows.is_empty() {
        eprintln!("no such work; there are: {}", table::names(&ROWS).join(", "));
        return ExitCode::FAILURE;
    }

    let programs = arms::build_all(&ARMS);
    let scratch = Scratch::new();
    let mut shuffle = Shuffle::from_clock();
    let mut ratios = Vec::new();
    let mut failed = false;
    for row in rows {
        let counts = row.counts.scaled(options.scale);
        let results = measure::row(row, &counts, &programs, options.rounds, &scratch, &mut shuffle);
        failed |= results.failed();
        table::print(row, &counts, &results);
        ratios.extend(table::ratio_lines(row, &results));
    }

    println!();
    for line in ratios {
        println!("{line}");
    }
    // A missing arm was reported and is no failure. A program that ran and failed is one.
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
