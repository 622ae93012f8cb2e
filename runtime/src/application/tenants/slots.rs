//! Which tenants are open, and which are being opened or closed.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::task::Waker;
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use crate::application::running::Running;
use crate::application::tenants::error::TenantError;
use crate::application::whole::Application;
use crate::domain::time::Timestamp;
use crate::follow::process::clock::Clock;
use crate::store::event_store::EventStore;

/// How many tenants are open at most, unless the caller says so.
const MOST_OPEN: usize = 100;

/// How long a tenant stays open that is not in use, unless the caller says so.
const IDLE: Duration = Duration::from_mins(1);

/// How long a caller waits for another tenant to be closed, unless it says so.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is known of all tenants. Behind one lock, which no thread holds while it opens or closes a tenant.
pub(super) struct Slots<App: Application, S: EventStore + Clone + 'static> {
    pub(super) most_open: usize,
    pub(super) idle: Duration,
    pub(super) patience: Duration,
    /// The tenants that are open, or being opened or closed: all that have files open.
    pub(super) tenants: HashMap<Arc<str>, Slot<App, S>>,
    /// The closed tenants that have to be opened at a time.
    pub(super) alarms: HashMap<Arc<str>, Alarm>,
    /// Which thread waits for which other one.
    waits: HashMap<ThreadId, ThreadId>,
    /// Runs the keeper, once there is one.
    pub(super) keeper: Option<Waker>,
    /// When the keeper runs next.
    pub(super) keeper_runs: Instant,
    /// Since when a task opens tenants that are due, if one does.
    pub(super) opens_due: Option<Instant>,
    pub(super) is_stopped: bool,
    pub(super) opened: u64,
    pub(super) closed: u64,
}

/// A tenant that has files open.
pub(super) enum Slot<App: Application, S: EventStore + Clone + 'static> {
    Open(OpenTenant<App, S>),
    /// It is being opened or closed.
    Changing(Arc<Change>),
}

/// A tenant that is open.
pub(super) struct OpenTenant<App: Application, S: EventStore + Clone + 'static> {
    /// Only with the lock, or by a thread that has it, another handle is made. So a tenant without guards whose only
    /// handle is this one can be closed.
    pub(super) running: Arc<Running<App, S>>,
    pub(super) guards: usize,
    /// How often a caller has got it.
    pub(super) uses: u64,
    pub(super) used_at: Instant,
    /// When the keeper looks next whether it has something to do.
    pub(super) look_at: Instant,
}

/// A tenant that one thread opens or closes.
#[derive(Debug)]
pub(super) struct Change {
    pub(super) thread: ThreadId,
    /// Why it could not be opened.
    pub(super) failed: OnceLock<TenantError>,
}

/// A closed tenant that has to be opened at a time.
#[derive(Debug, Clone)]
pub(super) struct Alarm {
    pub(super) due: Timestamp,
    pub(super) clock: Arc<dyn Clock>,
    /// When it is tried again, and how often that has failed.
    pub(super) retry: Option<(Instant, u32)>,
}

/// A tenant that is not in use, and may be closed if it has nothing to do.
pub(super) struct Candidate<App: Application, S: EventStore + Clone + 'static> {
    pub(super) tenant: Arc<str>,
    pub(super) running: Arc<Running<App, S>>,
    uses: u64,
}

impl<App: Application, S: EventStore + Clone + 'static> Slots<App, S> {
    pub(super) fn new() -> Self {
        Self {
            most_open: MOST_OPEN,
            idle: IDLE,
            patience: PATIENCE,
            tenants: HashMap::new(),
            alarms: HashMap::new(),
            waits: HashMap::new(),
            keeper: None,
            keeper_runs: Instant::now(),
            opens_due: None,
            is_stopped: false,
            opened: 0,
            closed: 0,
        }
    }

    pub(super) fn has_room(&self) -> bool {
        self.tenants.len() < self.most_open
    }

    /// Whether this opening or closing of a tenant has not ended.
    pub(super) fn is_under_way(&self, tenant: &str, change: &Arc<Change>) -> bool {
        match self.tenants.get(tenant) {
            Some(Slot::Changing(other)) => Arc::ptr_eq(other, change),
            _ => false,
        }
    }

    /// The tenants that are not in use, for which `is_meant` holds. The one that was used the longest time ago comes first.
    pub(super) fn unused(&self, is_meant: impl Fn(&OpenTenant<App, S>) -> bool) -> Vec<Arc<str>> {
        let found = |(tenant, slot): (&Arc<str>, &Slot<App, S>)| match slot {
            Slot::Open(open) if open.guards == 0 && is_meant(open) => {
                Some((open.used_at, Arc::clone(tenant)))
            }
            _ => None,
        };
        let mut unused: Vec<_> = self.tenants.iter().filter_map(found).collect();
        unused.sort_unstable();
        unused.into_iter().map(|(_, tenant)| tenant).collect()
    }

    /// A tenant, if it is not in use.
    pub(super) fn candidate(&self, tenant: &str) -> Option<Candidate<App, S>> {
        match self.tenants.get_key_value(tenant)? {
            (tenant, Slot::Open(open)) if open.guards == 0 => Some(Candidate {
                tenant: Arc::clone(tenant),
                running: Arc::clone(&open.running),
                uses: open.uses,
            }),
            _ => None,
        }
    }

    /// The open tenant of a candidate, if no caller has got it since.
    pub(super) fn unused_since(&mut self, candidate: &Candidate<App, S>) -> Option<&mut OpenTenant<App, S>> {
        match self.tenants.get_mut(&candidate.tenant)? {
            Slot::Open(open)
                if open.guards == 0
                    && open.uses == candidate.uses
                    && Arc::ptr_eq(&open.running, &candidate.running) =>
            {
                Some(open)
            }
            _ => None,
        }
    }

    /// Begins to close a tenant in this thread, unless a caller has got it since, or another thread looks at it.
    pub(super) fn take(&mut self, candidate: Candidate<App, S>) -> Option<(Arc<str>, Running<App, S>)> {
        let open = self.unused_since(&candidate)?;
        // This handle, and the candidate's.
        if Arc::strong_count(&open.running) > 2 {
            return None;
        }
        let Candidate { tenant, running, .. } = candidate;
        drop(self.tenants.insert(Arc::clone(&tenant), Slot::Changing(Arc::new(Change::here()))));
        Some((tenant, Arc::into_inner(running)?))
    }

    /// Records that this thread waits for another one; `false` if that one waits for this.
    pub(super) fn begin_wait(&mut self, other: ThreadId) -> bool {
        let this = thread::current().id();
        let mut reached = other;
        while reached != this {
            let Some(next) = self.waits.get(&reached) else {
                self.waits.insert(this, other);
                return true;
            };
            reached = *next;
        }
        false
    }

    pub(super) fn end_wait(&mut self) {
        self.waits.remove(&thread::current().id());
    }

    /// Lets the keeper run at a time, if it would not run before.
    pub(super) fn wake_keeper_at(&mut self, time: Instant) {
        if time < self.keeper_runs {
            self.keeper_runs = time;
            if let Some(keeper) = &self.keeper {
                keeper.wake_by_ref();
            }
        }
    }
}

impl<App: Application, S: EventStore + Clone + 'static> OpenTenant<App, S> {
    /// When to look whether it can be closed.
    pub(super) fn idle_at(&self, idle: Duration) -> Option<Instant> {
        Some(self.used_at.checked_add(idle)?.max(self.look_at))
    }
}

impl Change {
    /// A tenant that this thread opens or closes.
    pub(super) fn here() -> Self {
        Self { thread: thread::current().id(), failed: OnceLock::new() }
    }
}
