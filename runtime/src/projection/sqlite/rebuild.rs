//! A view made anew beside the one that serves, which stays until the new one takes its place.
//!
//! Handlers name their tables, so the new view is made in a file of its own, where these names are free; that file has the
//! rebuild's own checkpoint, so it can be stopped, or killed, and goes on. When it has come near the end of the store, one
//! transaction on the view's file takes the old tables away, copies the new ones, and projects what is left.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension};
use uuid::Uuid;

use super::Sqlite;
use super::swap::{check_objects, swap};
use crate::error::{BoxError, StoreError};
use crate::following::{
    Control, Engine, Found, Holder, Keeper, Policy, View, definition, find, known, start,
};
use crate::projection::{CaughtUp, Projection, ProjectionError};
use crate::shape::{FNV_OFFSET, hashed};
use crate::store::EventStore;
use crate::store::sqlite::{Durability, SqliteOptions, SqliteStore, remove_database, store_error};

/// How many events may be left when the new view takes its place: they are projected in the transaction that does so.
const NEAR: u64 = 5_000;

/// How a rebuild is run.
pub(super) struct Rebuild<'r> {
    pub(super) control: &'r Control,
    pub(super) policy: &'r Policy,
    /// How long a process is waited for that has died over it.
    pub(super) lease: Duration,
    /// Whether somebody wants it even if the view is of the present version.
    pub(super) asked: bool,
}

impl Rebuild<'_> {
    /// Makes the view anew, or goes on with it; `None` if there is nothing to do any more, as another process was faster.
    pub(super) fn run<P: Projection<Target = Sqlite>>(
        &self,
        engine: &mut Engine<P>,
    ) -> Result<Option<CaughtUp>, ProjectionError> {
        let home = engine.view.home.clone();
        let holder = Holder::new(format!("{} (rebuild)", P::NAME), self.lease);
        let keeper = Keeper::start(home.clone(), holder.clone())
            .map_err(|source| ProjectionError::Thread { projection: P::NAME, source })?;
        let result = self.run_as(engine, &holder);
        drop(keeper);
        holder.give_back(&home);
        result
    }

    fn run_as<P: Projection<Target = Sqlite>>(
        &self,
        engine: &mut Engine<P>,
        holder: &Holder,
    ) -> Result<Option<CaughtUp>, ProjectionError> {
        while let Some(id) = self.turn::<P>(&engine.view, holder)? {
            if let Some(caught) = self.build(engine, holder, id)? {
                return Ok(Some(caught));
            }
        }
        Ok(None)
    }

    /// Waits until nobody else makes it, and gives the rebuild that there is an id, or finds it.
    fn turn<P: Projection>(&self, view: &View, holder: &Holder) -> Result<Option<Uuid>, ProjectionError> {
        while !self.control.is_stopping() {
            let turn = view.in_transaction::<P, _, ProjectionError>(|transaction| {
                let failed = |error| ProjectionError::store::<P>(store_error(error));
                match find::<P>(transaction)? {
                    Found::Nothing => return Err(ProjectionError::Gone { projection: P::NAME }),
                    Found::Current(_) if !self.asked => return Ok(Turn::Done),
                    Found::Current(_) | Found::Older { .. } => {}
                }
                if !holder.take(transaction).map_err(failed)? {
                    return Ok(Turn::NotOurs);
                }
                if let Some(id) = rebuild_id::<P>(transaction, "main").map_err(failed)? {
                    return Ok(Turn::Ours(id));
                }
                let id = Uuid::now_v7();
                record::<P>(transaction, id).map_err(failed)?;
                Ok(Turn::Ours(id))
            });
            match turn {
                Ok(Turn::Ours(id)) => return Ok(Some(id)),
                Ok(Turn::Done) => return Ok(None),
                Ok(Turn::NotOurs) => self.control.pause((self.lease / 4).min(Duration::from_millis(500))),
                Err(error) if self.can_wait(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Err(ProjectionError::Stopped { projection: P::NAME, position: 0, goal: view.newest::<P>()? })
    }

    /// Whoever holds the file lets go of it one day; waits a while, if that is what it is about.
    fn can_wait(&self, error: &ProjectionError) -> bool {
        let waits =
            self.policy.patient && matches!(error, ProjectionError::Store { source: StoreError::Busy, .. });
        if waits {
            self.control.pause(Duration::from_millis(50));
        }
        waits
    }

    /// `None` if another process has taken over.
    fn build<P: Projection<Target = Sqlite>>(
        &self,
        engine: &mut Engine<P>,
        holder: &Holder,
        id: Uuid,
    ) -> Result<Option<CaughtUp>, ProjectionError> {
        let path = path_of::<P>(&engine.view.home, id);
        let failed =
            |source| ProjectionError::RebuildFile { projection: P::NAME, path: path.clone(), source };
        if engine.view.home.path().is_none() {
            engine.view.home.goes_along(path.clone());
        }
        let file = open::<P>(&path, id).map_err(failed)?;
        let source: Arc<dyn EventStore> = match &engine.view.source {
            Some(source) => Arc::clone(source),
            None => Arc::new(engine.view.home.clone()),
        };
        let beside = View { home: file, source: Some(source) };
        beside.on_reader::<P, _>(check_objects::<P>)?;
        let mut events = 0;
        loop {
            let goal = beside.newest::<P>()?;
            let after = beside.on_reader::<P, _>(|file| known::<P>(file).map(|layout| layout.position()))?;
            if after > goal {
                return Err(ProjectionError::Ahead { projection: P::NAME, seen: after, newest: goal });
            }
            self.control.begin_report(0, after, goal);
            self.control.begin_hidden(engine.handlers.len(), after);
            events += engine.run_to(&beside, goal, self.control, self.policy, None)?.events;
            if beside.newest::<P>()?.saturating_sub(goal) <= NEAR {
                break;
            }
        }
        let Some(handlers) = engine.handlers.first_mut() else { return Ok(None) };
        let swapped = loop {
            match swap(&engine.view, handlers, &path, id, holder) {
                Err(error) if self.can_wait(&error) => {}
                swapped => break swapped?,
            }
            if self.control.is_stopping() {
                let position = engine.view.newest::<P>()?;
                return Err(ProjectionError::Stopped { projection: P::NAME, position, goal: position });
            }
        };
        let Some(swapped) = swapped else { return Ok(None) };
        drop(beside);
        // If this fails, the next rebuild does it.
        let _ = remove_database(&path);
        Ok(Some(CaughtUp { events: events + swapped.events, position: swapped.position }))
    }
}

enum Turn {
    Ours(Uuid),
    NotOurs,
    Done,
}

/// The id of the rebuild that is under way in a view's file, or that a rebuild's own file belongs to, if it is one of what
/// the projection is now. The database is the one that is attached under this name.
pub(super) fn rebuild_id<P: Projection>(
    connection: &Connection,
    database: &str,
) -> rusqlite::Result<Option<Uuid>> {
    let sql = format!(
        "SELECT id FROM {database}.factum_rebuilds WHERE projection = ?1 AND version = ?2 AND definition = ?3"
    );
    connection
        .query_row(&sql, (P::NAME, P::VERSION, definition::<P>()), |row| row.get::<_, [u8; 16]>(0))
        .optional()
        .map(|id| id.map(Uuid::from_bytes))
}

fn record<P: Projection>(connection: &Connection, id: Uuid) -> rusqlite::Result<()> {
    connection
        .execute(
            "REPLACE INTO factum_rebuilds (projection, version, definition, id) VALUES (?1, ?2, ?3, ?4)",
            (P::NAME, P::VERSION, definition::<P>(), id.as_bytes()),
        )
        .map(drop)
}

/// Where the new view is made: beside the old one's file or, if that is in memory, where the system keeps what need not last.
fn path_of<P: Projection>(home: &SqliteStore, id: Uuid) -> PathBuf {
    let mut path = match home.path() {
        Some(path) => path.as_os_str().to_owned(),
        None => std::env::temp_dir().join(format!("factum-{id}")).into_os_string(),
    };
    // Of a name, not every character may be in a file's; the number tells apart what is alike then.
    let plain: String = P::NAME.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    path.push(format!("-rebuild-{plain}-{:08x}", hashed(FNV_OFFSET, P::NAME) >> 32));
    path.into()
}

/// Opens the file of the rebuild with this id; whatever else is there goes.
fn open<P: Projection>(path: &Path, id: Uuid) -> Result<SqliteStore, BoxError> {
    // What the power takes is made once more.
    let options = SqliteOptions::new().durability(Durability::Normal).busy_timeout(Duration::from_mins(1));
    if fs::exists(path)?
        && let Ok(file) = options.open(path)
        && file.query(|file| rebuild_id::<P>(file, "main")).is_ok_and(|found| found == Some(id))
    {
        return Ok(file);
    }
    remove_database(path)?;
    let file = options.open(path)?;
    let view = View { home: file.clone(), source: None };
    view.in_transaction::<P, _, ProjectionError>(|transaction| {
        start::<P>(transaction, 0)?;
        record::<P>(transaction, id).map_err(|error| ProjectionError::store::<P>(store_error(error)))
    })?;
    Ok(file)
}
