//! Code that runs in each append, in a thread of its own: it asks the thread that talks to the server.

use std::sync::{Arc, Mutex, MutexGuard, Weak, mpsc};
use std::thread::ThreadId;
use std::time::Instant;
use std::{io, thread};

use crate::domain::error::BoxError;
use crate::follow::error::FollowError;
use crate::follow::inline::{self, Trouble};
use crate::follow::inline_view::InlineView;
use crate::postgres::store::call::Call;
use crate::postgres::store::commits::Handed;
use crate::postgres::store::lost::Trace;
use crate::postgres::store::requests::{changed_streams, concerns_one, is_void, refuse};
use crate::postgres::store::{PostgresStore, Shared};
use crate::postgres::transaction::PostgresTransaction;
use crate::store::error::{AppendError, StoreError};
use crate::store::group_commit::{Answer, Request, owned_appends, requests_of};
use crate::store::lock::lock;
use crate::store::owned_append::Lent;
use crate::store::queue::QueueError;
use crate::store::written::Written;

/// How often hooks catch up with other writers before an append, at most. After that, the append's own transaction does the
/// rest.
const ROUNDS: u32 = 10;

/// Code that a store runs in the transaction of each append, such as an inline projection.
pub(crate) trait AppendHook: Send {
    /// A name that no other hook of the store has.
    fn name(&self) -> &'static str;

    /// Runs after the events of an append were written. An error rolls the append back.
    fn run(
        &mut self,
        transaction: &PostgresTransaction,
        written: &Written<'_>,
        is_last_round: bool,
    ) -> Result<(), Stopped>;

    /// Catches up with events of other writers, in transactions of its own.
    ///
    /// An event that fails is no error: the hook stays before it, and the next append deals with it. No transaction begins after
    /// the time `until`.
    fn catch_up(&mut self, store: &PostgresStore, until: Option<Instant>) -> Result<(), FollowError>;

    /// Records why the hook is behind, and reports it unless it is known.
    fn fall_behind(&mut self, error: FollowError);

    /// Why the hook is behind, if it is: appends pass without its work, or it could not catch up.
    fn trouble(&self) -> Option<Arc<FollowError>>;
}

/// Why a hook has stopped an append.
pub(crate) enum Stopped {
    /// It has to catch up with other writers first.
    Behind,
    /// The append is to be stored without the hook: the next run does nothing.
    Without,
    /// One of the append's own events fails.
    Refused(BoxError),
    Store(StoreError),
}

/// The hooks of a store, and the thread that runs them.
#[derive(Default)]
pub(crate) struct Hooks {
    hooks: Mutex<Vec<Box<dyn AppendHook>>>,
    thread: Mutex<Option<ThreadId>>,
}

impl Hooks {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Vec<Box<dyn AppendHook>>> {
        lock(&self.hooks)
    }

    /// Whether the caller is a hook, which would wait for itself.
    pub(super) fn are_run_by_caller(&self) -> bool {
        *lock(&self.thread) == Some(thread::current().id())
    }
}

impl PostgresStore {
    /// Lets a hook run in each append from now on. `hooks` are those of the store.
    pub(crate) fn add_hook(
        &self,
        mut hooks: MutexGuard<'_, Vec<Box<dyn AppendHook>>>,
        hook: Box<dyn AppendHook>,
    ) -> io::Result<()> {
        if hooks.is_empty() {
            let (sender, receiver) = mpsc::channel();
            let store = Arc::downgrade(&self.shared);
            let name = "factum-postgres-inline".to_owned();
            let thread = thread::Builder::new().name(name).spawn(move || serve(&store, &receiver))?;
            *lock(&self.shared.hooks.thread) = Some(thread.thread().id());
            hooks.push(hook);
            self.shared.line.commits.set_thread_of_hooks(Some(sender));
        } else {
            hooks.push(hook);
        }
        Ok(())
    }

    pub(crate) fn remove_hook(&self, name: &str) {
        let mut hooks = self.shared.hooks.lock();
        let removed = hooks.iter().position(|hook| hook.name() == name).map(|index| hooks.remove(index));
        if hooks.is_empty() {
            // Its thread answers the appends that it has, and ends.
            self.shared.line.commits.set_thread_of_hooks(None);
        }
        // Its handlers may do anything when they are dropped.
        drop(hooks);
        drop(removed);
    }

    /// Lets the hooks catch up with other writers, until a time. Fails if the store has failed for one of them.
    pub(crate) fn catch_hooks_up(&self, until: Option<Instant>) -> Result<(), StoreError> {
        let mut caught_up = Ok(());
        for hook in self.hooks().lock().iter_mut() {
            match hook.catch_up(self, until) {
                Ok(()) => {}
                Err(FollowError::Store { source, .. })
                    if !matches!(source, StoreError::DamagedEvent { .. }) =>
                {
                    caught_up = Err(source);
                }
                // The next append has the same trouble, and deals with it.
                Err(error) => hook.fall_behind(error),
            }
        }
        caught_up
    }

    /// The inline views of this store and its clones, and whether each is current.
    ///
    /// An append may be stored without an inline view, such as after a newer program has written an event that
    /// this one can't read; see [`PostgresProjection::inline`](crate::postgres::PostgresProjection::inline).
    ///
    /// Waits while an append runs the views. Fails with [`StoreError::Reentrant`] in a handler of an inline view, and if
    /// the server can't be asked.
    pub fn inline_views(&self) -> Result<Vec<InlineView>, StoreError> {
        inline::views(self)
    }

    /// The hooks of appends, each with the reason why it is behind.
    pub(crate) fn hook_troubles(&self) -> Result<Vec<Trouble>, StoreError> {
        if self.hooks().are_run_by_caller() {
            return Err(StoreError::Reentrant);
        }
        Ok(self.hooks().lock().iter().map(|hook| (hook.name(), hook.trouble())).collect())
    }

    pub(crate) fn hooks(&self) -> &Hooks {
        &self.shared.hooks
    }
}

/// Stores appends with the hooks, until no store is left.
fn serve(store: &Weak<Shared>, groups: &mpsc::Receiver<Handed>) {
    while let Ok(Handed { group, done }) = groups.recv() {
        let Some(shared) = store.upgrade() else { continue };
        let store = PostgresStore { shared };
        let answers = {
            let lent = Lent::of(owned_appends(&group.0));
            let appends = lent.appends(owned_appends(&group.0));
            let requests: Vec<_> = requests_of(&group.0, &appends).collect();
            store.store_all(&requests)
        };
        store.shared.line.wakeups.timers.wake();
        group.answer(answers);
        let _ = done.send(());
    }
}

/// Why requests were not stored.
enum NotStored {
    Store(StoreError),
    Hook(BoxError),
}

impl From<StoreError> for NotStored {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl PostgresStore {
    /// Stores each request as a whole or not at all, with the hooks. Returns an answer for each.
    fn store_all(&self, requests: &[Request<'_>]) -> Vec<Answer> {
        let are_void: Vec<_> = requests.iter().map(is_void).collect();
        let open: Vec<_> = requests
            .iter()
            .zip(&are_void)
            .filter(|(_, is_void)| !**is_void)
            .map(|(request, _)| *request)
            .collect();
        let stored = match self.store(&open) {
            Ok(answers) => answers,
            Err(NotStored::Store(error)) if !concerns_one(&error) => {
                open.iter().map(|request| refuse(request, error.duplicate())).collect()
            }
            Err(error) => match &open[..] {
                [request] => vec![not_stored(request, error)],
                _ => self.store_each(&open),
            },
        };
        let mut stored = stored.into_iter();
        let mut answer = |is_void| if is_void { None } else { stored.next() };
        are_void.into_iter().map(|is_void| answer(is_void).unwrap_or(Err(QueueError::Void))).collect()
    }

    /// Stores each request in a transaction of its own: one of them is the reason that they can't share one.
    fn store_each(&self, requests: &[Request<'_>]) -> Vec<Answer> {
        let store = |request: &Request<'_>| {
            if request.is_void() {
                return Err(QueueError::Void);
            }
            match self.store(&[*request]) {
                Ok(mut stored) => stored.pop().unwrap_or(Err(QueueError::Void)),
                Err(error) => not_stored(request, error),
            }
        };
        let answer = |request| store(request).inspect_err(|_| request.fail());
        requests.iter().map(answer).collect()
    }

    /// Stores the requests in one transaction. An error is that of all of them.
    fn store(&self, requests: &[Request<'_>]) -> Result<Vec<Answer>, NotStored> {
        if requests.is_empty() {
            return Ok(Vec::new());
        }
        let deadline = Instant::now() + self.shared.outage_timeout;
        let mut rounds = 0;
        loop {
            match self.try_to_store(requests, rounds >= ROUNDS) {
                Err(stopped @ (Stopped::Behind | Stopped::Without)) => {
                    rounds += u32::from(matches!(stopped, Stopped::Behind));
                    // The next try has the same trouble, and deals with it.
                    let _ = self.catch_hooks_up(None);
                }
                // Nothing of it is stored.
                Err(Stopped::Store(StoreError::Unreachable(_))) if Instant::now() < deadline => {}
                Err(Stopped::Store(error)) => return Err(error.into()),
                Err(Stopped::Refused(error)) => return Err(NotStored::Hook(error)),
                Ok(answers) => return Ok(answers),
            }
        }
    }

    fn try_to_store(&self, requests: &[Request<'_>], is_last_round: bool) -> Result<Vec<Answer>, Stopped> {
        let transaction = self.begin().map_err(Stopped::Store)?;
        let call = Call::of(requests, self.shared.id, transaction.token());
        let rows =
            transaction.query(call.sql(&self.shared.append), &call.values()).map_err(Stopped::Store)?;
        let stored = call.read(requests, &rows).map_err(Stopped::Store)?;
        let written = Written { requests, answers: &stored.answers };
        for hook in self.shared.hooks.lock().iter_mut() {
            hook.run(&transaction, &written, is_last_round)?;
        }
        transaction.commit_with(Trace::of(&written)).map_err(Stopped::Store)?;
        let wakeups = &self.shared.line.wakeups;
        wakeups.known.raise(stored.known);
        if let Some(newest) = stored.newest {
            wakeups.stored(newest, changed_streams(requests, &stored.answers));
        }
        Ok(stored.answers)
    }
}

fn not_stored(request: &Request<'_>, error: NotStored) -> Answer {
    match (error, request.appends) {
        (NotStored::Hook(source), [first, ..]) => {
            Err(AppendError::Hook { stream: first.stream.clone(), source }.into())
        }
        (NotStored::Hook(source), []) => refuse(request, StoreError::Other(source)),
        (NotStored::Store(error), _) => refuse(request, error),
    }
}
