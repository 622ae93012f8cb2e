//! Stores that pass calls on to another store.

/// Makes methods of `EventStore` that pass through to the store in a field: `delegate!(field: append, read_stream, ..)`,
/// within the `impl`.
macro_rules! delegate {
    ($field:ident: $($method:ident),* $(,)?) => {
        $(crate::support::delegate::delegate!(@$method $field);)*
    };
    (@append $field:ident) => {
        fn append(&self, appends: &[factum::store::Append<'_>]) -> Result<factum::store::Appended, factum::store::AppendError> {
            self.$field.append(appends)
        }
    };
    (@read_stream $field:ident) => {
        fn read_stream(
            &self,
            stream: &factum::StreamName,
            after: u64,
            limit: usize,
            visit: &mut factum::store::Visit<'_>,
        ) -> Result<(), factum::store::StoreError> {
            self.$field.read_stream(stream, after, limit, visit)
        }
    };
    (@read_all $field:ident) => {
        fn read_all(
            &self,
            filter: factum::store::Filter<'_>,
            after: factum::Position,
            limit: usize,
            visit: &mut factum::store::Visit<'_>,
        ) -> Result<(), factum::store::StoreError> {
            self.$field.read_all(filter, after, limit, visit)
        }
    };
    (@replay $field:ident) => {
        fn replay(
            &self,
            stream: &factum::StreamName,
            after: u64,
            limit: usize,
            visit: &mut factum::store::VisitReplayed<'_>,
        ) -> Result<(), factum::store::StoreError> {
            self.$field.replay(stream, after, limit, visit)
        }
    };
    (@stream_version $field:ident) => {
        fn stream_version(&self, stream: &factum::StreamName) -> Result<u64, factum::store::StoreError> {
            self.$field.stream_version(stream)
        }
    };
    (@position $field:ident) => {
        fn position(&self) -> Result<factum::Position, factum::store::StoreError> {
            self.$field.position()
        }
    };
    (@wait_for $field:ident) => {
        fn wait_for(
            &self,
            position: factum::Position,
            timeout: std::time::Duration,
        ) -> Result<factum::Position, factum::store::StoreError> {
            self.$field.wait_for(position, timeout)
        }
    };
    (@outcome $field:ident) => {
        fn outcome(
            &self,
            stream: &factum::StreamName,
            key: &str,
        ) -> Result<Option<factum::store::Outcome>, factum::store::StoreError> {
            self.$field.outcome(stream, key)
        }
    };
    (@forget_keys_before $field:ident) => {
        fn forget_keys_before(&self, time: factum::Timestamp) -> Result<u64, factum::store::StoreError> {
            self.$field.forget_keys_before(time)
        }
    };
    (@read_snapshot $field:ident) => {
        fn read_snapshot(
            &self,
            stream: &factum::StreamName,
            visit: &mut factum::store::VisitSnapshot<'_>,
        ) -> Result<(), factum::store::StoreError> {
            self.$field.read_snapshot(stream, visit)
        }
    };
    (@save_snapshot $field:ident) => {
        fn save_snapshot(
            &self,
            stream: &factum::StreamName,
            snapshot: &factum::store::StoredSnapshot<'_>,
        ) -> Result<(), factum::store::StoreError> {
            self.$field.save_snapshot(stream, snapshot)
        }
    };
    (@drop_snapshots $field:ident) => {
        fn drop_snapshots(&self, category: Option<&str>) -> Result<u64, factum::store::StoreError> {
            self.$field.drop_snapshots(category)
        }
    };
}

pub(crate) use delegate;
