//! Projections into tables of a PostgreSQL database.

mod batch;
mod inline;
mod keeps;
mod numeric;
mod query;
mod rebuild;
mod schema;
mod serving;
pub(crate) mod target;
mod values;
pub(crate) mod view_transaction;
mod views;

use std::time::Duration;

use crate::follow::definition::FollowerDefinition;
use crate::follow::error::{FollowError, ProjectionError};
use crate::follow::progress_store::{ProgressHome, ProgressStore as _};
use crate::follow::projection::Projection;
use crate::follow::stored_projection::StoredProjection;
use crate::postgres::projection::target::PostgresTarget;
use crate::postgres::store::PostgresStore;
use crate::store::partition::Partition;

/// A projection into tables of a PostgreSQL database: that of the events, or [another one](StoredProjection::in_store).
///
/// The handlers' writes and the view's position are committed together, so each event counts exactly once, also after a crash.
/// One program runs the view at a time. With [several workers](StoredProjection::workers), programs share its partitions.
///
/// ```no_run
/// use factum::follow::SqlTransaction;
/// use factum::postgres::PostgresProjection;
/// use factum::prelude::*;
/// # mod bank { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/bank.rs")); }
/// # use bank::*;
///
/// #[derive(Projection)]
/// #[projection(
///     events(MoneyDeposited),
///     from(BankAccount),
///     into = Sql,
///     init = "CREATE TABLE deposits (account TEXT PRIMARY KEY, cents BIGINT NOT NULL)",
/// )]
/// struct Deposits;
///
/// #[handlers]
/// impl Deposits {
///     #[project]
///     fn deposited(
///         &self,
///         event: &MoneyDeposited,
///         account: &str,
///         sql: &mut dyn SqlTransaction,
///     ) -> Result<(), SqlError> {
///         sql.execute(
///             "INSERT INTO deposits VALUES ($1, $2)
///              ON CONFLICT (account) DO UPDATE SET cents = deposits.cents + excluded.cents",
///             &[&account, &event.cents],
///         )?;
///         Ok(())
///     }
/// }
///
/// let store = PostgresStore::connect("postgresql://bank@localhost/bank")?;
/// let running = PostgresProjection::new(&store, Deposits)?.follow().start()?;
/// let deposits = store.sql_view::<Deposits>().query("SELECT account, cents FROM deposits", &[])?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// The tables are in a schema of the view's own, beside that of the store: `"factum/deposits"`, see [`schema`](Self::schema). The
/// user of the URL must be allowed to make schemas in the database.
///
/// # Another version
///
/// If an earlier version of the projection has made the view, each method that runs it rebuilds it first, in a schema beside the
/// old one. Readers see the old view until one transaction gives the new schema its name.
pub type PostgresProjection<P> = StoredProjection<P, PostgresStore>;

impl<P: Projection<Target: PostgresTarget>> PostgresProjection<P> {
    /// The name of the schema with the view's tables, for queries of the program's own.
    #[must_use]
    pub fn schema(&self) -> String {
        schema::name(self.engine.home.progress.schema_name(), P::NAME)
    }

    /// Opens the projection with an empty view: one transaction drops its schema, and makes it again.
    ///
    /// The next catch-up begins at the first event, and the view is empty until then; [`rebuild`](Self::rebuild) keeps the old
    /// view instead. This is for a view whose definition was changed at the same version. A program that still runs an earlier
    /// version gets [`FollowError::OtherVersion`] from then on.
    pub fn from_scratch(store: &PostgresStore, projection: P) -> Result<Self, ProjectionError> {
        let definition = FollowerDefinition::of_projection::<P>();
        let home = ProgressHome::new(store.clone(), None);
        definition.check_categories(home.events())?;
        home.in_transaction(P::NAME, |transaction| {
            let failed = FollowError::store(P::NAME);
            views::lock(transaction, &definition).map_err(failed)?;
            // Steps have locked their positions before they use the tables.
            PostgresStore::lock_positions(transaction, P::NAME, Partition::WHOLE).map_err(failed)?;
            PostgresStore::remove_letters(transaction, P::NAME).map_err(failed)?;
            views::drop_schema(transaction, &definition).map_err(failed)?;
            views::make_view(transaction, &definition, crate::domain::new_id::new_id())
        })?;
        Ok(Self::with_engine(definition, home, projection))
    }

    /// Sets how long one transaction of a catch-up or a background view takes; 200 milliseconds by default.
    ///
    /// It ends after the event during which the time runs out. Appends do not wait for it. A rebuild or a second runner that wants
    /// the view's tables does.
    #[must_use = "the projection with this time is what this returns"]
    pub fn batch_time(mut self, time: Duration) -> Self {
        self.engine.batch_time = time;
        self
    }
}
