//! References and smart pointers to a store are stores: `Arc<dyn EventStore>` is one chosen at run time.

use std::sync::Arc;
use std::time::Duration;

use super::{
    Append, Appended, EventStore, Filter, Outcome, StoredSnapshot, Visit, VisitReplayed, VisitSnapshot,
};
use crate::error::{AppendError, StoreError};
use crate::id::StreamId;
use crate::time::Timestamp;

macro_rules! handles {
    ($($handle:ty)*) => {$(
        impl<S: EventStore + ?Sized> EventStore for $handle {
            fn append(&self, appends: &[Append<'_>]) -> Result<Appended, AppendError> {
                (**self).append(appends)
            }

            fn read_stream(
                &self,
                stream: &StreamId,
                after: u64,
                limit: usize,
                visit: &mut Visit<'_>,
            ) -> Result<(), StoreError> {
                (**self).read_stream(stream, after, limit, visit)
            }

            fn replay(
                &self,
                stream: &StreamId,
                after: u64,
                limit: usize,
                visit: &mut VisitReplayed<'_>,
            ) -> Result<(), StoreError> {
                (**self).replay(stream, after, limit, visit)
            }

            fn read_all(
                &self,
                filter: Filter<'_>,
                after: u64,
                limit: usize,
                visit: &mut Visit<'_>,
            ) -> Result<(), StoreError> {
                (**self).read_all(filter, after, limit, visit)
            }

            fn stream_version(&self, stream: &StreamId) -> Result<u64, StoreError> {
                (**self).stream_version(stream)
            }

            fn position(&self) -> Result<u64, StoreError> {
                (**self).position()
            }

            fn wait_for(&self, position: u64, timeout: Duration) -> Result<u64, StoreError> {
                (**self).wait_for(position, timeout)
            }

            fn identity(&self) -> Option<usize> {
                (**self).identity()
            }

            fn outcome(&self, stream: &StreamId, key: &str) -> Result<Option<Outcome>, StoreError> {
                (**self).outcome(stream, key)
            }

            fn forget_keys(&self, time: Timestamp) -> Result<u64, StoreError> {
                (**self).forget_keys(time)
            }

            fn read_snapshot(
                &self,
                stream: &StreamId,
                visit: &mut VisitSnapshot<'_>,
            ) -> Result<(), StoreError> {
                (**self).read_snapshot(stream, visit)
            }

            fn save_snapshot(
                &self,
                stream: &StreamId,
                snapshot: &StoredSnapshot<'_>,
            ) -> Result<(), StoreError> {
                (**self).save_snapshot(stream, snapshot)
            }

            fn drop_snapshots(&self, category: Option<&str>) -> Result<u64, StoreError> {
                (**self).drop_snapshots(category)
            }
        }
    )*};
}

handles!(&S Arc<S> Box<S>);
