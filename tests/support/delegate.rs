//! Stores that pass calls on to another store.

/// Makes methods of `EventStore` that pass through to the store in a field: `delegate!(field: append, read_stream, ..)`,
/// within the `impl`.
macro_rules! delegate {
    ($field:ident: $($method:ident),* $(,)?) => {
        $(crate::support::delegate::delegate!(@$method $field);)*
    };
    (@append $field:ident) => {
        fn append(&self, appends: &[factum::Append<'_>]) -> Result<factum::Appended, factum::AppendError> {
            self.$field.append(appends)
        }
    };
    (@read_stream $field:ident) => {
        fn read_stream(
            &self,
            stream: &factum::StreamId,
            after: u64,
            limit: usize,
            visit: &mut factum::Visit<'_>,
        ) -> Result<(), factum::StoreError> {
            self.$field.read_stream(stream, after, limit, visit)
        }
    };
    (@read_all $field:ident) => {
        fn read_all(
            &self,
            filter: factum::Filter<'_>,
            after: u64,
            limit: usize,
            visit: &mut factum::Visit<'_>,
        ) -> Result<(), factum::StoreError> {
            self.$field.read_all(filter, after, limit, visit)
        }
    };
    (@replay $field:ident) => {
        fn replay(
            &self,
            stream: &factum::StreamId,
            after: u64,
            limit: usize,
            visit: &mut factum::VisitReplayed<'_>,
        ) -> Result<(), factum::StoreError> {
            self.$field.replay(stream, after, limit, visit)
        }
    };
    (@stream_version $field:ident) => {
        fn stream_version(&self, stream: &factum::StreamId) -> Result<u64, factum::StoreError> {
            self.$field.stream_version(stream)
        }
    };
    (@position $field:ident) => {
        fn position(&self) -> Result<u64, factum::StoreError> {
            self.$field.position()
        }
    };
    (@wait_for $field:ident) => {
        fn wait_for(
            &self,
            position: u64,
            timeout: std::time::Duration,
        ) -> Result<u64, factum::StoreError> {
            self.$field.wait_for(position, timeout)
        }
    };
    (@outcome $field:ident) => {
        fn outcome(
            &self,
            stream: &factum::StreamId,
            key: &str,
        ) -> Result<Option<factum::Outcome>, factum::StoreError> {
            self.$field.outcome(stream, key)
        }
    };
    (@forget_keys $field:ident) => {
        fn forget_keys(&self, time: factum::Timestamp) -> Result<u64, factum::StoreError> {
            self.$field.forget_keys(time)
        }
    };
    (@read_snapshot $field:ident) => {
        fn read_snapshot(
            &self,
            stream: &factum::StreamId,
            visit: &mut factum::VisitSnapshot<'_>,
        ) -> Result<(), factum::StoreError> {
            self.$field.read_snapshot(stream, visit)
        }
    };
    (@save_snapshot $field:ident) => {
        fn save_snapshot(
            &self,
            stream: &factum::StreamId,
            snapshot: &factum::StoredSnapshot<'_>,
        ) -> Result<(), factum::StoreError> {
            self.$field.save_snapshot(stream, snapshot)
        }
    };
    (@drop_snapshots $field:ident) => {
        fn drop_snapshots(&self, category: Option<&str>) -> Result<u64, factum::StoreError> {
            self.$field.drop_snapshots(category)
        }
    };
}

pub(crate) use delegate;
