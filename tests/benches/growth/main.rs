//! Whether a command costs more in a long stream than in a short one, and in a large store than in a small one.
//!
//! `cargo bench -p factum-tests --bench growth [-- streams | store [EVENTS]]`
//!
//! `store` fills a file of 10,000,000 events, of about 2 GB below `target`, or of as many as are asked for.

#[path = "../shared/account.rs"]
mod account;
mod cold;
#[path = "../shared/fill.rs"]
mod fill;
mod hot;
#[path = "../shared/median.rs"]
mod median;
#[path = "../shared/report.rs"]
mod report;
mod sizes;
mod store;

use std::error::Error;
use std::path::Path;

use factum::sqlite::{Durability, OpenError, SqliteOptions, SqliteStore};

use self::report::print_ratio;
use self::sizes::Sizes;

fn main() -> Result<(), Box<dyn Error>> {
    let sizes = Sizes::asked_for();
    // Below `target`: the system's temporary folder may be in memory, which never waits for a disk.
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let arguments: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let is_wanted = |name: &str| arguments.is_empty() || arguments.iter().any(|argument| argument == name);
    if is_wanted("store") {
        let asked_for = arguments.iter().find_map(|argument| argument.parse().ok());
        let ratio = store::grow(folder.path(), asked_for.unwrap_or(sizes.store))?;
        if sizes.are_meaningful {
            println!();
            print_ratio("growth/new-stream-at-the-end-vs-100k", ratio, "<=", 1.2);
        }
    }
    if !is_wanted("streams") {
        return Ok(());
    }
    let cold = cold::compare(folder.path(), &sizes.cold)?;
    let normal = hot::compare(folder.path(), Durability::Normal, &sizes.normal)?;
    let full = hot::compare(folder.path(), Durability::Full, &sizes.full)?;
    if sizes.are_meaningful {
        println!();
        print_ratio("growth/cold-command-1m-vs-100", cold, "<=", 2.0);
        print_ratio("growth/hot-normal-100k-vs-fresh", normal, ">=", 0.9);
        print_ratio("growth/hot-full-100k-vs-fresh", full, ">=", 0.9);
    }
    Ok(())
}

fn open(path: &Path, durability: Durability) -> Result<SqliteStore, OpenError> {
    SqliteOptions::new().durability(durability).open(path)
}
