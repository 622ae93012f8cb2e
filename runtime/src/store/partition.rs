//! Parts of a store, by stream.

use crate::id::StreamId;
use crate::shape::{FNV_OFFSET, hashed};

/// One of several parts that the streams of a store are split into: each stream is in one of them, and stays there.
///
/// For several workers on one store: what belongs together is in order, what does not may go side by side.
///
/// ```
/// use factum::prelude::*;
/// use factum::{Filter, Partition};
///
/// let store = MemoryStore::new();
/// for part in Partition::all(4) {
///     let filter = Filter { partition: part, ..Filter::default() };
///     store.read_all(filter, 0, usize::MAX, &mut |_| std::ops::ControlFlow::Continue(()))?;
/// }
/// # Ok::<(), factum::StoreError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Partition {
    index: u32,
    of: u32,
}

impl Partition {
    /// The one that all streams are in.
    pub const WHOLE: Self = Self { index: 0, of: 1 };

    /// All parts of so many; 0 is taken for 1.
    pub fn all(count: u32) -> impl DoubleEndedIterator<Item = Self> + Clone {
        let of = count.max(1);
        (0..of).map(move |index| Self { index, of })
    }

    /// Which of them it is, from 0.
    pub fn index(self) -> u32 {
        self.index
    }

    /// How many there are.
    pub fn of(self) -> u32 {
        self.of
    }

    /// Whether a stream is in it, for a store that has nothing but names to go by. One that numbers its streams may go by
    /// the numbers: it is each store's own affair which part a stream is in, as long as that does not change.
    pub fn has(self, stream: &StreamId) -> bool {
        self.of == 1 || hashed(FNV_OFFSET, stream.as_str()) % u64::from(self.of) == u64::from(self.index)
    }
}

impl Default for Partition {
    fn default() -> Self {
        Self::WHOLE
    }
}
