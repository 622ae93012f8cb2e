//! The port that keeps the instances of processes, with one implementation per database.

use uuid::Uuid;

use crate::domain::metadata::Cause;
use crate::domain::position::Position;
use crate::domain::time::Timestamp;
use crate::follow::process::instances::{Happening, ProcessLetter};
use crate::follow::progress_store::ProgressStore;
use crate::store::error::StoreError;
use crate::store::read::{Filter, Visit};

/// An instance as it is stored.
#[derive(Debug, Clone, Default)]
pub(crate) struct StoredInstance {
    /// The fingerprint of the state's shape.
    pub(crate) fingerprint: i64,
    /// The state as JSON; `None` before the instance has begun, and once it is done.
    pub(crate) state: Option<String>,
    pub(crate) done_at: Option<Timestamp>,
    /// Whether a dead letter holds the instance.
    pub(crate) is_held: bool,
    /// Whether a dead letter has held it since it was saved: commands of before may wait.
    pub(crate) is_released: bool,
}

/// A command that waits to be sent.
#[derive(Debug, Clone)]
pub(crate) struct StoredCommand {
    /// Orders the commands of a process.
    pub(crate) id: i64,
    pub(crate) instance: String,
    pub(crate) key: String,
    pub(crate) name: String,
    /// The category of the aggregate that takes it, if the process says so.
    pub(crate) aggregate: Option<String>,
    pub(crate) version: u32,
    pub(crate) payload: String,
    pub(crate) cause: Cause,
}

/// A time-out that is set.
#[derive(Debug, Clone)]
pub(crate) struct StoredTimeout {
    pub(crate) instance: String,
    pub(crate) name: String,
    pub(crate) due: Timestamp,
    /// Tells it from an earlier one of the same name, in the keys of the commands that follow from it.
    pub(crate) id: Uuid,
    pub(crate) version: u32,
    pub(crate) payload: String,
    /// The event that has set it.
    pub(crate) cause: Cause,
}

/// An input that an instance has had, for a replay of its state.
#[derive(Debug, Clone)]
pub(crate) enum PastInput {
    /// The event at a position.
    Event(Position),
    Timeout {
        name: String,
        version: u32,
        payload: String,
    },
}

/// A database that keeps the instances of processes, beside their progress.
///
/// A dead letter *holds* its instance: nothing that is held is found by `commands`, `due` and `ready`.
pub(crate) trait ProcessStore: ProgressStore {
    /// Runs `work` in a write transaction that an error rolls back.
    ///
    /// It takes turns with all others of the process, and in a database with one writer with appends.
    fn in_step<T, E>(
        &self,
        process: &str,
        work: impl FnOnce(&Self::Transaction<'_>) -> Result<T, E>,
        failed: impl Fn(StoreError) -> E,
    ) -> Result<T, E>;

    /// Reads events of the store in the same database, as the transaction sees them.
    fn events_in(
        transaction: &Self::Transaction<'_>,
        filter: Filter<'_>,
        after: Position,
        visit: &mut Visit<'_>,
    ) -> Result<(), StoreError>;

    /// The position of the first event after a position, in the same database, as the transaction sees it.
    fn next_position_in(
        transaction: &Self::Transaction<'_>,
        after: Position,
    ) -> Result<Option<Position>, StoreError>;

    fn instance(
        transaction: &Self::Transaction<'_>,
        process: &str,
        instance: &str,
    ) -> Result<Option<StoredInstance>, StoreError>;

    /// Saves the state of an instance, or that it is done.
    fn save_instance(
        transaction: &Self::Transaction<'_>,
        process: &str,
        instance: &str,
        stored: &StoredInstance,
    ) -> Result<(), StoreError>;

    /// Lets a command wait to be sent. Its id is ignored: the store gives one.
    fn queue_command(
        transaction: &Self::Transaction<'_>,
        process: &str,
        command: &StoredCommand,
    ) -> Result<(), StoreError>;

    /// The first commands after an id that wait to be sent, in order, at most `limit`: those that are new, by their ids and
    /// instances.
    fn commands(
        transaction: &Self::Transaction<'_>,
        process: &str,
        after: i64,
        limit: usize,
        is_new: &dyn Fn(i64, &str) -> bool,
    ) -> Result<Vec<StoredCommand>, StoreError>;

    /// Whether a command waits to be sent, and is not held.
    fn waits(transaction: &Self::Transaction<'_>, process: &str, id: i64) -> Result<bool, StoreError>;

    /// Removes a command. Returns whether it was there.
    fn remove_command(
        transaction: &Self::Transaction<'_>,
        process: &str,
        id: i64,
    ) -> Result<bool, StoreError>;

    /// Sets a time-out, or moves it.
    fn set_timeout(
        transaction: &Self::Transaction<'_>,
        process: &str,
        timeout: &StoredTimeout,
    ) -> Result<(), StoreError>;

    /// Takes a time-out away, or all of an instance.
    fn cancel_timeouts(
        transaction: &Self::Transaction<'_>,
        process: &str,
        instance: &str,
        name: Option<&str>,
    ) -> Result<(), StoreError>;

    /// The time-out that is due first.
    fn first_timeout(
        transaction: &Self::Transaction<'_>,
        process: &str,
    ) -> Result<Option<StoredTimeout>, StoreError>;

    /// Lets an event wait until its instance is no longer held.
    fn wait(
        transaction: &Self::Transaction<'_>,
        process: &str,
        instance: &str,
        position: Position,
    ) -> Result<(), StoreError>;

    /// The first event that waits for an instance which is no longer held.
    fn ready(
        transaction: &Self::Transaction<'_>,
        process: &str,
    ) -> Result<Option<(String, Position)>, StoreError>;

    /// Removes an event that waits.
    fn remove_waiting(
        transaction: &Self::Transaction<'_>,
        process: &str,
        instance: &str,
        position: Position,
    ) -> Result<(), StoreError>;

    /// Holds an instance by a dead letter.
    fn hold(
        transaction: &Self::Transaction<'_>,
        process: &str,
        letter: &ProcessLetter,
    ) -> Result<(), StoreError>;

    /// Removes the dead letter of an instance, which is no longer held.
    fn release(
        transaction: &Self::Transaction<'_>,
        process: &str,
        instance: &str,
    ) -> Result<Option<ProcessLetter>, StoreError>;

    /// Adds to the history of an instance.
    fn record(
        transaction: &Self::Transaction<'_>,
        process: &str,
        instance: &str,
        happening: &Happening,
    ) -> Result<(), StoreError>;

    /// What an instance has remembered, in order, each with its place in the history: after one place, at most `limit`.
    fn past(
        transaction: &Self::Transaction<'_>,
        process: &str,
        instance: &str,
        after: i64,
        limit: usize,
    ) -> Result<Vec<(i64, PastInput)>, StoreError>;

    /// Whether an event waits to be handled, a time-out is due at `now`, or [`commands`](Self::commands) finds one, as of the last
    /// commit.
    fn has_work(
        &self,
        process: &str,
        now: Timestamp,
        limit: usize,
        is_new: &dyn Fn(i64, &str) -> bool,
    ) -> Result<bool, StoreError>;

    /// When the first time-out is due, as of the last commit.
    fn next_due(&self, process: &str) -> Result<Option<Timestamp>, StoreError>;

    /// The instance as of the last commit.
    fn find_instance(&self, process: &str, instance: &str) -> Result<Option<StoredInstance>, StoreError>;

    /// The instances after one, if it is given, that were done before a time, in order, at most `limit`.
    fn done_before(
        &self,
        process: &str,
        time: Timestamp,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<String>, StoreError>;

    /// Removes an instance with its history, if it was done before a time, nothing holds it, and none of its commands waits.
    /// Returns whether it has.
    fn remove_done(
        transaction: &Self::Transaction<'_>,
        process: &str,
        instance: &str,
        time: Timestamp,
    ) -> Result<bool, StoreError>;

    /// The history of an instance, in order.
    fn history(&self, process: &str, instance: &str) -> Result<Vec<Happening>, StoreError>;

    /// The dead letters of a process, by instance, after one, at most `limit`. After an empty text, all come, also that of an instance
    /// whose id is an empty text.
    fn process_letters(
        &self,
        process: &str,
        after: &str,
        limit: usize,
    ) -> Result<Vec<ProcessLetter>, StoreError>;
}
