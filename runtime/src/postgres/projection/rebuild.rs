//! Rebuilds a view in a schema of its own, beside the one that serves.
//!
//! Handlers name their tables without a schema, so the new view is made where these names are free. It has progress of its own,
//! under a name of its own, so a rebuild that was stopped or killed resumes. When it is near the end of the store, one
//! transaction drops the old schema, gives the new one its name, and projects the remaining events.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::Mutex;

use uuid::Uuid;

use crate::domain::panic::discard;
use crate::follow::batch::Bounds;
use crate::follow::checkpoint;
use crate::follow::definition::FollowerDefinition;
use crate::follow::engine::Engine;
use crate::follow::error::{FollowError, ProjectionError};
use crate::follow::event_hooks::{EventHooks, Watch};
use crate::follow::lease::{LeaseAnswer, LeaseHolder};
use crate::follow::progress::CaughtUp;
use crate::follow::progress_store::{ProgressHome, ProgressStore};
use crate::follow::projection::Projection;
use crate::follow::rebuild;
use crate::follow::rebuild::Rebuild;
use crate::postgres::projection::batch::{project, refused_by_server};
use crate::postgres::projection::schema;
use crate::postgres::projection::target::PostgresTarget;
use crate::postgres::projection::views::{MARKER, drop_schema, lock as lock_view, make_view};
use crate::postgres::sql::{Ask as _, values};
use crate::postgres::store::PostgresStore;
use crate::postgres::transaction::PostgresTransaction;
use crate::store::error::StoreError;
use crate::store::lock::lock;

/// Makes the new view and replaces the old one; `None` if another process has taken over.
pub(super) fn build<P: Projection<Target: PostgresTarget>>(
    settings: &Rebuild<'_>,
    engine: &mut Engine<P, PostgresStore>,
    holder: &LeaseHolder,
    id: Uuid,
) -> Result<Option<CaughtUp>, ProjectionError> {
    let (home, serving) = (engine.home.clone(), engine.definition);
    let rebuilt = serving.named(name_of(serving.name));
    open(&home, &rebuilt, id)?;
    let beside = ProgressHome { hooks: EventHooks::default(), ..home.clone() };
    let is_ours = || rebuild::is_ours(&home, &serving, holder, id);
    engine.definition = rebuilt;
    let events = settings.project(engine, &beside, is_ours);
    engine.definition = serving;
    let Some(events) = events? else { return Ok(None) };
    let Some(handlers) = engine.handlers.first_mut() else { return Ok(None) };
    let views = Views { home: &home, serving, rebuilt };
    // If what is left can't be projected or committed, the next step meets the event that is the reason.
    let swapped = match views.swap(Some(handlers), id, holder) {
        Err(error) if error.is_of_event => {
            discard(error);
            views.swap::<P>(None, id, holder)
        }
        swapped => swapped,
    };
    let swapped = swapped.map_err(|failed| failed.error)?;
    Ok(swapped.map(|swapped| CaughtUp { events: events + swapped.events, ..swapped }))
}

/// The name under which a rebuild keeps its progress. As a follower's name, it lives as long as the program.
fn name_of(projection: &str) -> &'static str {
    static NAMES: Mutex<BTreeSet<&str>> = Mutex::new(BTreeSet::new());

    let name = format!("{projection} (rebuild)");
    let mut names = lock(&NAMES);
    match names.get(&*name) {
        Some(known) => known,
        None => {
            // One for each view of the program.
            let name: &'static str = name.leak();
            names.insert(name);
            name
        }
    }
}

/// Makes the schema of the rebuild with this id, unless it is there. A rebuild that has seen other events than those of the
/// store begins again.
fn open(
    home: &ProgressHome<PostgresStore>,
    rebuilt: &FollowerDefinition,
    id: Uuid,
) -> Result<(), ProjectionError> {
    let failed = FollowError::store(rebuilt.name);
    home.in_transaction(rebuilt.name, |transaction| {
        lock_view(transaction, rebuilt).map_err(failed)?;
        if made_by(transaction, rebuilt).map_err(failed)? == Some(id)
            && checkpoint::require_in::<PostgresStore>(transaction, rebuilt)
                .and_then(|seen| seen.check(home.events(), rebuilt.name))
                .is_ok()
        {
            return Ok(());
        }
        drop_schema(transaction, rebuilt).map_err(failed)?;
        forget(transaction, rebuilt.name).map_err(failed)?;
        make_view(transaction, rebuilt, id)
    })
}

/// The id of the rebuild that has made a view's schema, if it is there.
fn made_by(transaction: &PostgresTransaction, view: &FollowerDefinition) -> Result<Option<Uuid>, StoreError> {
    let schema = schema::quoted(&schema::name(transaction.store().schema_name(), view.name));
    let marker = format!("{schema}.{MARKER}");
    if transaction.one("SELECT to_regclass($1) IS NULL", values![marker.clone()])? {
        return Ok(None);
    }
    transaction.first(&format!("SELECT id FROM {marker}"), values![], |row| {
        row.try_get(0).map_err(crate::postgres::store::unreadable)
    })
}

/// The tables with the progress of a follower.
const PROGRESS: [&str; 3] = ["checkpoints", "partitions", "dead_letters"];

/// Removes the progress of a follower.
fn forget(transaction: &PostgresTransaction, follower: &str) -> Result<(), StoreError> {
    PROGRESS.iter().try_for_each(|table| {
        transaction.write(
            &format!("DELETE FROM {{schema}}.{table} WHERE follower = $1"),
            values![follower.to_owned()],
        )
    })
}

/// Gives a follower the progress that is kept under another name.
fn take_over(transaction: &PostgresTransaction, from: &str, to: &str) -> Result<(), StoreError> {
    PROGRESS.iter().try_for_each(|table| {
        transaction.write(
            &format!("UPDATE {{schema}}.{table} SET follower = $2 WHERE follower = $1"),
            values![from.to_owned(), to.to_owned()],
        )
    })
}

/// The view that serves, and the one that takes its place.
struct Views<'v> {
    home: &'v ProgressHome<PostgresStore>,
    serving: FollowerDefinition,
    rebuilt: FollowerDefinition,
}

/// Why a view was not replaced.
struct NotSwapped {
    error: ProjectionError,
    /// Whether one of the events that were left is the reason.
    is_of_event: bool,
}

impl<E: Into<ProjectionError>> From<E> for NotSwapped {
    fn from(error: E) -> Self {
        Self { error: error.into(), is_of_event: false }
    }
}

impl Views<'_> {
    /// Replaces the serving view. With a projection, projects the events that are left. `None` if the rebuild is no longer `id`,
    /// or another process has its lease.
    fn swap<P: Projection<Target: PostgresTarget>>(
        &self,
        projection: Option<&mut P>,
        id: Uuid,
        holder: &LeaseHolder,
    ) -> Result<Option<CaughtUp>, NotSwapped> {
        let Self { home, serving, rebuilt } = self;
        let failed = FollowError::store(serving.name);
        let position = Cell::new(None);
        let swapped = home.progress.in_transaction(
            |transaction| {
                lock_view(transaction, serving).map_err(failed)?;
                // Another program may have made a view of a newer version.
                checkpoint::find_in::<PostgresStore>(transaction, serving)?;
                if PostgresStore::take_lease(transaction, holder).map_err(failed)? != LeaseAnswer::Taken
                    || PostgresStore::rebuild(transaction, serving).map_err(failed)? != Some(id)
                    || made_by(transaction, rebuilt).map_err(failed)? != Some(id)
                {
                    return Ok(None);
                }
                self.replace(transaction).map_err(failed)?;
                let events = match projection {
                    Some(projection) => self.project_rest(projection, transaction)?,
                    None => 0,
                };
                let reached = checkpoint::require_in::<PostgresStore>(transaction, serving)?.position();
                position.set(Some(reached));
                Ok(Some(CaughtUp { events, position: reached }))
            },
            |source| match (position.get(), refused_by_server(source)) {
                (Some(position), Ok(source)) => NotSwapped {
                    error: FollowError::CommitRefused { follower: serving.name, position, source }.into(),
                    is_of_event: true,
                },
                (None, Ok(source)) => failed(StoreError::Other(source)).into(),
                (_, Err(source)) => failed(source).into(),
            },
        )?;
        Ok(swapped)
    }

    /// Gives the new view the name and the progress of the old one, which is dropped.
    fn replace(&self, transaction: &PostgresTransaction) -> Result<(), StoreError> {
        let Self { serving, rebuilt, .. } = self;
        // The progress first: a step of the old view has locked it before it uses the tables.
        forget(transaction, serving.name)?;
        take_over(transaction, rebuilt.name, serving.name)?;
        transaction
            .write("DELETE FROM {schema}.rebuilds WHERE follower = $1", values![serving.name.to_owned()])?;
        drop_schema(transaction, serving)?;
        let store = transaction.store().schema_name();
        let [from, to] = [rebuilt, serving].map(|view| schema::quoted(&schema::name(store, view.name)));
        transaction.run(&format!("ALTER SCHEMA {from} RENAME TO {to}"))
    }

    /// Projects the events that the rebuild has not seen, so that the view's position does not decrease.
    fn project_rest<P: Projection<Target: PostgresTarget>>(
        &self,
        projection: &mut P,
        transaction: &PostgresTransaction,
    ) -> Result<u64, NotSwapped> {
        let Self { home, serving, .. } = self;
        let newest = home.newest_in(transaction, serving.name)?;
        let positions = checkpoint::require_in::<PostgresStore>(transaction, serving)?;
        let mut events = 0;
        for (partition, after) in positions.each().filter(|(_, after)| *after < newest) {
            let (here, share) = ((transaction, *home), (partition, after));
            let batch = project(projection, Watch::NONE, serving, here, share, Bounds::until(newest));
            let batch = batch.map_err(|failed| NotSwapped {
                is_of_event: failed.error.position().is_some(),
                error: failed.error.into(),
            })?;
            events += batch.events as u64;
        }
        Ok(events)
    }
}
