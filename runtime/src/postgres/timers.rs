//! Timers: rows of `timers`.

use std::task::Waker;
use std::{io, slice};

use tokio_postgres::Row;

use crate::domain::metadata::Cause;
use crate::domain::time::Timestamp;
use crate::follow::lease::{LeaseAnswer, LeaseHolder};
use crate::follow::lease_keeper::{KeptLease, LeaseKeeper};
use crate::follow::progress_store::ProgressStore;
use crate::follow::timers::timer::{DiscardedTimer, Timer, TimerFailure};
use crate::follow::timers::timer_store::{
    DueCommand, DueTimer, TimerLook, TimerResult, TimerStep, TimerStore, TimerTurn,
};
use crate::postgres::progress::leases;
use crate::postgres::server::names::escaped;
use crate::postgres::server::session::Value;
use crate::postgres::sql::{Ask, bounded, get, number, text, timestamp, values};
use crate::postgres::store::PostgresStore;
use crate::postgres::transaction::PostgresTransaction;
use crate::store::error::StoreError;
use crate::store::timer::TimerChange;

/// The columns of a timer for its callers.
const LISTED: &str = "number, key, due, command, content, error, failed_at";

impl TimerStore for PostgresStore {
    fn change_timer(&self, change: &TimerChange) -> Result<bool, StoreError> {
        let values: Vec<Value> = match change {
            TimerChange::Set(timer) => values![
                escaped(&timer.key).into_owned(),
                Some(timer.due.as_micros()),
                Some(timer.id),
                Some(timer.command),
                Some(i64::from(timer.version)),
                Some(timer.content.clone()),
                Some(timer.cause.id),
                Some(timer.cause.correlation),
            ],
            TimerChange::Cancel(key) => {
                let nothing = values![None::<uuid::Uuid>, None::<&str>, None::<i64>, None::<&str>];
                let mut values = values![escaped(key).into_owned(), None::<i64>];
                values.extend(nothing);
                values.extend(values![None::<uuid::Uuid>, None::<uuid::Uuid>]);
                values
            }
        };
        self.and_wake(|transaction| {
            transaction.one("SELECT {schema}.change_timer($1, $2, $3, $4, $5, $6, $7, $8)", values)
        })
    }

    fn timer_step(&self, holder: &LeaseHolder, step: &TimerStep<'_>) -> Result<TimerTurn, StoreError> {
        let work = |transaction: &PostgresTransaction| {
            if let LeaseAnswer::HeldBy(info) = Self::take_lease(transaction, holder)? {
                return Ok(TimerTurn::HeldBy(info));
            }
            let due = take_due(transaction, step)?;
            // Other runners need not wait, and nothing has to be renewed.
            if due.is_empty() && !step.has_later {
                leases::release(transaction, holder)?;
            }
            Ok(TimerTurn::Taken(due))
        };
        self.in_transaction(work, |error| error)
    }

    fn look_at_timers(&self) -> Result<TimerLook, StoreError> {
        let look = self.first(
            "SELECT (SELECT count(*) FROM {schema}.timers WHERE status = 1),
                    (SELECT min(due) FROM {schema}.timers WHERE status = 0)",
            values![],
            |row| {
                let taken = usize::try_from(get::<i64>(row, 0)?).unwrap_or_default();
                let first = get::<Option<i64>>(row, 1)?.map(Timestamp::from_micros);
                Ok(TimerLook { taken, first })
            },
        )?;
        Ok(look.unwrap_or_default())
    }

    fn late_timers(&self, now: Timestamp) -> Result<(u64, Option<Timestamp>), StoreError> {
        let late = self.first(
            "SELECT count(*), min(due) FROM (
               SELECT due FROM {schema}.timers WHERE status = 0 AND due <= $1
               UNION ALL SELECT due FROM {schema}.timers WHERE status = 1 AND due <= $1
             ) AS late",
            values![now.as_micros()],
            |row| {
                let first = get::<Option<i64>>(row, 1)?.map(Timestamp::from_micros);
                Ok((get::<i64>(row, 0)?.unsigned_abs(), first))
            },
        )?;
        Ok(late.unwrap_or_default())
    }

    fn waiting_timers(&self, after: (Timestamp, i64), limit: usize) -> Result<Vec<Timer>, StoreError> {
        let sql = format!(
            "SELECT * FROM (
               SELECT {LISTED} FROM {{schema}}.timers WHERE status = 0 AND (due, number) > ($1, $2)
               UNION ALL SELECT {LISTED} FROM {{schema}}.timers WHERE status = 1 AND (due, number) > ($1, $2)
             ) AS waiting ORDER BY due, number LIMIT $3"
        );
        // A dead letter that is sent again has an error of before.
        self.all(&sql, place(after, limit), |row| Ok(Timer { failure: None, ..timer(row)? }))
    }

    fn failed_timers(&self, after: (Timestamp, i64), limit: usize) -> Result<Vec<Timer>, StoreError> {
        let sql = format!(
            "SELECT {LISTED} FROM {{schema}}.timers WHERE status = 2 AND (due, number) > ($1, $2)
             ORDER BY due, number LIMIT $3"
        );
        self.all(&sql, place(after, limit), timer)
    }

    fn discarded_timers(
        &self,
        after: (Timestamp, i64),
        limit: usize,
    ) -> Result<Vec<DiscardedTimer>, StoreError> {
        let sql = format!(
            "SELECT {LISTED}, coalesce(reason, ''), coalesce(discarded_at, 0) FROM {{schema}}.timers
             WHERE status = 3 AND (due, number) > ($1, $2) ORDER BY due, number LIMIT $3"
        );
        self.all(&sql, place(after, limit), |row| {
            Ok(DiscardedTimer::new(timer(row)?, text(row, 7)?, timestamp(row, 8)?))
        })
    }

    fn retry_timer(&self, number: i64) -> Result<bool, StoreError> {
        let sql = "UPDATE {schema}.timers SET status = 1 WHERE number = $1 AND status = 2";
        self.and_wake(|transaction| transaction.change(sql, values![number])).map(|changed| changed > 0)
    }

    fn discard_timer(&self, number: i64, reason: &str, at: Timestamp) -> Result<bool, StoreError> {
        let sql = "UPDATE {schema}.timers SET status = 3, reason = $2, discarded_at = $3
                   WHERE number = $1 AND status = 2";
        let values = values![number, escaped(reason).into_owned(), at.as_micros()];
        self.and_wake(|transaction| transaction.change(sql, values)).map(|changed| changed > 0)
    }

    fn release_timers(&self, holder: &LeaseHolder) -> Result<(), StoreError> {
        self.release_leases(slice::from_ref(holder))
    }

    fn keep_timers(&self, holder: &LeaseHolder) -> io::Result<Option<KeptLease>> {
        LeaseKeeper::keep(self, holder).map(Some)
    }

    fn watch_timers(&self, waker: &Waker) {
        self.timer_wakers().add(waker);
    }

    fn unwatch_timers(&self, waker: &Waker) {
        self.timer_wakers().remove(waker);
    }
}

impl PostgresStore {
    /// Changes timers in a transaction, then wakes their runner.
    fn and_wake<T>(
        &self,
        work: impl FnOnce(&PostgresTransaction) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let transaction = self.begin()?;
        let done = work(&transaction)?;
        transaction.commit()?;
        self.timer_wakers().wake();
        Ok(done)
    }
}

/// Records what has become of timers that were taken, and takes those that are due.
fn take_due(transaction: &PostgresTransaction, step: &TimerStep<'_>) -> Result<Vec<DueTimer>, StoreError> {
    let TimerStep { results, now, limit, is_ready, .. } = *step;
    for (number, result) in results {
        match result {
            TimerResult::Sent => transaction.write(
                "DELETE FROM {schema}.timers WHERE number = $1 AND status = 1",
                values![*number],
            ),
            TimerResult::Failed(error) => transaction.write(
                "UPDATE {schema}.timers SET status = 2, error = $2, failed_at = $3 WHERE number = $1 AND status = 1",
                values![*number, escaped(error).into_owned(), now.as_micros()],
            ),
        }?;
    }
    transaction.write(
        "UPDATE {schema}.timers SET status = 1 WHERE number = ANY (ARRAY(
           SELECT number FROM {schema}.timers WHERE status = 0 AND due <= $1 ORDER BY due, number LIMIT $2 FOR UPDATE
         ))",
        values![now.as_micros(), bounded(limit)],
    )?;
    let numbers = transaction.all(
        "SELECT number FROM {schema}.timers WHERE status = 1 ORDER BY due, number",
        values![],
        |row| get::<i64>(row, 0),
    )?;
    let ready: Vec<_> = numbers.into_iter().filter(|number| is_ready(*number)).take(limit).collect();
    if ready.is_empty() {
        return Ok(Vec::new());
    }
    transaction.all(
        "SELECT number, key, command, id, version, content, cause, correlation FROM {schema}.timers
         WHERE number = ANY ($1) ORDER BY due, number",
        values![ready],
        |row| {
            let sent = DueCommand {
                id: get(row, 3)?,
                version: number(row, 4)?,
                content: get(row, 5)?,
                cause: Cause::new(get(row, 6)?, get(row, 7)?),
            };
            Ok(DueTimer { number: get(row, 0)?, key: text(row, 1)?, command: text(row, 2)?, sent: Ok(sent) })
        },
    )
}

/// A place in the order of the timers, and how many to list after it.
fn place((due, number): (Timestamp, i64), limit: usize) -> Vec<Value> {
    values![due.as_micros(), number, bounded(limit)]
}

fn timer(row: &Row) -> Result<Timer, StoreError> {
    let failed_at = get::<Option<i64>>(row, 6)?.map(Timestamp::from_micros);
    Ok(Timer {
        number: get(row, 0)?,
        key: text(row, 1)?,
        due: timestamp(row, 2)?,
        command: text(row, 3)?,
        content: text(row, 4)?,
        failure: failed_at.map(|at| text(row, 5).map(|error| TimerFailure::new(error, at))).transpose()?,
    })
}
