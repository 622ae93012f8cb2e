//! Times of commands. bash measures a command with all its children, to the millisecond; std does not.

use std::error::Error;

/// The format in which bash writes a time.
pub(crate) const FORMAT: &str = "TIMEFORMAT='%R %U %S'";

/// The duration of a command, in seconds.
#[derive(Clone, Copy)]
pub(crate) struct Time {
    pub(crate) wall: f64,
    /// Processor time of all threads, in programs and kernel: other load on the machine changes it least.
    pub(crate) cpu: f64,
}

impl Time {
    /// Parses one line in that format, and no other text.
    pub(crate) fn parse(written: &str) -> Result<Self, Box<dyn Error>> {
        let seconds = written.split_whitespace().map(str::parse).collect::<Result<Vec<f64>, _>>();
        match seconds.as_deref() {
            Ok(&[wall, user, system]) => Ok(Self { wall, cpu: user + system }),
            _ => Err(format!("this is not one time: {written:?}").into()),
        }
    }
}
