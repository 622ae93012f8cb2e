//! The wait between two attempts, after a conflict with a writer of another process.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use crate::store::sync::thread;

/// The longest wait after the first conflict.
const FIRST: Duration = Duration::from_micros(100);

/// How often that doubles.
const DOUBLINGS: u32 = 8;

/// Waits after a conflict, before which so many others have failed.
pub(super) fn back_off(failed: u32) {
    // Keys that differ each time: no dependency for one random number.
    thread::sleep(wait(failed, RandomState::new().hash_one(failed)));
}

/// A part of the longest wait. Writers that wait equally long would meet again.
fn wait(failed: u32, random: u64) -> Duration {
    let longest = FIRST * (1 << failed.min(DOUBLINGS));
    longest.mul_f64(f64::from((random >> 32) as u32) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_random_and_bounded() {
        assert_eq!(wait(0, 0), Duration::ZERO);
        assert_eq!(wait(0, u64::MAX), Duration::from_micros(100));
        assert_eq!(wait(3, u64::MAX), Duration::from_micros(800));
        assert_eq!(wait(u32::MAX, u64::MAX), Duration::from_micros(25_600));
    }
}
