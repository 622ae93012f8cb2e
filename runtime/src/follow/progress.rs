//! How far a catch-up or a rebuild has come.

use std::fmt;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use crate::domain::position::Position;

/// How far a catch-up or a rebuild has come, counted in events of the store, listed or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// How many events are done. A rebuild that resumes counts the events of its earlier runs too.
    pub done: u64,
    /// How many events there are in total: those that were in the store at the beginning.
    pub total: u64,
    /// The time since the run began or resumed.
    pub elapsed: Duration,
    /// How many of the events in `done` this run has done.
    now: u64,
}

impl Progress {
    /// Events per second so far; 0 if none is done.
    #[must_use]
    pub fn rate(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "beyond 2^53 events, the last few do not matter")]
        let events = self.now as f64;
        let seconds = self.elapsed.as_secs_f64();
        if seconds > 0.0 { events / seconds } else { 0.0 }
    }

    /// The remaining time at this rate; `None` if no event is done yet.
    #[must_use]
    pub fn left(&self) -> Option<Duration> {
        #[expect(clippy::cast_precision_loss, reason = "an estimate")]
        let events = self.total.saturating_sub(self.done) as f64;
        Duration::try_from_secs_f64(events / self.rate()).ok()
    }
}

/// The result of a catch-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct CaughtUp {
    /// How many events the follower has taken: for a reaction, those that its handlers get; for a view, all events
    /// of the aggregates whose types it names.
    pub events: u64,
    /// The position up to which the follower has seen everything.
    pub position: Position,
}

impl CaughtUp {
    /// A catch-up that has looked at so many events, up to this position.
    #[must_use]
    pub const fn new(events: u64, position: Position) -> Self {
        Self { events, position }
    }
}

type Callback = dyn FnMut(&Progress) -> ControlFlow<()> + Send;

/// The callback that gets the progress of a catch-up or rebuild.
pub struct Report {
    callback: Box<Callback>,
    stretch: Option<Stretch>,
}

/// The positions that a report is about.
struct Stretch {
    /// Where the counting begins.
    from: Position,
    /// Where this run began.
    after: Position,
    to: Position,
    begun: Instant,
}

impl Report {
    pub(crate) fn new(callback: Box<Callback>) -> Self {
        Self { callback, stretch: None }
    }

    /// Begins a report on the events between `from` and `to`, of which those up to `after` are done.
    pub(crate) fn begin(&mut self, from: Position, after: Position, to: Position) {
        self.stretch = (to > after).then(|| Stretch { from, after, to, begun: Instant::now() });
    }

    /// Reports that all events up to `position` are done. The report that reaches the end is the last.
    pub(crate) fn at(&mut self, position: Position) -> ControlFlow<()> {
        let Some(stretch) = &self.stretch else { return ControlFlow::Continue(()) };
        let position = position.clamp(stretch.after, stretch.to);
        let progress = Progress {
            done: position.distance_from(stretch.from),
            total: stretch.to.distance_from(stretch.from),
            elapsed: stretch.begun.elapsed(),
            now: position.distance_from(stretch.after),
        };
        if position == stretch.to {
            self.stretch = None;
        }
        (self.callback)(&progress)
    }
}

impl fmt::Debug for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Report").finish_non_exhaustive()
    }
}
