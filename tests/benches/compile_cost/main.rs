//! The cost of compiling a domain with factum, beside the same domain written by hand, and beside its structs
//! alone.
//!
//! `cargo bench -p factum-tests --bench compile_cost [-- --sizes 10,50,200 --rounds 5 --shape many|wide|app --cold --instructions]`
//!
//! Crates are generated in four arms (`arms.rs`), each with everything that the arm before it has:
//! * structs and methods
//! * serde's derives
//! * what a repository needs, by hand (`source/hand.rs`)
//! * what a repository needs, by factum
//!
//! The last two do the same work. One program calls both and compares the stored events and the states. Both
//! use factum's repository and store, so only the generated code differs. The arm by hand has nothing that it
//! does not need.
//!
//! Each time is that of one call of rustc, for the crate alone, as cargo makes it:
//! * `check` and `debug`: incremental compilation without earlier results
//! * `edit-check` and `edit-debug`: after an edit of one number in one method
//! * `release`
//!
//! With `--instructions`, only the instructions of a check are counted, of the last two arms, which no other program on the
//! machine disturbs.
//!
//! The arms take turns, forwards and backwards. Each time is the median of all rounds. Each ratio is the
//! median of the ratios of neighbouring times. Each round times a check three times. Macros are built without
//! optimization, as cargo does in all profiles.
//!
//! By default an aggregate has ten events (`many`), about as many as real aggregates have. With all events in
//! one aggregate (`wide`), costs show that grow faster than their number. An application (`app`, of 200 by default) has aggregates of
//! twenty, ten views, a process, and commands by name; by hand, it is what `source/app.rs` says.

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
    let prefix = options.shape.prefix();
    if options.instructions {
        for &size in &options.sizes {
            let [hand, factum] = [Arm::Hand, Arm::Factum].map(|arm| rustc.instructions(arm, size));
            table::print_instructions(prefix, size, hand?, factum?);
        }
        return Ok(());
    }
    let mut all = Vec::new();
    for &size in &options.sizes {
        rustc.prepare(size)?;
        let counts = Arm::ALL.map(|arm| count::count(&rustc, arm, size));
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
    if options.is_meaningful {
        println!();
        for measured in &all {
            measured.print_ratios(prefix);
        }
    }
    Ok(())
}
