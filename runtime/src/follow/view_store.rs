//! The port that keeps the tables of views, with one implementation per database.

use std::time::Duration;

use uuid::Uuid;

use crate::follow::definition::FollowerDefinition;
use crate::follow::engine::Engine;
use crate::follow::error::ProjectionError;
use crate::follow::inline_view::InlineState;
use crate::follow::lease::LeaseHolder;
use crate::follow::progress::CaughtUp;
use crate::follow::progress_store::ProgressStore;
use crate::follow::projection::Projection;
use crate::follow::rebuild::Rebuild;
use crate::follow::worker::StepTarget;
use crate::store::error::StoreError;
use crate::store::event_store::EventStore;

/// A database that keeps the tables of views beside their progress.
pub(crate) trait ViewStore: ProgressStore + EventStore {
    /// How long one transaction of a view takes, unless the program says otherwise.
    const BATCH_TIME: Duration;

    /// Creates the view's tables, and its checkpoint before the first event.
    fn start_view(
        transaction: &Self::Transaction<'_>,
        definition: &FollowerDefinition,
    ) -> Result<(), ProjectionError>;

    /// The version of the projection that is being rebuilt, if the view is.
    fn rebuilt_version(
        transaction: &Self::Transaction<'_>,
        follower: &str,
    ) -> Result<Option<u32>, StoreError>;

    /// Takes a lease, also from another holder.
    fn seize_lease(transaction: &Self::Transaction<'_>, holder: &LeaseHolder) -> Result<(), StoreError>;

    /// Whether the rebuild `id` is the one under way, and no other holder has taken its lease.
    fn is_rebuilt_by(
        &self,
        definition: &FollowerDefinition,
        holder: &LeaseHolder,
        id: Uuid,
    ) -> Result<bool, StoreError>;
}

/// A target whose views are in tables of the database `S`.
#[diagnostic::on_unimplemented(
    message = "a view in `{Self}` is not in tables of a `{S}`",
    label = "has another target",
    note = "`SqliteProjection` runs views with `into = Sqlite` and `into = Sql`, and `PostgresProjection` those with `into = Postgres` and `into = Sql`"
)]
pub(crate) trait TableTarget<S: ProgressStore>: StepTarget<S> {
    /// Rebuilds the view beside the one that serves, and replaces that; `None` if another process has taken over.
    fn build<P: Projection<Target = Self>>(
        rebuild: &Rebuild<'_>,
        engine: &mut Engine<P, S>,
        holder: &LeaseHolder,
        id: Uuid,
    ) -> Result<Option<CaughtUp>, ProjectionError>;

    /// Lets the store run the projection in each append from now on.
    fn run_inline<P: Projection<Target = Self> + Send + 'static>(
        store: &S,
        projection: P,
        state: InlineState,
    ) -> Result<(), ProjectionError>;
}
