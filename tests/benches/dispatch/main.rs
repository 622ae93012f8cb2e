//! The cost of factum's enums and dispatch: instructions for a command, beside code by hand; and of an application, beside its
//! repository.
//!
//! valgrind counts them, because a clock's noise would hide the difference.
//!
//! `cargo bench -p factum-tests --bench dispatch`

mod by_hand;
mod generated;
mod order;
#[path = "../shared/report.rs"]
mod report;
mod routed;
mod valgrind;
mod work;

use std::error::Error;

use self::report::print_ratio;

/// The longer of two runs executes this many commands more. Both end at the same command of the rotation.
const COMMANDS: u32 = 100_000;
/// Commands through an application and through its repository, with events that are stored.
const STORED: u32 = 20_000;
const START: u32 = 10_000;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        // The run under valgrind.
        ["run", arm @ ("application" | "repository"), count] => {
            println!("{}", routed::run(arm, count.parse()?)?);
        }
        ["run", arm, count] => println!("{:?}", work::run(arm, count.parse()?)?),
        _ if arguments.contains(&"--bench") => compare()?,
        // `cargo test --benches`, which needs no valgrind.
        _ => {
            work::check()?;
            assert_eq!(routed::run("application", 1_000)?, routed::run("repository", 1_000)?);
        }
    }
    Ok(())
}

fn compare() -> Result<(), Box<dyn Error>> {
    work::check()?;
    valgrind::check()?;
    let each = |arm: &str, commands: u32| -> Result<f64, Box<dyn Error>> {
        let more = valgrind::instructions(arm, START + commands)? - valgrind::instructions(arm, START)?;
        // Far below the largest integer that a float holds exactly.
        #[expect(clippy::cast_precision_loss)]
        let each = more as f64 / f64::from(commands);
        println!("{arm:<12} {each:>8.1} instructions a command");
        Ok(each)
    };
    let (generated, by_hand) = (each("generated", COMMANDS)?, each("by-hand", COMMANDS)?);
    let (repository, application) = (each("repository", STORED)?, each("application", STORED)?);
    println!();
    print_ratio("dispatch/instructions-vs-by-hand", generated / by_hand, "<=", 1.02);
    print_ratio("dispatch/application-vs-repository", repository / application, ">=", 0.98);
    Ok(())
}
