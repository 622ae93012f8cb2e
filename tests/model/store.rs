//! A store with the group commit of the others, whose transactions fail now and then.

use std::ops::ControlFlow;
use std::sync::Arc;

use super::sync::{once_in, thread};
use crate::memory::MemoryStore;
use crate::store::group_commit::{Answer, GroupCommit, HandedOver, Place, Request};
use crate::store::serving::serve_on_own_thread;
use crate::store::{
    Append, AppendError, Appended, Chain, EventStore, QueueError, Queued, QueuedAppend, StoreError,
    StoreIdentity, TaskAnswer,
};

/// A store as one process has it open. Another process has another group and the same log.
#[derive(Clone)]
pub(super) struct ModelStore {
    log: MemoryStore,
    group: Arc<GroupCommit>,
    fails: bool,
}

impl ModelStore {
    pub(super) fn new(log: &MemoryStore, fails: bool) -> Self {
        Self { log: log.clone(), group: Arc::default(), fails }
    }

    fn fails_once_in(&self, times: u32) -> bool {
        self.fails && once_in(times)
    }

    fn commit_at(&self, place: Place, request: Request<'_>) -> Answer {
        let led = self.group.wait(place, request, |requests| self.commit(requests));
        self.answer_of(led)
    }

    fn answer_of(&self, (answer, handed_over): (Answer, HandedOver)) -> Answer {
        if handed_over == HandedOver::No {
            let store = self.clone();
            serve_on_own_thread(move || store.group.serve(|requests| store.commit(requests)));
        }
        answer
    }

    fn commit(&self, requests: &[Request<'_>]) -> Vec<Answer> {
        // Another process may write now.
        thread::yield_now();
        if self.fails_once_in(12) {
            return requests.iter().map(|request| Err(injected(request))).collect();
        }
        requests.iter().map(|request| self.append_one(request)).collect()
    }

    fn append_one(&self, request: &Request<'_>) -> Answer {
        let answer = if request.is_void() {
            Err(QueueError::Void)
        } else if self.fails_once_in(8) {
            Err(injected(request))
        } else if request
            .last_event()
            .is_some_and(|last| self.last_event(request.appends[0].stream) != Some(last))
        {
            Err(QueueError::Void)
        } else {
            self.log.append(request.appends).map_err(QueueError::from)
        };
        if answer.is_err() {
            request.fail();
        }
        answer
    }

    fn last_event(&self, stream: &crate::StreamName) -> Option<crate::Uuid> {
        let mut last = None;
        let read = self.log.read_stream(stream, 0, usize::MAX, &mut |event| {
            last = Some(event.envelope.id);
            ControlFlow::Continue(())
        });
        read.ok().and(last)
    }
}

struct QueuedRequest<'a> {
    store: &'a ModelStore,
    place: Place,
    request: Request<'a>,
}

impl Queued for QueuedRequest<'_> {
    fn wait(self: Box<Self>) -> Answer {
        self.store.commit_at(self.place, self.request)
    }

    fn wait_as_task(self: Box<Self>) -> TaskAnswer {
        let Self { store, place, request } = *self;
        match store.group.wait_as_task(place, request, |requests| store.commit(requests)) {
            Ok(led) => TaskAnswer::Ready(store.answer_of(led)),
            Err(later) => TaskAnswer::Later(Box::pin(later)),
        }
    }
}

fn injected(request: &Request<'_>) -> QueueError {
    AppendError::store(request.appends[0].stream, StoreError::Other("injected".into())).into()
}

impl EventStore for ModelStore {
    crate::__delegate!(self => self.log; read_stream, read_all, stream_version, position, wait_for, outcome, forget_keys_before);

    fn append(&self, appends: &[Append<'_>]) -> Result<Appended, AppendError> {
        let request = Request { appends, chains: &[] };
        match self.commit_at(self.group.join(request), request) {
            Ok(appended) => Ok(appended),
            Err(QueueError::Append(error)) => Err(error),
            Err(QueueError::Void) => unreachable!("it rests on nothing"),
        }
    }

    fn queue<'a>(&'a self, appends: &'a [Append<'a>], chains: &'a [Chain]) -> Option<QueuedAppend<'a>> {
        if appends.is_empty() {
            return Some(QueuedAppend::new(|| Ok(Appended::new(None, Vec::new()))));
        }
        let request = Request { appends, chains };
        let place = self.group.join(request);
        Some(QueuedAppend::new(QueuedRequest { store: self, place, request }))
    }

    fn identity(&self) -> Option<StoreIdentity> {
        self.log.identity()
    }
}
