//! The works, and the code that they share.

pub(crate) mod catchup;
pub(crate) mod commands;
pub(crate) mod load;
pub(crate) mod prepare;
pub(crate) mod size;

use std::time::Duration;

/// Operations a second.
pub(crate) fn rate(count: usize, took: Duration) -> f64 {
    let count = u32::try_from(count).expect("a count of a few millions at most");
    f64::from(count) / took.as_secs_f64()
}
