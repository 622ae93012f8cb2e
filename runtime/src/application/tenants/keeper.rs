//! Closes tenants that are idle, and opens those whose time-outs are due. A task of the followers' threads.

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

/// After so many attempts, some 3 seconds, it is reported that a tenant that is due finds no room.
const ATTEMPTS_WITHOUT_ROOM: u32 = 7;

/// The longest delay before a tenant that is due looks for room again.
const LONGEST_WITHOUT_ROOM: Duration = Duration::from_secs(1);

/// A tenant that is being closed, and when it has to run again.
type Taken<App, S> = (Arc<str>, Running<App, S>, NextRun);

struct Keeper<App: Application, S: EventStore + Clone + 'static>(Weak<Shared<App, S>>);

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
        let due = shared.open_due();
        let mut slots = shared.slots()?;
        slots.keeper_runs = [idle, due].into_iter().flatten().fold(slots.keeper_runs, Instant::min);
        (!slots.is_stopped).then_some(slots.keeper_runs)
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

    /// Opens the closed tenants that are due. Returns when the next one is.
    fn open_due(self: &Arc<Self>) -> Option<Instant> {
        let alarms: Vec<_> =
            self.slots()?.alarms.iter().map(|(tenant, alarm)| (Arc::clone(tenant), alarm.clone())).collect();
        let mut next = None;
        for (tenant, alarm) in alarms {
            let now = Instant::now();
            let wait = match alarm.retry {
                Some((retry_at, _)) => retry_at.saturating_duration_since(now),
                None => due_in(&*alarm.clock, alarm.due),
            };
            let wait = if wait.is_zero() { self.open_one(&tenant, &alarm) } else { Some(wait) };
            let time = wait.map(|wait| now + wait.min(LONGEST_WAIT));
            next = next.into_iter().chain(time).min();
        }
        next
    }

    /// Opens a tenant that is due. Returns after which time to try again, if it has failed.
    fn open_one(self: &Arc<Self>, tenant: &Arc<str>, alarm: &Alarm) -> Option<Duration> {
        let error = match self.get_due(tenant) {
            Ok(running) => {
                drop(running);
                self.release(tenant);
                return None;
            }
            Err(TenantError::Stopped { .. }) => return None,
            Err(error) => error,
        };
        let attempts = alarm.retry.map_or(1, |(_, attempts)| attempts.saturating_add(1));
        let mut delay = FIRST_DELAY.saturating_mul(1 << attempts.saturating_sub(1).min(12)).min(LONGEST_WAIT);
        let has_room = !matches!(error, TenantError::Full { .. });
        if !has_room {
            delay = delay.min(LONGEST_WITHOUT_ROOM);
        }
        if has_room || attempts == ATTEMPTS_WITHOUT_ROOM {
            self.report(&error);
        }
        if let Some(alarm) = self.slots()?.alarms.get_mut(tenant) {
            alarm.retry = Some((Instant::now() + delay, attempts));
        }
        Some(delay)
    }
}

/// The time until a time-out is due. A clock that panics makes it due at once.
fn due_in(clock: &dyn Clock, due: Timestamp) -> Duration {
    catch_panic(|| clock.now().until(due)).unwrap_or_default()
}
