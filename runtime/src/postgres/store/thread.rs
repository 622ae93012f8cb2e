//! The thread that talks to the server, with a runtime of its own: callers may be in another runtime, or in none.

use std::rc::Rc;
use std::sync::{Arc, Condvar, Mutex as BlockingMutex, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::{LocalSet, spawn_local};
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use crate::postgres::server::address::Address;
use crate::postgres::server::error::ConnectError;
use crate::postgres::server::session::Session;
use crate::postgres::server::tables;
use crate::postgres::store::commits::Commits;
use crate::postgres::store::readers::{self, Job};
use crate::postgres::store::statements::Sql;
use crate::postgres::store::stream_names::StreamNames;
use crate::postgres::store::transactions::{self, Begin, Held, Mode};
use crate::postgres::store::wakeups::{Wakeups, listen};
use crate::postgres::store::writer::Writer;
use crate::store::error::StoreError;
use crate::store::lock::lock;

/// How long the last handle of a store waits for its sessions to end.
const LONGEST_END: Duration = Duration::from_secs(1);

/// What callers and the thread share.
pub(super) struct Line {
    pub(super) commits: Arc<Commits>,
    pub(super) wakeups: Arc<Wakeups>,
    pub(super) names: Arc<StreamNames>,
    /// `None` once the store is closed.
    jobs: Option<UnboundedSender<Job>>,
    transactions: Option<UnboundedSender<Begin>>,
    thread: thread::ThreadId,
    ended: Arc<Ended>,
}

impl Line {
    /// The position that a standby must have to carry out a statement; `None` if it must not.
    pub(super) fn needed(&self, sql: &Sql) -> Option<u64> {
        sql.may_lag.then(|| self.wakeups.known.get())
    }

    /// Gives a statement to the next session that is free.
    pub(super) fn send(&self, job: Job) {
        if let Some(jobs) = &self.jobs {
            // If the thread has ended, so has the other end of the job's reply.
            drop(jobs.send(job));
        }
    }

    /// Begins a transaction in a session of its own.
    pub(super) fn begin(&self, mode: Mode) -> Result<Held, StoreError> {
        match &self.transactions {
            Some(transactions) => transactions::begin(transactions, mode),
            None => Err(StoreError::Other("the store is closed".into())),
        }
    }
}

/// The thread commits what is queued, and ends.
impl Drop for Line {
    fn drop(&mut self) {
        self.commits.close();
        self.jobs = None;
        self.transactions = None;
        // A waker can hold the last handle.
        if thread::current().id() != self.thread {
            self.ended.wait();
        }
    }
}

/// Starts the thread, which connects and prepares the tables. Returns the id of the store.
pub(super) fn start(address: Address) -> Result<(Line, Uuid), ConnectError> {
    let (commits, wakeups) = (Arc::<Commits>::default(), Arc::<Wakeups>::default());
    let (names, ended) = (Arc::<StreamNames>::default(), Arc::<Ended>::default());
    let (sender, jobs) = unbounded_channel();
    let (transactions, begins) = unbounded_channel();
    let (tell, told) = mpsc::channel();
    let work = Work {
        address,
        end: End { commits: Arc::clone(&commits), ended: Arc::clone(&ended) },
        wakeups: Arc::clone(&wakeups),
        names: Arc::clone(&names),
        jobs,
        begins,
    };
    let thread = thread::Builder::new()
        .name("factum-postgres".into())
        .spawn(move || work.run(&tell))
        .map_err(ConnectError::Thread)?;
    let line = Line {
        commits,
        wakeups,
        names,
        jobs: Some(sender),
        transactions: Some(transactions),
        thread: thread.thread().id(),
        ended,
    };
    match told.recv() {
        Ok(Ok(id)) => Ok((line, id)),
        Ok(Err(error)) => Err(error),
        Err(_) => Err(ConnectError::Thread(std::io::Error::other("the thread has ended"))),
    }
}

struct Work {
    address: Address,
    end: End,
    wakeups: Arc<Wakeups>,
    names: Arc<StreamNames>,
    jobs: UnboundedReceiver<Job>,
    begins: UnboundedReceiver<Begin>,
}

impl Work {
    fn run(self, tell: &mpsc::Sender<Result<Uuid, ConnectError>>) {
        let Self { address, end, wakeups, names, jobs, begins } = self;
        let runtime = match Builder::new_current_thread().enable_io().enable_time().build() {
            Ok(runtime) => runtime,
            Err(error) => {
                let _ = tell.send(Err(ConnectError::Thread(error)));
                return;
            }
        };
        LocalSet::new().block_on(&runtime, async {
            let (session, id) = match open(&address).await {
                Ok(opened) => opened,
                Err(error) => {
                    let _ = tell.send(Err(error));
                    return;
                }
            };
            let address = Rc::new(address);
            let readers = spawn_local(readers::serve(jobs, Rc::clone(&address), names, Arc::clone(&wakeups)));
            spawn_local(listen(Rc::clone(&address), Arc::clone(&wakeups), id));
            spawn_local(transactions::serve(begins, Rc::clone(&address)));
            address.watch_leaders();
            let writer = Writer::new(&address, id, session, &wakeups);
            if tell.send(Ok(id)).is_err() {
                return;
            }
            writer.run(&end.commits).await;
            // A statement that has panicked has no answer, which its caller notices.
            let _ = readers.await;
        });
    }
}

async fn open(address: &Address) -> Result<(Session, Uuid), ConnectError> {
    let session = address.connect(None).await?;
    let id = tables::prepare(&session, address).await?;
    let id = *address.store_id.get_or_init(|| id);
    let token: &(dyn ToSql + Sync) = &session.token;
    session.query("SELECT pg_advisory_lock($1)", &[token]).await?;
    Ok((session, id))
}

/// Whether the thread has ended.
#[derive(Default)]
struct Ended {
    is_true: BlockingMutex<bool>,
    changed: Condvar,
}

impl Ended {
    fn wait(&self) {
        let has_ended = lock(&self.is_true);
        let waited = self.changed.wait_timeout_while(has_ended, LONGEST_END, |has_ended| !*has_ended);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }
}

/// The end of the thread, also by a panic: every append that waits gets an answer.
struct End {
    commits: Arc<Commits>,
    ended: Arc<Ended>,
}

impl Drop for End {
    fn drop(&mut self) {
        self.commits.abandon();
        *lock(&self.ended.is_true) = true;
        self.ended.changed.notify_all();
    }
}
