//! Opens and closes tenants: each by one thread, and none while another thread's tenant waits.

use std::collections::HashMap;
use std::process;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::application::running::Running;
use crate::application::tenants::error::{StopTenantsError, TenantError};
use crate::application::tenants::keeper;
use crate::application::tenants::name;
use crate::application::tenants::slots::{Alarm, Change, OpenTenant, Slot, Slots};
use crate::application::whole::Application;
use crate::domain::error::{BoxError, with_causes};
use crate::domain::panic::{catch_panic, discard};
use crate::domain::standard_error::report;
use crate::follow::next_run::NextRun;
use crate::store::event_store::EventStore;
use crate::store::lock::lock;

/// How long the followers of a tenant have to stop, where no caller says so.
pub(super) const CLOSE_LIMIT: Duration = Duration::from_secs(10);

/// How often a caller that waits for room looks whether a tenant has nothing more to do.
const LOOK: Duration = Duration::from_millis(10);

/// All tenants, for their callers and for the keeper.
pub(super) struct Shared<App: Application, S: EventStore + Clone + 'static> {
    open: Box<OpenTenants<App, S>>,
    slots: Mutex<Slots<App, S>>,
    changed: Condvar,
    on_error: Mutex<Arc<OnError>>,
    process: u32,
}

type OpenTenants<App, S> = dyn Fn(&str) -> Result<Running<App, S>, BoxError> + Send + Sync;

type OnError = dyn Fn(&TenantError) + Send + Sync;

type Locked<'s, App, S> = MutexGuard<'s, Slots<App, S>>;

impl<App: Application, S: EventStore + Clone + 'static> Shared<App, S> {
    pub(super) fn new(
        open: impl Fn(&str) -> Result<Running<App, S>, BoxError> + Send + Sync + 'static,
    ) -> Self {
        Self {
            open: Box::new(open),
            slots: Mutex::new(Slots::new()),
            changed: Condvar::new(),
            on_error: Mutex::new(Arc::new(|error: &TenantError| report(with_causes(error)))),
            process: process::id(),
        }
    }

    /// The slots; `None` in a forked process, where the lock may be held by a thread of the other one.
    pub(super) fn slots(&self) -> Option<Locked<'_, App, S>> {
        (process::id() == self.process).then(|| lock(&self.slots))
    }

    fn slots_for(&self, tenant: &str) -> Result<Locked<'_, App, S>, TenantError> {
        self.slots().ok_or_else(|| TenantError::Forked { tenant: tenant.to_owned() })
    }

    pub(super) fn set_on_error(&self, hook: impl Fn(&TenantError) + Send + Sync + 'static) {
        *lock(&self.on_error) = Arc::new(hook);
    }

    /// Reports an error that no caller gets.
    pub(super) fn report(&self, error: &TenantError) {
        let hook = Arc::clone(&lock(&self.on_error));
        drop(catch_panic(|| hook(error)));
    }

    /// A use of a tenant, which is opened if it is not open. The caller ends the use by [`release`](Self::release).
    pub(super) fn get(self: &Arc<Self>, tenant: &str) -> Result<Arc<Running<App, S>>, TenantError> {
        name::check(tenant)?;
        let slots = self.slots_for(tenant)?;
        let patience = slots.patience;
        self.get_while(slots, tenant, patience, |slots| !slots.is_stopped)
    }

    /// A use of a tenant that is due. Fails with [`TenantError::Stopped`] if it no longer is.
    pub(super) fn get_due(self: &Arc<Self>, tenant: &str) -> Result<Arc<Running<App, S>>, TenantError> {
        let slots = self.slots_for(tenant)?;
        // A caller that closes the tenant takes its alarm away.
        self.get_while(slots, tenant, Duration::ZERO, |slots| slots.alarms.contains_key(tenant))
    }

    fn get_while<'s>(
        self: &'s Arc<Self>,
        mut slots: Locked<'s, App, S>,
        tenant: &str,
        patience: Duration,
        is_wanted: impl Fn(&Slots<App, S>) -> bool,
    ) -> Result<Arc<Running<App, S>>, TenantError> {
        let begun = Instant::now();
        loop {
            if !is_wanted(&slots) {
                return Err(TenantError::Stopped { tenant: tenant.to_owned() });
            }
            let has_room = slots.has_room();
            match slots.tenants.get_mut(tenant) {
                Some(Slot::Open(open)) => {
                    open.guards += 1;
                    open.uses += 1;
                    return Ok(Arc::clone(&open.running));
                }
                Some(Slot::Changing(change)) => {
                    let change = Arc::clone(change);
                    slots = self.wait_for(slots, tenant, &change, begun.checked_add(patience))?;
                    if slots.is_under_way(tenant, &change) {
                        return Err(TenantError::Changing { tenant: tenant.to_owned(), waited: patience });
                    }
                }
                None if has_room => return self.open(slots, tenant),
                None => slots = self.make_room(slots, tenant, begun, patience)?,
            }
        }
    }

    /// Waits until a tenant is opened or closed, at most until a time. Fails if it could not be opened.
    fn wait_for<'s>(
        &'s self,
        mut slots: Locked<'s, App, S>,
        tenant: &str,
        change: &Arc<Change>,
        until: Option<Instant>,
    ) -> Result<Locked<'s, App, S>, TenantError> {
        if !slots.begin_wait(change.thread) {
            return Err(TenantError::Circle { tenant: tenant.to_owned() });
        }
        while slots.is_under_way(tenant, change) {
            slots = match until.map(|until| until.saturating_duration_since(Instant::now())) {
                Some(Duration::ZERO) => break,
                Some(left) => self.wait(slots, left),
                None => self.changed.wait(slots).unwrap_or_else(PoisonError::into_inner),
            };
        }
        slots.end_wait();
        change.failed.get().map_or(Ok(slots), |error| Err(error.clone()))
    }

    fn wait<'s>(&self, slots: Locked<'s, App, S>, time: Duration) -> Locked<'s, App, S> {
        self.changed.wait_timeout(slots, time).unwrap_or_else(PoisonError::into_inner).0
    }

    /// Opens a tenant that has no slot, and begins a use of it.
    fn open(
        self: &Arc<Self>,
        mut slots: Locked<'_, App, S>,
        tenant: &str,
    ) -> Result<Arc<Running<App, S>>, TenantError> {
        keeper::ensure(self, &mut slots)
            .map_err(|source| TenantError::Thread { tenant: tenant.to_owned(), source: Arc::new(source) })?;
        let (name, change) = (Arc::<str>::from(tenant), Arc::new(Change::here()));
        slots.tenants.insert(Arc::clone(&name), Slot::Changing(Arc::clone(&change)));
        drop(slots);
        let opened = match catch_panic(|| (self.open)(tenant)) {
            Ok(Ok(running)) => Ok(running),
            Ok(Err(source)) => Err(TenantError::Open { tenant: tenant.to_owned(), source: source.into() }),
            Err(panic) => Err(TenantError::Panicked { tenant: tenant.to_owned(), message: panic.message }),
        };
        let mut slots = lock(&self.slots);
        let error = match opened {
            Ok(running) if !slots.is_stopped => {
                let (running, now) = (Arc::new(running), Instant::now());
                let open = OpenTenant {
                    running: Arc::clone(&running),
                    guards: 1,
                    uses: 1,
                    used_at: now,
                    look_at: now,
                };
                slots.tenants.insert(Arc::clone(&name), Slot::Open(open));
                slots.alarms.remove(&name);
                slots.opened += 1;
                drop(slots);
                self.changed.notify_all();
                return Ok(running);
            }
            Ok(running) => {
                drop(slots);
                end(tenant, running, CLOSE_LIMIT).unwrap_or_else(|error| self.report(&error));
                slots = lock(&self.slots);
                TenantError::Stopped { tenant: tenant.to_owned() }
            }
            Err(error) => error,
        };
        // Callers that wait get this error, and later ones try again.
        let _ = change.failed.set(error.clone());
        slots.tenants.remove(&name);
        drop(slots);
        self.changed.notify_all();
        Err(error)
    }

    /// Closes the tenant that was used the longest time ago, of those that are not in use and have nothing to do.
    ///
    /// Without one, waits for a moment. Fails if the time is over. What it returns may have room or not.
    fn make_room<'s>(
        &'s self,
        mut slots: Locked<'s, App, S>,
        tenant: &str,
        begun: Instant,
        patience: Duration,
    ) -> Result<Locked<'s, App, S>, TenantError> {
        for unused in slots.unused(|_| true) {
            let Some(candidate) = slots.candidate(&unused) else { continue };
            drop(slots);
            let next = candidate.running.next_run();
            slots = lock(&self.slots);
            if slots.is_stopped || slots.has_room() || slots.tenants.contains_key(tenant) {
                return Ok(slots);
            }
            if next > NextRun::Now
                && let Some((name, running)) = slots.take(candidate)
            {
                drop(slots);
                let alarm = self.alarm(&running, next);
                let result = end(&name, running, CLOSE_LIMIT);
                let slots = self.finish(&name, alarm);
                let Err(error) = result else { return Ok(slots) };
                drop(slots);
                self.report(&error);
                return Ok(lock(&self.slots));
            }
        }
        let waited = begun.elapsed();
        if waited >= patience {
            let most_open = slots.most_open;
            return Err(TenantError::Full { tenant: tenant.to_owned(), most_open, waited: patience });
        }
        Ok(self.wait(slots, LOOK.min(patience.saturating_sub(waited))))
    }

    /// The alarm of a tenant that is being closed.
    pub(super) fn alarm(&self, running: &Running<App, S>, next: NextRun) -> Option<Alarm> {
        let NextRun::At(due) = next else { return None };
        let clock = Arc::clone(running.clock());
        // A clock that is moved wakes the keeper. One that panics is still read.
        let keeper = lock(&self.slots).keeper.clone();
        drop(catch_panic(|| keeper.inspect(|keeper| clock.watch(keeper))));
        Some(Alarm { due, clock, retry: None })
    }

    /// Records that a tenant is closed.
    pub(super) fn finish(&self, tenant: &Arc<str>, alarm: Option<Alarm>) -> Locked<'_, App, S> {
        let mut slots = lock(&self.slots);
        slots.tenants.remove(tenant);
        slots.closed += 1;
        if let Some(alarm) = alarm.filter(|_| !slots.is_stopped) {
            slots.alarms.insert(Arc::clone(tenant), alarm);
            slots.wake_keeper_at(Instant::now());
        }
        self.changed.notify_all();
        slots
    }

    /// Begins one more use of a tenant that is in use.
    pub(super) fn use_again(&self, tenant: &str) {
        if let Some(mut slots) = self.slots()
            && let Some(Slot::Open(open)) = slots.tenants.get_mut(tenant)
        {
            open.guards += 1;
        }
    }

    /// Ends a use of a tenant.
    pub(super) fn release(&self, tenant: &str) {
        let Some(mut slots) = self.slots() else { return };
        let (now, idle) = (Instant::now(), slots.idle);
        // Without a slot, all tenants were stopped.
        let Some(Slot::Open(open)) = slots.tenants.get_mut(tenant) else { return };
        open.guards = open.guards.saturating_sub(1);
        if open.guards > 0 {
            return;
        }
        (open.used_at, open.look_at) = (now, now);
        if let Some(idle_at) = now.checked_add(idle) {
            slots.wake_keeper_at(idle_at);
        }
    }

    /// Closes a tenant once it is not in use, and forgets when it has to run again.
    pub(super) fn close(&self, tenant: &str, within: Duration) -> Result<(), TenantError> {
        let (begun, until) = (Instant::now(), Instant::now().checked_add(within));
        let mut slots = self.slots_for(tenant)?;
        loop {
            match slots.tenants.get(tenant) {
                None => {
                    slots.alarms.remove(tenant);
                    return Ok(());
                }
                Some(Slot::Changing(change)) => {
                    let change = Arc::clone(change);
                    slots = self.wait_for(slots, tenant, &change, until)?;
                }
                Some(Slot::Open(_)) => {
                    let candidate = slots.candidate(tenant);
                    if let Some((name, running)) = candidate.and_then(|candidate| slots.take(candidate)) {
                        drop(slots);
                        let result = end(tenant, running, within.saturating_sub(begun.elapsed()));
                        self.finish(&name, None).alarms.remove(tenant);
                        return result;
                    }
                }
            }
            let left = within.saturating_sub(begun.elapsed());
            if left.is_zero() && slots.tenants.contains_key(tenant) {
                return Err(TenantError::InUse { tenant: tenant.to_owned(), waited: within });
            }
            slots = self.wait(slots, LOOK.min(left));
        }
    }

    /// Stops all tenants, all at once. Those that are in use have some time to be released first.
    pub(super) fn stop(&self, within: Duration, for_guards: Duration) -> Result<(), StopTenantsError> {
        let Some(mut slots) = self.slots() else { return Ok(()) };
        let (begun, this) = (Instant::now(), thread::current().id());
        let mut failed = Vec::new();
        slots.is_stopped = true;
        slots.alarms.clear();
        slots.wake_keeper_at(begun);
        self.changed.notify_all();
        loop {
            let mut taken = Vec::new();
            for tenant in slots.unused(|_| true) {
                let candidate = slots.candidate(&tenant);
                taken.extend(candidate.and_then(|candidate| slots.take(candidate)));
            }
            if !taken.is_empty() {
                drop(slots);
                failed.extend(self.close_all(taken, within.saturating_sub(begun.elapsed())));
                slots = lock(&self.slots);
                continue;
            }
            let elapsed = begun.elapsed();
            let is_awaited = |slot: &Slot<App, S>| match slot {
                Slot::Open(open) => open.guards == 0 || elapsed < for_guards,
                // A tenant that is dropped may drop all of them.
                Slot::Changing(change) => change.thread != this,
            };
            let left = within.saturating_sub(elapsed);
            if left.is_zero() || !slots.tenants.values().any(is_awaited) {
                break;
            }
            slots = self.wait(slots, LOOK.min(left));
        }
        let mut busy: Vec<_> = slots.tenants.keys().map(|tenant| String::from(&**tenant)).collect();
        busy.sort_unstable();
        // The last guard of a tenant stops it.
        let tenants = std::mem::take(&mut slots.tenants);
        let (in_use, changing) = tenants.into_iter().partition(|(_, slot)| matches!(slot, Slot::Open(_)));
        slots.tenants = changing;
        drop(slots);
        discard::<HashMap<_, _>>(in_use);
        if busy.is_empty() && failed.is_empty() { Ok(()) } else { Err(StopTenantsError { busy, failed }) }
    }

    /// Closes tenants that this thread has taken, all at once. Returns what went wrong.
    fn close_all(&self, taken: Vec<(Arc<str>, Running<App, S>)>, within: Duration) -> Vec<TenantError> {
        let begun = Instant::now();
        for (_, running) in &taken {
            running.begin_stop();
        }
        let close = |(tenant, running): (Arc<str>, _)| {
            let result = end(&tenant, running, within.saturating_sub(begun.elapsed()));
            drop(self.finish(&tenant, None));
            result.err()
        };
        taken.into_iter().filter_map(close).collect()
    }

    /// Looks at the tenants that are open, without a use of them.
    pub(super) fn look<T>(&self, look: impl Fn(&Running<App, S>) -> T) -> Vec<(String, T)> {
        let Some(slots) = self.slots() else { return Vec::new() };
        let open = |(tenant, slot): (&Arc<str>, &Slot<App, S>)| match slot {
            Slot::Open(open) => Some((String::from(&**tenant), Arc::clone(&open.running))),
            Slot::Changing(_) => None,
        };
        let mut open: Vec<_> = slots.tenants.iter().filter_map(open).collect();
        drop(slots);
        open.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        open.into_iter().map(|(tenant, running)| (tenant, look(&running))).collect()
    }
}

/// Stops an application. Its parts may do anything when they are dropped.
pub(super) fn end<App: Application, S: EventStore + Clone + 'static>(
    tenant: &str,
    running: Running<App, S>,
    within: Duration,
) -> Result<(), TenantError> {
    let tenant = || tenant.to_owned();
    match catch_panic(|| running.stop(within)) {
        Ok(Ok(())) => Ok(()),
        Ok(Err(source)) => Err(TenantError::Close { tenant: tenant(), source: Arc::new(source) }),
        Err(panic) => Err(TenantError::Panicked { tenant: tenant(), message: panic.message }),
    }
}
