//! Commits the appends that wait, in one session, and finds out what has become of a commit whose answer is lost.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use uuid::Uuid;

use crate::postgres::server::address::Address;
use crate::postgres::server::error::Failure;
use crate::postgres::server::session::Session;
use crate::postgres::store::call::{AppendSql, Call};
use crate::postgres::store::commits::{Commits, Gathering, Group};
use crate::postgres::store::lost::{self, Lost, NO_STANDBY, Unsettled};
use crate::postgres::store::pause::{SHORTEST_PAUSE, rest};
use crate::postgres::store::requests::{changed_streams, concerns_one, is_void, refuse};
use crate::postgres::store::wakeups::Wakeups;
use crate::store::error::StoreError;
use crate::store::group_commit::{Answer, Request, owned_appends, requests_of};
use crate::store::owned_append::Lent;
use crate::store::queue::QueueError;

/// How often a transaction that the server has undone is tried again at once.
const TRIES: u32 = 8;

/// The one that writes.
pub(super) struct Writer {
    address: Rc<Address>,
    sql: AppendSql,
    lost: Lost,
    store: Uuid,
    session: Option<Session>,
    wakeups: Arc<Wakeups>,
}

impl Writer {
    pub(super) fn new(address: &Rc<Address>, store: Uuid, session: Session, wakeups: &Arc<Wakeups>) -> Self {
        Self {
            address: Rc::clone(address),
            sql: AppendSql::that_commits(&address.schema),
            lost: Lost::new(&address.schema),
            store,
            session: Some(session),
            wakeups: Arc::clone(wakeups),
        }
    }

    /// Commits one group after the other, until no store is left that appends.
    pub(super) async fn run(mut self, commits: &Commits) {
        let mut gathering = Gathering::default();
        while let Some(group) = commits.next(&mut gathering).await {
            match commits.hand_over(group) {
                // If the thread of the hooks has ended, the callers have an error.
                Ok(done) => drop(done.await),
                Err(group) => {
                    let begun = Instant::now();
                    let answers = self.commit(&group).await;
                    gathering.committed(begun.elapsed(), group.0.len() + commits.waiting());
                    group.answer(answers);
                }
            }
        }
    }

    async fn commit(&mut self, group: &Group) -> Vec<Answer> {
        let lent = Lent::of(owned_appends(&group.0));
        let appends = lent.appends(owned_appends(&group.0));
        let requests: Vec<_> = requests_of(&group.0, &appends).collect();
        let answers = self.store_all(&requests).await;
        if appends.iter().any(|append| !append.timers.is_empty()) {
            self.wakeups.timers.wake();
        }
        answers
    }

    /// Stores each request as a whole or not at all. Returns an answer for each.
    async fn store_all(&mut self, requests: &[Request<'_>]) -> Vec<Answer> {
        let are_void: Vec<_> = requests.iter().map(is_void).collect();
        let open: Vec<_> = requests
            .iter()
            .zip(&are_void)
            .filter(|(_, is_void)| !**is_void)
            .map(|(request, _)| *request)
            .collect();
        let stored = match self.store(&open).await {
            Ok(answers) => answers,
            Err(error) if concerns_one(&error) && open.len() > 1 => self.store_each(&open).await,
            Err(error) => open.iter().map(|request| refuse(request, error.duplicate())).collect(),
        };
        let mut stored = stored.into_iter();
        let mut answer = |is_void| if is_void { None } else { stored.next() };
        are_void.into_iter().map(|is_void| answer(is_void).unwrap_or(Err(QueueError::Void))).collect()
    }

    /// Stores each request in a transaction of its own: one of them is the reason that they can't share one.
    async fn store_each(&mut self, requests: &[Request<'_>]) -> Vec<Answer> {
        let mut answers = Vec::with_capacity(requests.len());
        for request in requests {
            let answer = if request.is_void() {
                Err(QueueError::Void)
            } else {
                match self.store(&[*request]).await {
                    Ok(mut stored) => stored.pop().unwrap_or(Err(QueueError::Void)),
                    Err(error) => refuse(request, error),
                }
            };
            if answer.is_err() {
                request.fail();
            }
            answers.push(answer);
        }
        answers
    }

    /// Stores the requests in one transaction. An error is that of all of them.
    async fn store(&mut self, requests: &[Request<'_>]) -> Result<Vec<Answer>, StoreError> {
        if requests.is_empty() {
            return Ok(Vec::new());
        }
        let deadline = Instant::now() + self.address.options.outage_timeout;
        let (mut tries, mut pause) = (0, SHORTEST_PAUSE);
        let mut in_doubt = None;
        loop {
            let session = match self.session(deadline).await {
                Ok(session) => session,
                Err(failure) => {
                    let error = failure.into_store_error();
                    return Err(if in_doubt.is_some() {
                        StoreError::CommitUnknown(error.into())
                    } else {
                        error
                    });
                }
            };
            if let Some(token) = in_doubt {
                match self.settle(&session, token, requests, deadline).await {
                    // Perhaps the server breaks each connection on which they come.
                    Ok(None) if Instant::now() >= deadline => {
                        self.session = Some(session);
                        return Err(StoreError::Unreachable("the connection broke during each try".into()));
                    }
                    Ok(None) => in_doubt = None,
                    Ok(Some(found)) => {
                        self.session = Some(session);
                        return Ok(self.with_the_rest(requests, found).await);
                    }
                    Err(Unsettled::Broken) if Instant::now() < deadline => {
                        rest(&mut pause).await;
                        continue;
                    }
                    Err(Unsettled::Broken) => {
                        let problem = "the connection broke during each look for the events";
                        return Err(StoreError::CommitUnknown(problem.into()));
                    }
                    Err(Unsettled::Unknown(error)) => return Err(StoreError::CommitUnknown(error)),
                }
            }
            let call = Call::of(requests, self.store, session.token);
            let _ = session.take_warning();
            let failure = match session.query(call.sql(&self.sql), &call.values()).await {
                Ok(rows) => {
                    let stored = call.read(requests, &rows)?;
                    if session.take_warning() {
                        // The server no longer waits for its standbys, as after a time-out.
                        return Err(StoreError::CommitUnknown(NO_STANDBY.into()));
                    }
                    self.session = Some(session);
                    // Who was refused may read why.
                    self.wakeups.known.raise(stored.known);
                    if let Some(newest) = stored.newest {
                        self.wakeups.stored(newest, changed_streams(requests, &stored.answers));
                    }
                    return Ok(stored.answers);
                }
                Err(failure) => failure,
            };
            match failure {
                Failure::Broken(_) => {
                    in_doubt = Some(session.token);
                    drop(session);
                    rest(&mut pause).await;
                }
                Failure::Again => {
                    self.session = Some(session);
                    tries += 1;
                    if tries == TRIES {
                        return Err(StoreError::Busy);
                    }
                    rest(&mut pause).await;
                }
                // Another host may accept writes.
                Failure::ReadOnly if Instant::now() < deadline => rest(&mut pause).await,
                failure => {
                    self.session = Some(session);
                    return Err(failure.into_store_error());
                }
            }
        }
    }

    /// The session, or a new one if it is closed.
    async fn session(&mut self, deadline: Instant) -> Result<Session, Failure> {
        if let Some(session) = self.session.take().filter(|session| !session.is_closed()) {
            return Ok(session);
        }
        let mut pause = SHORTEST_PAUSE;
        loop {
            match lost::begin(&self.address).await {
                Err(Failure::Broken(_) | Failure::ReadOnly | Failure::Again)
                    if Instant::now() + pause < deadline =>
                {
                    rest(&mut pause).await;
                }
                result => return result,
            }
        }
    }

    /// Finds out what has become of requests that were sent in the session with this token. `None`: they are not stored, and
    /// never will be.
    async fn settle(
        &self,
        session: &Session,
        token: i64,
        requests: &[Request<'_>],
        deadline: Instant,
    ) -> Result<Option<Vec<Option<Answer>>>, Unsettled> {
        if !self.lost.wait_for_end(session, token, deadline).await? {
            let problem = "the server still works on the commit, in a session whose connection is lost";
            return Err(Unsettled::Unknown(problem.into()));
        }
        let mut found = Vec::with_capacity(requests.len());
        for request in requests {
            found.push(self.lost.find(session, request).await?.map(Ok));
        }
        if found.iter().all(Option::is_none) {
            return Ok(None);
        }
        // The end of the old session may have ended its wait for the standbys. They have the commit if they have a later one.
        let _ = session.take_warning();
        self.lost.commit(session).await?;
        if session.take_warning() { Err(Unsettled::Unknown(NO_STANDBY.into())) } else { Ok(Some(found)) }
    }

    /// The transaction was committed. The requests that are not in it were refused, and are tried again to find out why.
    async fn with_the_rest(&mut self, requests: &[Request<'_>], found: Vec<Option<Answer>>) -> Vec<Answer> {
        let rest: Vec<_> = requests
            .iter()
            .zip(&found)
            .filter(|(_, found)| found.is_none())
            .map(|(request, _)| *request)
            .collect();
        if let Some(newest) =
            found.iter().flatten().flatten().filter_map(|stored| stored.first_position).max()
        {
            // Those of the requests that were refused cost a read.
            self.wakeups.stored(newest, requests.iter().flat_map(Request::changed_streams));
        }
        let mut of_rest = Box::pin(self.store_all(&rest)).await.into_iter();
        found
            .into_iter()
            .map(|found| found.or_else(|| of_rest.next()).unwrap_or(Err(QueueError::Void)))
            .collect()
    }
}
