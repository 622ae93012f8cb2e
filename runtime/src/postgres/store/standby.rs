//! Reads from a standby, which must have all events that callers may know of.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::time::sleep;
use tokio_postgres::Row;

use crate::postgres::server::error::Failure;
use crate::postgres::server::session::Session;

/// How long a read waits for a standby that lags behind, and how often it looks.
const PATIENCE: Duration = Duration::from_millis(50);
const LOOK_AGAIN: Duration = Duration::from_millis(2);

/// How long reads go elsewhere after one could not be carried out by a standby.
pub(super) const REST: Duration = Duration::from_secs(1);

/// The newest position that callers may know of.
#[derive(Default)]
pub(super) struct Known(AtomicU64);

impl Known {
    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }

    pub(super) fn raise(&self, position: u64) {
        self.0.fetch_max(position, Ordering::SeqCst);
    }
}

/// The newest position that a standby is known to have, as seen by one session.
#[derive(Default)]
pub(super) struct Reached(Cell<u64>);

impl Reached {
    /// Another session may be with another standby.
    pub(super) fn reset(&self) {
        self.0.set(0);
    }

    /// Waits until the standby has this position; `false` if that takes too long.
    pub(super) async fn wait(&self, session: &Session, needed: u64, position: &str) -> Result<bool, Failure> {
        let begun = Instant::now();
        while self.0.get() < needed {
            let reached = number(&session.query(position, &[]).await?)?;
            self.0.set(self.0.get().max(reached));
            if reached < needed {
                if begun.elapsed() > PATIENCE {
                    return Ok(false);
                }
                sleep(LOOK_AGAIN).await;
            }
        }
        Ok(true)
    }

    pub(super) fn raise(&self, position: u64) {
        self.0.set(self.0.get().max(position));
    }
}

/// Runs a read, and asks for a position that is not before anything in its rows.
pub(super) async fn with_position(
    session: &Session,
    read: impl Future<Output = Result<Vec<Row>, Failure>>,
    position: &str,
) -> Result<(Vec<Row>, u64), Failure> {
    let (mut read, mut newest) = (pin!(read), pin!(session.query(position, &[])));
    let (mut read_done, mut newest_done) = (None, None);
    // Both are sent at once, and the server carries them out in this order.
    poll_fn(|context| {
        if read_done.is_none()
            && let Poll::Ready(done) = read.as_mut().poll(context)
        {
            read_done = Some(done);
        }
        if newest_done.is_none()
            && let Poll::Ready(done) = newest.as_mut().poll(context)
        {
            newest_done = Some(done);
        }
        if read_done.is_some() && newest_done.is_some() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    match (read_done, newest_done) {
        (Some(rows), Some(newest)) => Ok((rows?, number(&newest?)?)),
        _ => unreachable!("both are done"),
    }
}

/// The position in the row of the counter.
fn number(rows: &[Row]) -> Result<u64, Failure> {
    let position = rows.first().map(|row| row.try_get::<_, i64>(0)).transpose().map_err(Failure::of)?;
    Ok(position.unwrap_or(0).unsigned_abs())
}
