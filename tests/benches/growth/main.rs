//! Whether a command costs more in a long stream than in a short one.
//!
//! `cargo bench -p factum-tests --bench growth`

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

use std::error::Error;
use std::path::Path;

use factum::sqlite::{Durability, OpenError, SqliteOptions, SqliteStore};

use self::report::print_ratio;
use self::sizes::Sizes;

fn main() -> Result<(), Box<dyn Error>> {
    let sizes = Sizes::asked_for();
    // Below `target`: the system's temporary folder may be in memory, which never waits for a disk.
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
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
