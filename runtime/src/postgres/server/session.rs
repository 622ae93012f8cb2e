//! A session of the server: statements that are prepared once, and limits of time.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::HashMap;
use std::error::Error as StdError;
use std::future::{Future, pending, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use bytes::{BufMut, BytesMut};
use tokio::time::timeout;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};
use tokio_postgres::{Client, Error, Row, SimpleQueryMessage, Statement};

use crate::postgres::server::error::Failure;
use crate::postgres::server::timelines::{Standing, Timeline};

/// How many statements a session remembers: more than the store has.
const STATEMENTS: usize = 128;

/// How long an answer may take before the other hosts are asked whether one of them leads by now.
const DOUBT: Duration = Duration::from_secs(1);

/// A value of a statement that another thread has given.
pub(crate) type Value = Box<dyn ToSql + Send + Sync>;

/// The lock that each commit of a session takes, and holds until the standbys have the commit. `token` is SQL for the session's token.
pub(crate) fn gate(token: &str) -> String {
    format!("pg_advisory_xact_lock(~{token}::bigint)")
}

/// A value as it is sent: in the form that the server has asked for.
#[derive(Debug)]
pub(crate) struct EncodedValue(Option<BytesMut>);

impl EncodedValue {
    /// Fails if a value of this type can't be made of `value`.
    pub(crate) fn new(
        value: &(dyn ToSql + Sync),
        of: &Type,
    ) -> Result<Self, Box<dyn StdError + Send + Sync>> {
        let mut bytes = BytesMut::new();
        let is_null = value.to_sql_checked(of, &mut bytes)?;
        Ok(Self(matches!(is_null, IsNull::No).then_some(bytes)))
    }

    pub(crate) fn len(&self) -> usize {
        self.0.as_ref().map_or(0, BytesMut::len)
    }
}

impl ToSql for EncodedValue {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn StdError + Send + Sync>> {
        Ok(match &self.0 {
            Some(bytes) => {
                out.put_slice(bytes);
                IsNull::No
            }
            None => IsNull::Yes,
        })
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

/// A connection, and what was prepared in it.
pub(crate) struct Session {
    client: Client,
    /// A number of this session alone. The server knows it as `factum.token`.
    pub(crate) token: i64,
    /// Set by each warning of the server that has no code of its own.
    warned: Rc<Cell<bool>>,
    prepared: RefCell<HashMap<String, Statement>>,
    /// How long to wait for an answer.
    longest: Duration,
    /// Set once the server has said where it stands.
    standing: OnceCell<Standing>,
}

impl Session {
    pub(crate) fn new(client: Client, token: i64, warned: Rc<Cell<bool>>, longest: Duration) -> Self {
        Self { client, token, warned, prepared: RefCell::default(), longest, standing: OnceCell::new() }
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// Whether the server can no longer be asked in this session.
    pub(crate) fn is_closed(&self) -> bool {
        self.client.is_closed() || self.is_behind()
    }

    /// From now on, answers count only as long as no other server leads.
    pub(crate) fn stands(&self, standing: Standing) {
        let _ = self.standing.set(standing);
    }

    /// That of its server; `None` if this is a standby.
    pub(crate) fn timeline(&self) -> Option<Timeline> {
        self.standing.get().map(Standing::timeline)
    }

    fn is_behind(&self) -> bool {
        self.standing.get().is_some_and(Standing::is_behind)
    }

    /// Whether the server has warned since this was last asked.
    pub(crate) fn take_warning(&self) -> bool {
        self.warned.replace(false)
    }

    /// Runs statements without values.
    pub(crate) async fn run(&self, sql: &str) -> Result<(), Failure> {
        self.within(self.client.batch_execute(sql)).await
    }

    /// Runs statements without values. Returns their rows as text.
    pub(crate) async fn simple_query(&self, sql: &str) -> Result<Vec<SimpleQueryMessage>, Failure> {
        self.within(self.client.simple_query(sql)).await
    }

    /// Runs a statement, in a transaction of its own. It has been committed when the rows are returned.
    pub(crate) async fn query(&self, sql: &str, values: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, Failure> {
        let statement = self.prepare(sql).await?;
        // The rows end with the server's word that it is ready for the next statement, which it gives after the commit.
        self.within(self.client.query(&statement, values)).await
    }

    async fn prepare(&self, sql: &str) -> Result<Statement, Failure> {
        if let Some(statement) = self.prepared.borrow().get(sql) {
            return Ok(statement.clone());
        }
        let statement = self.within(self.client.prepare(sql)).await?;
        let mut prepared = self.prepared.borrow_mut();
        if prepared.len() >= STATEMENTS {
            prepared.clear();
        }
        prepared.insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }

    /// Waits for an answer, but not without end, and no longer than the server leads.
    pub(crate) async fn within<T>(&self, work: impl Future<Output = Result<T, Error>>) -> Result<T, Failure> {
        let mut work = pin!(work);
        let mut left = self.longest;
        while !left.is_zero() {
            let time = left.min(DOUBT);
            if let Ok(answer) = timeout(time, self.answer(work.as_mut())).await {
                return answer;
            }
            left -= time;
            if let Some(standing) = self.standing.get() {
                standing.doubt();
            }
        }
        Err(Failure::Broken(format!("no answer in {:?}", self.longest).into()))
    }

    async fn answer<T>(
        &self,
        mut work: Pin<&mut impl Future<Output = Result<T, Error>>>,
    ) -> Result<T, Failure> {
        let mut behind = pin!(async {
            match self.standing.get() {
                Some(standing) => standing.fall_behind().await,
                None => pending().await,
            }
        });
        poll_fn(|context| {
            // What a server says that no longer leads is no answer.
            if behind.as_mut().poll(context).is_ready() {
                return Poll::Ready(Err(Failure::Broken("another server leads by now".into())));
            }
            work.as_mut().poll(context).map(|answer| answer.map_err(Failure::of))
        })
        .await
    }
}
