//! How far a catch-up or a rebuild has come.

use std::fmt;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

/// How far a catch-up or a rebuild has come, counted in events of the store, whoever they are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// How many are done. A rebuild that goes on where it was stopped begins with those done before.
    pub done: u64,
    /// How many there are to do: those that were in the store at the beginning.
    pub total: u64,
    /// How long it has taken, since it was begun or went on.
    pub elapsed: Duration,
    /// How many of `done` were done in this time.
    now: u64,
}

impl Progress {
    /// Events a second, so far; 0 if nothing was done.
    pub fn rate(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "beyond 2^53 events, the last few do not matter")]
        let events = self.now as f64;
        let seconds = self.elapsed.as_secs_f64();
        if seconds > 0.0 { events / seconds } else { 0.0 }
    }

    /// How much longer it takes if it goes on like this; `None` if nothing was done yet.
    pub fn left(&self) -> Option<Duration> {
        #[expect(clippy::cast_precision_loss, reason = "an estimate")]
        let events = self.total.saturating_sub(self.done) as f64;
        Duration::try_from_secs_f64(events / self.rate()).ok()
    }
}

type Tell = dyn FnMut(&Progress) -> ControlFlow<()> + Send;

/// What the caller of a catch-up or rebuild wants to be told.
pub struct Report {
    tell: Box<Tell>,
    stretch: Option<Stretch>,
}

/// What is being told of.
struct Stretch {
    /// What counts as the beginning.
    from: u64,
    /// Where it began this time.
    after: u64,
    to: u64,
    begun: Instant,
}

impl Report {
    pub(crate) fn new(tell: Box<Tell>) -> Self {
        Self { tell, stretch: None }
    }

    /// From here on it is about the events up to `to`, those up to `from` not counted, those up to `after` done before.
    pub(crate) fn begin(&mut self, from: u64, after: u64, to: u64) {
        self.stretch = (to > after).then(|| Stretch { from, after, to, begun: Instant::now() });
    }

    /// Tells that all up to `position` is done; for the last time when that is all.
    pub(crate) fn at(&mut self, position: u64) -> ControlFlow<()> {
        let Some(stretch) = &self.stretch else { return ControlFlow::Continue(()) };
        let position = position.clamp(stretch.after, stretch.to);
        let progress = Progress {
            done: position.saturating_sub(stretch.from),
            total: stretch.to.saturating_sub(stretch.from),
            elapsed: stretch.begun.elapsed(),
            now: position.saturating_sub(stretch.after),
        };
        if position == stretch.to {
            self.stretch = None;
        }
        (self.tell)(&progress)
    }
}

impl fmt::Debug for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Report").finish_non_exhaustive()
    }
}
