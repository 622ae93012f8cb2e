//! The sessions that read. Each has many statements on their way at once, of any thread or task.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll};
use std::time::Instant;

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::{Mutex, Notify, oneshot};
use tokio::task::spawn_local;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use crate::postgres::server::address::Address;
use crate::postgres::server::error::Failure;
use crate::postgres::server::session::{Session, Value};
use crate::postgres::store::stream_names::StreamNames;
use crate::postgres::store::writer::{SHORTEST_PAUSE, rest};
use crate::store::error::StoreError;

/// How many statements are on their way in one session at most. The server carries them out one after the other.
const MOST_ON_THEIR_WAY: usize = 128;

/// A statement that does no harm if it is carried out twice, as after a broken connection.
pub(super) struct Job {
    sql: Arc<str>,
    values: Vec<Value>,
    reply: Reply,
}

type Rows = Result<Vec<Row>, StoreError>;

enum Reply {
    Thread(mpsc::SyncSender<Rows>),
    Task(oneshot::Sender<Rows>),
}

impl Job {
    /// A statement whose rows a thread waits for.
    pub(super) fn new(sql: &Arc<str>, values: Vec<Value>) -> (Self, Pending) {
        let (reply, rows) = mpsc::sync_channel(1);
        (Self { sql: Arc::clone(sql), values, reply: Reply::Thread(reply) }, Pending(rows))
    }

    /// A statement whose rows a task waits for.
    pub(super) fn of_task(sql: &Arc<str>, values: Vec<Value>) -> (Self, TaskPending) {
        let (reply, rows) = oneshot::channel();
        (Self { sql: Arc::clone(sql), values, reply: Reply::Task(reply) }, TaskPending(rows))
    }

    /// A caller that no longer wants the rows has dropped the other end.
    fn answer(self, rows: Rows) {
        match self.reply {
            Reply::Thread(reply) => drop(reply.send(rows)),
            Reply::Task(reply) => drop(reply.send(rows)),
        }
    }
}

/// The rows of a statement that has been sent.
pub(super) struct Pending(mpsc::Receiver<Rows>);

impl Pending {
    pub(super) fn wait(self) -> Rows {
        self.0.recv().unwrap_or_else(|_| Err(thread_has_ended()))
    }
}

/// The rows of a statement that has been sent, for a task.
pub(super) struct TaskPending(oneshot::Receiver<Rows>);

impl Future for TaskPending {
    type Output = Rows;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Rows> {
        Pin::new(&mut self.0).poll(context).map(|rows| rows.unwrap_or_else(|_| Err(thread_has_ended())))
    }
}

fn thread_has_ended() -> StoreError {
    StoreError::Other("the thread that talks to the server has ended".into())
}

/// Has statements carried out until no store is left that asks for any, and all have an answer.
pub(super) async fn serve(mut jobs: UnboundedReceiver<Job>, address: Rc<Address>, names: Arc<StreamNames>) {
    let changed = Rc::<Notify>::default();
    let readers: Vec<_> = (0..address.options.readers)
        .map(|_| Rc::new(Reader::new(Rc::clone(&address), Arc::clone(&names), Rc::clone(&changed))))
        .collect();
    let busy = || readers.iter().map(|reader| reader.on_their_way.get());
    while let Some(job) = jobs.recv().await {
        while busy().all(|busy| busy >= MOST_ON_THEIR_WAY) {
            changed.notified().await;
        }
        // A statement waits for those before it in its session.
        let Some(reader) = readers.iter().min_by_key(|reader| reader.on_their_way.get()) else { return };
        let on_its_way = OnItsWay::new(reader);
        spawn_local(async move {
            let rows = on_its_way.0.carry_out(&job).await;
            job.answer(rows);
        });
    }
    while busy().any(|busy| busy > 0) {
        changed.notified().await;
    }
}

struct Reader {
    address: Rc<Address>,
    names: Arc<StreamNames>,
    session: RefCell<Option<Rc<Session>>>,
    /// Locked while a session begins.
    begins: Mutex<()>,
    on_their_way: Cell<usize>,
    /// A statement has its answer.
    changed: Rc<Notify>,
}

/// Counts a statement while it is on its way.
struct OnItsWay(Rc<Reader>);

impl OnItsWay {
    fn new(reader: &Rc<Reader>) -> Self {
        reader.on_their_way.update(|count| count + 1);
        Self(Rc::clone(reader))
    }
}

impl Drop for OnItsWay {
    fn drop(&mut self) {
        self.0.on_their_way.update(|count| count - 1);
        self.0.changed.notify_one();
    }
}

impl Reader {
    fn new(address: Rc<Address>, names: Arc<StreamNames>, changed: Rc<Notify>) -> Self {
        let (session, begins, on_their_way) = (RefCell::new(None), Mutex::new(()), Cell::new(0));
        Self { address, names, session, begins, on_their_way, changed }
    }

    async fn carry_out(&self, job: &Job) -> Rows {
        let deadline = Instant::now() + self.address.options.outage_timeout;
        let mut pause = SHORTEST_PAUSE;
        loop {
            let failure = match self.ask(job).await {
                Ok(rows) => return Ok(rows),
                Err(failure) => failure,
            };
            match failure {
                Failure::Final(error) => return Err(error),
                failure if Instant::now() + pause >= deadline => return Err(failure.into_store_error()),
                Failure::Again | Failure::Broken(_) | Failure::ReadOnly => {}
            }
            rest(&mut pause).await;
        }
    }

    async fn ask(&self, job: &Job) -> Result<Vec<Row>, Failure> {
        let session = self.session().await?;
        let values: Vec<&(dyn ToSql + Sync)> = job.values.iter().map(|value| &**value as _).collect();
        let rows = session.query(&job.sql, &values).await;
        if let Err(Failure::Broken(_) | Failure::ReadOnly) = &rows {
            self.leave(&session);
        }
        rows
    }

    /// The session, or a new one if it is closed.
    async fn session(&self) -> Result<Rc<Session>, Failure> {
        if let Some(session) = self.open_session() {
            return Ok(session);
        }
        let _begins = self.begins.lock().await;
        if let Some(session) = self.open_session() {
            return Ok(session);
        }
        let session = Rc::new(self.address.begin(None).await?);
        // The database may have been restored from a copy, in which streams have other numbers.
        self.names.forget();
        self.session.replace(Some(Rc::clone(&session)));
        Ok(session)
    }

    fn open_session(&self) -> Option<Rc<Session>> {
        self.session.borrow().clone().filter(|session| !session.is_closed())
    }

    /// The next statement begins a new session.
    fn leave(&self, session: &Rc<Session>) {
        let mut current = self.session.borrow_mut();
        if current.as_ref().is_some_and(|current| Rc::ptr_eq(current, session)) {
            *current = None;
        }
    }
}
