//! A bank on one SQLite file: a complete command-line program.
//!
//! `cargo run --example bank` plays a short story on a fresh file; `cargo run --example bank -- help` tells what else
//! it can do. [`account`] is the domain, [`balances`] and [`statement`] are views, [`cli`] is the program
//! around them.

mod account;
mod balances;
mod cli;
mod statement;

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use factum::SqliteStore;

use crate::cli::{Failure, USAGE};

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut out = std::io::stdout().lock();
    let result = match *words {
        [] => story(&mut out),
        ["help" | "--help" | "-h"] => writeln!(out, "{USAGE}").map_err(Failure::from),
        ["--file", file, ref words @ ..] => on_file(file, words, &mut out),
        ref words => on_file("bank.db", words, &mut out),
    };
    let Err(failure) = result else { return ExitCode::SUCCESS };
    eprintln!("{failure}");
    match failure {
        Failure::Refused(_) | Failure::NoAnswer(_) => ExitCode::from(1),
        Failure::Usage(_) | Failure::Broken(_) | Failure::Output(_) => ExitCode::from(2),
    }
}

fn on_file(file: &str, words: &[&str], out: &mut impl Write) -> Result<(), Failure> {
    // Before a file is made for nothing.
    if !cli::is_known(words) {
        return Err(Failure::Usage(USAGE.into()));
    }
    let store = SqliteStore::open(file).map_err(|error| Failure::Broken(error.into()))?;
    cli::run(&store, words, out)
}

/// What a newcomer sees first: the commands, and what they print.
const STORY: &[(&str, &[&str])] = &[
    ("Two people open accounts.", &["open alice Alice", "open bob Bob"]),
    ("Money moves.", &["deposit alice 100", "withdraw alice 12.50", "transfer alice bob 40"]),
    (
        "The bank knows when to say no, and a transfer happens in full or not at all.",
        &["withdraw bob 1000", "deposit bob 0", "deposit carol 5", "transfer alice carol 5"],
    ),
    (
        "Nothing is forgotten: how it came to be, and how it was.",
        &["history alice", "balance alice --version 2", "balance alice"],
    ),
    (
        "Projections keep everybody's balance, and statements, in tables beside the events.",
        &["balances", "statement alice"],
    ),
];

/// Plays the story on a file of its own, which goes when it is told.
fn story(out: &mut impl Write) -> Result<(), Failure> {
    let directory = std::env::temp_dir().join(format!("factum-bank-{}", std::process::id()));
    std::fs::create_dir_all(&directory)?;
    let told = tell_story(&directory.join("bank.db"), out);
    std::fs::remove_dir_all(&directory)?;
    told
}

fn tell_story(file: &Path, out: &mut impl Write) -> Result<(), Failure> {
    let store = SqliteStore::open(file).map_err(|error| Failure::Broken(error.into()))?;
    for (title, lines) in STORY {
        writeln!(out, "\n{title}\n")?;
        for line in *lines {
            writeln!(out, "$ bank {line}")?;
            let words: Vec<&str> = line.split(' ').collect();
            match cli::run(&store, &words, out) {
                // In a story, a refusal is part of the plot.
                Err(Failure::Refused(refusal)) => writeln!(out, "{refusal}")?,
                other => other?,
            }
        }
    }
    Ok(())
}
