//! The thread that commits for tasks, which have none that could.

use std::sync::Arc;

use crate::store::sync::{Mutex, lock, thread};

/// Lets a thread of its own serve, since the caller's thread has to return.
///
/// It belongs to no runtime: all threads of one may wait for the commit, and tasks of other runtimes may keep it serving.
pub(crate) fn serve_on_own_thread(serve: impl FnOnce() + Send + 'static) {
    let serve = Arc::new(Mutex::new(Some(serve)));
    let of_thread = Arc::clone(&serve);
    let thread = thread::Builder::new().name("factum-commits".into());
    if thread.spawn(move || take(&of_thread).map(|serve| serve())).is_err()
        && let Some(serve) = take(&serve)
    {
        // The tasks would wait without end.
        serve();
    }
}

fn take<T>(of: &Mutex<Option<T>>) -> Option<T> {
    lock(of).take()
}
