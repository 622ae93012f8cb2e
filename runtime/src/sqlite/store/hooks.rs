//! Code that runs in each append.

use std::sync::Arc;
use std::time::Instant;

use rusqlite::Transaction;

use crate::domain::error::BoxError;
use crate::domain::position::Position;
use crate::follow::error::FollowError;
use crate::store::written::Written;

/// Code that a store runs in the transaction of each append, such as an inline projection.
pub(crate) trait AppendHook: Send {
    /// A name that no other hook of the store has.
    fn name(&self) -> &'static str;

    /// Runs after the events of an append were written. An error rolls the append back.
    ///
    /// `limit` is for events of other writers, which come first. If some are left, the append is tried again after
    /// [`catch_up`](Self::catch_up). Returns what the hook has done with them.
    fn run(
        &mut self,
        transaction: &Transaction<'_>,
        written: &Written<'_>,
        limit: HookLimit,
    ) -> Result<HookProgress, BoxError>;

    /// Catches up with events of other writers, in a transaction of its own.
    ///
    /// A failure of the hook itself, as of an event, is its [`trouble`](Self::trouble), and an error only if it has ended the
    /// transaction. The next append deals with it.
    fn catch_up(
        &mut self,
        transaction: &Transaction<'_>,
        limit: HookLimit,
    ) -> Result<HookProgress, FollowError>;

    /// Stays before an event of another writer, whose writes can't be committed.
    fn stop_before(&mut self, position: Position, refused: BoxError);

    /// Why the hook is behind, if it is: appends pass without its work, or it could not catch up.
    fn trouble(&self) -> Option<Arc<FollowError>>;
}

/// How much a hook does at most in one transaction.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HookLimit {
    pub(crate) deadline: Option<Instant>,
    pub(crate) events: usize,
}

impl HookLimit {
    pub(crate) const NONE: Self = Self { deadline: None, events: usize::MAX };
}

/// What a hook has done in one transaction with events of other writers.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct HookProgress {
    pub(crate) events: usize,
    /// The position of the last of these events.
    pub(crate) last: Position,
    /// How many positions are left.
    pub(crate) left: u64,
}
