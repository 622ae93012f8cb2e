//! More than one process on one file.

pub(crate) mod busy_file;
#[cfg(unix)]
pub(crate) mod forks;
pub(crate) mod kills;
pub(crate) mod one_file;
#[cfg(unix)]
pub(crate) mod watching;

/// A payload that is unique to this process.
fn own_payload(number: usize) -> String {
    format!("{}-{number}", std::process::id())
}
