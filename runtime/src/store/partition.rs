//! Partitions of a store's streams.

use crate::domain::hash::{FNV_OFFSET, hashed};
use crate::domain::stream_name::StreamName;

/// A share of the streams of a store: every stream is in one of several partitions, and stays there.
///
/// Several workers can read one store, each with a partition. Each worker gets the events of a stream in
/// order.
///
/// ```
/// use factum::prelude::*;
/// use factum::Position;
/// use factum::store::{Filter, Partition};
///
/// let store = MemoryStore::new();
/// for partition in Partition::all(4) {
///     let filter = Filter::new().partition(partition);
///     store.read_all(filter, Position::START, usize::MAX, &mut |_| std::ops::ControlFlow::Continue(()))?;
/// }
/// # Ok::<(), factum::store::StoreError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Partition {
    index: u32,
    of: u32,
}

impl Partition {
    /// The only partition of one: all streams are in it.
    pub const WHOLE: Self = Self { index: 0, of: 1 };

    /// All partitions, if there are `count` of them; 0 counts as 1.
    #[must_use]
    pub fn all(count: u32) -> impl DoubleEndedIterator<Item = Self> + Clone {
        let of = count.max(1);
        (0..of).map(move |index| Self { index, of })
    }

    /// The index of the partition, from 0.
    #[must_use]
    pub fn index(self) -> u32 {
        self.index
    }

    /// The number of partitions.
    #[must_use]
    pub fn of(self) -> u32 {
        self.of
    }

    /// Whether a stream is in the partition, by a hash of the stream's name.
    ///
    /// A store may choose partitions in another way, such as by the numbers of its streams. The partition of
    /// a stream must never change.
    #[must_use]
    pub fn has(self, stream: &StreamName) -> bool {
        self.of == 1 || hashed(FNV_OFFSET, stream.as_str()) % u64::from(self.of) == u64::from(self.index)
    }
}

impl Default for Partition {
    fn default() -> Self {
        Self::WHOLE
    }
}
