//! The errors of handlers, followers, projections and reactions.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use uuid::Uuid;

use crate::domain::codec_error::DecodeError;
use crate::domain::error::BoxError;
use crate::domain::position::Position;
use crate::domain::stream_name::StreamName;
use crate::follow::runs::GivenUp;
use crate::repository::error::ReadError;
use crate::store::error::StoreError;
use crate::store::read::StoredEvent;

/// Why one event could not be handled.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HandlerError {
    /// The event could not be read.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The handler's own error.
    #[error(transparent)]
    Handler(BoxError),
}

/// Why a follower of any kind stopped.
///
/// The events before the failure count. The event that the error names does not, nor do later ones.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FollowError {
    /// An event could not be read.
    #[error("`{follower}` can't read an event")]
    #[non_exhaustive]
    Read {
        /// The follower's name.
        follower: &'static str,
        /// Which event, and why.
        source: Box<ReadError>,
    },
    /// A handler failed.
    #[error("`{follower}` failed at position {position} ({stream}, version {version})")]
    #[non_exhaustive]
    Handler {
        /// The follower's name.
        follower: &'static str,
        /// The event's stream.
        stream: StreamName,
        /// The event's place in its stream.
        version: u64,
        /// The event's place in the store.
        position: Position,
        /// The handler's own error.
        source: BoxError,
    },
    /// A handler's SQL was refused: it would end the transaction, change a setting of the connection, or write
    /// to a table of the store.
    #[error(
        "`{follower}`: SQL of a handler was refused at position {position} ({stream}, version {version}). \
         {refused}"
    )]
    #[non_exhaustive]
    RefusedSql {
        /// The follower's name.
        follower: &'static str,
        /// The event's stream.
        stream: StreamName,
        /// The event's place in its stream.
        version: u64,
        /// The event's place in the store.
        position: Position,
        /// What was refused, why, and what to do instead.
        refused: String,
        /// The handler's own error.
        source: BoxError,
    },
    /// A handler's SQL has ended the transaction of its step, as `INSERT OR ROLLBACK` does.
    #[error("`{follower}`: the transaction was rolled back at position {position}, by a handler's SQL")]
    #[non_exhaustive]
    RolledBack {
        /// The follower's name.
        follower: &'static str,
        /// The position of the event.
        position: Position,
    },
    /// A handler has begun a savepoint and not released it. Its writes are undone.
    ///
    /// The handler of a later event could go back to it, and undo the writes of events that count as seen.
    #[error(
        "`{follower}`: the handler at position {position} leaves the savepoint {savepoint} open; release it in the \
         handler that begins it"
    )]
    #[non_exhaustive]
    OpenSavepoint {
        /// The follower's name.
        follower: &'static str,
        /// The position of the event.
        position: Position,
        /// The name of the savepoint.
        savepoint: String,
    },
    /// The database has refused to commit the writes of an event, such as for a constraint that SQLite checks at the
    /// commit (`DEFERRABLE INITIALLY DEFERRED`).
    #[error("`{follower}`: what its handler has written at position {position} can't be committed")]
    #[non_exhaustive]
    CommitRefused {
        /// The follower's name.
        follower: &'static str,
        /// The position of the event.
        position: Position,
        /// The database's error.
        source: BoxError,
    },
    /// The stored view has other events, aggregates or tables at the same version, or two followers have one
    /// name.
    #[error(
        "`{follower}` does not list the events, aggregates and tables that its view was made with: raise its version from \
         {version}, which rebuilds the view, or, if two followers have this name, rename one of them"
    )]
    #[non_exhaustive]
    OtherDefinition {
        /// The follower's name.
        follower: &'static str,
        /// The follower's version.
        version: u32,
    },
    /// The follower gives an aggregate by a name that the store does not know, and that is nearly one it knows.
    #[error(
        "`{follower}` reads the events of `{category}`, and the store has no stream of that category: did you mean \
         `{meant}`? Correct the name in `from(..)`, or give the aggregate by its type"
    )]
    #[non_exhaustive]
    UnknownCategory {
        /// The follower's name.
        follower: &'static str,
        /// The name in `from(..)`.
        category: &'static str,
        /// The category that it probably means.
        meant: String,
    },
    /// The view was made by another version of the projection.
    #[error(
        "`{follower}` is at version {current}, its view at {stored}: {}",
        if stored > current {
            "a newer program has made it"
        } else {
            "the next catch-up rebuilds it, as `inline` and `follow` do"
        }
    )]
    #[non_exhaustive]
    OtherVersion {
        /// The follower's name.
        follower: &'static str,
        /// The version of the view.
        stored: u32,
        /// The version of the code.
        current: u32,
    },
    /// The progress callback or the caller stopped the follower before it reached its goal.
    #[error(
        "`{follower}` was stopped at position {position} on the way to {goal}; the next run resumes there"
    )]
    #[non_exhaustive]
    Stopped {
        /// The follower's name.
        follower: &'static str,
        /// The position that it has reached.
        position: Position,
        /// The goal of the run.
        goal: Position,
    },
    /// The follower was asked to stop, and its runner has not ended in the time given.
    #[error("`{follower}` still runs after {timeout:?}: it ends after the step that it is in")]
    #[non_exhaustive]
    StillRuns {
        /// The follower's name.
        follower: &'static str,
        /// The time that was given.
        timeout: Duration,
    },
    /// The follower was stopped, and an `async` handler was still awaiting something when the time was over. Its event is not
    /// handled, and comes again.
    #[error(
        "`{follower}` was stopped, and its handler at position {position} was still waiting: the event comes again"
    )]
    #[non_exhaustive]
    GivenUp {
        /// The follower's name.
        follower: &'static str,
        /// The position of the event.
        position: Position,
    },
    /// The follower has `async` handlers, and its caller has no runtime of tokio for them.
    #[error(
        "`{follower}` has `async` handlers, and is started outside of a runtime of tokio: start it in a task, or in a scope of \
         `let _entered = runtime.enter();`"
    )]
    #[non_exhaustive]
    NoRuntime {
        /// The follower's name.
        follower: &'static str,
    },
    /// The runtime of the `async` handlers was shut down before the follower was stopped. The event that needed it is not handled,
    /// and comes again.
    #[error(
        "the runtime that the handlers of `{follower}` need was shut down, and position {position} needs it: stop followers \
         before their runtime"
    )]
    #[non_exhaustive]
    RuntimeEnded {
        /// The follower's name.
        follower: &'static str,
        /// The position of the event.
        position: Position,
        /// How the handler failed.
        source: BoxError,
    },
    /// The system can't start a thread.
    #[error("`{follower}`: the system can't start a thread")]
    #[non_exhaustive]
    Thread {
        /// The follower's name.
        follower: &'static str,
        /// The system's error.
        source: io::Error,
    },
    /// A runner has panicked in the progress callback. A handler's panic is an error of its event instead.
    #[error("the runner of `{follower}` has panicked")]
    #[non_exhaustive]
    Panicked {
        /// The follower's name.
        follower: &'static str,
    },
    /// A handler has waited for its own runner, which waits for the handler.
    #[error(
        "a handler of `{follower}` can't wait for its own runner; a runner that is stopped there ends after \
         the step that it is in"
    )]
    #[non_exhaustive]
    OwnRunner {
        /// The follower's name.
        follower: &'static str,
    },
    /// The follower has no dead letter at this position: none failed there, or it was retried or discarded.
    #[error("`{follower}` has no dead letter at position {position}: `dead_letters` lists those that it has")]
    #[non_exhaustive]
    NoDeadLetter {
        /// The follower's name.
        follower: &'static str,
        /// The position that the caller has named.
        position: Position,
    },
    /// The dead letter waits behind another one of its stream.
    #[error(
        "`{follower}`: the dead letter at position {position} waits behind that at position {behind}, of the same \
         stream: retry or discard that one first"
    )]
    #[non_exhaustive]
    WaitsBehind {
        /// The follower's name.
        follower: &'static str,
        /// The position that the caller has named.
        position: Position,
        /// The position of the first dead letter of the stream.
        behind: Position,
    },
    /// The runner has ended before it did what the caller wanted: [`RunningFollower::stop`] returns the reason,
    /// or the follower.
    ///
    /// [`RunningFollower::stop`]: crate::follow::RunningFollower::stop
    #[error("the runner of `{follower}` has ended: stop it, and ask the follower that `stop` returns")]
    #[non_exhaustive]
    RunnerEnded {
        /// The follower's name.
        follower: &'static str,
    },
    /// The runner is in another process: this one was forked from it.
    #[error(
        "the runner of `{follower}` is in the process that this one was forked from: stop it there, and \
         start runners after a fork"
    )]
    #[non_exhaustive]
    Forked {
        /// The follower's name.
        follower: &'static str,
    },
    /// The follower's checkpoint is gone. It was there when the follower was opened.
    #[error("`{follower}` has lost its checkpoint: another program has removed it")]
    #[non_exhaustive]
    CheckpointMissing {
        /// The follower's name.
        follower: &'static str,
    },
    /// The follower has seen a position beyond the store's end: the store has lost events.
    #[error(
        "`{follower}` has seen position {seen}, and the store ends at {newest}: the store has lost events. \
         Restore them, call `rebuild` on a projection, or `rewind` on a reaction"
    )]
    #[non_exhaustive]
    AheadOfStore {
        /// The follower's name.
        follower: &'static str,
        /// The position that it has seen.
        seen: Position,
        /// The position of the newest event.
        newest: Position,
    },
    /// The follower has seen events of another store.
    #[error(
        "`{follower}` has seen events of the store {seen}, and now gets those of the store {found}: \
         give it its own store, call `rebuild` on a projection, or `rewind` on a reaction"
    )]
    #[non_exhaustive]
    OtherStore {
        /// The follower's name.
        follower: &'static str,
        /// The [id](crate::store::EventStore::store_id) of the store whose events it has seen.
        seen: Uuid,
        /// The id of the store of its events now.
        found: Uuid,
    },
    /// The store has another event at the follower's position than the follower has seen. The events were
    /// restored from a copy, and the store has grown since.
    #[error(
        "`{follower}` has seen another event at position {position} than the store has now: the events were \
         replaced. Call `rebuild` on a projection, or `rewind` on a reaction"
    )]
    #[non_exhaustive]
    OtherEvents {
        /// The follower's name.
        follower: &'static str,
        /// The follower's position.
        position: Position,
    },
    /// A command of a process was not executed. It stays in the store, and is sent again.
    #[error("`{follower}` can't send the command `{command}` of the instance `{instance}`")]
    #[non_exhaustive]
    Send {
        /// The process's name.
        follower: &'static str,
        /// The command's name.
        command: String,
        /// The instance that has given it.
        instance: String,
        /// What failed.
        source: BoxError,
    },
    /// A command of a timer was not executed. It stays in the store, and is sent again.
    #[error("`{follower}` can't send the command `{command}` of the timer `{key}`")]
    #[non_exhaustive]
    Timer {
        /// The name of the timers' runner.
        follower: &'static str,
        /// The command's name.
        command: String,
        /// The timer's key.
        key: String,
        /// What failed.
        source: BoxError,
    },
    /// The store of the events, or the database of the progress, failed.
    #[error("`{follower}`: the store failed")]
    #[non_exhaustive]
    Store {
        /// The follower's name.
        follower: &'static str,
        /// What failed.
        source: StoreError,
    },
}

impl FollowError {
    /// Makes the error of a follower whose store failed: `.map_err(FollowError::store(name))`.
    pub(crate) fn store(follower: &'static str) -> impl Fn(StoreError) -> Self + Copy {
        move |source| Self::Store { follower, source }
    }

    /// The position of the event that failed, if one event is the reason.
    #[must_use]
    pub fn position(&self) -> Option<Position> {
        match self {
            Self::Handler { position, .. }
            | Self::RefusedSql { position, .. }
            | Self::RolledBack { position, .. }
            | Self::OpenSavepoint { position, .. }
            | Self::CommitRefused { position, .. } => Some(*position),
            Self::Read { source, .. } => match **source {
                ReadError::Decode { position, .. } => Some(position),
                _ => None,
            },
            _ => None,
        }
    }

    /// Whether it is of the view itself, its events or its version, rather than of the store.
    pub(crate) fn is_of_view(&self) -> bool {
        !matches!(self, Self::Store { source, .. } if !matches!(source, StoreError::DamagedEvent { .. }))
    }

    /// The error for an event whose handler failed.
    pub(crate) fn at(follower: &'static str, event: &StoredEvent<'_>, error: HandlerError) -> Self {
        let envelope = &event.envelope;
        match error {
            HandlerError::Handler(source) if source.is::<GivenUp>() => {
                Self::GivenUp { follower, position: envelope.position }
            }
            HandlerError::Handler(source) => Self::Handler {
                follower,
                stream: envelope.stream(),
                version: envelope.version,
                position: envelope.position,
                source,
            },
            HandlerError::Decode(source) => {
                let source = Box::new(ReadError::undecodable(envelope.stream(), &event.into(), source));
                Self::Read { follower, source }
            }
        }
    }
}

/// Why a projection did not catch up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProjectionError {
    /// An error that any follower can have.
    #[error(transparent)]
    Follow(#[from] FollowError),
    /// The view's tables could not be made, or removed.
    #[error("`{projection}`: its tables can't be made or removed")]
    #[non_exhaustive]
    Init {
        /// The projection's name.
        projection: &'static str,
        /// What failed.
        source: BoxError,
    },
    /// The store already has an inline projection of this name.
    #[error("the store has an inline projection `{projection}` already")]
    #[non_exhaustive]
    AlreadyInline {
        /// The projection's name.
        projection: &'static str,
    },
    /// The view is in another file than the events, and so cannot be part of an append.
    #[error(
        "`{projection}` is in another file than the events, and can't be part of an append: \
         use `follow`, or open it with `SqliteProjection::new`"
    )]
    #[non_exhaustive]
    OtherFile {
        /// The projection's name.
        projection: &'static str,
    },
    /// The file in which a view is rebuilt could not be opened, made or removed.
    #[error("`{projection}` can't be rebuilt in {}", path.display())]
    #[non_exhaustive]
    RebuildFile {
        /// The projection's name.
        projection: &'static str,
        /// The file.
        path: PathBuf,
        /// What failed.
        source: BoxError,
    },
}

impl ProjectionError {
    /// The position of the event that failed, if one event is the reason.
    #[must_use]
    pub fn position(&self) -> Option<Position> {
        match self {
            Self::Follow(error) => error.position(),
            _ => None,
        }
    }
}

/// Why a reaction did not catch up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReactionError {
    /// An error that any follower can have.
    #[error(transparent)]
    Follow(FollowError),
    /// Progress of a projection is stored under the reaction's name.
    #[error("`{reaction}` has the name of a projection: give it another, `#[reaction(name = \"..\")]`")]
    #[non_exhaustive]
    NameTaken {
        /// The reaction's name.
        reaction: &'static str,
    },
}

impl ReactionError {
    /// The position of the event that failed, if one event is the reason.
    #[must_use]
    pub fn position(&self) -> Option<Position> {
        match self {
            Self::Follow(error) => error.position(),
            Self::NameTaken { .. } => None,
        }
    }
}

impl From<FollowError> for ReactionError {
    fn from(error: FollowError) -> Self {
        match error {
            // All reactions share one definition. Another definition is a projection's.
            FollowError::OtherDefinition { follower, .. } | FollowError::OtherVersion { follower, .. } => {
                Self::NameTaken { reaction: follower }
            }
            other => Self::Follow(other),
        }
    }
}

/// Why a process did not catch up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProcessError {
    /// An error that any follower can have.
    #[error(transparent)]
    Follow(FollowError),
    /// Progress of a projection or a reaction is stored under the process's name.
    #[error("`{process}` has the name of another follower: give it another, `#[process(name = \"..\")]`")]
    #[non_exhaustive]
    NameTaken {
        /// The process's name.
        process: &'static str,
    },
}

impl ProcessError {
    /// The position of the event that failed, if one event is the reason.
    #[must_use]
    pub fn position(&self) -> Option<Position> {
        match self {
            Self::Follow(error) => error.position(),
            Self::NameTaken { .. } => None,
        }
    }
}

impl From<FollowError> for ProcessError {
    fn from(error: FollowError) -> Self {
        match error {
            // All processes share one definition. Another definition is that of another kind of follower.
            FollowError::OtherDefinition { follower, .. } | FollowError::OtherVersion { follower, .. } => {
                Self::NameTaken { process: follower }
            }
            other => Self::Follow(other),
        }
    }
}
