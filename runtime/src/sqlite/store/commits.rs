//! How appends are committed: those of all callers that wait, in one transaction.

use crate::sqlite::store::SqliteStore;
use crate::sqlite::store::append;
use crate::sqlite::store::hook_batches::BatchTime;
use crate::sqlite::store::snapshots::QueuedSnapshot;
use crate::store::append::{Append, check_appends};
use crate::store::error::{AppendError, StoreError};
use crate::store::group_commit::{Answer, HandedOver, Place, Request};
use crate::store::lock::lock;
use crate::store::queue::{Queued, QueuedAppend, TaskAnswer};
use crate::store::serving::serve_on_own_thread;

impl SqliteStore {
    /// Checks what can be checked before an append joins the group; `false` for an append to no stream.
    pub(super) fn may_append(&self, appends: &[Append<'_>]) -> Result<bool, AppendError> {
        check_appends(appends)?;
        let Some(first) = appends.first() else { return Ok(false) };
        // A thread of another process may lead the group.
        self.shared.file.check_process().map_err(|error| AppendError::store(first.stream, error))?;
        // A handler that holds the writer would wait for itself.
        if self.shared.writer.is_held_by_this_thread() {
            return Err(AppendError::store(first.stream, StoreError::Reentrant));
        }
        Ok(true)
    }

    /// Commits a request with those of other callers, here or in another thread.
    pub(super) fn commit_request(&self, request: Request<'_>) -> Answer {
        self.commit_at(self.shared.group.join(request), request)
    }

    /// Gives a request its place among those of other callers.
    pub(super) fn queue_request<'a>(&'a self, request: Request<'a>) -> QueuedAppend<'a> {
        let place = self.shared.group.join(request);
        QueuedAppend::new(QueuedRequest { store: self, place, request })
    }

    /// Commits a request that has its place in the group, here or in another thread.
    fn commit_at(&self, place: Place, request: Request<'_>) -> Answer {
        let led = self.shared.group.wait(place, request, |requests| self.commit(requests));
        self.answer_of(led)
    }

    /// The answer that a caller takes along. If no other caller leads, another thread serves the tasks.
    fn answer_of(&self, (answer, handed_over): (Answer, HandedOver)) -> Answer {
        if handed_over == HandedOver::No {
            let store = self.clone();
            serve_on_own_thread(move || store.shared.group.serve(|requests| store.commit(requests)));
        }
        answer
    }

    /// Commits requests, and wakes those that wait for their events.
    fn commit(&self, requests: &[Request<'_>]) -> Vec<Answer> {
        let (mut snapshots, mut time) = (None, BatchTime::default());
        let answers = loop {
            if let Some(answers) = self.try_commit(requests, &mut snapshots, &time) {
                break answers;
            }
            if let Err(error) = self.catch_hooks_up(&mut time, None) {
                break append::refuse_all(requests, || error.duplicate());
            }
            time.lengthen();
        };
        let ends = requests.iter().zip(&answers).filter_map(|(request, answer)| {
            let first = answer.as_ref().ok()?.first_position?;
            Some(first.forward(request.events() as u64).previous())
        });
        if answers.iter().any(Result::is_ok) {
            self.shared.wakeups.notify(ends.max());
        }
        let sets_timers =
            |request: &Request<'_>| request.appends.iter().any(|append| !append.timers.is_empty());
        if requests.iter().zip(&answers).any(|(request, answer)| answer.is_ok() && sets_timers(request)) {
            self.shared.timers.wake();
        }
        answers
    }

    /// Commits requests; `None` if the hooks of the store have to catch up first. The snapshots that wait are taken once.
    fn try_commit(
        &self,
        requests: &[Request<'_>],
        snapshots: &mut Option<Vec<QueuedSnapshot>>,
        time: &BatchTime,
    ) -> Option<Vec<Answer>> {
        // The file is looked for after the commit, so that each commit pays for that once.
        let writer = match self.shared.file.check_known().and_then(|()| self.shared.writer.lock_for_commit())
        {
            Ok(writer) => writer,
            Err(error) => return Some(append::refuse_all(requests, || error.duplicate())),
        };
        let mut hooks = self.append_hooks();
        let snapshots = snapshots.get_or_insert_with(|| self.shared.snapshots.take());
        let remembered = &mut lock(&self.shared.remembered);
        let answers = append::commit(&writer, requests, snapshots, &mut hooks, time.limit(), remembered);
        self.shared.writer.end_commit();
        let answers = answers?;
        Some(match self.shared.file.check_with_log() {
            Ok(()) => answers,
            Err(error @ StoreError::Moved { .. }) => append::revoke(requests, answers, &error),
            // The events are in the file, as far as SQLite knows. Whether the file is at its path is open.
            Err(error) => {
                let error = StoreError::CommitUnknown(Box::new(error));
                append::revoke(requests, answers, &error)
            }
        })
    }
}

/// An append that has its place in the group.
struct QueuedRequest<'a> {
    store: &'a SqliteStore,
    place: Place,
    request: Request<'a>,
}

impl Queued for QueuedRequest<'_> {
    fn wait(self: Box<Self>) -> Answer {
        self.store.commit_at(self.place, self.request)
    }

    fn wait_as_task(self: Box<Self>) -> TaskAnswer {
        let Self { store, place, request } = *self;
        match store.shared.group.wait_as_task(place, request, |requests| store.commit(requests)) {
            Ok(led) => TaskAnswer::Ready(store.answer_of(led)),
            Err(later) => TaskAnswer::Later(Box::pin(later)),
        }
    }
}
