//! Rebuilds a view in a file of its own, beside the one that serves.
//!
//! Handlers name their tables, so the new view is made in a file of its own, where these names are free. That
//! file has the rebuild's own checkpoint, so a rebuild that was stopped or killed resumes. When the rebuild
//! is near the end of the store, it is swapped in. One transaction on the view's file drops the old tables,
//! copies the new ones, and projects the remaining events.
//!
//! Each rebuild has a file of its own, so two programs never wait for each other's locks.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::Transaction;
use uuid::Uuid;

use crate::domain::error::BoxError;
use crate::domain::hash::{FNV_OFFSET, hashed};
use crate::follow::definition::FollowerDefinition;
use crate::follow::engine::Engine;
use crate::follow::error::{FollowError, ProjectionError};
use crate::follow::lease::LeaseHolder;
use crate::follow::progress::CaughtUp;
use crate::follow::progress_store::ProgressHome;
use crate::follow::progress_store::ProgressStore;
use crate::follow::projection::Projection;
use crate::follow::rebuild::Rebuild;
use crate::follow::seen::Seen;
use crate::follow::{checkpoint, rebuild};
use crate::sqlite::file::errors::store_error;
use crate::sqlite::file::handler_sql;
use crate::sqlite::file::open::{Durability, SqliteOptions};
use crate::sqlite::file::temporary_files::remove_database;
use crate::sqlite::progress::rebuilds;
use crate::sqlite::projection::objects;
use crate::sqlite::projection::swap;
use crate::sqlite::projection::target::SqliteTarget;
use crate::sqlite::store::SqliteStore;
use crate::store::event_store::EventStore;

/// Makes the new view and replaces the old one; `None` if another process has taken over.
pub(super) fn build<P: Projection<Target: SqliteTarget>>(
    rebuild: &Rebuild<'_>,
    engine: &mut Engine<P, SqliteStore>,
    holder: &LeaseHolder,
    id: Uuid,
) -> Result<Option<CaughtUp>, ProjectionError> {
    let built = build_file(rebuild, engine, holder, id);
    if !matches!(built, Ok(Some(_))) {
        remove_if_replaced(engine, id);
    }
    built
}

fn build_file<P: Projection<Target: SqliteTarget>>(
    rebuild: &Rebuild<'_>,
    engine: &mut Engine<P, SqliteStore>,
    holder: &LeaseHolder,
    id: Uuid,
) -> Result<Option<CaughtUp>, ProjectionError> {
    let follower = P::NAME;
    let (home, definition) = (engine.home.clone(), engine.definition);
    let path = path_of(&home.progress, follower, id);
    let failed = |source| ProjectionError::RebuildFile { projection: follower, path: path.clone(), source };
    if home.progress.path().is_none() {
        home.progress.remove_on_drop(path.clone());
    }
    remove_others(&home.progress, follower, &path);
    let source: Arc<dyn EventStore> = home.shared_events();
    let file = open(&path, &definition, id, &*source).map_err(failed)?;
    let beside = ProgressHome::new(file, Some(source));
    beside.progress.with_reader(
        |connection| objects::check_objects(connection, follower),
        |source| FollowError::Store { follower, source }.into(),
    )?;
    let is_ours = || rebuild::is_ours(&home, &definition, holder, id);
    let Some(events) = rebuild.project(engine, &beside, is_ours)? else { return Ok(None) };
    let Some(handlers) = engine.handlers.first_mut() else { return Ok(None) };
    let Some(swapped) = swap::swap(&home, &definition, handlers, &path, id, holder)? else { return Ok(None) };
    drop(beside);
    // If the removal fails, the next rebuild removes the file.
    let _ = remove_database(&path);
    Ok(Some(CaughtUp { events: events + swapped.events, position: swapped.position }))
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
