//! The identities of a store, equal for all its handles, and of its database.

use std::sync::Arc;

/// The identity of a store among the stores open in this process. All handles to one store share it.
///
/// ```
/// use factum::prelude::*;
///
/// let store = MemoryStore::new();
/// assert_eq!(store.identity(), store.clone().identity());
/// assert_ne!(store.identity(), MemoryStore::new().identity());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct StoreIdentity(usize);

/// The identity of the database of a store, among those that are open in this process: several stores may have opened one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DatabaseIdentity {
    /// The database of one store alone, as far as it knows.
    OfStore(StoreIdentity),
    /// A file, by its device and its number there.
    File(u64, u64),
    /// A schema of a server, by a hash of its address. Another address of the same server is another identity.
    Schema(u64),
}

impl StoreIdentity {
    /// The identity of a store whose handles share `shared`: unique as long as one of the handles lives.
    pub fn of<T: ?Sized>(shared: &Arc<T>) -> Self {
        Self(Arc::as_ptr(shared).addr())
    }
}
