//! Idempotency keys that are listed, or brought from another store.

use std::ops::ControlFlow;

use crate::domain::stream_name::StreamName;
use crate::store::append::Outcome;

/// The function that gets each idempotency key of a store. `Break` ends the read.
pub type VisitKey<'v> = dyn FnMut(&StoredKey<'_>) -> ControlFlow<()> + 'v;

/// An idempotency key as a store has it: with the outcome of its command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoredKey<'a> {
    /// The stream that knows the key.
    pub stream: &'a StreamName,
    /// The key.
    pub key: &'a str,
    /// What the key's command led to.
    pub outcome: &'a Outcome,
}

impl<'a> StoredKey<'a> {
    /// A key of `stream` with this outcome.
    #[must_use]
    pub const fn new(stream: &'a StreamName, key: &'a str, outcome: &'a Outcome) -> Self {
        Self { stream, key, outcome }
    }
}
