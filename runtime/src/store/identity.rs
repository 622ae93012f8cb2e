//! The identity of a store, equal for all its handles.

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

impl StoreIdentity {
    /// The identity of a store whose handles share `shared`: unique as long as one of the handles lives.
    pub fn of<T: ?Sized>(shared: &Arc<T>) -> Self {
        Self(Arc::as_ptr(shared).addr())
    }
}
