//! What it costs to compile a domain with factum: beside the same domain with everything written by hand, and beside its
//! structs alone.
//!
//! `cargo bench -p factum-tests --bench compile_cost [-- --sizes 10,50,200 --rounds 5 --shape many|wide --cold --instructions]`
//!
//! Crates are generated in four arms (`arms.rs`), each with all that the arm before it has: structs and methods; serde's
//! derives; what a repository needs, by hand (`source/hand.rs`); the same by factum. The last two do the same, which is checked:
//! one program calls both, and compares what is stored and read again. Both use factum's repository and store, so that
//! what differs is what is generated. The one by hand has nothing that it could do without.
//!
//! What is timed is one call of rustc, for the crate alone, as cargo makes it: `check` and `debug` with incremental
//! compilation and nothing remembered, `edit-check` and `edit-debug` after another number was written into one method, and
//! `release`. The arms take turns, forwards and backwards; each time is the median of all rounds, and each ratio the median of the
//! ratios of times right beside each other. A check is timed three times a round. Macros are built without optimization, as cargo does it in all profiles.
//!
//! Ten events to an aggregate are the default (`many`), as real aggregates have about as many. All in one (`wide`) shows what
//! grows faster than their number.

mod arms;
mod clock;
mod cold;
mod count;
mod domain;
mod generate;
mod measure;
#[path = "../shared/median.rs"]
mod median;
mod options;
#[path = "../shared/report.rs"]
mod report;
mod rustc;
mod source;
mod table;

use std::error::Error;

use self::arms::Arm;
use self::domain::Shape;
use self::generate::Generated;
use self::options::Options;
use self::rustc::Rustc;
use self::table::Measured;

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse(std::env::args().skip(1))?;
    if let Some(folder) = &options.write {
        Generated::write(folder, options.shape, &options.sizes)?;
        return Ok(());
    }
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let generated = Generated::write(folder.path(), options.shape, &options.sizes)?;
    let rustc = Rustc::new(&generated)?;
    let mut all = Vec::new();
    for &size in &options.sizes {
        rustc.prepare(size)?;
        let counts = Arm::ALL.map(|arm| count::count(&rustc, arm, size, options.instructions));
        let counts = counts.into_iter().collect::<Result<_, _>>()?;
        let rounds = options.rounds_at(size);
        let times = measure::measure(&rustc, size, rounds)?;
        let measured = Measured { size, rounds, counts, times };
        measured.print();
        all.push(measured);
    }
    if options.cold {
        cold::compare(folder.path())?;
    }
    if options.is_telling {
        println!();
        let prefix = if options.shape == Shape::Wide { "wide-" } else { "" };
        for measured in &all {
            measured.print_ratios(prefix);
        }
    }
    Ok(())
}
