//! Views made from events.

mod memory;
#[cfg(feature = "sqlite")]
mod sqlite;

pub use self::memory::{MemoryProjection, MemoryShards};
#[cfg(feature = "sqlite")]
pub(crate) use self::sqlite::Inline;
#[cfg(feature = "sqlite")]
pub use self::sqlite::{Sqlite, SqliteProjection, ViewTransaction};
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::error::{BoxError, ReadError, StoreError};
use crate::event::{DecodeError, EventKind};
use crate::id::StreamId;
use crate::metadata::Envelope;
use crate::private::Prepared;
use crate::store::StoredEvent;
#[cfg(feature = "sqlite")]
use crate::store::sqlite::database_error;

/// A read model: a view of what events from any number of aggregates say, made for one kind of question.
///
/// Derive it, list the events, and write a `#[project]` method for each. The derive takes `#[projection(..)]` with
///
/// | key | meaning |
/// |---|---|
/// | `events(AccountOpened, ..)` | what it is made from, of any aggregates; required |
/// | `from(BankAccount, ..)` | only events of these aggregates; needed if others use the same event names, or if one of these has [retired](crate::Upcast) an event that becomes one of the list. An event that the aggregate does not know, as of a newer program, is then an error |
/// | `name = "balances"` | what its progress is stored under; without it, the type's name in kebab case |
/// | `version = 2` | changes when the view would come out different; 1 if not given |
/// | `into = Sqlite` | where the view lives: [`Memory`], which is the default, or [`Sqlite`] |
/// | `partition_by = stream` | events of different streams may be taken in any order: several workers can share it |
/// | `init = "CREATE TABLE .."` | for SQLite: what makes its tables |
/// | `crate = path` | where `factum` is, if it was renamed or re-exported |
///
/// In memory the view is the struct itself:
///
/// ```
/// use factum::prelude::*;
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Debug, Serialize, Deserialize, Event)] struct Incremented;
/// # #[derive(Debug, Command)] struct Increment(String);
/// # #[derive(Debug, Default, Clone, Aggregate)]
/// # #[aggregate(id = String, commands(Increment), events(Incremented))]
/// # struct Counter { count: u64 }
/// # #[handlers] impl Counter {
/// #     #[execute] fn increment(&self, _: Increment) -> Incremented { Incremented }
/// #     #[apply] fn incremented(&mut self, _: &Incremented) { self.count += 1; }
/// # }
/// #[derive(Default, Projection)]
/// #[projection(events(Incremented))]
/// struct Total {
///     count: u64,
/// }
///
/// #[handlers]
/// impl Total {
///     #[project]
///     fn incremented(&mut self, _: &Incremented) {
///         self.count += 1;
///     }
/// }
///
/// let store = MemoryStore::new();
/// let counters = store.repository::<Counter>();
/// counters.execute(Increment("a".into()))?;
/// counters.execute(Increment("b".into()))?;
///
/// let mut total = MemoryProjection::new(store, Total::default());
/// total.catch_up()?;
/// assert_eq!(total.view().count, 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// For one in SQLite, see [`SqliteProjection`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a projection",
    label = "this type does not derive `Projection`",
    note = "annotate `{Self}` with `#[derive(Projection)]` and `#[projection(events(..))]`"
)]
pub trait Projection: Sized {
    /// What its progress is stored under.
    const NAME: &'static str;

    /// Which version of the view the code makes.
    const VERSION: u32;

    /// The events it is made from.
    const EVENTS: &'static [EventKind];

    /// The names of the aggregates whose events count; empty if all do.
    const FROM: &'static [&'static str] = &[];

    /// Whether one of its handlers looks at the envelope: if none does, metadata need not be read.
    const METADATA: bool = true;

    /// What makes its tables, for a target that has tables.
    const INIT: &'static str = "";

    /// Where the view lives.
    type Target: Target;

    /// Brings the view to where it is after a stored event, called `name` by the event's own choice or by that of an
    /// earlier version. What `derive(Projection)` writes: the choice among the [`Project`] impls.
    fn project_stored(
        &mut self,
        name: &str,
        event: &StoredEvent<'_>,
        writer: &Writer<'_, Self>,
    ) -> Result<(), ProjectError>;

    /// Brings the view to where it is after an event that is at hand as such: one that a retired event has become. One
    /// that the projection does not list changes nothing.
    fn project_typed(
        &mut self,
        event: &dyn Any,
        envelope: &Envelope<'_>,
        writer: &Writer<'_, Self>,
    ) -> Result<(), ProjectError>;

    /// Decodes a stored event, for a handler that is called later. `None` if that has to wait as well.
    #[doc(hidden)]
    fn prepare(name: &str, event: &StoredEvent<'_>) -> Result<Option<Prepared<Self>>, DecodeError> {
        let _ = (name, event);
        Ok(None)
    }
}

/// A projection whose events of one stream have to be taken in order, and those of different streams need not: several
/// workers can share it, each with a part of the streams.
///
/// Declared by `#[projection(partition_by = stream)]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say that several workers can share it",
    label = "is made by one worker",
    note = "if events of different streams may be taken in any order, declare it: `#[projection(partition_by = stream)]` \
            on `{Self}`, or `#[reaction(partition_by = stream)]`"
)]
pub trait PartitionedByStream: Projection {}

/// How an event of type `E` changes a view: what a `#[project]` method becomes.
#[diagnostic::on_unimplemented(
    message = "`{Self}` lists the event `{E}` and does not project it",
    label = "no `#[project]` method takes `&{E}`",
    note = "write one in a `#[handlers]` block: `#[project] fn name(&mut self, event: &{E})`",
    note = "or take `{E}` out of `events(..)`"
)]
pub trait Project<E>: Projection + Follows<E> {
    /// Whether the handler looks at more of the envelope than the stream, the version and the position.
    const ENVELOPE: bool = true;

    /// Brings the view to where it is after `event`.
    ///
    /// An error leaves the event unseen.
    fn project(
        &mut self,
        event: &E,
        envelope: &Envelope<'_>,
        writer: &Writer<'_, Self>,
    ) -> Result<(), BoxError>;
}

/// The projection's list of events has `E` in it.
///
/// Implemented by `derive(Projection)` and `derive(Reaction)` for each event listed: a `#[project]` or `#[react]` method for
/// one that is not listed, and so would never be called, does not compile.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not list the event `{E}`",
    label = "would never be called: `{E}` is not in `events(..)`",
    note = "add it to the list on `{Self}`: `events({E}, ..)`"
)]
pub trait Follows<E>: Projection {}

/// Where views live: what their handlers write with.
pub trait Target {
    /// Whether a view comes of it, which has to be made anew if it is to be made of other events.
    #[doc(hidden)]
    const IS_VIEW: bool = true;

    /// What a handler writes with, for the time of one transaction.
    type Writer<'w>;
}

/// What the handlers of the projection `P` write with.
pub type Writer<'w, P> = <<P as Projection>::Target as Target>::Writer<'w>;

/// The view is the projection itself; its handlers write to `self`.
#[derive(Debug)]
pub enum Memory {}

impl Target for Memory {
    type Writer<'w> = ();
}

/// Why one event could not be projected.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProjectError {
    /// It could not be read.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The handler says why.
    #[error(transparent)]
    Handler(BoxError),
}

/// Why a projection did not catch up. What it has seen before counts; the event named, and those after it, do not.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProjectionError {
    /// An event could not be read.
    #[error("`{projection}`: {source}")]
    #[non_exhaustive]
    Read {
        /// The projection.
        projection: &'static str,
        /// Which event, and why.
        source: Box<ReadError>,
    },
    /// A handler failed.
    #[error("`{projection}` failed at position {position} ({stream}, version {version}): {source}")]
    #[non_exhaustive]
    Handler {
        /// The projection.
        projection: &'static str,
        /// The event's stream.
        stream: StreamId,
        /// The event's place in its stream.
        version: u64,
        /// The event's place in the store.
        position: u64,
        /// What the handler says.
        source: BoxError,
    },
    /// The view was made with other events, aggregates or tables than the projection has now, at the same version; or
    /// two projections have one name.
    #[error(
        "`{projection}` does not list the events, aggregates and tables that its view was made with: raise \
         its version from {version} and make it anew, or, if two projections have this name, give one another"
    )]
    #[non_exhaustive]
    OtherDefinition {
        /// The projection.
        projection: &'static str,
        /// Its version.
        version: u32,
    },
    /// It was told to stop before it was done: by the callback that it tells its progress.
    #[error("`{projection}` was stopped at position {position}, on the way to {goal}; it goes on from there")]
    #[non_exhaustive]
    Stopped {
        /// The projection or reaction.
        projection: &'static str,
        /// How far it has come.
        position: u64,
        /// Where it should have come.
        goal: u64,
    },
    /// The file in which a view is made anew could not be opened, made or removed.
    #[error("`{projection}` can't be made anew in {}: {source}", path.display())]
    #[non_exhaustive]
    RebuildFile {
        /// The projection.
        projection: &'static str,
        /// The file.
        path: std::path::PathBuf,
        /// What failed.
        source: BoxError,
    },
    /// The view is in another file than the events, and so can't be part of an append.
    #[error(
        "`{projection}` is in another file than the events, and can't be part of an append: let it follow, or make it with \
         `SqliteProjection::new`"
    )]
    #[non_exhaustive]
    OtherFile {
        /// The projection.
        projection: &'static str,
    },
    /// The system gives no thread.
    #[error("`{projection}` gets no thread: {source}")]
    #[non_exhaustive]
    Thread {
        /// The projection or reaction.
        projection: &'static str,
        /// What the system says.
        source: std::io::Error,
    },
    /// A runner has panicked: in the callback that it tells its progress, as handlers are caught.
    #[error("the runner of `{projection}` has panicked")]
    #[non_exhaustive]
    Panicked {
        /// The projection or reaction.
        projection: &'static str,
    },
    /// There is no view any more.
    #[error("`{projection}` has no view: somebody has removed its checkpoint")]
    #[non_exhaustive]
    Gone {
        /// The projection.
        projection: &'static str,
    },
    /// The store runs a projection of this name in its appends already.
    #[error("the store has an inline projection `{projection}` already")]
    #[non_exhaustive]
    Registered {
        /// The projection.
        projection: &'static str,
    },
    /// The view has seen more than there is: the store has lost events, or is another one.
    #[error("`{projection}` has seen position {seen}, and the store ends at {newest}")]
    #[non_exhaustive]
    Ahead {
        /// The projection.
        projection: &'static str,
        /// What it has seen.
        seen: u64,
        /// The position of the newest event.
        newest: u64,
    },
    /// A handler has made SQLite undo the transaction, as `INSERT OR ROLLBACK` does.
    #[error("`{projection}`: the transaction was rolled back at position {position}, by a handler's SQL")]
    #[non_exhaustive]
    RolledBack {
        /// The projection.
        projection: &'static str,
        /// The position of the event.
        position: u64,
    },
    /// The projection's tables could not be made, or taken away.
    #[error("`{projection}`: its tables: {source}")]
    #[non_exhaustive]
    Tables {
        /// The projection.
        projection: &'static str,
        /// What failed.
        source: BoxError,
    },
    /// The view was made by another version of the projection.
    #[error(
        "`{projection}` is at version {current}, its view at {stored}: {}",
        if stored > current {
            "a newer program has made it"
        } else {
            "the next catch-up makes it anew, as do `inline` and `follow`"
        }
    )]
    #[non_exhaustive]
    OtherVersion {
        /// The projection.
        projection: &'static str,
        /// The version of the view.
        stored: u32,
        /// The version of the code.
        current: u32,
    },
    /// The store failed, or the database that the view is in.
    #[error("`{projection}`: {source}")]
    #[non_exhaustive]
    Store {
        /// The projection.
        projection: &'static str,
        /// What failed.
        source: StoreError,
    },
}

/// A handler that has panicked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the handler panicked: {message}")]
#[non_exhaustive]
pub struct HandlerPanicked {
    /// What it said.
    pub message: String,
}

/// Runs a handler; its panic is an error of its event. What the handler has left of the projection's own fields stays.
pub(crate) fn guarded<T>(handler: impl FnOnce() -> Result<T, ProjectError>) -> Result<T, ProjectError> {
    match catch_unwind(AssertUnwindSafe(handler)) {
        Ok(result) => result,
        Err(panic) => {
            let text = panic.downcast_ref::<&str>().copied();
            let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
            let message = text.unwrap_or("without a message").to_owned();
            Err(ProjectError::Handler(Box::new(HandlerPanicked { message })))
        }
    }
}

impl ProjectionError {
    /// The position of the event that failed, if it is one event's fault.
    pub fn position(&self) -> Option<u64> {
        match self {
            Self::Handler { position, .. } | Self::RolledBack { position, .. } => Some(*position),
            Self::Read { source, .. } => match **source {
                ReadError::Decode { position, .. } => Some(position),
                _ => None,
            },
            _ => None,
        }
    }

    pub(crate) fn at<P: Projection>(event: &StoredEvent<'_>, error: ProjectError) -> Self {
        let envelope = &event.envelope;
        match error {
            ProjectError::Handler(source) => Self::Handler {
                projection: P::NAME,
                stream: envelope.stream(),
                version: envelope.version,
                position: envelope.position,
                source,
            },
            ProjectError::Decode(source) => {
                let source = Box::new(ReadError::undecodable(envelope.stream(), &event.into(), source));
                Self::Read { projection: P::NAME, source }
            }
        }
    }

    /// A handler's error is the event's, unless it is the database's: a full disk is no fault of any event.
    #[cfg(feature = "sqlite")]
    pub(crate) fn of_event<P: Projection>(event: &StoredEvent<'_>, error: ProjectError) -> Self {
        match &error {
            ProjectError::Handler(source) => match database_error(source.as_ref()) {
                Some(source) => Self::store::<P>(source),
                None => Self::at::<P>(event, error),
            },
            ProjectError::Decode(_) => Self::at::<P>(event, error),
        }
    }

    pub(crate) fn store<P: Projection>(source: StoreError) -> Self {
        Self::Store { projection: P::NAME, source }
    }
}

/// How far a catch-up has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CaughtUp {
    /// How many events it has looked at: those that it lists and, where it names their aggregates, all of these.
    pub events: u64,
    /// The position up to which the projection has seen everything.
    pub position: u64,
}

/// All names under which the projection's events may be stored. None, for all, where their aggregates are named: one
/// that a newer program has added or renamed must not be passed over in silence.
pub(crate) fn names<P: Projection>() -> Vec<&'static str> {
    if P::FROM.is_empty() { P::EVENTS.iter().flat_map(EventKind::names).collect() } else { Vec::new() }
}
