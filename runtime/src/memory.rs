//! Stores and views in memory: for tests, and for data that need not outlive the program.

mod follower;
pub(crate) mod projection;
pub(crate) mod shards;
pub(crate) mod store;
mod timers;

pub use self::projection::{Memory, MemoryProjection};
pub use self::shards::MemoryShards;
pub use self::store::MemoryStore;
