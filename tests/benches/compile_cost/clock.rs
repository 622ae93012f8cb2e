//! Times of commands. bash tells those of a command and all that it has started, to the millisecond; std does not.

use std::error::Error;

/// How bash is to write a time.
pub(crate) const FORMAT: &str = "TIMEFORMAT='%R %U %S'";

/// What a command has taken, in seconds.
#[derive(Clone, Copy)]
pub(crate) struct Time {
    pub(crate) wall: f64,
    /// Of the processor, in all threads and in the kernel: what a neighbour on the machine moves least.
    pub(crate) cpu: f64,
}

impl Time {
    /// A line in that format, and no other.
    pub(crate) fn parse(written: &str) -> Result<Self, Box<dyn Error>> {
        let seconds = written.split_whitespace().map(str::parse).collect::<Result<Vec<f64>, _>>();
        match seconds.as_deref() {
            Ok(&[wall, user, system]) => Ok(Self { wall, cpu: user + system }),
            _ => Err(format!("this is not one time: {written:?}").into()),
        }
    }
}
