//! The instances of processes: rows of the tables `factum_process_*`.

use rusqlite::types::FromSql;
use rusqlite::{Connection, OptionalExtension, Row, Transaction};
use uuid::Uuid;

use crate::domain::metadata::Cause;
use crate::domain::position::Position;
use crate::domain::time::Timestamp;
use crate::follow::process::instances::{Happening, HappeningKind, ProcessLetter, Undelivered};
use crate::follow::process::process_store::{
    PastInput, ProcessStore, StoredCommand, StoredInstance, StoredTimeout,
};
use crate::sqlite::file::errors::store_error;
use crate::sqlite::file::handler_sql::own_sql;
use crate::sqlite::store::{SqliteStore, read};
use crate::store::error::StoreError;
use crate::store::read::{Filter, Visit};

impl ProcessStore for SqliteStore {
    fn in_step<T, E>(
        &self,
        _: &str,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, E>,
        failed: impl Fn(StoreError) -> E,
    ) -> Result<T, E> {
        self.in_batch(work, failed)
    }

    fn events_in(
        transaction: &Transaction<'_>,
        filter: Filter<'_>,
        after: Position,
        visit: &mut Visit<'_>,
    ) -> Result<(), StoreError> {
        read::read_all(transaction, filter, after, usize::MAX, visit)
    }

    fn next_position_in(
        transaction: &Transaction<'_>,
        after: Position,
    ) -> Result<Option<Position>, StoreError> {
        read::next_position(transaction, after)
    }

    fn instance(
        transaction: &Transaction<'_>,
        process: &str,
        instance: &str,
    ) -> Result<Option<StoredInstance>, StoreError> {
        find(transaction, process, instance).map_err(store_error)
    }

    fn save_instance(
        transaction: &Transaction<'_>,
        process: &str,
        instance: &str,
        stored: &StoredInstance,
    ) -> Result<(), StoreError> {
        let StoredInstance { fingerprint, state, done_at, is_held, is_released: _ } = stored;
        run(
            transaction,
            own_sql!(
                "REPLACE INTO factum_process_instances (process, instance, fingerprint, state, done_at, held)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)"
            ),
            (process, instance, fingerprint, state, done_at.map(Timestamp::as_micros), is_held),
        )
        .map(drop)
    }

    fn queue_command(
        transaction: &Transaction<'_>,
        process: &str,
        command: &StoredCommand,
    ) -> Result<(), StoreError> {
        let StoredCommand { id: _, instance, key, name, aggregate, version, payload, cause } = command;
        let (cause, correlation) = (cause.id.as_bytes(), cause.correlation.as_bytes());
        run(
            transaction,
            own_sql!(
                "INSERT INTO factum_process_commands
                 (process, instance, key, name, aggregate, version, payload, cause, correlation, held)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 0)"
            ),
            (process, instance, key, name, aggregate, version, payload, cause, correlation),
        )
        .map(drop)
    }

    fn commands(
        transaction: &Transaction<'_>,
        process: &str,
        after: i64,
        limit: usize,
        is_new: &dyn Fn(i64, &str) -> bool,
    ) -> Result<Vec<StoredCommand>, StoreError> {
        new_commands(transaction, process, (after, limit), is_new).map_err(store_error)
    }

    fn waits(transaction: &Transaction<'_>, process: &str, id: i64) -> Result<bool, StoreError> {
        let select = || {
            transaction
                .prepare_cached(
                    "SELECT EXISTS (SELECT 1 FROM factum_process_commands
                                    WHERE id = ?2 AND process = ?1 AND held = 0)",
                )?
                .query_row((process, id), |row| row.get(0))
        };
        select().map_err(store_error)
    }

    fn remove_command(transaction: &Transaction<'_>, process: &str, id: i64) -> Result<bool, StoreError> {
        let sql = own_sql!("DELETE FROM factum_process_commands WHERE id = ?2 AND process = ?1");
        run(transaction, sql, (process, id)).map(|removed| removed > 0)
    }

    fn set_timeout(
        transaction: &Transaction<'_>,
        process: &str,
        timeout: &StoredTimeout,
    ) -> Result<(), StoreError> {
        let StoredTimeout { instance, name, due, id, version, payload, cause } = timeout;
        let (cause, correlation) = (cause.id.as_bytes(), cause.correlation.as_bytes());
        run(
            transaction,
            own_sql!(
                "REPLACE INTO factum_process_timeouts
                 (process, instance, name, due, id, version, payload, cause, correlation, held)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 0)"
            ),
            (process, instance, name, due.as_micros(), id.as_bytes(), version, payload, cause, correlation),
        )
        .map(drop)
    }

    fn cancel_timeouts(
        transaction: &Transaction<'_>,
        process: &str,
        instance: &str,
        name: Option<&str>,
    ) -> Result<(), StoreError> {
        match name {
            Some(name) => run(
                transaction,
                own_sql!(
                    "DELETE FROM factum_process_timeouts WHERE process = ?1 AND instance = ?2 AND name = ?3"
                ),
                (process, instance, name),
            ),
            None => run(
                transaction,
                own_sql!("DELETE FROM factum_process_timeouts WHERE process = ?1 AND instance = ?2"),
                (process, instance),
            ),
        }
        .map(drop)
    }

    fn first_timeout(
        transaction: &Transaction<'_>,
        process: &str,
    ) -> Result<Option<StoredTimeout>, StoreError> {
        let timeout = |row: &Row<'_>| {
            Ok(StoredTimeout {
                instance: row.get(0)?,
                name: row.get(1)?,
                due: Timestamp::from_micros(row.get(2)?),
                id: uuid(row, 3)?,
                version: row.get(4)?,
                payload: row.get(5)?,
                cause: cause(row, 6)?,
            })
        };
        let select = || {
            transaction
                .prepare_cached(
                    "SELECT instance, name, due, id, version, payload, cause, correlation
                     FROM factum_process_timeouts WHERE process = ?1 AND held = 0 ORDER BY due LIMIT 1",
                )?
                .query_row([process], timeout)
                .optional()
        };
        select().map_err(store_error)
    }

    fn wait(
        transaction: &Transaction<'_>,
        process: &str,
        instance: &str,
        position: Position,
    ) -> Result<(), StoreError> {
        run(
            transaction,
            own_sql!(
                "REPLACE INTO factum_process_waiting (process, instance, position, held) VALUES (?1, ?2, ?3, 1)"
            ),
            (process, instance, position.get()),
        )
        .map(drop)
    }

    fn ready(transaction: &Transaction<'_>, process: &str) -> Result<Option<(String, Position)>, StoreError> {
        let select = || {
            transaction
                .prepare_cached(
                    "SELECT instance, position FROM factum_process_waiting
                     WHERE process = ?1 AND held = 0 ORDER BY position LIMIT 1",
                )?
                .query_row([process], |row| Ok((row.get(0)?, Position::new(row.get(1)?))))
                .optional()
        };
        select().map_err(store_error)
    }

    fn remove_waiting(
        transaction: &Transaction<'_>,
        process: &str,
        instance: &str,
        position: Position,
    ) -> Result<(), StoreError> {
        run(
            transaction,
            own_sql!(
                "DELETE FROM factum_process_waiting WHERE process = ?1 AND instance = ?2 AND position = ?3"
            ),
            (process, instance, position.get()),
        )
        .map(drop)
    }

    fn hold(transaction: &Transaction<'_>, process: &str, letter: &ProcessLetter) -> Result<(), StoreError> {
        let ProcessLetter { instance, what, name, error, failed_at } = letter;
        let (kind, reference) = match *what {
            Undelivered::Event(position) => (1, i64::try_from(position.get()).unwrap_or(i64::MAX)),
            Undelivered::Timeout => (2, 0),
            Undelivered::Command { id } => (3, id),
        };
        run(
            transaction,
            own_sql!(
                "REPLACE INTO factum_process_letters
                 (process, instance, kind, reference, name, error, failed_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)"
            ),
            (process, instance, kind, reference, name, error, failed_at.as_micros()),
        )?;
        // The first event of an instance may be the one that fails.
        run(
            transaction,
            own_sql!(
                "INSERT OR IGNORE INTO factum_process_instances (process, instance, fingerprint, held)
                 VALUES (?1, ?2, 0, 1)"
            ),
            (process, instance),
        )?;
        set_held(transaction, process, instance, true)
    }

    fn release(
        transaction: &Transaction<'_>,
        process: &str,
        instance: &str,
    ) -> Result<Option<ProcessLetter>, StoreError> {
        let delete = || {
            transaction
                .prepare_cached(own_sql!(
                    "DELETE FROM factum_process_letters WHERE process = ?1 AND instance = ?2
                     RETURNING instance, kind, reference, name, error, failed_at"
                ))?
                .query_row((process, instance), letter)
                .optional()
        };
        let released = delete().map_err(store_error)?;
        if released.is_some() {
            set_held(transaction, process, instance, false)?;
        }
        Ok(released)
    }

    fn record(
        transaction: &Transaction<'_>,
        process: &str,
        instance: &str,
        happening: &Happening,
    ) -> Result<(), StoreError> {
        let Happening { at, kind, name, cause, position, version, detail } = happening;
        let kind = kind.number();
        let (cause, position) = (cause.as_ref().map(Uuid::as_bytes), position.map(Position::get));
        run(
            transaction,
            own_sql!(
                "INSERT INTO factum_process_history
                 (process, instance, kind, name, at, cause, position, version, detail)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)"
            ),
            (process, instance, kind, name, at.as_micros(), cause, position, version, detail),
        )
        .map(drop)
    }

    fn past(
        transaction: &Transaction<'_>,
        process: &str,
        instance: &str,
        after: i64,
        limit: usize,
    ) -> Result<Vec<(i64, PastInput)>, StoreError> {
        let input = |row: &Row<'_>| {
            let input = match row.get::<_, Option<u64>>(0)? {
                Some(position) => PastInput::Event(Position::new(position)),
                None => PastInput::Timeout { name: row.get(1)?, version: row.get(2)?, payload: row.get(3)? },
            };
            Ok((row.get(4)?, input))
        };
        let select = || {
            // Events and time-outs; an event that has failed has not been remembered.
            transaction
                .prepare_cached(
                    "SELECT position, name, version, detail, id FROM factum_process_history
                     WHERE process = ?1 AND instance = ?2 AND id > ?3 AND kind IN (1, 2) ORDER BY id LIMIT ?4",
                )?
                .query_map((process, instance, after, bounded(limit)), input)?
                .collect::<rusqlite::Result<_>>()
        };
        select().map_err(store_error)
    }

    fn has_work(
        &self,
        process: &str,
        now: Timestamp,
        limit: usize,
        is_new: &dyn Fn(i64, &str) -> bool,
    ) -> Result<bool, StoreError> {
        let select = |connection: &Connection| {
            let is_due: bool = connection
                .prepare_cached(
                    "SELECT EXISTS (SELECT 1 FROM factum_process_waiting WHERE process = ?1 AND held = 0)
                     OR EXISTS (SELECT 1 FROM factum_process_timeouts
                                WHERE process = ?1 AND held = 0 AND due <= ?2)",
                )?
                .query_row((process, now.as_micros()), |row| row.get(0))?;
            Ok(is_due || !new_commands(connection, process, (0, limit.min(1)), is_new)?.is_empty())
        };
        self.read(select)
    }

    fn next_due(&self, process: &str) -> Result<Option<Timestamp>, StoreError> {
        let select = |connection: &Connection| {
            connection
                .prepare_cached(
                    "SELECT min(due) FROM factum_process_timeouts WHERE process = ?1 AND held = 0",
                )?
                .query_row([process], |row| Ok(row.get::<_, Option<i64>>(0)?.map(Timestamp::from_micros)))
        };
        self.read(select)
    }

    fn find_instance(&self, process: &str, instance: &str) -> Result<Option<StoredInstance>, StoreError> {
        self.read(|connection| find(connection, process, instance))
    }

    fn done_before(
        &self,
        process: &str,
        time: Timestamp,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<String>, StoreError> {
        let select = |connection: &Connection| -> rusqlite::Result<_> {
            connection
                .prepare_cached(
                    "SELECT instance FROM factum_process_instances
                     WHERE process = ?1 AND instance >= ?2 AND (?3 OR instance <> ?2) AND done_at < ?4 AND held <> 1
                     ORDER BY instance LIMIT ?5",
                )?
                .query_map(
                    (process, after.unwrap_or_default(), after.is_none(), time.as_micros(), bounded(limit)),
                    |row| row.get(0),
                )?
                .collect::<rusqlite::Result<_>>()
        };
        self.read(select)
    }

    fn remove_done(
        transaction: &Transaction<'_>,
        process: &str,
        instance: &str,
        time: Timestamp,
    ) -> Result<bool, StoreError> {
        let sql = own_sql!(
            "DELETE FROM factum_process_instances
             WHERE process = ?1 AND instance = ?2 AND done_at < ?3 AND held <> 1
             AND NOT EXISTS (SELECT 1 FROM factum_process_commands
                             WHERE process = ?1 AND instance = ?2 AND held = 0)
             AND NOT EXISTS (SELECT 1 FROM factum_process_waiting WHERE process = ?1 AND instance = ?2)"
        );
        if run(transaction, sql, (process, instance, time.as_micros()))? == 0 {
            return Ok(false);
        }
        let sql = own_sql!("DELETE FROM factum_process_history WHERE process = ?1 AND instance = ?2");
        run(transaction, sql, (process, instance)).map(|_| true)
    }

    fn history(&self, process: &str, instance: &str) -> Result<Vec<Happening>, StoreError> {
        let happening = |row: &Row<'_>| {
            let kind = HappeningKind::of_number(row.get(0)?);
            let position = row.get::<_, Option<u64>>(4)?.map(Position::new);
            Ok(Happening {
                at: Timestamp::from_micros(row.get(2)?),
                kind: kind.unwrap_or(HappeningKind::Failed),
                name: row.get(1)?,
                cause: optional_uuid(row, 3)?,
                position,
                version: row.get(5)?,
                detail: row.get(6)?,
            })
        };
        let select = |connection: &Connection| -> rusqlite::Result<_> {
            connection
                .prepare_cached(
                    "SELECT kind, name, at, cause, position, version, detail FROM factum_process_history
                     WHERE process = ?1 AND instance = ?2 ORDER BY id",
                )?
                .query_map((process, instance), happening)?
                .collect::<rusqlite::Result<_>>()
        };
        self.read(select)
    }

    fn process_letters(
        &self,
        process: &str,
        after: &str,
        limit: usize,
    ) -> Result<Vec<ProcessLetter>, StoreError> {
        let select = |connection: &Connection| {
            connection
                .prepare_cached(
                    "SELECT instance, kind, reference, name, error, failed_at FROM factum_process_letters
                     WHERE process = ?1 AND instance >= ?2 AND (instance <> ?2 OR ?2 = '')
                     ORDER BY instance LIMIT ?3",
                )?
                .query_map((process, after, bounded(limit)), letter)?
                .collect::<rusqlite::Result<_>>()
        };
        self.read(select)
    }
}

/// The first commands after an id, up to a number of them, that are not held, and are new.
fn new_commands(
    connection: &Connection,
    process: &str,
    (after, limit): (i64, usize),
    is_new: &dyn Fn(i64, &str) -> bool,
) -> rusqlite::Result<Vec<StoredCommand>> {
    let mut select = connection.prepare_cached(
        "SELECT id, instance, key, name, version, payload, cause, correlation, aggregate
         FROM factum_process_commands WHERE process = ?1 AND held = 0 AND id > ?2 ORDER BY id",
    )?;
    let (mut rows, mut commands) = (select.query((process, after))?, Vec::new());
    while commands.len() < limit
        && let Some(row) = rows.next()?
    {
        let id = row.get(0)?;
        if is_new(id, row.get_ref(1)?.as_str()?) {
            commands.push(StoredCommand {
                id,
                instance: row.get(1)?,
                key: row.get(2)?,
                name: row.get(3)?,
                version: row.get(4)?,
                payload: row.get(5)?,
                cause: cause(row, 6)?,
                aggregate: row.get(8)?,
            });
        }
    }
    Ok(commands)
}

/// What `held` is in the row of an instance that was released, until it is saved.
const RELEASED: i64 = 2;

/// Runs a statement that writes.
fn run(transaction: &Transaction<'_>, sql: &str, params: impl rusqlite::Params) -> Result<usize, StoreError> {
    transaction.prepare_cached(sql).and_then(|mut statement| statement.execute(params)).map_err(store_error)
}

/// Holds what an instance has to do, or lets it go on.
fn set_held(
    transaction: &Transaction<'_>,
    process: &str,
    instance: &str,
    is_held: bool,
) -> Result<(), StoreError> {
    let statements = [
        own_sql!(
            "UPDATE factum_process_instances SET held = iif(?3, 1, 2) WHERE process = ?1 AND instance = ?2"
        ),
        // Written so that each uses its partial index.
        own_sql!(
            "UPDATE factum_process_commands SET held = 1
             WHERE process = ?1 AND instance = ?2 AND held = 0 AND ?3 = 1"
        ),
        own_sql!(
            "UPDATE factum_process_commands SET held = 0
             WHERE process = ?1 AND instance = ?2 AND held = 1 AND ?3 = 0"
        ),
        own_sql!("UPDATE factum_process_timeouts SET held = ?3 WHERE process = ?1 AND instance = ?2"),
        own_sql!("UPDATE factum_process_waiting SET held = ?3 WHERE process = ?1 AND instance = ?2"),
    ];
    statements.iter().try_for_each(|sql| run(transaction, sql, (process, instance, is_held)).map(drop))
}

fn find(connection: &Connection, process: &str, instance: &str) -> rusqlite::Result<Option<StoredInstance>> {
    let stored = |row: &Row<'_>| {
        let held: i64 = row.get(3)?;
        Ok(StoredInstance {
            fingerprint: row.get(0)?,
            state: row.get(1)?,
            done_at: row.get::<_, Option<i64>>(2)?.map(Timestamp::from_micros),
            is_held: held == 1,
            is_released: held == RELEASED,
        })
    };
    connection
        .prepare_cached(
            "SELECT fingerprint, state, done_at, held FROM factum_process_instances
             WHERE process = ?1 AND instance = ?2",
        )?
        .query_row((process, instance), stored)
        .optional()
}

fn letter(row: &Row<'_>) -> rusqlite::Result<ProcessLetter> {
    let what = match row.get(1)? {
        1 => Undelivered::Event(Position::new(row.get(2)?)),
        2 => Undelivered::Timeout,
        _ => Undelivered::Command { id: row.get(2)? },
    };
    Ok(ProcessLetter {
        instance: row.get(0)?,
        what,
        name: row.get(3)?,
        error: row.get(4)?,
        failed_at: Timestamp::from_micros(row.get(5)?),
    })
}

/// A cause, from the columns `cause` and `correlation`.
fn cause(row: &Row<'_>, index: usize) -> rusqlite::Result<Cause> {
    Ok(Cause::new(uuid(row, index)?, uuid(row, index + 1)?))
}

fn uuid(row: &Row<'_>, index: usize) -> rusqlite::Result<Uuid> {
    bytes(row, index).map(Uuid::from_bytes)
}

fn optional_uuid(row: &Row<'_>, index: usize) -> rusqlite::Result<Option<Uuid>> {
    Ok(bytes::<Option<[u8; 16]>>(row, index)?.map(Uuid::from_bytes))
}

fn bytes<T: FromSql>(row: &Row<'_>, index: usize) -> rusqlite::Result<T> {
    row.get(index)
}

fn bounded(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
