//! Projections into tables of a SQLite file.

mod batch;
mod decode_ahead;
pub(crate) mod inline;
mod objects;
mod rebuild;
pub(crate) mod serving;
mod sql_driver;
mod swap;
pub(crate) mod target;
pub(crate) mod view_transaction;
mod views;

use std::time::Duration;

use rusqlite::Transaction;

use crate::domain::error::BoxError;
use crate::follow::definition::FollowerDefinition;
use crate::follow::error::{FollowError, ProjectionError};
use crate::follow::progress_store::ProgressHome;
use crate::follow::progress_store::ProgressStore;
use crate::follow::projection::Projection;
use crate::follow::stored_projection::StoredProjection;
use crate::sqlite::file::handler_sql;
use crate::sqlite::projection::target::SqliteTarget;
use crate::sqlite::store::SqliteStore;

/// A projection into tables of a SQLite file: that of the events, or [another one](Self::in_store).
///
/// The handlers' writes and the view's position are committed together, so each event counts exactly once,
/// also after a crash.
///
/// ```
/// use factum::prelude::*;
/// use factum::sqlite::rusqlite::Transaction;
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
/// #[derive(Projection)]
/// #[projection(
///     events(Incremented),
///     from(Counter),
///     into = Sqlite,
///     init = "CREATE TABLE counts (counter TEXT PRIMARY KEY, count INTEGER NOT NULL)",
/// )]
/// struct Counts;
///
/// #[handlers]
/// impl Counts {
///     #[project]
///     fn incremented(
///         &self,
///         _: &Incremented,
///         envelope: &Envelope<'_>,
///         transaction: &Transaction<'_>,
///     ) -> Result<(), BoxError> {
///         transaction.execute(
///             "INSERT INTO counts VALUES (?1, 1) ON CONFLICT DO UPDATE SET count = count + 1",
///             [envelope.key],
///         )?;
///         Ok(())
///     }
/// }
///
/// let store = SqliteStore::in_memory()?;
/// let counters = store.repository::<Counter>();
/// counters.execute(Increment("visits".into()))?;
///
/// let mut counts = SqliteProjection::new(&store, Counts)?;
/// counts.catch_up()?;
/// let visits: u64 = store.query(|connection| {
///     connection.query_row("SELECT count FROM counts WHERE counter = 'visits'", (), |row| row.get(0))
/// })?;
/// assert_eq!(visits, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Handlers run while the store is locked for writing. They can't execute commands: that fails with
/// [`StoreError::Reentrant`](crate::store::StoreError::Reentrant), as does loading from a store in memory.
/// They must not wait for a thread that appends.
///
/// A transaction that is rolled back does not undo what a handler has written to `self`. When the program
/// ends, `self` is lost. So use `self` for caches only.
///
/// Three methods run the projection:
///
/// | method | updates the view |
/// |---|---|
/// | [`catch_up`](Self::catch_up) | in the call |
/// | [`inline`](Self::inline) | in each append |
/// | [`follow`](Self::follow) | in the background, soon after each append |
///
/// # Another version
///
/// If an earlier version of the projection has made the view, each of these methods rebuilds it first.
/// Readers see the old view until one transaction replaces it; see [`rebuild`](Self::rebuild).
pub type SqliteProjection<P> = StoredProjection<P, SqliteStore>;

impl<P: Projection<Target: SqliteTarget>> SqliteProjection<P> {
    /// Opens the projection with an empty view: in one transaction, `drop_tables` drops its tables, and
    /// `init` creates them again.
    ///
    /// The next catch-up begins at the first event, and the view is empty until then;
    /// [`rebuild`](Self::rebuild) keeps the old view instead. This is for a view whose definition was changed
    /// at the same version, or whose tables can't be copied. A program that still runs an earlier version
    /// gets [`FollowError::OtherVersion`] from then on.
    pub fn from_scratch<E: Into<BoxError>>(
        store: &SqliteStore,
        projection: P,
        drop_tables: impl FnOnce(&Transaction<'_>) -> Result<(), E>,
    ) -> Result<Self, ProjectionError> {
        let definition = FollowerDefinition::of_projection::<P>();
        let home = ProgressHome::new(store.clone(), None);
        definition.check_categories(home.events())?;
        home.in_transaction(P::NAME, |transaction| {
            handler_sql::run_definition(transaction, || drop_tables(transaction))
                .map_err(|source| ProjectionError::Init { projection: P::NAME, source })?;
            SqliteStore::remove_letters(transaction, P::NAME).map_err(FollowError::store(P::NAME))?;
            rebuild::start_view(transaction, &definition)
        })?;
        Ok(Self::with_engine(definition, home, projection))
    }

    /// Sets how long one transaction of a catch-up or a background view holds the file; 10 milliseconds by
    /// default.
    ///
    /// It ends after the event during which the time runs out. Appends of the same process then get their turn.
    /// Other processes get theirs in gaps: one every 30 milliseconds, or after each transaction if another
    /// process has written in the last second. A gap takes at least 0.3 milliseconds, and a sixteenth of the
    /// last transaction. A longer time makes a catch-up faster, and lets appends wait longer.
    #[must_use = "the projection with this time is what this returns"]
    pub fn batch_time(mut self, time: Duration) -> Self {
        self.engine.batch_time = time;
        self
    }
}
