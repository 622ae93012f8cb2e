//! Copies of stores in tasks.

use crate::copy::error::CopyError;
use crate::copy::store_copy::{CopyReport, StoreCopy};
use crate::store::event_store::EventStore;
use crate::tasks::blocking;

/// In tasks of tokio, with the feature `tokio`: see [`factum::tasks`](crate::tasks).
impl<F: EventStore + 'static, T: EventStore + 'static> StoreCopy<'static, F, T> {
    /// Copies what the target lacks, as [`run`](Self::run) does.
    ///
    /// The stores go to another thread: give their clones to [`factum::copy`](fn@crate::copy).
    pub async fn run_async(mut self) -> Result<CopyReport, CopyError> {
        blocking(move || self.run_here()).await
    }
}
