//! The sessions that read: each carries out one statement after another, for any thread.

use std::rc::Rc;
use std::sync::{Arc, mpsc};
use std::time::Instant;

use tokio::sync::Mutex;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use crate::postgres::server::address::Address;
use crate::postgres::server::error::Failure;
use crate::postgres::server::session::{Session, Value};
use crate::postgres::store::stream_names::StreamNames;
use crate::postgres::store::writer::{SHORTEST_PAUSE, rest};
use crate::store::error::StoreError;

/// A statement that does no harm if it is carried out twice, as after a broken connection.
pub(super) struct Job {
    sql: Arc<str>,
    values: Vec<Value>,
    reply: mpsc::Sender<Rows>,
}

type Rows = Result<Vec<Row>, StoreError>;

/// The rows of a statement that has been sent.
pub(super) struct Pending(mpsc::Receiver<Rows>);

impl Job {
    pub(super) fn new(sql: &Arc<str>, values: Vec<Value>) -> (Self, Pending) {
        let (reply, rows) = mpsc::channel();
        (Self { sql: Arc::clone(sql), values, reply }, Pending(rows))
    }
}

impl Pending {
    pub(super) fn wait(self) -> Rows {
        self.0.recv().unwrap_or_else(|_| {
            Err(StoreError::Other("the thread that talks to the server has ended".into()))
        })
    }
}

/// Carries out statements until no store is left that asks for any.
pub(super) async fn serve(
    jobs: Rc<Mutex<UnboundedReceiver<Job>>>,
    address: Rc<Address>,
    names: Arc<StreamNames>,
) {
    let mut reader = Reader { address, names, session: None };
    loop {
        let next = jobs.lock().await.recv().await;
        let Some(job) = next else { return };
        let rows = reader.carry_out(&job).await;
        // A reader that no longer wants the rows has dropped the other end.
        let _ = job.reply.send(rows);
    }
}

struct Reader {
    address: Rc<Address>,
    names: Arc<StreamNames>,
    session: Option<Session>,
}

impl Reader {
    async fn carry_out(&mut self, job: &Job) -> Rows {
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
                Failure::Again => {}
                Failure::Broken(_) | Failure::ReadOnly => self.session = None,
            }
            rest(&mut pause).await;
        }
    }

    async fn ask(&mut self, job: &Job) -> Result<Vec<Row>, Failure> {
        let session = match self.session.take().filter(|session| !session.is_closed()) {
            Some(session) => session,
            None => {
                let session = self.address.begin(None).await?;
                // The database may have been restored from a copy, in which streams have other numbers.
                self.names.forget();
                session
            }
        };
        let values: Vec<&(dyn ToSql + Sync)> = job.values.iter().map(|value| &**value as _).collect();
        self.session.insert(session).query(&job.sql, &values).await
    }
}
