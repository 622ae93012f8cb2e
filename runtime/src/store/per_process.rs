//! Values of which each process has its own, also after a fork.

use std::process;
use std::sync::OnceLock;

/// A value that each process makes for itself.
///
/// A fork copies values, but no threads: a lock that a thread holds there is never released, and a thread that a value relies on is
/// missing.
pub(crate) struct PerProcess<T>(OnceLock<Node<T>>);

struct Node<T> {
    process: u32,
    value: T,
    /// The value of a process that was forked from this one.
    forked: OnceLock<Box<Self>>,
}

impl<T: Default> PerProcess<T> {
    pub(crate) const fn new() -> Self {
        Self(OnceLock::new())
    }

    /// The value of this process.
    pub(crate) fn get(&self) -> &T {
        let process = process::id();
        let new = || Node { process, value: T::default(), forked: OnceLock::new() };
        let mut node = self.0.get_or_init(new);
        while node.process != process {
            node = node.forked.get_or_init(|| Box::new(new()));
        }
        &node.value
    }
}
