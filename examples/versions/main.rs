//! Three generations of a program on one file of events: each reads the events of the earlier ones, and none
//! rewrites them.
//!
//! `cargo run --example versions` plays the story on a fresh file; `-- write 1 FILE` and `-- read 3 FILE` run
//! one step.
//!
//! [`generation1`], [`generation2`] and [`generation3`] are one file of one code base at three times. In a
//! real program they are commits, and only the last one is present. [`writing`] and [`reading`] are what the
//! program does with them.

mod generation1;
mod generation2;
mod generation3;
mod reading;
mod writing;

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use factum::prelude::*;
use thiserror::Error;

const USAGE: &str = "\
versions                 plays the story on a fresh file
versions write N FILE    lets generation N (1, 2 or 3) write its events, after the generation before
versions read N FILE     shows what is stored, and what generation N reads";

/// Why the program failed.
#[derive(Debug, Error)]
enum Failure {
    /// The arguments are wrong.
    #[error("{USAGE}")]
    Usage,
    /// A parcel refused a command, an event can't be read, or the file is not a store.
    #[error(transparent)]
    Failed(BoxError),
    /// The output could not be written.
    #[error(transparent)]
    Output(#[from] io::Error),
}

/// One of the three programs.
#[derive(Clone, Copy)]
enum Generation {
    First,
    Second,
    Third,
}

impl Generation {
    fn numbered(number: &str) -> Result<Self, Failure> {
        match number {
            "1" => Ok(Self::First),
            "2" => Ok(Self::Second),
            "3" => Ok(Self::Third),
            _ => Err(Failure::Usage),
        }
    }

    fn write(self, store: &SqliteStore) -> Result<(), Failure> {
        let written: Result<(), BoxError> = match self {
            Self::First => writing::first(store).map_err(Into::into),
            Self::Second => writing::second(store).map_err(Into::into),
            Self::Third => writing::third(store).map_err(Into::into),
        };
        written.map_err(Failure::Failed)
    }

    fn read(self, store: &SqliteStore) -> Result<String, Failure> {
        let read = match self {
            Self::First => reading::read::<generation1::Parcel>(store),
            Self::Second => reading::read::<generation2::Parcel>(store),
            Self::Third => reading::read::<generation3::Parcel>(store),
        };
        read.map_err(Failure::Failed)
    }
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let Err(failure) = run(&words, &mut io::stdout().lock()) else { return ExitCode::SUCCESS };
    eprintln!("{}", factum::with_causes(&failure));
    match failure {
        Failure::Failed(_) => ExitCode::from(1),
        Failure::Usage | Failure::Output(_) => ExitCode::from(2),
    }
}

fn run(words: &[&str], out: &mut impl Write) -> Result<(), Failure> {
    match *words {
        [] => story(out),
        ["write", number, file] => Generation::numbered(number)?.write(&open(Path::new(file))?),
        ["read", number, file] => {
            let text = Generation::numbered(number)?.read(&open(Path::new(file))?)?;
            Ok(write!(out, "{text}")?)
        }
        _ => Err(Failure::Usage),
    }
}

fn open(file: &Path) -> Result<SqliteStore, Failure> {
    SqliteStore::open(file).map_err(|error| Failure::Failed(error.into()))
}

/// Plays the story on a file of its own, and deletes the file afterwards.
fn story(out: &mut impl Write) -> Result<(), Failure> {
    let directory = std::env::temp_dir().join(format!("factum-versions-{}", std::process::id()));
    std::fs::create_dir_all(&directory)?;
    let result = play(&directory.join("parcels.db"), out);
    std::fs::remove_dir_all(&directory)?;
    result
}

fn play(file: &Path, out: &mut impl Write) -> Result<(), Failure> {
    let store = open(file)?;
    for (generation, title) in [
        (Generation::First, "The first generation writes events, and reads them."),
        (Generation::Second, "The second reads them in its own shapes, and writes more."),
        (Generation::Third, "The third reads all events. No stored event has changed."),
    ] {
        generation.write(&store)?;
        write!(out, "\n{title}\n\n{}", generation.read(&store)?)?;
    }
    writeln!(out, "\nThe earlier generations can't read newer events, and say so.\n")?;
    for generation in [Generation::First, Generation::Second] {
        match generation.read(&store) {
            // The story includes these errors.
            Err(Failure::Failed(error)) => writeln!(out, "{}", factum::with_causes(&*error))?,
            other => write!(out, "{}", other?)?,
        }
    }
    Ok(())
}
