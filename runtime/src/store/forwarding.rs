//! Stores that pass calls on to another store: references and smart pointers, and wrappers in tests.

use std::sync::Arc;

use crate::store::event_store::EventStore;

/// Writes methods of `EventStore` that pass each call on to another store.
///
/// For a store that does a few things differently from the one that it wraps, as in a test:
///
/// ```
/// use factum::Position;
/// use factum::prelude::*;
/// use factum::store::{AppendError, Append, Appended, StoreError};
/// use factum::testing::delegate;
///
/// /// A store that can't be appended to.
/// struct Archive(MemoryStore);
///
/// impl EventStore for Archive {
///     delegate!(self => self.0; read_stream, read_all, stream_version, position, wait_for, outcome, forget_keys_before);
///
///     fn append(&self, appends: &[Append<'_>]) -> Result<Appended, AppendError> {
///         match appends {
///             [] => Ok(Appended::new(None, Vec::new())),
///             [first, ..] => Err(AppendError::store(first.stream, StoreError::ReadOnly)),
///         }
///     }
/// }
///
/// assert_eq!(Archive(MemoryStore::new()).position()?, Position::START);
/// # Ok::<(), StoreError>(())
/// ```
#[doc(hidden)]
#[macro_export]
macro_rules! __delegate {
    ($self:ident => $store:expr; $($method:ident),* $(,)?) => {
        $($crate::__delegate!(@$method $self $store);)*
    };
    (@append $self:ident $store:expr) => {
        fn append(&$self, appends: &[$crate::store::Append<'_>]) -> ::core::result::Result<$crate::store::Appended, $crate::store::AppendError> {
            $store.append(appends)
        }
    };
    (@queue $self:ident $store:expr) => {
        fn queue<'a>(&'a $self, appends: &'a [$crate::store::Append<'a>], chains: &'a [$crate::store::Chain]) -> ::core::option::Option<$crate::store::QueuedAppend<'a>> {
            $store.queue(appends, chains)
        }
    };
    (@read_stream $self:ident $store:expr) => {
        fn read_stream(&$self, stream: &$crate::StreamName, after: u64, limit: usize, visit: &mut $crate::store::Visit<'_>) -> ::core::result::Result<(), $crate::store::StoreError> {
            $store.read_stream(stream, after, limit, visit)
        }
    };
    (@replay $self:ident $store:expr) => {
        fn replay(&$self, stream: &$crate::StreamName, after: u64, limit: usize, visit: &mut $crate::store::VisitReplayed<'_>) -> ::core::result::Result<::core::option::Option<$crate::Uuid>, $crate::store::StoreError> {
            $store.replay(stream, after, limit, visit)
        }
    };
    (@ends_with $self:ident $store:expr) => {
        fn ends_with(&$self, stream: &$crate::StreamName, version: u64, id: $crate::Uuid) -> bool {
            $store.ends_with(stream, version, id)
        }
    };
    (@read_all $self:ident $store:expr) => {
        fn read_all(&$self, filter: $crate::store::Filter<'_>, after: $crate::Position, limit: usize, visit: &mut $crate::store::Visit<'_>) -> ::core::result::Result<(), $crate::store::StoreError> {
            $store.read_all(filter, after, limit, visit)
        }
    };
    (@stream_version $self:ident $store:expr) => {
        fn stream_version(&$self, stream: &$crate::StreamName) -> ::core::result::Result<u64, $crate::store::StoreError> {
            $store.stream_version(stream)
        }
    };
    (@position $self:ident $store:expr) => {
        fn position(&$self) -> ::core::result::Result<$crate::Position, $crate::store::StoreError> {
            $store.position()
        }
    };
    (@wait_for $self:ident $store:expr) => {
        fn wait_for(&$self, position: $crate::Position, timeout: ::std::time::Duration) -> ::core::result::Result<$crate::Position, $crate::store::StoreError> {
            $store.wait_for(position, timeout)
        }
    };
    (@watch $self:ident $store:expr) => {
        fn watch(&$self, waker: &::core::task::Waker) -> ::core::result::Result<bool, $crate::store::StoreError> {
            $store.watch(waker)
        }
    };
    (@unwatch $self:ident $store:expr) => {
        fn unwatch(&$self, waker: &::core::task::Waker) {
            $store.unwatch(waker);
        }
    };
    (@categories $self:ident $store:expr) => {
        fn categories(&$self) -> ::core::result::Result<::std::vec::Vec<::std::string::String>, $crate::store::StoreError> {
            $store.categories()
        }
    };
    (@foreign_changes $self:ident $store:expr) => {
        fn foreign_changes(&$self, stream: &$crate::StreamName) -> u64 {
            $store.foreign_changes(stream)
        }
    };
    (@task_reads $self:ident $store:expr) => {
        fn task_reads(&$self) -> ::core::option::Option<&dyn $crate::store::TaskReads> {
            $store.task_reads()
        }
    };
    (@identity $self:ident $store:expr) => {
        fn identity(&$self) -> ::core::option::Option<$crate::store::StoreIdentity> {
            $store.identity()
        }
    };
    (@database $self:ident $store:expr) => {
        fn database(&$self) -> ::core::option::Option<$crate::store::DatabaseIdentity> {
            $store.database()
        }
    };
    (@event_id $self:ident $store:expr) => {
        fn event_id(&$self, position: $crate::Position) -> ::core::result::Result<::core::option::Option<$crate::Uuid>, $crate::store::StoreError> {
            $store.event_id(position)
        }
    };
    (@takeovers $self:ident $store:expr) => {
        fn takeovers(&$self) -> u64 {
            $store.takeovers()
        }
    };
    (@store_id $self:ident $store:expr) => {
        fn store_id(&$self) -> ::core::result::Result<::core::option::Option<$crate::Uuid>, $crate::store::StoreError> {
            $store.store_id()
        }
    };
    (@outcome $self:ident $store:expr) => {
        fn outcome(&$self, stream: &$crate::StreamName, key: &str) -> ::core::result::Result<::core::option::Option<$crate::store::Outcome>, $crate::store::StoreError> {
            $store.outcome(stream, key)
        }
    };
    (@forget_keys_before $self:ident $store:expr) => {
        fn forget_keys_before(&$self, time: $crate::Timestamp) -> ::core::result::Result<u64, $crate::store::StoreError> {
            $store.forget_keys_before(time)
        }
    };
    (@read_keys $self:ident $store:expr) => {
        fn read_keys(&$self, visit: &mut $crate::store::VisitKey<'_>) -> ::core::result::Result<(), $crate::store::StoreError> {
            $store.read_keys(visit)
        }
    };
    (@import_keys $self:ident $store:expr) => {
        fn import_keys(&$self, keys: &[$crate::store::StoredKey<'_>]) -> ::core::result::Result<(), $crate::store::AppendError> {
            $store.import_keys(keys)
        }
    };
    (@read_snapshot $self:ident $store:expr) => {
        fn read_snapshot(&$self, stream: &$crate::StreamName, visit: &mut $crate::store::VisitSnapshot<'_>) -> ::core::result::Result<(), $crate::store::StoreError> {
            $store.read_snapshot(stream, visit)
        }
    };
    (@save_snapshot $self:ident $store:expr) => {
        fn save_snapshot(&$self, stream: &$crate::StreamName, snapshot: &$crate::store::StoredSnapshot<'_>) -> ::core::result::Result<(), $crate::store::StoreError> {
            $store.save_snapshot(stream, snapshot)
        }
    };
    (@drop_snapshots $self:ident $store:expr) => {
        fn drop_snapshots(&$self, category: ::core::option::Option<&str>) -> ::core::result::Result<u64, $crate::store::StoreError> {
            $store.drop_snapshots(category)
        }
    };
}

macro_rules! pointers {
    ($($pointer:ty)*) => {$(
        impl<S: EventStore + ?Sized> EventStore for $pointer {
            $crate::__delegate!(
                self => (**self);
                append,
                queue,
                read_stream,
                replay,
                ends_with,
                read_all,
                stream_version,
                position,
                wait_for,
                watch,
                unwatch,
                categories,
                task_reads,
                foreign_changes,
                identity,
                database,
                event_id,
                takeovers,
                store_id,
                outcome,
                forget_keys_before,
                read_keys,
                import_keys,
                read_snapshot,
                save_snapshot,
                drop_snapshots,
            );
        }
    )*};
}

pointers!(&S Arc<S> Box<S>);
