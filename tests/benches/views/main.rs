//! Views: how fast they catch up, how far they are behind the store, and the cost of a rebuild.
//!
//! `cargo bench -p factum-tests --bench views [-- --quick] [-- catch-up | lag | beside | rebuild]`

#[path = "../shared/account.rs"]
mod account;
mod beside;
mod catch_up;
#[path = "../shared/fill.rs"]
mod fill;
mod lag;
#[path = "../shared/median.rs"]
mod median;
mod rebuild;
#[path = "../shared/report.rs"]
mod report;
mod sizes;
mod table;

use std::error::Error;
use std::path::Path;

use factum::sqlite::{Durability, OpenError, SqliteOptions, SqliteStore};

use self::sizes::Sizes;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["rebuild-of", path] => return rebuild::rebuild(Path::new(path)),
        ["catch-up-of", path] => return beside::catch_up(Path::new(path)),
        _ => {}
    }
    let sizes = Sizes::asked_for();
    let is_wanted = |name: &str| arguments.is_empty() || arguments.iter().any(|argument| argument == name);
    // Below `target`: the system's temporary folder may be in memory.
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    if is_wanted("catch-up") {
        catch_up::compare(folder.path(), &sizes)?;
    }
    if is_wanted("lag") {
        lag::measure(folder.path(), &sizes)?;
    }
    if is_wanted("beside") {
        beside::measure(folder.path(), &sizes)?;
    }
    if is_wanted("rebuild") {
        rebuild::compare(folder.path(), &sizes)?;
    }
    Ok(())
}

fn open(path: &Path) -> Result<SqliteStore, OpenError> {
    SqliteOptions::new().durability(Durability::Normal).open(path)
}
