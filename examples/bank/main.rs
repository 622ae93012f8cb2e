//! A bank on one SQLite file, or on a PostgreSQL database: a complete command-line program.
//!
//! `cargo run --example bank` plays a short story on a fresh file; `cargo run --example bank -- help` prints
//! the usage. [`account`] is the domain, [`balances`] and [`statement`] are views, and [`cli`] is the command
//! line.

mod account;
mod balances;
mod cli;
mod statement;

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use factum::sqlite::SqliteStore;

use crate::cli::{Failure, USAGE};

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut out = std::io::stdout().lock();
    let result = match *words {
        [] => story(&mut out),
        ["help" | "--help" | "-h"] => writeln!(out, "{USAGE}").map_err(Failure::from),
        ["--file", file, ref words @ ..] => on_file(file, words, &mut out),
        ["--postgres", url, ref words @ ..] => on_postgres(url, words, &mut out),
        ref words => on_file("bank.db", words, &mut out),
    };
    let Err(failure) = result else { return ExitCode::SUCCESS };
    eprintln!("{}", factum::with_causes(&failure));
    match failure {
        Failure::Refused(_) | Failure::NoAnswer(_) => ExitCode::from(1),
        Failure::Usage(_) | Failure::Broken(_) | Failure::Output(_) => ExitCode::from(2),
    }
}

fn on_file(file: &str, words: &[&str], out: &mut impl Write) -> Result<(), Failure> {
    // Checked first, so that wrong arguments create no file.
    if !cli::is_known(words) {
        return Err(Failure::Usage(USAGE.into()));
    }
    let store = SqliteStore::open(file).map_err(|error| Failure::Broken(error.into()))?;
    cli::run(&store, &store, words, out)
}

/// The views are in memory, so each run makes the ones that it shows from all events.
#[cfg(feature = "postgres")]
fn on_postgres(url: &str, words: &[&str], out: &mut impl Write) -> Result<(), Failure> {
    use factum::postgres::PostgresStore;

    if !cli::is_known(words) {
        return Err(Failure::Usage(USAGE.into()));
    }
    let store = PostgresStore::connect(url).map_err(|error| Failure::Broken(error.into()))?;
    let views = SqliteStore::in_memory().map_err(|error| Failure::Broken(error.into()))?;
    cli::run(&store, &views, words, out)
}

#[cfg(not(feature = "postgres"))]
fn on_postgres(_url: &str, _words: &[&str], _out: &mut impl Write) -> Result<(), Failure> {
    Err(Failure::Usage("this program is built without PostgreSQL: add `--features postgres`".into()))
}

/// The story: titles, each with the commands to run under it.
const STORY: &[(&str, &[&str])] = &[
    ("Two people open accounts.", &["open alice Alice", "open bob Bob"]),
    ("Money moves.", &["deposit alice 100", "withdraw alice 12.50", "transfer alice bob 40"]),
    (
        "The bank refuses some commands, and a transfer happens in full or not at all.",
        &["withdraw bob 1000", "deposit bob 0", "deposit carol 5", "transfer alice carol 5"],
    ),
    (
        "The store keeps every event, and can show each earlier balance.",
        &["history alice", "balance alice --version 2", "balance alice"],
    ),
    (
        "Projections keep balances and statements in tables beside the events.",
        &["balances", "statement alice"],
    ),
];

/// Plays the story on a file of its own, and deletes the file afterwards.
fn story(out: &mut impl Write) -> Result<(), Failure> {
    let directory = std::env::temp_dir().join(format!("factum-bank-{}", std::process::id()));
    std::fs::create_dir_all(&directory)?;
    let result = play(&directory.join("bank.db"), out);
    std::fs::remove_dir_all(&directory)?;
    result
}

fn play(file: &Path, out: &mut impl Write) -> Result<(), Failure> {
    let store = SqliteStore::open(file).map_err(|error| Failure::Broken(error.into()))?;
    for (title, lines) in STORY {
        writeln!(out, "\n{title}\n")?;
        for line in *lines {
            writeln!(out, "$ bank {line}")?;
            let words: Vec<&str> = line.split(' ').collect();
            match cli::run(&store, &store, &words, out) {
                // The story includes refusals.
                Err(Failure::Refused(refusal)) => writeln!(out, "{refusal}")?,
                other => other?,
            }
        }
    }
    Ok(())
}
