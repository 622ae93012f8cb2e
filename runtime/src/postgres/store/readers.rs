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
use crate::postgres::store::pause::{SHORTEST_PAUSE, rest};
use crate::postgres::store::standby::{REST, Reached, with_position};
use crate::postgres::store::statements::{self, Sql};
use crate::postgres::store::stream_names::StreamNames;
use crate::postgres::store::wakeups::Wakeups;
use crate::store::error::StoreError;

/// How many statements are on their way in one session at most. The server carries them out one after the other.
const MOST_ON_THEIR_WAY: usize = 128;

/// A statement that does no harm if it is carried out twice, as after a broken connection.
pub(super) struct Job {
    sql: Arc<str>,
    values: Vec<Value>,
    /// The position that a standby must have; `None` if a standby must not carry it out.
    needed: Option<u64>,
    reply: Reply,
}

type Rows = Result<Vec<Row>, StoreError>;

enum Reply {
    Thread(mpsc::SyncSender<Rows>),
    Task(oneshot::Sender<Rows>),
}

impl Job {
    /// A statement whose rows a thread waits for.
    pub(super) fn new(sql: &Sql, values: Vec<Value>, needed: Option<u64>) -> (Self, Pending) {
        let (reply, rows) = mpsc::sync_channel(1);
        (Self { sql: Arc::clone(&sql.text), values, needed, reply: Reply::Thread(reply) }, Pending(rows))
    }

    /// A statement whose rows a task waits for.
    pub(super) fn of_task(sql: &Sql, values: Vec<Value>, needed: Option<u64>) -> (Self, TaskPending) {
        let (reply, rows) = oneshot::channel();
        (Self { sql: Arc::clone(&sql.text), values, needed, reply: Reply::Task(reply) }, TaskPending(rows))
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
pub(super) async fn serve(
    mut jobs: UnboundedReceiver<Job>,
    address: Rc<Address>,
    names: Arc<StreamNames>,
    wakeups: Arc<Wakeups>,
) {
    let shared = Rc::new(OfReaders {
        position: statements::position(&address.schema),
        standby_rests_until: Cell::new(None),
        address,
        names,
        wakeups,
        changed: Notify::new(),
    });
    let readers: Vec<_> =
        (0..shared.address.options.readers).map(|_| Rc::new(Reader::new(Rc::clone(&shared)))).collect();
    let busy = || readers.iter().map(|reader| reader.on_their_way.get());
    while let Some(job) = jobs.recv().await {
        while busy().all(|busy| busy >= MOST_ON_THEIR_WAY) {
            shared.changed.notified().await;
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
        shared.changed.notified().await;
    }
}

/// What the readers share.
struct OfReaders {
    address: Rc<Address>,
    names: Arc<StreamNames>,
    wakeups: Arc<Wakeups>,
    /// The statement for the newest position.
    position: String,
    standby_rests_until: Cell<Option<Instant>>,
    /// A statement has its answer.
    changed: Notify,
}

struct Reader {
    shared: Rc<OfReaders>,
    primary: Slot,
    standby: Slot,
    reached: Reached,
    on_their_way: Cell<usize>,
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
        self.0.shared.changed.notify_one();
    }
}

impl Reader {
    fn new(shared: Rc<OfReaders>) -> Self {
        Self {
            shared,
            primary: Slot::default(),
            standby: Slot::default(),
            reached: Reached::default(),
            on_their_way: Cell::new(0),
        }
    }

    async fn carry_out(&self, job: &Job) -> Rows {
        let options = &self.shared.address.options;
        let needed = job.needed.filter(|_| options.read_from_standbys);
        if let Some(needed) = needed
            && let Some(rows) = self.ask_standby_if_it_can(job, needed).await
        {
            return Ok(rows);
        }
        let deadline = Instant::now() + options.outage_timeout;
        let mut pause = SHORTEST_PAUSE;
        loop {
            let failure = match self.ask_primary(job, needed.is_some()).await {
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

    async fn ask_primary(&self, job: &Job, may_be_asked_of_standby: bool) -> Result<Vec<Row>, Failure> {
        let session = self.primary.session(&self.shared.names, self.shared.address.begin(None)).await?;
        let rows = if may_be_asked_of_standby {
            self.read(&session, job).await.map(|(rows, _)| rows)
        } else {
            query(&session, job).await
        };
        if let Err(Failure::Broken(_) | Failure::ReadOnly) = &rows {
            self.primary.leave(&session);
        }
        rows
    }

    /// `None` if there is no standby, or it can't carry out the statement: it lags behind, has to end reads, or is away.
    async fn ask_standby_if_it_can(&self, job: &Job, needed: u64) -> Option<Vec<Row>> {
        let rests_until = &self.shared.standby_rests_until;
        if rests_until.get().is_some_and(|until| Instant::now() < until) {
            return None;
        }
        let rows = self.ask_standby(job, needed).await.unwrap_or(None);
        rests_until.set(if rows.is_some() { None } else { Some(Instant::now() + REST) });
        rows
    }

    async fn ask_standby(&self, job: &Job, needed: u64) -> Result<Option<Vec<Row>>, Failure> {
        let begin = async {
            self.reached.reset();
            self.shared.address.begin_with_standby().await
        };
        let session = self.standby.session(&self.shared.names, begin).await?;
        let asked = async {
            if !self.reached.wait(&session, needed, &self.shared.position).await? {
                return Ok(None);
            }
            let (rows, newest) = self.read(&session, job).await?;
            self.reached.raise(newest);
            Ok(Some(rows))
        };
        let rows = asked.await;
        if rows.is_err() {
            self.standby.leave(&session);
        }
        rows
    }

    /// Reads, and notes what callers may know of now. Returns that too.
    async fn read(&self, session: &Session, job: &Job) -> Result<(Vec<Row>, u64), Failure> {
        let (rows, newest) = with_position(session, query(session, job), &self.shared.position).await?;
        self.shared.wakeups.known.raise(newest);
        Ok((rows, newest))
    }
}

async fn query(session: &Session, job: &Job) -> Result<Vec<Row>, Failure> {
    let values: Vec<&(dyn ToSql + Sync)> = job.values.iter().map(|value| &**value as _).collect();
    session.query(&job.sql, &values).await
}

/// A session that begins when it is needed.
#[derive(Default)]
struct Slot {
    session: RefCell<Option<Rc<Session>>>,
    /// Locked while a session begins.
    begins: Mutex<()>,
}

impl Slot {
    /// The session, or a new one if it is closed.
    async fn session(
        &self,
        names: &StreamNames,
        begin: impl Future<Output = Result<Session, Failure>>,
    ) -> Result<Rc<Session>, Failure> {
        if let Some(session) = self.open_session() {
            return Ok(session);
        }
        let _begins = self.begins.lock().await;
        if let Some(session) = self.open_session() {
            return Ok(session);
        }
        let session = Rc::new(begin.await?);
        // The database may have been restored from a copy, in which streams have other numbers.
        names.forget();
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
