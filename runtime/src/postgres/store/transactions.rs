//! The sessions of transactions that callers hold: each carries out one transaction after another.

use std::cell::RefCell;
use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::mem;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::{Arc, Mutex, mpsc};
use std::task::Poll;
use std::time::Instant;

use tokio::sync::Semaphore;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::spawn_local;
use tokio::time::timeout;
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Error, Row, SimpleQueryMessage, Statement};

use crate::postgres::server::address::Address;
use crate::postgres::server::error::Failure;
use crate::postgres::server::session::{EncodedValue, Session, gate};
use crate::postgres::server::timelines::Timeline;
use crate::postgres::store::lost::{self, Lost, NO_STANDBY, Trace, Unsettled};
use crate::postgres::store::pause::{SHORTEST_PAUSE, rest};
use crate::store::error::StoreError;
use crate::store::lock::lock;

/// How many statements a session remembers.
const STATEMENTS: usize = 512;

/// How many statements are sent before the answer to the first of them.
const MOST_SENT: usize = 256;

/// A caller that would like to have a transaction.
pub(crate) struct Begin {
    mode: Mode,
    reply: mpsc::Sender<Result<(Arc<Prepared>, i64), StoreError>>,
    steps: UnboundedReceiver<Step>,
}

/// What a transaction may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Write,
    /// Only read, and all of it in one state.
    Read,
}

/// The caller's end of a transaction.
pub(crate) struct Held {
    pub(crate) steps: UnboundedSender<Step>,
    pub(crate) prepared: Arc<Prepared>,
    /// The number of the session.
    pub(crate) token: i64,
}

/// One thing to do in a transaction. An error without a reply is that of the next step.
pub(crate) struct Step {
    pub(crate) work: Work,
    pub(crate) reply: Option<mpsc::Sender<Result<Done, StoreError>>>,
}

pub(crate) enum Work {
    Prepare(String),
    Execute(Statement, Vec<EncodedValue>),
    Query(Statement, Vec<EncodedValue>),
    /// Statements without values.
    Run(String),
    /// Statements without values, the last of which has a row.
    RunForText(String),
    /// Rows for a `COPY .. FROM STDIN BINARY`, with the types of their columns.
    Copy(String, Vec<Type>, Vec<Vec<EncodedValue>>),
    /// Only waits for the answers to the steps before.
    Wait,
    /// Commits. With a trace, another server that has taken over can tell whether it has the commit.
    Commit(Option<Trace>),
}

pub(crate) enum Done {
    Prepared(Statement),
    Changed(u64),
    Rows(Vec<Row>),
    Text(Option<String>),
    Nothing,
}

/// The statements that were prepared in a session.
#[derive(Default)]
pub(crate) struct Prepared(Mutex<HashMap<String, Statement>>);

impl Prepared {
    pub(crate) fn get(&self, sql: &str) -> Option<Statement> {
        lock(&self.0).get(sql).cloned()
    }

    pub(crate) fn add(&self, sql: &str, statement: &Statement) {
        let mut statements = lock(&self.0);
        if statements.len() >= STATEMENTS {
            statements.clear();
        }
        statements.insert(sql.to_owned(), statement.clone());
    }

    fn forget(&self) {
        lock(&self.0).clear();
    }
}

/// Asks for a transaction. Waits until it has begun.
pub(crate) fn begin(transactions: &UnboundedSender<Begin>, mode: Mode) -> Result<Held, StoreError> {
    let (reply, begun) = mpsc::channel();
    let (steps, received) = unbounded_channel();
    drop(transactions.send(Begin { mode, reply, steps: received }));
    let (prepared, token) = answer(&begun)?;
    Ok(Held { steps, prepared, token })
}

/// Waits for the answer to a step.
pub(crate) fn answer<T>(reply: &mpsc::Receiver<Result<T, StoreError>>) -> Result<T, StoreError> {
    reply
        .recv()
        .unwrap_or_else(|_| Err(StoreError::Other("the thread that talks to the server has ended".into())))
}

/// Carries out transactions until no store is left that begins any.
pub(super) async fn serve(mut begins: UnboundedReceiver<Begin>, address: Rc<Address>) {
    let pool = Rc::new(Pool {
        lost: Lost::new(&address.schema),
        idle: RefCell::default(),
        permits: Semaphore::new(address.options.transactions),
        address,
    });
    while let Some(begin) = begins.recv().await {
        spawn_local(Rc::clone(&pool).carry_out(begin));
    }
}

struct Pool {
    address: Rc<Address>,
    lost: Lost,
    /// The session that was used last is used next.
    idle: RefCell<Vec<Open>>,
    permits: Semaphore,
}

/// A session, and what was prepared in it.
struct Open {
    session: Session,
    prepared: Arc<Prepared>,
}

/// What the server knows a transaction by.
struct Number {
    transaction: String,
    /// Another server may give the number to another transaction.
    timeline: Option<Timeline>,
}

impl Pool {
    async fn carry_out(self: Rc<Self>, begin: Begin) {
        let Begin { mode, reply, steps } = begin;
        let Ok(Ok(_permit)) = timeout(self.address.options.lock_timeout, self.permits.acquire()).await else {
            let _ = reply.send(Err(StoreError::Busy));
            return;
        };
        match self.begin(mode).await {
            Ok((open, number)) => {
                // A caller that no longer waits has dropped its end of the steps too.
                let _ = reply.send(Ok((Arc::clone(&open.prepared), open.session.token)));
                self.take_steps(open, &number, steps).await;
            }
            Err(failure) => drop(reply.send(Err(failure.into_store_error()))),
        }
    }

    async fn begin(&self, mode: Mode) -> Result<(Open, Number), Failure> {
        let deadline = Instant::now() + self.address.options.outage_timeout;
        let mut pause = SHORTEST_PAUSE;
        loop {
            match self.try_to_begin(mode).await {
                Err(Failure::Broken(_) | Failure::ReadOnly | Failure::Again)
                    if Instant::now() + pause < deadline =>
                {
                    rest(&mut pause).await;
                }
                result => return result,
            }
        }
    }

    async fn try_to_begin(&self, mode: Mode) -> Result<(Open, Number), Failure> {
        let idle = self.idle.borrow_mut().pop().filter(|open| !open.session.is_closed());
        let open = match idle {
            Some(open) => open,
            None => Open { session: lost::begin(&self.address).await?, prepared: Arc::default() },
        };
        // Only the warnings of the commit matter. The locks of a program that is cut off must not last.
        let (begin, number) = match mode {
            Mode::Write => ("BEGIN", "SELECT pg_current_xact_id()::text"),
            Mode::Read => ("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", ""),
        };
        let sql = format!(
            "{begin}; SET LOCAL client_min_messages = error; SET LOCAL idle_in_transaction_session_timeout = {}; {number}",
            self.address.options.outage_timeout.as_millis().clamp(1, i32::MAX.unsigned_abs().into())
        );
        let messages = open.session.simple_query(&sql).await?;
        let number = messages.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
            _ => None,
        });
        let transaction = match mode {
            Mode::Write => {
                number.ok_or_else(|| Failure::Broken("the server has returned no number".into()))?
            }
            // There is nothing to commit.
            Mode::Read => String::new(),
        };
        let timeline = open.session.timeline();
        Ok((open, Number { transaction, timeline }))
    }

    /// Takes the caller's steps, until it commits or is gone.
    async fn take_steps(&self, open: Open, number: &Number, mut steps: UnboundedReceiver<Step>) {
        let mut failed: Option<StoreError> = None;
        while let Some(first) = steps.recv().await {
            let mut sent = vec![first];
            while sent.len() < MOST_SENT
                && let Ok(next) = steps.try_recv()
            {
                sent.push(next);
            }
            let commit = sent.iter().find_map(|step| match &step.work {
                Work::Commit(trace) => Some(trace.clone()),
                _ => None,
            });
            let is_commit = commit.is_some();
            // The caller waits for a reply before its next step, so the last step is the only one with a reply.
            let reply = sent.iter_mut().find_map(|step| step.reply.take());
            if let Some(error) = &failed {
                if let Some(reply) = reply {
                    let _ = reply.send(Err(error.duplicate()));
                }
                continue;
            }
            let _ = open.session.take_warning();
            let answer = match pipelined(&open.session, sent).await {
                Ok(_) if is_commit && open.session.take_warning() => {
                    // The server no longer waits for its standbys, as after a time-out.
                    drop(open);
                    answer_to(reply, Err(StoreError::CommitUnknown(NO_STANDBY.into())));
                    return;
                }
                Ok(done) if is_commit => {
                    self.idle.borrow_mut().push(open);
                    answer_to(reply, Ok(done));
                    return;
                }
                Ok(done) => Ok(done),
                Err(Failure::Broken(_)) if is_commit => {
                    let token = open.session.token;
                    drop(open);
                    let settled = self.settle(token, number, commit.flatten().as_ref()).await;
                    answer_to(reply, settled.map(|()| Done::Nothing));
                    return;
                }
                Err(failure) => Err(failure.into_store_error()),
            };
            if let Err(error) = &answer {
                failed = Some(error.duplicate());
            }
            answer_to(reply, answer);
        }
        if open.session.run("ROLLBACK").await.is_ok() {
            if failed.is_some() {
                // A statement may no longer fit to its tables.
                open.prepared.forget();
            }
            self.idle.borrow_mut().push(open);
        }
    }

    /// Finds out whether a transaction was committed whose answer is lost.
    async fn settle(&self, token: i64, number: &Number, trace: Option<&Trace>) -> Result<(), StoreError> {
        let deadline = Instant::now() + self.address.options.outage_timeout;
        let mut pause = SHORTEST_PAUSE;
        loop {
            match self.look(token, number, trace, deadline).await {
                Ok(true) => return Ok(()),
                Ok(false) => {
                    let problem = "the connection broke, and the server has undone the transaction";
                    return Err(StoreError::Unreachable(problem.into()));
                }
                Err(Unsettled::Broken) if Instant::now() < deadline => rest(&mut pause).await,
                Err(Unsettled::Broken) => {
                    let problem = "the connection broke during each look for the transaction";
                    return Err(StoreError::CommitUnknown(problem.into()));
                }
                Err(Unsettled::Unknown(error)) => return Err(StoreError::CommitUnknown(error)),
            }
        }
    }

    /// Whether a transaction of the session with this token was committed.
    async fn look(
        &self,
        token: i64,
        number: &Number,
        trace: Option<&Trace>,
        deadline: Instant,
    ) -> Result<bool, Unsettled> {
        let session = lost::begin(&self.address).await?;
        if !self.lost.wait_for_end(&session, token, deadline).await? {
            let problem = "the server still works on the commit, in a session whose connection is lost";
            return Err(Unsettled::Unknown(problem.into()));
        }
        let status = if session.timeline() == number.timeline {
            let sql = "SELECT pg_xact_status($1::text::xid8)";
            let rows = session.query(sql, &[&number.transaction]).await?;
            rows.first()
                .map(|row| row.try_get::<_, Option<String>>(0))
                .transpose()
                .map_err(Failure::of)?
                .flatten()
        } else {
            None
        };
        match (status.as_deref(), trace) {
            (Some("aborted"), _) => return Ok(false),
            (Some("committed"), _) => {}
            (_, Some(trace)) => {
                if !self.lost.is_stored(&session, trace).await? {
                    return Ok(false);
                }
            }
            (_, None) => {
                let problem = "another server has taken over, and does not know the transaction";
                return Err(Unsettled::Unknown(problem.into()));
            }
        }
        // The end of the old session may have ended its wait for the standbys. They have the commit if they have a later one.
        let _ = session.take_warning();
        self.lost.commit(&session).await?;
        if session.take_warning() { Err(Unsettled::Unknown(NO_STANDBY.into())) } else { Ok(true) }
    }
}

fn answer_to(reply: Option<mpsc::Sender<Result<Done, StoreError>>>, answer: Result<Done, StoreError>) {
    if let Some(reply) = reply {
        // A caller that has panicked no longer waits.
        let _ = reply.send(answer);
    }
}

type Sent<'s> = Pin<Box<dyn Future<Output = Result<Done, Error>> + 's>>;

/// A statement that was sent.
enum Answer<'s> {
    Awaited(Sent<'s>),
    Here(Result<Done, Error>),
    Taken,
}

/// Sends the steps, one after the other, and then waits for their answers. Returns the answer to the last one, or the first
/// failure.
async fn pipelined(session: &Session, steps: Vec<Step>) -> Result<Done, Failure> {
    let mut answers: Vec<_> =
        steps.into_iter().map(|step| Answer::Awaited(send(session, step.work))).collect();
    // A statement is sent when its future is polled first. After one that can't be sent, no other is: it might commit.
    poll_fn(|context| {
        let mut can_be_sent = true;
        for answer in &mut answers {
            if !can_be_sent {
                *answer = Answer::Taken;
            } else if let Answer::Awaited(future) = answer
                && let Poll::Ready(result) = future.as_mut().poll(context)
            {
                can_be_sent = result.is_ok();
                *answer = Answer::Here(result);
            }
        }
        Poll::Ready(())
    })
    .await;
    let mut last = Ok(Done::Nothing);
    for answer in &mut answers {
        let result = match mem::replace(answer, Answer::Taken) {
            Answer::Awaited(future) => session.within(future).await,
            Answer::Here(result) => result.map_err(Failure::of),
            Answer::Taken => Ok(Done::Nothing),
        };
        if last.is_ok() {
            last = result;
        }
    }
    last
}

fn send(session: &Session, work: Work) -> Sent<'_> {
    let client = session.client();
    match work {
        Work::Prepare(sql) => Box::pin(async move { client.prepare(&sql).await.map(Done::Prepared) }),
        Work::Execute(statement, values) => {
            Box::pin(async move { client.execute_raw(&statement, values).await.map(Done::Changed) })
        }
        Work::Query(statement, values) => Box::pin(async move {
            let values: Vec<&(dyn ToSql + Sync)> = values.iter().map(|value| value as _).collect();
            client.query(&statement, &values).await.map(Done::Rows)
        }),
        Work::Run(sql) => Box::pin(async move { client.batch_execute(&sql).await.map(|()| Done::Nothing) }),
        Work::RunForText(sql) => Box::pin(async move {
            let messages = client.simple_query(&sql).await?;
            let text = messages.iter().find_map(|message| match message {
                SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
                _ => None,
            });
            Ok(Done::Text(text))
        }),
        Work::Copy(sql, types, rows) => Box::pin(async move {
            let writer = BinaryCopyInWriter::new(client.copy_in(&sql).await?, &types);
            let mut writer = pin!(writer);
            for row in rows {
                writer.as_mut().write_raw(row).await?;
            }
            writer.finish().await.map(Done::Changed)
        }),
        Work::Wait => Box::pin(async { Ok(Done::Nothing) }),
        Work::Commit(_) => Box::pin(async {
            // If a statement has failed, so does the first of these, and the others are not carried out.
            let gate = gate(&format!("'{}'", session.token));
            client
                .batch_execute(&format!("SET LOCAL client_min_messages = warning; SELECT {gate}; COMMIT"))
                .await
                .map(|()| Done::Nothing)
        }),
    }
}
