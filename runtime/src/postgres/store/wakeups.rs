//! Wakes what waits for events: after appends of this program, and of others.

use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::task::Waker;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use crate::domain::new_id::new_id;
use crate::domain::position::Position;
use crate::domain::stream_name::StreamName;
use crate::postgres::server::address::{Address, OnNotification};
use crate::postgres::server::error::Failure;
use crate::postgres::server::session::Session;
use crate::postgres::store::changes::{self, Changes};
use crate::postgres::store::pause::{SHORTEST_PAUSE, rest};
use crate::postgres::store::standby::Known;
use crate::postgres::store::statements;
use crate::store::error::StoreError;
use crate::store::lock::lock;
use crate::store::wakers::Wakers;

/// How long to wait after one announcement before the next, which may then be that of many commits.
const BETWEEN_ANNOUNCEMENTS: Duration = Duration::from_millis(10);

/// The callers that wait for events.
#[derive(Default)]
pub(super) struct Wakeups {
    state: Mutex<State>,
    changed: Condvar,
    wakers: Wakers,
    /// The runner of the timers.
    pub(super) timers: Wakers,
    /// The newest position that this program has stored.
    own: AtomicU64,
    /// The newest position that is known.
    newest: AtomicU64,
    announce: Notify,
    pub(super) known: Known,
    pub(super) changes: Changes,
}

#[derive(Default)]
struct State {
    /// How often callers were woken.
    count: u64,
    waiting: usize,
}

/// A thread that waits. Others look for events as long as there is one.
pub(super) struct Waiting<'w>(&'w Wakeups);

impl Wakeups {
    /// This program has stored events of these streams, up to this position.
    pub(super) fn stored<'s>(&self, newest: Position, streams: impl Iterator<Item = &'s StreamName>) {
        self.changes.changed(streams);
        self.known.raise(newest.get());
        self.own.fetch_max(newest.get(), Ordering::SeqCst);
        self.newest.fetch_max(newest.get(), Ordering::SeqCst);
        self.wake();
        self.announce.notify_one();
    }

    /// Another program says which streams it has changed, and that there are events up to this position.
    fn heard(&self, newest: u64, streams: &str) {
        self.changes.hear(streams);
        if self.newest.fetch_max(newest, Ordering::SeqCst) < newest {
            self.wake();
        }
    }

    /// The server has events up to this position.
    fn found(&self, newest: u64) {
        if self.newest.fetch_max(newest, Ordering::SeqCst) < newest {
            // No notification has said so.
            self.changes.hear_of_all();
            self.wake();
        }
    }

    fn wake(&self) {
        lock(&self.state).count += 1;
        self.changed.notify_all();
        self.wakers.wake();
    }

    pub(super) fn enter(&self) -> Waiting<'_> {
        lock(&self.state).waiting += 1;
        // The thread that looks for events begins to.
        self.announce.notify_one();
        Waiting(self)
    }

    /// How often callers were woken until now.
    pub(super) fn count(&self) -> u64 {
        lock(&self.state).count
    }

    pub(super) fn add(&self, waker: &Waker) {
        self.wakers.add(waker);
        self.announce.notify_one();
    }

    pub(super) fn remove(&self, waker: &Waker) {
        self.wakers.remove(waker);
    }

    fn is_watched(&self) -> bool {
        lock(&self.state).waiting > 0 || !self.wakers.is_empty()
    }
}

impl Waiting<'_> {
    /// Sleeps until callers are woken, unless they were since the count was `seen`.
    pub(super) fn sleep(&self, seen: u64, longest: Duration) {
        let state = lock(&self.0.state);
        let slept = self.0.changed.wait_timeout_while(state, longest, |state| state.count == seen);
        drop(slept.unwrap_or_else(PoisonError::into_inner));
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        lock(&self.0.state).waiting -= 1;
    }
}

/// Announces the commits of this program to others, and hears of theirs. If readers wait, it also looks for events, as an
/// announcement may be lost.
pub(super) async fn listen(address: Rc<Address>, wakeups: Arc<Wakeups>, id: Uuid) {
    let channel = format!("factum_{}", id.simple());
    let position = statements::position(&address.schema);
    let program = new_id().simple().to_string();
    let heard: OnNotification = {
        let (wakeups, program) = (Arc::clone(&wakeups), program.clone());
        Rc::new(move |notification| {
            let Some(notification) = notification else {
                // What others say is lost until there is another session.
                wakeups.announce.notify_one();
                return;
            };
            let mut parts = notification.payload().splitn(3, ' ');
            let (newest, by) = (parts.next().and_then(|newest| newest.parse().ok()), parts.next());
            if let Some(newest) = newest.filter(|_| by != Some(&program)) {
                wakeups.heard(newest, parts.next().unwrap_or_default());
            }
        })
    };
    let mut session: Option<Session> = None;
    let (mut announced, mut pause) = (0, SHORTEST_PAUSE);
    loop {
        let listening = match session.take().filter(|session| !session.is_closed()) {
            Some(session) => Ok(session),
            None => {
                let begun = begin(&address, &heard, &channel).await;
                // What others have said before is lost.
                wakeups.changes.hear_of_all();
                begun
            }
        };
        let done = match listening {
            Ok(listening) => {
                let done = look(&listening, &wakeups, (&channel, &program), &position, &mut announced).await;
                session = Some(listening);
                done
            }
            Err(failure) => Err(failure),
        };
        match done {
            Ok(()) => pause = SHORTEST_PAUSE,
            Err(_) => {
                session = None;
                rest(&mut pause).await;
                continue;
            }
        }
        let _ = timeout(address.options.poll_every, wakeups.announce.notified()).await;
    }
}

async fn begin(address: &Address, heard: &OnNotification, channel: &str) -> Result<Session, Failure> {
    let session = address.begin(Some(heard)).await?;
    // A notification is no row: its commit need not wait for the disk, nor make appends wait for it there.
    session.run(&format!("SET synchronous_commit = off; LISTEN \"{channel}\"")).await?;
    Ok(session)
}

async fn look(
    session: &Session,
    wakeups: &Wakeups,
    (channel, program): (&str, &str),
    position: &str,
    announced: &mut u64,
) -> Result<(), Failure> {
    let own = wakeups.own.load(Ordering::SeqCst);
    if own > *announced {
        let streams = wakeups.changes.take_own();
        let message = format!("{own} {program} {}", changes::text(&streams));
        let sent = session.query("SELECT pg_notify($1, $2)", &[&channel, &message]).await;
        if sent.is_err() {
            wakeups.changes.put_back(streams);
        }
        sent?;
        *announced = own;
        sleep(BETWEEN_ANNOUNCEMENTS).await;
    } else if wakeups.is_watched() {
        let rows = session.query(position, &[]).await?;
        let newest = rows.first().map(|row| row.try_get::<_, i64>(0)).transpose().map_err(Failure::of)?;
        match newest {
            Some(newest) => wakeups.found(newest.unsigned_abs()),
            None => {
                return Err(Failure::Final(StoreError::Other("the row of the counter is missing".into())));
            }
        }
    }
    Ok(())
}
