//! The instances of processes: rows of the tables `process_*`.
//!
//! Transactions that change what a process has take turns: each locks the checkpoint of the process first.

use std::sync::Arc;

use tokio_postgres::Row;
use uuid::Uuid;

use crate::domain::metadata::Cause;
use crate::domain::position::Position;
use crate::domain::time::Timestamp;
use crate::follow::process::instances::{Happening, HappeningKind, ProcessLetter, Undelivered};
use crate::follow::process::process_store::{
    PastInput, ProcessStore, StoredCommand, StoredInstance, StoredTimeout,
};
use crate::follow::progress_store::ProgressStore;
use crate::postgres::server::names::escaped;
use crate::postgres::sql::{
    Ask, bounded, get, lent, number, optional_text, position, text, timestamp, values,
};
use crate::postgres::store::{PostgresStore, signed};
use crate::postgres::transaction::PostgresTransaction;
use crate::store::error::StoreError;
use crate::store::read::{Filter, Visit};

/// How many commands are read at once.
const COMMANDS: i64 = 256;

impl ProcessStore for PostgresStore {
    fn in_step<T, E>(
        &self,
        process: &str,
        work: impl FnOnce(&PostgresTransaction) -> Result<T, E>,
        failed: impl Fn(StoreError) -> E,
    ) -> Result<T, E> {
        self.in_transaction(
            |transaction| {
                let sql = "SELECT FROM {schema}.checkpoints WHERE follower = $1 FOR UPDATE";
                transaction.write(sql, values![process.to_owned()]).map_err(&failed)?;
                work(transaction)
            },
            &failed,
        )
    }

    fn events_in(
        transaction: &PostgresTransaction,
        filter: Filter<'_>,
        after: Position,
        visit: &mut Visit<'_>,
    ) -> Result<(), StoreError> {
        transaction.store().read_all_in(
            &|sql, values| {
                let sql = Arc::clone(&sql.text);
                Ok(Box::new(move || transaction.query(&sql, &lent(&values))))
            },
            &filter,
            after,
            visit,
        )
    }

    fn next_position_in(
        transaction: &PostgresTransaction,
        after: Position,
    ) -> Result<Option<Position>, StoreError> {
        let sql = "SELECT position FROM {schema}.events WHERE position > $1 ORDER BY position LIMIT 1";
        transaction.first(sql, values![signed(after.get())], |row| position(row, 0))
    }

    fn instance(
        transaction: &PostgresTransaction,
        process: &str,
        instance: &str,
    ) -> Result<Option<StoredInstance>, StoreError> {
        find(transaction, process, instance)
    }

    fn save_instance(
        transaction: &PostgresTransaction,
        process: &str,
        instance: &str,
        stored: &StoredInstance,
    ) -> Result<(), StoreError> {
        let StoredInstance { fingerprint, state, done_at, is_held, is_released: _ } = stored;
        transaction.write(
            "INSERT INTO {schema}.process_instances (process, instance, fingerprint, state, done_at, held)
             VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (process, instance) DO UPDATE SET fingerprint = excluded.fingerprint,
               state = excluded.state, done_at = excluded.done_at, held = excluded.held",
            values![
                process.to_owned(),
                owned(instance),
                *fingerprint,
                state.clone(),
                done_at.map(Timestamp::as_micros),
                i16::from(*is_held),
            ],
        )
    }

    fn queue_command(
        transaction: &PostgresTransaction,
        process: &str,
        command: &StoredCommand,
    ) -> Result<(), StoreError> {
        let StoredCommand { id: _, instance, key, name, aggregate, version, payload, cause } = command;
        transaction.write(
            "INSERT INTO {schema}.process_commands
               (process, instance, key, name, aggregate, version, payload, cause, correlation, held)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0)",
            values![
                process.to_owned(),
                owned(instance),
                owned(key),
                name.clone(),
                aggregate.clone(),
                i64::from(*version),
                payload.clone(),
                cause.id,
                cause.correlation,
            ],
        )
    }

    fn commands(
        transaction: &PostgresTransaction,
        process: &str,
        after: i64,
        limit: usize,
        is_new: &dyn Fn(i64, &str) -> bool,
    ) -> Result<Vec<StoredCommand>, StoreError> {
        new_commands(transaction, process, (after, limit), is_new)
    }

    fn waits(transaction: &PostgresTransaction, process: &str, id: i64) -> Result<bool, StoreError> {
        // An append that takes it out has to wait.
        let sql =
            "SELECT FROM {schema}.process_commands WHERE id = $1 AND process = $2 AND held = 0 FOR UPDATE";
        Ok(!transaction.rows(sql, values![id, process.to_owned()])?.is_empty())
    }

    fn remove_command(transaction: &PostgresTransaction, process: &str, id: i64) -> Result<bool, StoreError> {
        let sql = "DELETE FROM {schema}.process_commands WHERE id = $1 AND process = $2";
        transaction.change(sql, values![id, process.to_owned()]).map(|removed| removed > 0)
    }

    fn set_timeout(
        transaction: &PostgresTransaction,
        process: &str,
        timeout: &StoredTimeout,
    ) -> Result<(), StoreError> {
        let StoredTimeout { instance, name, due, id, version, payload, cause } = timeout;
        transaction.write(
            "INSERT INTO {schema}.process_timeouts
               (process, instance, name, due, id, version, payload, cause, correlation, held)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0)
             ON CONFLICT (process, instance, name) DO UPDATE SET due = excluded.due, id = excluded.id,
               version = excluded.version, payload = excluded.payload, cause = excluded.cause,
               correlation = excluded.correlation, held = 0",
            values![
                process.to_owned(),
                owned(instance),
                name.clone(),
                due.as_micros(),
                *id,
                i64::from(*version),
                payload.clone(),
                cause.id,
                cause.correlation,
            ],
        )
    }

    fn cancel_timeouts(
        transaction: &PostgresTransaction,
        process: &str,
        instance: &str,
        name: Option<&str>,
    ) -> Result<(), StoreError> {
        transaction.write(
            "DELETE FROM {schema}.process_timeouts
             WHERE process = $1 AND instance = $2 AND ($3::text IS NULL OR name = $3)",
            values![process.to_owned(), owned(instance), name.map(str::to_owned)],
        )
    }

    fn first_timeout(
        transaction: &PostgresTransaction,
        process: &str,
    ) -> Result<Option<StoredTimeout>, StoreError> {
        transaction.first(
            "SELECT instance, name, due, id, version, payload, cause, correlation
             FROM {schema}.process_timeouts WHERE process = $1 AND held = 0 ORDER BY due LIMIT 1",
            values![process.to_owned()],
            |row| {
                Ok(StoredTimeout {
                    instance: text(row, 0)?,
                    name: get(row, 1)?,
                    due: timestamp(row, 2)?,
                    id: get(row, 3)?,
                    version: number(row, 4)?,
                    payload: get(row, 5)?,
                    cause: cause(row, 6)?,
                })
            },
        )
    }

    fn wait(
        transaction: &PostgresTransaction,
        process: &str,
        instance: &str,
        position: Position,
    ) -> Result<(), StoreError> {
        transaction.write(
            "INSERT INTO {schema}.process_waiting (process, instance, position, held) VALUES ($1, $2, $3, 1)
             ON CONFLICT (process, instance, position) DO UPDATE SET held = 1",
            values![process.to_owned(), owned(instance), signed(position.get())],
        )
    }

    fn ready(
        transaction: &PostgresTransaction,
        process: &str,
    ) -> Result<Option<(String, Position)>, StoreError> {
        transaction.first(
            "SELECT instance, position FROM {schema}.process_waiting
             WHERE process = $1 AND held = 0 ORDER BY position LIMIT 1",
            values![process.to_owned()],
            |row| Ok((text(row, 0)?, position(row, 1)?)),
        )
    }

    fn remove_waiting(
        transaction: &PostgresTransaction,
        process: &str,
        instance: &str,
        position: Position,
    ) -> Result<(), StoreError> {
        transaction.write(
            "DELETE FROM {schema}.process_waiting WHERE process = $1 AND instance = $2 AND position = $3",
            values![process.to_owned(), owned(instance), signed(position.get())],
        )
    }

    fn hold(
        transaction: &PostgresTransaction,
        process: &str,
        letter: &ProcessLetter,
    ) -> Result<(), StoreError> {
        let ProcessLetter { instance, what, name, error, failed_at } = letter;
        let (kind, reference) = match *what {
            Undelivered::Event(position) => (1_i16, signed(position.get())),
            Undelivered::Timeout => (2, 0),
            Undelivered::Command { id } => (3, id),
        };
        transaction.write(
            "INSERT INTO {schema}.process_letters (process, instance, kind, reference, name, error, failed_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7)
             ON CONFLICT (process, instance) DO UPDATE SET kind = excluded.kind, reference = excluded.reference,
               name = excluded.name, error = excluded.error, failed_at = excluded.failed_at",
            values![
                process.to_owned(),
                owned(instance),
                kind,
                reference,
                name.clone(),
                owned(error),
                failed_at.as_micros(),
            ],
        )?;
        // The first event of an instance may be the one that fails.
        transaction.write(
            "INSERT INTO {schema}.process_instances (process, instance, fingerprint, held) VALUES ($1, $2, 0, 1)
             ON CONFLICT (process, instance) DO NOTHING",
            values![process.to_owned(), owned(instance)],
        )?;
        set_held(transaction, process, instance, true)
    }

    fn release(
        transaction: &PostgresTransaction,
        process: &str,
        instance: &str,
    ) -> Result<Option<ProcessLetter>, StoreError> {
        let released = transaction.first(
            "DELETE FROM {schema}.process_letters WHERE process = $1 AND instance = $2
             RETURNING instance, kind, reference, name, error, failed_at",
            values![process.to_owned(), owned(instance)],
            letter,
        )?;
        if released.is_some() {
            set_held(transaction, process, instance, false)?;
        }
        Ok(released)
    }

    fn record(
        transaction: &PostgresTransaction,
        process: &str,
        instance: &str,
        happening: &Happening,
    ) -> Result<(), StoreError> {
        let Happening { at, kind, name, cause, position, version, detail } = happening;
        transaction.write(
            "INSERT INTO {schema}.process_history
               (process, instance, kind, name, at, cause, position, version, detail)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
            values![
                process.to_owned(),
                owned(instance),
                kind.number(),
                name.clone(),
                at.as_micros(),
                *cause,
                position.map(|position| signed(position.get())),
                i64::from(*version),
                detail.as_deref().map(owned),
            ],
        )
    }

    fn past(
        transaction: &PostgresTransaction,
        process: &str,
        instance: &str,
        after: i64,
        limit: usize,
    ) -> Result<Vec<(i64, PastInput)>, StoreError> {
        // Events and time-outs; an event that has failed has not been remembered.
        transaction.all(
            "SELECT id, position, name, version, detail FROM {schema}.process_history
             WHERE process = $1 AND instance = $2 AND id > $3 AND kind IN (1, 2) ORDER BY id LIMIT $4",
            values![process.to_owned(), owned(instance), after, bounded(limit)],
            |row| {
                let input = match get::<Option<i64>>(row, 1)? {
                    Some(position) => PastInput::Event(Position::new(position.unsigned_abs())),
                    None => PastInput::Timeout {
                        name: get(row, 2)?,
                        version: number(row, 3)?,
                        payload: text(row, 4)?,
                    },
                };
                Ok((get(row, 0)?, input))
            },
        )
    }

    fn has_work(
        &self,
        process: &str,
        now: Timestamp,
        limit: usize,
        is_new: &dyn Fn(i64, &str) -> bool,
    ) -> Result<bool, StoreError> {
        let is_due: bool = self.one(
            "SELECT EXISTS (SELECT FROM {schema}.process_waiting WHERE process = $1 AND held = 0)
             OR EXISTS (SELECT FROM {schema}.process_timeouts WHERE process = $1 AND held = 0 AND due <= $2)",
            values![process.to_owned(), now.as_micros()],
        )?;
        Ok(is_due || !new_commands(self, process, (0, limit.min(1)), is_new)?.is_empty())
    }

    fn next_due(&self, process: &str) -> Result<Option<Timestamp>, StoreError> {
        let sql = "SELECT min(due) FROM {schema}.process_timeouts WHERE process = $1 AND held = 0";
        let due: Option<i64> = self.one(sql, values![process.to_owned()])?;
        Ok(due.map(Timestamp::from_micros))
    }

    fn find_instance(&self, process: &str, instance: &str) -> Result<Option<StoredInstance>, StoreError> {
        find(self, process, instance)
    }

    fn done_before(
        &self,
        process: &str,
        time: Timestamp,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<String>, StoreError> {
        self.all(
            "SELECT instance FROM {schema}.process_instances
             WHERE process = $1 AND ($2::text IS NULL OR instance > $2) AND done_at < $3 AND held <> 1
             ORDER BY instance LIMIT $4",
            values![process.to_owned(), after.map(owned), time.as_micros(), bounded(limit)],
            |row| text(row, 0),
        )
    }

    fn remove_done(
        transaction: &PostgresTransaction,
        process: &str,
        instance: &str,
        time: Timestamp,
    ) -> Result<bool, StoreError> {
        let removed = transaction.change(
            "DELETE FROM {schema}.process_instances AS i
             WHERE process = $1 AND instance = $2 AND done_at < $3 AND held <> 1
             AND NOT EXISTS (SELECT FROM {schema}.process_commands AS c
                             WHERE c.process = i.process AND c.instance = i.instance AND c.held = 0)
             AND NOT EXISTS (SELECT FROM {schema}.process_waiting AS w
                             WHERE w.process = i.process AND w.instance = i.instance)",
            values![process.to_owned(), owned(instance), time.as_micros()],
        )?;
        if removed == 0 {
            return Ok(false);
        }
        transaction.write(
            "DELETE FROM {schema}.process_history WHERE process = $1 AND instance = $2",
            values![process.to_owned(), owned(instance)],
        )?;
        Ok(true)
    }

    fn history(&self, process: &str, instance: &str) -> Result<Vec<Happening>, StoreError> {
        self.all(
            "SELECT kind, name, at, cause, position, version, detail FROM {schema}.process_history
             WHERE process = $1 AND instance = $2 ORDER BY id",
            values![process.to_owned(), owned(instance)],
            |row| {
                Ok(Happening {
                    kind: HappeningKind::of_number(get(row, 0)?).unwrap_or(HappeningKind::Failed),
                    name: get(row, 1)?,
                    at: timestamp(row, 2)?,
                    cause: get(row, 3)?,
                    position: get::<Option<i64>>(row, 4)?.map(|at| Position::new(at.unsigned_abs())),
                    version: number(row, 5)?,
                    detail: optional_text(row, 6)?,
                })
            },
        )
    }

    fn process_letters(
        &self,
        process: &str,
        after: &str,
        limit: usize,
    ) -> Result<Vec<ProcessLetter>, StoreError> {
        self.all(
            "SELECT instance, kind, reference, name, error, failed_at FROM {schema}.process_letters
             WHERE process = $1 AND (instance > $2 OR $2 = '') ORDER BY instance LIMIT $3",
            values![process.to_owned(), owned(after), bounded(limit)],
            letter,
        )
    }
}

/// The first commands after an id, up to a number of them, that are not held, and are new.
fn new_commands(
    ask: &impl Ask,
    process: &str,
    (mut after, limit): (i64, usize),
    is_new: &dyn Fn(i64, &str) -> bool,
) -> Result<Vec<StoredCommand>, StoreError> {
    let mut commands = Vec::new();
    while commands.len() < limit {
        let rows = ask.rows(
            "SELECT id, instance, key, name, version, payload, cause, correlation, aggregate
             FROM {schema}.process_commands WHERE process = $1 AND held = 0 AND id > $2 ORDER BY id LIMIT $3",
            values![process.to_owned(), after, COMMANDS],
        )?;
        for row in &rows {
            let (id, instance) = (get(row, 0)?, text(row, 1)?);
            after = id;
            if commands.len() < limit && is_new(id, &instance) {
                commands.push(StoredCommand {
                    id,
                    instance,
                    key: text(row, 2)?,
                    name: get(row, 3)?,
                    version: number(row, 4)?,
                    payload: get(row, 5)?,
                    cause: cause(row, 6)?,
                    aggregate: get(row, 8)?,
                });
            }
        }
        if bounded(rows.len()) < COMMANDS {
            break;
        }
    }
    Ok(commands)
}

/// What `held` is in the row of an instance that was released, until it is saved.
const RELEASED: i16 = 2;

/// Holds what an instance has to do, or lets it go on.
fn set_held(
    transaction: &PostgresTransaction,
    process: &str,
    instance: &str,
    is_held: bool,
) -> Result<(), StoreError> {
    let statements = [
        "UPDATE {schema}.process_instances SET held = CASE $3::smallint WHEN 1 THEN 1 ELSE 2 END WHERE process = $1 AND instance = $2",
        "UPDATE {schema}.process_commands SET held = $3 WHERE process = $1 AND instance = $2",
        "UPDATE {schema}.process_timeouts SET held = $3 WHERE process = $1 AND instance = $2",
        "UPDATE {schema}.process_waiting SET held = $3 WHERE process = $1 AND instance = $2",
    ];
    let values = || values![process.to_owned(), owned(instance), i16::from(is_held)];
    statements.iter().try_for_each(|sql| transaction.write(sql, values()))
}

fn find(ask: &impl Ask, process: &str, instance: &str) -> Result<Option<StoredInstance>, StoreError> {
    ask.first(
        "SELECT fingerprint, state, done_at, held FROM {schema}.process_instances
         WHERE process = $1 AND instance = $2",
        values![process.to_owned(), owned(instance)],
        |row| {
            let held: i16 = get(row, 3)?;
            Ok(StoredInstance {
                fingerprint: get(row, 0)?,
                state: get(row, 1)?,
                done_at: get::<Option<i64>>(row, 2)?.map(Timestamp::from_micros),
                is_held: held == 1,
                is_released: held == RELEASED,
            })
        },
    )
}

fn letter(row: &Row) -> Result<ProcessLetter, StoreError> {
    let what = match get(row, 1)? {
        1_i16 => Undelivered::Event(position(row, 2)?),
        2 => Undelivered::Timeout,
        _ => Undelivered::Command { id: get(row, 2)? },
    };
    Ok(ProcessLetter {
        instance: text(row, 0)?,
        what,
        name: get(row, 3)?,
        error: text(row, 4)?,
        failed_at: timestamp(row, 5)?,
    })
}

/// A cause, from the columns `cause` and `correlation`.
fn cause(row: &Row, column: usize) -> Result<Cause, StoreError> {
    Ok(Cause::new(get::<Uuid>(row, column)?, get::<Uuid>(row, column + 1)?))
}

/// A text that may have a NUL.
fn owned(text: &str) -> String {
    escaped(text).into_owned()
}
