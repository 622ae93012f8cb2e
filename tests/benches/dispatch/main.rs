//! The cost of factum's enums and dispatch: instructions for a command, beside code by hand.
//!
//! valgrind counts them, because a clock's noise would hide the difference.
//!
//! `cargo bench -p factum-tests --bench dispatch`

mod by_hand;
mod generated;
mod order;
#[path = "../shared/report.rs"]
mod report;
mod valgrind;
mod work;

use std::error::Error;

use self::report::print_ratio;

/// The longer of two runs executes this many commands more. Both end at the same command of the rotation.
const COMMANDS: u32 = 100_000;
const START: u32 = 10_000;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        // The run under valgrind.
        ["run", arm, count] => println!("{:?}", work::run(arm, count.parse()?)?),
        _ if arguments.contains(&"--bench") => compare()?,
        // `cargo test --benches`, which needs no valgrind.
        _ => work::check()?,
    }
    Ok(())
}

fn compare() -> Result<(), Box<dyn Error>> {
    work::check()?;
    valgrind::check()?;
    let mut counts = Vec::new();
    for (arm, _) in work::ARMS {
        let more = valgrind::instructions(arm, START + COMMANDS)? - valgrind::instructions(arm, START)?;
        // Far below the largest integer that a float holds exactly.
        #[expect(clippy::cast_precision_loss)]
        let each = more as f64 / f64::from(COMMANDS);
        println!("{arm:<10} {each:>8.1} instructions a command");
        counts.push(each);
    }
    println!();
    print_ratio("dispatch/instructions-vs-by-hand", counts[0] / counts[1], "<=", 1.02);
    Ok(())
}
