//! Closes tenants that are idle, and opens those whose time-outs are due. Two tasks of the followers' threads: the caller's function
//! that opens tenants may take long.

use std::io;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use crate::application::running::Running;
use crate::application::tenants::error::TenantError;
use crate::application::tenants::shared;
use crate::application::tenants::shared::{CLOSE_LIMIT, Shared};
use crate::application::tenants::slots::{Alarm, Slot, Slots};
use crate::application::whole::Application;
use crate::domain::panic::catch_panic;
use crate::domain::time::Timestamp;
use crate::follow::next_run::NextRun;
use crate::follow::pool::{Task, TaskId};
use crate::follow::process::clock::Clock;
use crate::store::event_store::EventStore;

/// How long the keeper rests at most.
const LONGEST_REST: Duration = Duration::from_hours(1);

/// How long it rests at most while a closed tenant has a time-out: the clock may be set, or the machine may have slept.
const LONGEST_WAIT: Duration = Duration::from_mins(1);

/// How often it looks at most whether an idle tenant still has something to do.
const BUSY_LOOK: Duration = Duration::from_secs(1);

/// The delay after the first failure to open a tenant that is due, which doubles each time.
const FIRST_DELAY: Duration = Duration::from_millis(50);

/// After so many attempts, some 3 seconds, it is reported that a tenant that is due finds no room, or is being opened or closed.
const ATTEMPTS_BESIDE_OTHERS: u32 = 7;

/// The longest delay before a tenant that is due looks again whether it finds room, or is still being opened or closed.
const LONGEST_WAIT_FOR_OTHERS: Duration = Duration::from_secs(1);

/// A tenant that is being closed, and when it has to run again.
type Taken<App, S> = (Arc<str>, Running<App, S>, NextRun);

/// Closes idle tenants, and starts an opener when a closed one is due.
struct Keeper<App: Application, S: EventStore + Clone + 'static>(Weak<Shared<App, S>>);

/// Opens the tenants that are due, and ends.
struct Opener<App: Application, S: EventStore + Clone + 'static>(Weak<Shared<App, S>>);

/// Starts the keeper, if it does not run. Fails if the system can't start a thread.
pub(super) fn ensure<App: Application, S: EventStore + Clone + 'static>(
    shared: &Arc<Shared<App, S>>,
    slots: &mut Slots<App, S>,
) -> io::Result<()> {
    if slots.keeper.is_none() {
        let (task, first) = (TaskId::reserve(), Instant::now() + LONGEST_REST);
        task.start(Keeper(Arc::downgrade(shared)), first)?;
        (slots.keeper, slots.keeper_runs) = (Some(task.waker()), first);
    }
    Ok(())
}

impl<App: Application, S: EventStore + Clone + 'static> Task for Keeper<App, S> {
    fn run(&mut self) -> Option<Instant> {
        let shared = self.0.upgrade()?;
        let mut slots = shared.slots()?;
        // What comes from now on wakes the keeper again.
        slots.keeper_runs = Instant::now() + LONGEST_REST;
        drop(slots);
        let idle = shared.close_idle();
        let due = shared.next_due();
        let (mut slots, now) = (shared.slots()?, Instant::now());
        // An opener wakes the keeper when it ends. One that takes longer may hang in a tenant: another one opens the others.
        let patience = slots.patience.clamp(FIRST_DELAY, LONGEST_WAIT);
        let busy_until = slots.opens_due.map(|since| since + patience).filter(|until| *until > now);
        let mut due = due.filter(|_| !slots.is_stopped).map(|due| due.max(busy_until.unwrap_or(due)));
        if due.is_some_and(|due| due <= now) {
            let started = TaskId::reserve().start(Opener(Weak::clone(&self.0)), now);
            slots.opens_due = started.is_ok().then_some(now);
            due = Some(now + patience);
        }
        slots.keeper_runs = [idle, due].into_iter().flatten().fold(slots.keeper_runs, Instant::min);
        (!slots.is_stopped).then_some(slots.keeper_runs)
    }
}

impl<App: Application, S: EventStore + Clone + 'static> Task for Opener<App, S> {
    fn run(&mut self) -> Option<Instant> {
        let shared = self.0.upgrade()?;
        shared.open_due();
        let mut slots = shared.slots()?;
        slots.opens_due = None;
        slots.wake_keeper_at(Instant::now());
        None
    }
}

impl<App: Application, S: EventStore + Clone + 'static> Shared<App, S> {
    /// Closes the tenants that have been idle for long enough, and have nothing to do. Returns when to look again.
    fn close_idle(&self) -> Option<Instant> {
        let (now, slots) = (Instant::now(), self.slots()?);
        let idle = slots.idle;
        let due = slots.unused(|open| open.idle_at(idle).is_some_and(|time| time <= now));
        drop(slots);
        let closing: Vec<_> = due.iter().filter_map(|tenant| self.take_idle(tenant, idle)).collect();
        for (_, running, _) in &closing {
            running.begin_stop();
        }
        let begun = Instant::now();
        for (tenant, running, next) in closing {
            let alarm = self.alarm(&running, next);
            let result = shared::end(&tenant, running, CLOSE_LIMIT.saturating_sub(begun.elapsed()));
            drop(self.finish(&tenant, alarm));
            result.unwrap_or_else(|error| self.report(&error));
        }
        let slots = self.slots()?;
        let idle_at = |slot: &Slot<App, S>| match slot {
            Slot::Open(open) if open.guards == 0 => open.idle_at(idle),
            _ => None,
        };
        slots.tenants.values().filter_map(idle_at).min()
    }

    /// Begins to close an idle tenant, unless it has something to do, or will have soon.
    fn take_idle(&self, tenant: &str, idle: Duration) -> Option<Taken<App, S>> {
        let candidate = self.slots()?.candidate(tenant)?;
        let next = candidate.running.next_run();
        let is_busy = match next {
            NextRun::Now => true,
            NextRun::At(due) => due_in(&**candidate.running.clock(), due) <= idle,
            NextRun::WithNextEvent => false,
        };
        let mut slots = self.slots()?;
        if is_busy {
            if let Some(open) = slots.unused_since(&candidate) {
                open.look_at = Instant::now() + idle.clamp(FIRST_DELAY, BUSY_LOOK);
            }
            return None;
        }
        let (tenant, running) = slots.take(candidate)?;
        Some((tenant, running, next))
    }

    /// The closed tenants that have to be opened at a time, and in how long.
    fn alarms(&self) -> Vec<(Arc<str>, Alarm, Duration)> {
        let Some(slots) = self.slots() else { return Vec::new() };
        let alarms: Vec<_> =
            slots.alarms.iter().map(|(tenant, alarm)| (Arc::clone(tenant), alarm.clone())).collect();
        drop(slots);
        let due = |(tenant, alarm): (_, Alarm)| {
            let wait = match alarm.retry {
                Some((retry_at, _)) => retry_at.saturating_duration_since(Instant::now()),
                None => due_in(&*alarm.clock, alarm.due),
            };
            (tenant, alarm, wait)
        };
        alarms.into_iter().map(due).collect()
    }

    /// When the next closed tenant is due, or the clocks are looked at again.
    fn next_due(&self) -> Option<Instant> {
        let first = self.alarms().into_iter().map(|(_, _, wait)| wait).min()?;
        Some(Instant::now() + first.min(LONGEST_WAIT))
    }

    /// Opens the closed tenants that are due.
    fn open_due(self: &Arc<Self>) {
        for (tenant, alarm, wait) in self.alarms() {
            if wait.is_zero() {
                self.open_one(&tenant, &alarm);
            }
        }
    }

    /// Opens a tenant that is due. If that fails, it is tried again later.
    fn open_one(self: &Arc<Self>, tenant: &Arc<str>, alarm: &Alarm) {
        let error = match self.get_due(tenant) {
            Ok(running) => {
                drop(running);
                return self.release(tenant);
            }
            Err(TenantError::Stopped { .. }) => return,
            Err(error) => error,
        };
        let attempts = alarm.retry.map_or(1, |(_, attempts)| attempts.saturating_add(1));
        let mut delay = FIRST_DELAY.saturating_mul(1 << attempts.saturating_sub(1).min(12)).min(LONGEST_WAIT);
        // For these, the tenant has to wait. A caller that opens it may be waited for by others.
        let waits = matches!(error, TenantError::Full { .. } | TenantError::Changing { .. });
        if waits {
            delay = delay.min(LONGEST_WAIT_FOR_OTHERS);
        }
        if !waits || attempts == ATTEMPTS_BESIDE_OTHERS {
            self.report(&error);
        }
        let Some(mut slots) = self.slots() else { return };
        if let Some(alarm) = slots.alarms.get_mut(tenant) {
            alarm.retry = Some((Instant::now() + delay, attempts));
        }
    }
}

/// The time until a time-out is due. A clock that panics makes it due at once.
fn due_in(clock: &dyn Clock, due: Timestamp) -> Duration {
    catch_panic(|| clock.now().until(due)).unwrap_or_default()
}
