//! What a PostgreSQL store keeps for an application: views in tables.

use crate::follow::keeps::{FollowerOptions, Keeps, Started};
use crate::follow::projection::Projection;
use crate::postgres::projection::PostgresProjection;
use crate::postgres::projection::target::PostgresTarget;
use crate::postgres::store::PostgresStore;
use crate::store::event_store::EventStore;

#[diagnostic::do_not_recommend]
impl<T: PostgresTarget> Keeps<T> for PostgresStore {
    fn follow<P, E>(&self, events: &E, view: P, options: &FollowerOptions) -> Started
    where
        P: Projection<Target = T> + Send + 'static,
        E: EventStore + Clone + 'static,
    {
        options.start(PostgresProjection::in_store(self, events, view)?.hooked(options))
    }
}
