//! References and smart pointers to a store are stores, such as an `Arc<dyn EventStore>` chosen at run time.

use std::sync::Arc;
use std::time::Duration;

use crate::domain::position::Position;
use crate::domain::stream_name::StreamName;
use crate::domain::time::Timestamp;
use crate::store::append::{Append, Appended, Outcome};
use crate::store::error::{AppendError, StoreError};
use crate::store::event_store::EventStore;
use crate::store::identity::StoreIdentity;
use crate::store::read::{Filter, Visit, VisitReplayed};
use crate::store::snapshot::{StoredSnapshot, VisitSnapshot};

macro_rules! handles {
    ($($handle:ty)*) => {$(
        impl<S: EventStore + ?Sized> EventStore for $handle {
            fn append(&self, appends: &[Append<'_>]) -> Result<Appended, AppendError> {
                (**self).append(appends)
            }

            fn read_stream(
                &self,
                stream: &StreamName,
                after: u64,
                limit: usize,
                visit: &mut Visit<'_>,
            ) -> Result<(), StoreError> {
                (**self).read_stream(stream, after, limit, visit)
            }

            fn replay(
                &self,
                stream: &StreamName,
                after: u64,
                limit: usize,
                visit: &mut VisitReplayed<'_>,
            ) -> Result<(), StoreError> {
                (**self).replay(stream, after, limit, visit)
            }

            fn read_all(
                &self,
                filter: Filter<'_>,
                after: Position,
                limit: usize,
                visit: &mut Visit<'_>,
            ) -> Result<(), StoreError> {
                (**self).read_all(filter, after, limit, visit)
            }

            fn stream_version(&self, stream: &StreamName) -> Result<u64, StoreError> {
                (**self).stream_version(stream)
            }

            fn position(&self) -> Result<Position, StoreError> {
                (**self).position()
            }

            fn wait_for(&self, position: Position, timeout: Duration) -> Result<Position, StoreError> {
                (**self).wait_for(position, timeout)
            }

            fn identity(&self) -> Option<StoreIdentity> {
                (**self).identity()
            }

            fn outcome(&self, stream: &StreamName, key: &str) -> Result<Option<Outcome>, StoreError> {
                (**self).outcome(stream, key)
            }

            fn forget_keys_before(&self, time: Timestamp) -> Result<u64, StoreError> {
                (**self).forget_keys_before(time)
            }

            fn read_snapshot(
                &self,
                stream: &StreamName,
                visit: &mut VisitSnapshot<'_>,
            ) -> Result<(), StoreError> {
                (**self).read_snapshot(stream, visit)
            }

            fn save_snapshot(
                &self,
                stream: &StreamName,
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
