//! Work of the caller's that blocks.

use crate::tasks::threads::on_thread;

/// Runs work that blocks on one of factum's few threads: what has no `async` method.
///
/// It counts among the threads of [`set_threads`](crate::tasks::set_threads), as tokio's `spawn_blocking` would not. The work is
/// carried out even if the future is dropped, once it has begun. A panic of it goes on in the caller.
///
/// ```
/// use factum::prelude::*;
/// use factum::tasks::blocking;
///
/// # tokio::runtime::Builder::new_multi_thread().build()?.block_on(async {
/// let store = MemoryStore::new();
/// let categories = blocking(move || store.categories()).await?;
/// assert!(categories.is_empty());
/// # Ok::<(), BoxError>(())
/// # })?;
/// # Ok::<(), BoxError>(())
/// ```
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    on_thread(work).await
}
