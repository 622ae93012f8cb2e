//! Runs work inside its span, and counts it.

use std::mem;
use std::pin::Pin;
use std::time::Instant;

use crate::domain::position::Position;
use crate::domain::stream_name::StreamName;
use crate::telemetry::counters::COUNTERS;
use crate::telemetry::histogram::Durations;
use crate::trace;
use crate::trace::Span;

/// What has become of a command or of a unit of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Done,
    Unchanged,
    Repeated,
    Refused,
    Conflict,
    Failed,
}

impl Outcome {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Unchanged => "unchanged",
            Self::Repeated => "repeated",
            Self::Refused => "refused",
            Self::Conflict => "conflict",
            Self::Failed => "failed",
        }
    }

    /// The name, if it is that of an error.
    pub(crate) fn error(self) -> Option<&'static str> {
        match self {
            Self::Done | Self::Unchanged | Self::Repeated => None,
            Self::Refused | Self::Conflict | Self::Failed => Some(self.name()),
        }
    }
}

/// Where a load began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LoadedFrom {
    Memory,
    Snapshot,
    Start,
}

impl LoadedFrom {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Snapshot => "snapshot",
            Self::Start => "start",
        }
    }
}

/// What a step of a follower has done.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stepped {
    /// How many events it has handled, also before a failure.
    pub(crate) events: u64,
    /// The position up to which the follower has seen everything; `None` after a failure.
    pub(crate) position: Option<Position>,
    /// The position that it is to reach.
    pub(crate) goal: Position,
}

fn count_time(durations: &Durations, begun: Instant) {
    let time = begun.elapsed();
    durations
        .count(time.as_secs().saturating_mul(1_000_000_000).saturating_add(u64::from(time.subsec_nanos())));
}

/// Counts a failure when it is dropped: the work has panicked, or its runtime was shut down.
struct Unfinished(Instant);

impl Drop for Unfinished {
    fn drop(&mut self) {
        count_command(Outcome::Failed, self.0);
    }
}

fn count_command(outcome: Outcome, begun: Instant) {
    let counters = &COUNTERS.commands;
    let counter = match outcome {
        Outcome::Done => &counters.done,
        Outcome::Unchanged => &counters.unchanged,
        Outcome::Repeated => &counters.repeated,
        Outcome::Refused => &counters.refused,
        Outcome::Conflict => &counters.conflict,
        Outcome::Failed => &counters.failed,
    };
    counter.add(1);
    count_time(&counters.durations, begun);
}

/// Carries out a command. `outcome` says what has become of it, and how many events it led to.
///
/// The caller has pinned `work`: to move a future copies all that it will ever hold.
#[inline]
pub(crate) async fn command<T>(
    span: Span,
    work: Pin<&mut impl Future<Output = T>>,
    outcome: impl FnOnce(&T) -> (Outcome, u64),
) -> T {
    let unfinished = Unfinished(Instant::now());
    let result = span.around(work).await;
    let (outcome, events) = outcome(&result);
    count_command(outcome, unfinished.0);
    mem::forget(unfinished);
    span.decided(outcome.name(), outcome.error(), events);
    result
}

/// A command is decided again, for the time of this number.
pub(crate) fn decided_again(stream: &StreamName, attempt: u32) {
    COUNTERS.commands.decided_again.add(1);
    trace::decided_again(stream, attempt);
}

/// Commits a unit of work.
pub(crate) async fn unit<T>(
    span: Span,
    work: Pin<&mut impl Future<Output = T>>,
    outcome: impl FnOnce(&T) -> (Outcome, u64),
) -> T {
    let (begun, counters) = (Instant::now(), &COUNTERS.units);
    let result = span.around(work).await;
    let (outcome, events) = outcome(&result);
    let counter = match outcome {
        Outcome::Done | Outcome::Unchanged | Outcome::Repeated | Outcome::Refused => &counters.done,
        Outcome::Conflict => &counters.conflict,
        Outcome::Failed => &counters.failed,
    };
    counter.add(1);
    count_time(&counters.durations, begun);
    span.decided(outcome.name(), outcome.error(), events);
    result
}

/// Commits a group of requests. `stored` says how many were stored, and how many events.
#[inline]
pub(crate) fn append<T>(
    span: &Span,
    requests: usize,
    work: impl FnOnce() -> T,
    stored: impl FnOnce(&T) -> (usize, usize),
) -> T {
    let begun = Instant::now();
    let result = append_in_memory(span, requests, work, stored);
    count_time(&COUNTERS.appends.durations, begun);
    result
}

/// Stores a group of requests in memory, for which the clock would cost too much.
#[inline]
pub(crate) fn append_in_memory<T>(
    span: &Span,
    requests: usize,
    work: impl FnOnce() -> T,
    stored: impl FnOnce(&T) -> (usize, usize),
) -> T {
    let counters = &COUNTERS.appends;
    let result = span.enter(work);
    let (stored, events) = stored(&result);
    let failed = requests.saturating_sub(stored);
    if failed > 0 {
        counters.failed.add(failed as u64);
    }
    counters.events.add(events as u64);
    counters.groups.count(requests as u64);
    span.appended(events, failed);
    result
}

/// A state in memory is current, or taken to be.
#[inline]
pub(crate) fn loaded_unread(aggregate: &'static str, stream: &StreamName) {
    COUNTERS.loads.from_memory.add(1);
    Span::load(aggregate, stream).loaded(LoadedFrom::Memory.name(), 0);
}

/// Loads an aggregate. `work` returns beside its result where the load began, and how many events it replayed. The caller has
/// pinned it.
#[inline]
pub(crate) async fn load<T, E>(
    span: Span,
    work: Pin<&mut impl Future<Output = Result<(T, LoadedFrom, u64), E>>>,
) -> Result<T, E> {
    let (begun, counters) = (Instant::now(), &COUNTERS.loads);
    let result = span.around(work).await;
    count_time(&counters.durations, begun);
    let Ok((loaded, from, events)) = result else {
        counters.failed.add(1);
        span.failed();
        return result.map(|(loaded, ..)| loaded);
    };
    let counter = match from {
        LoadedFrom::Memory => &counters.from_memory,
        LoadedFrom::Snapshot => &counters.from_snapshot,
        LoadedFrom::Start => &counters.from_start,
    };
    counter.add(1);
    counters.events.add(events);
    span.loaded(from.name(), events);
    Ok(loaded)
}

/// Takes a step of a follower. `work` returns beside its result what the step has done.
pub(crate) fn step<T>(span: &Span, work: impl FnOnce() -> (T, Stepped)) -> T {
    let (begun, counters) = (Instant::now(), &COUNTERS.steps);
    let (result, stepped) = span.enter(work);
    let Stepped { events, position, goal } = stepped;
    counters.events.add(events);
    span.handled(events);
    match position {
        None => {
            counters.failed.add(1);
            span.failed();
        }
        Some(position) => {
            if events > 0 {
                count_time(&counters.durations, begun);
            }
            span.reached(position, goal.distance_from(position));
        }
    }
    result
}
