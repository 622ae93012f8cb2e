//! A new order for each round, so that no arm always follows the same neighbour.

use std::time::{SystemTime, UNIX_EPOCH};

/// An xorshift generator: poor randomness is enough here.
pub(crate) struct Shuffle(u64);

impl Shuffle {
    pub(crate) fn from_clock() -> Self {
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        // Spread over all bits, and never zero, from which xorshift never changes.
        Self(seconds.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub(crate) fn apply<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }

    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from((self.0 >> 33) % bound as u64).expect("it is below a usize")
    }
}
