//! Rebuilds a view, while readers see the old one until the new one replaces it.
//!
//! Handlers name their tables, so the new view is made in a file of its own, where these names are free. That
//! file has the rebuild's own checkpoint, so a rebuild that was stopped or killed resumes. When the rebuild
//! is near the end of the store, it is swapped in. One transaction on the view's file drops the old tables,
//! copies the new ones, and projects the remaining events.
//!
//! One program rebuilds a view at a time: that with the lease of the rebuild. A newer version takes the lease from
//! an older one. A program that has lost the lease notices it between two batches, and waits for the winner. Each
//! rebuild has a file of its own, so the two never wait for each other's locks.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::Transaction;
use uuid::Uuid;

use crate::domain::error::BoxError;
use crate::domain::hash::{FNV_OFFSET, hashed};
use crate::domain::new_id::new_id;
use crate::domain::position::Position;
use crate::follow::checkpoint::FoundCheckpoint;
use crate::follow::control::Control;
use crate::follow::definition::FollowerDefinition;
use crate::follow::engine::Engine;
use crate::follow::error::{FollowError, ProjectionError};
use crate::follow::lease::{LeaseAnswer, LeaseHolder};
use crate::follow::policy::RetryPolicy;
use crate::follow::progress::CaughtUp;
use crate::follow::progress_store::ProgressHome;
use crate::follow::progress_store::ProgressStore;
use crate::follow::projection::Projection;
use crate::follow::seen::Seen;
use crate::follow::{checkpoint, lease_keeper};
use crate::sqlite::file::errors::store_error;
use crate::sqlite::file::handler_sql;
use crate::sqlite::file::open::{Durability, SqliteOptions};
use crate::sqlite::file::temporary_files::remove_database;
use crate::sqlite::progress::{leases, rebuilds};
use crate::sqlite::projection::objects;
use crate::sqlite::projection::swap;
use crate::sqlite::projection::target::SqliteTarget;
use crate::sqlite::store::SqliteStore;
use crate::store::event_store::EventStore;

/// How many events may be left at most when the new view replaces the old one: the transaction of the swap
/// projects them.
const NEAR_THE_END: u64 = 5_000;

/// With so few events left, another round outside of that transaction is not worth it.
const AT_THE_END: u64 = 50;

/// After how many positions each worker checks whether the rebuild still has its lease.
const BETWEEN_CHECKS: u64 = 4_000;

/// The settings of a rebuild.
pub(super) struct Rebuild<'r> {
    pub(super) control: &'r Control,
    pub(super) policy: &'r RetryPolicy,
    /// How long other processes wait after the process that rebuilds the view has died.
    pub(super) lease: Duration,
    /// Whether to rebuild a view of the present version too.
    pub(super) is_forced: bool,
}

impl Rebuild<'_> {
    /// Rebuilds the view, or resumes its rebuild; `None` if another process has rebuilt it.
    pub(super) fn run<P: Projection<Target: SqliteTarget>>(
        &self,
        engine: &mut Engine<P, SqliteStore>,
    ) -> Result<Option<CaughtUp>, ProjectionError> {
        let progress = engine.home.progress.clone();
        let holder = LeaseHolder::new(format!("{} (rebuild)", P::NAME), self.lease);
        lease_keeper::while_kept(&progress, P::NAME, &holder, || {
            while let Some(id) = self.take_turn(engine, &holder)? {
                let built = self.build(engine, &holder, id);
                if !matches!(built, Ok(Some(_))) {
                    remove_if_replaced(engine, id);
                }
                match built {
                    Ok(None) => {}
                    // The program that has taken over may have removed the file under this one.
                    Err(_) if !is_ours(engine, &holder, id)? => {}
                    result => return result,
                }
            }
            Ok(None)
        })
    }

    /// Waits until no other process rebuilds the view. Returns the id of the rebuild to resume, or a new one;
    /// `None` if the view needs no rebuild.
    fn take_turn<P: Projection<Target: SqliteTarget>>(
        &self,
        engine: &Engine<P, SqliteStore>,
        holder: &LeaseHolder,
    ) -> Result<Option<Uuid>, ProjectionError> {
        let (home, definition, follower) = (&engine.home, &engine.definition, P::NAME);
        while !self.control.is_stopping() {
            let turn = home.in_transaction(follower, |transaction| {
                let failed = FollowError::store(follower);
                match checkpoint::find_in::<SqliteStore>(transaction, definition)? {
                    FoundCheckpoint::Nothing => return Err(FollowError::CheckpointMissing { follower }),
                    FoundCheckpoint::Current(_) if !self.is_forced => return Ok(RebuildTurn::Done),
                    FoundCheckpoint::Current(_) | FoundCheckpoint::Older { .. } => {}
                }
                if let LeaseAnswer::HeldBy(other) =
                    SqliteStore::take_lease(transaction, holder).map_err(failed)?
                {
                    let sqlite_failed = |error| failed(store_error(error));
                    if rebuilds::version(transaction, follower)
                        .map_err(sqlite_failed)?
                        .is_none_or(|version| version >= definition.version)
                    {
                        self.control.report_lease(Some(other));
                        return Ok(RebuildTurn::Wait);
                    }
                    leases::seize(transaction, holder).map_err(sqlite_failed)?;
                }
                holder.set_held(true);
                self.control.report_lease(None);
                if let Some(id) = SqliteStore::rebuild(transaction, definition).map_err(failed)? {
                    return Ok(RebuildTurn::Ours(id));
                }
                let id = new_id();
                SqliteStore::save_rebuild(transaction, definition, id).map_err(failed)?;
                Ok(RebuildTurn::Ours(id))
            });
            match turn {
                Ok(RebuildTurn::Ours(id)) => return Ok(Some(id)),
                Ok(RebuildTurn::Done) => return Ok(None),
                Ok(RebuildTurn::Wait) => {
                    self.control.pause((self.lease / 4).min(Duration::from_millis(500)));
                }
                Err(error) => return Err(error.into()),
            }
        }
        let goal = home.newest(follower)?;
        Err(FollowError::Stopped { follower, position: Position::START, goal }.into())
    }

    /// Makes the new view and replaces the old one; `None` if another process has taken over.
    fn build<P: Projection<Target: SqliteTarget>>(
        &self,
        engine: &mut Engine<P, SqliteStore>,
        holder: &LeaseHolder,
        id: Uuid,
    ) -> Result<Option<CaughtUp>, ProjectionError> {
        let follower = P::NAME;
        let path = path_of(&engine.home.progress, follower, id);
        let failed =
            |source| ProjectionError::RebuildFile { projection: follower, path: path.clone(), source };
        if engine.home.progress.path().is_none() {
            engine.home.progress.remove_on_drop(path.clone());
        }
        remove_others(&engine.home.progress, follower, &path);
        let source: Arc<dyn EventStore> = match &engine.home.source {
            Some(source) => Arc::clone(source),
            None => Arc::new(engine.home.progress.clone()),
        };
        let file = open(&path, &engine.definition, id, &*source).map_err(failed)?;
        let beside = ProgressHome::new(file, Some(source));
        beside.progress.with_reader(
            |connection| objects::check_objects(connection, follower),
            |source| FollowError::Store { follower, source }.into(),
        )?;
        let (mut events, mut left_before) = (0, u64::MAX);
        loop {
            let after = checkpoint::require(&beside.progress, &engine.definition)?.position();
            let goal = beside.newest(follower)?;
            self.control.begin_report(Position::START, after, goal);
            self.control.begin_hidden(engine.handlers.len(), after);
            let mut reached = after;
            while reached < goal {
                if !is_ours(engine, holder, id)? {
                    return Ok(None);
                }
                reached = goal.min(reached.forward(BETWEEN_CHECKS * engine.handlers.len() as u64));
                events += self.run_to(engine, &beside, reached, goal)?;
            }
            let left = beside.newest(follower)?.distance_from(goal);
            if left <= AT_THE_END || (left <= NEAR_THE_END && left >= left_before) {
                break;
            }
            left_before = left;
        }
        let Some(handlers) = engine.handlers.first_mut() else { return Ok(None) };
        let swapped = swap::swap(&engine.home, &engine.definition, handlers, &path, id, holder)?;
        let Some(swapped) = swapped else { return Ok(None) };
        drop(beside);
        // If the removal fails, the next rebuild removes the file.
        let _ = remove_database(&path);
        Ok(Some(CaughtUp { events: events + swapped.events, position: swapped.position }))
    }
}

impl Rebuild<'_> {
    /// Projects the events up to `reached`, on the way to `goal`. Returns how many there were.
    fn run_to<P: Projection<Target: SqliteTarget>>(
        &self,
        engine: &mut Engine<P, SqliteStore>,
        beside: &ProgressHome<SqliteStore>,
        reached: Position,
        goal: Position,
    ) -> Result<u64, FollowError> {
        match engine.run_to(beside, reached, self.control, self.policy, None) {
            Ok(caught_up) => Ok(caught_up.events),
            Err(FollowError::Stopped { follower, position, .. }) => {
                Err(FollowError::Stopped { follower, position, goal })
            }
            Err(error) => Err(error),
        }
    }
}

/// Whether the rebuild `id` is still the one under way, and no other program has taken its lease.
///
/// Fails if a newer version has made the view in the meantime.
fn is_ours<P>(
    engine: &Engine<P, SqliteStore>,
    holder: &LeaseHolder,
    id: Uuid,
) -> Result<bool, ProjectionError> {
    let Engine { home, definition, .. } = engine;
    let follower = definition.name;
    checkpoint::find(&home.progress, definition)?;
    let failed = |source| FollowError::Store { follower, source };
    let is_ours = home.progress.with_reader(
        |connection| {
            let is_left = leases::is_left(connection, holder);
            let found = is_left.and_then(|is_left| {
                Ok(is_left && rebuilds::find(connection, "main", definition)? == Some(id))
            });
            found.map_err(|error| failed(store_error(error)))
        },
        failed,
    )?;
    Ok(is_ours)
}

/// Removes the file of a rebuild that another program has replaced or ended: that one has removed all others before this
/// program made its own.
fn remove_if_replaced<P>(engine: &Engine<P, SqliteStore>, id: Uuid) {
    let Engine { home, definition, .. } = engine;
    let found = home.progress.with_reader(
        |connection| rebuilds::find(connection, "main", definition).map_err(store_error),
        |source| source,
    );
    if found.is_ok_and(|found| found != Some(id)) {
        // If the removal fails, the next rebuild tries it again.
        let _ = remove_database(&path_of(&home.progress, definition.name, id));
    }
}

enum RebuildTurn {
    /// This process rebuilds the view, with this id.
    Ours(Uuid),
    /// Another process rebuilds the view.
    Wait,
    /// The view needs no rebuild.
    Done,
}

/// Creates the view's tables, and its checkpoint before the first event.
pub(super) fn start_view(
    transaction: &Transaction<'_>,
    definition: &FollowerDefinition,
) -> Result<(), ProjectionError> {
    let follower = definition.name;
    let failed = |error| FollowError::Store { follower, source: store_error(error) };
    let before = objects::created(transaction).map_err(failed)?;
    handler_sql::run_definition(transaction, || transaction.execute_batch(definition.init))
        .map_err(|source| ProjectionError::Init { projection: follower, source })?;
    let after = objects::created(transaction).map_err(failed)?;
    objects::record(transaction, follower, after.difference(&before)).map_err(failed)?;
    SqliteStore::repartition(transaction, definition, 1, &Seen::START)
        .map_err(FollowError::store(follower))?;
    Ok(())
}

/// The path of the new view's file: beside the old view's file or, for a store in memory, in the system's
/// folder for temporary files.
fn path_of(home: &SqliteStore, projection: &str, id: Uuid) -> PathBuf {
    let mut path = match home.path() {
        Some(path) => path.as_os_str().to_owned(),
        None => std::env::temp_dir().join("factum").into_os_string(),
    };
    path.push(ending_of(projection));
    path.push(id.simple().to_string());
    path.into()
}

/// What the names of all files have in common in which this view is rebuilt, between the store's name and the
/// id.
fn ending_of(projection: &str) -> String {
    // A file's name can't have every character. The hash distinguishes names that are equal without these
    // characters.
    let plain: String = projection.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    format!("-rebuild-{plain}-{:08x}", hashed(FNV_OFFSET, projection) >> 32)
}

/// Removes the files of other rebuilds of the view, which are abandoned: this program has the lease.
///
/// A store in memory has no other program, and removes its own files when it ends.
fn remove_others(home: &SqliteStore, projection: &str, own: &Path) {
    let (Some(store), Some(folder), Some(own)) = (home.path(), own.parent(), own.file_name()) else { return };
    let mut all = store.file_name().unwrap_or_default().to_owned();
    all.push(ending_of(projection));
    let begins = |name: &OsStr, with: &OsStr| name.as_encoded_bytes().starts_with(with.as_encoded_bytes());
    // If a removal fails, the next rebuild tries it again.
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        if begins(&name, &all) && !begins(&name, own) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Opens the file of the rebuild with this id, and removes any other file at its path.
///
/// A rebuild that has seen other events than those of `source` begins again.
fn open(
    path: &Path,
    definition: &FollowerDefinition,
    id: Uuid,
    source: &dyn EventStore,
) -> Result<SqliteStore, BoxError> {
    // A loss of power may take the file. It is rebuilt then.
    let options = SqliteOptions::new().durability(Durability::Normal).busy_timeout(Duration::from_mins(1));
    if fs::exists(path)?
        && let Ok(file) = options.open(path)
        && file.query(|file| rebuilds::find(file, "main", definition)).is_ok_and(|found| found == Some(id))
    {
        let seen = checkpoint::require(&file, definition);
        match seen.and_then(|seen| seen.check(source, definition.name)) {
            Ok(()) => return Ok(file),
            Err(
                FollowError::OtherStore { .. }
                | FollowError::OtherEvents { .. }
                | FollowError::AheadOfStore { .. },
            ) => {}
            Err(error) => return Err(error.into()),
        }
    }
    remove_database(path)?;
    let file = options.open(path)?;
    let follower = definition.name;
    ProgressHome::new(file.clone(), None).in_transaction::<_, ProjectionError>(follower, |transaction| {
        start_view(transaction, definition)?;
        SqliteStore::save_rebuild(transaction, definition, id)
            .map_err(|source| FollowError::Store { follower, source }.into())
    })?;
    Ok(file)
}
