//! Lines for a person, where no caller hears of a failure.

use std::io::Write as _;
use std::{fmt, io};

/// Writes a line to standard error.
pub(crate) fn report(line: impl fmt::Display) {
    // Not by `eprintln`, which panics without standard error. There is no place for the line then.
    let _ = writeln!(io::stderr(), "factum: {line}");
}
