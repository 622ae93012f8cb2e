//! One worker, step by step.

use std::time::{Duration, Instant};

use rusqlite::Transaction;

use super::checkpoint::{known, save};
use super::control::Control;
use super::dead_letters::set_aside;
use super::follow::{OnFailure, Policy};
use super::lease::Holder;
use super::view::View;
use crate::error::StoreError;
use crate::projection::{Projection, ProjectionError, Target};
use crate::store::Partition;
use crate::store::sqlite::store_error;

/// How long a runner waits before it looks whether it is to stop.
const SLICE: Duration = Duration::from_millis(50);

/// How many events a step takes at most. Meanwhile nobody can write to the file.
const BATCH: usize = 4_000;

/// Targets whose progress is kept in a SQLite file.
pub(crate) trait Durable: Target + Sized {
    /// Takes at most `limit` events up to the position `goal`, and saves how far that is.
    #[doc(hidden)]
    fn step<P: Projection<Target = Self>>(
        runner: &mut Runner<'_, P>,
        goal: u64,
        limit: usize,
    ) -> Result<Step, Failed>;
}

/// What one step has come to, with the position up to which this worker has seen everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// That was all there was.
    Caught(u64),
    /// There is more.
    More(u64),
    /// Somebody else has the lease.
    NotOurs(u64),
    /// Another worker has something to do first.
    Wait(u64),
}

/// Why a step was undone.
#[derive(Debug)]
pub(crate) struct Failed {
    /// How many of its events had been taken until then.
    pub(crate) before: usize,
    /// The part that it was about.
    pub(crate) partition: Partition,
    pub(crate) error: ProjectionError,
}

impl From<ProjectionError> for Failed {
    /// An error before the first event.
    fn from(error: ProjectionError) -> Self {
        Self { before: 0, partition: Partition::WHOLE, error }
    }
}

/// One worker: its handlers, and the streams that it takes the events of.
#[derive(Debug)]
pub(crate) struct Runner<'e, P> {
    pub(crate) view: &'e View,
    pub(crate) handlers: &'e mut P,
    pub(crate) partition: Partition,
    pub(crate) control: &'e Control,
    pub(crate) policy: &'e Policy,
    /// Who has to have the lease, if one is needed.
    pub(crate) holder: Option<&'e Holder>,
    /// Where to end; without it, only when told to.
    pub(crate) goal: Option<u64>,
    /// The event that has failed last, and how often.
    pub(crate) failed_at: (u64, u32),
    /// When the lease was taken last.
    pub(crate) taken: Option<Instant>,
}

impl<P: Projection> Runner<'_, P>
where
    P::Target: Durable,
{
    pub(super) fn run(&mut self) -> Result<(), ProjectionError> {
        while !self.control.is_stopping() {
            match self.go_on().or_else(|failed| self.fail(failed)) {
                // Whoever holds the file lets go of it one day.
                Err(ProjectionError::Store { source: StoreError::Busy, .. }) if self.policy.patient => {
                    self.control.pause(SLICE);
                }
                Ok(true) => break,
                result => drop(result?),
            }
        }
        Ok(())
    }

    /// One step, and the wait for the next; `true` if there is none.
    fn go_on(&mut self) -> Result<bool, Failed> {
        let newest = match self.goal {
            Some(goal) => goal,
            None => self.view.newest::<P>()?,
        };
        let step = self.step(newest)?;
        self.tell(step);
        match step {
            Step::Caught(_) if self.goal.is_some() => return Ok(true),
            Step::Caught(position) => self.wait_for_more(position)?,
            Step::More(_) => {}
            Step::NotOurs(position) | Step::Wait(position)
                if self.goal.is_some_and(|goal| position >= goal) =>
            {
                return Ok(true);
            }
            Step::NotOurs(position) => self.stand_by(position)?,
            Step::Wait(_) => self.control.pause(Duration::from_millis(5)),
        }
        Ok(false)
    }

    fn step(&mut self, goal: u64) -> Result<Step, Failed> {
        match P::Target::step(self, goal, BATCH) {
            Err(failed) if failed.before > 0 => {
                // What stands before the event that failed is done again, and kept.
                let step = P::Target::step(self, goal, failed.before)?;
                self.tell(step);
                Err(failed)
            }
            result => result,
        }
    }

    fn tell(&self, step: Step) {
        let (Step::Caught(position) | Step::More(position) | Step::NotOurs(position) | Step::Wait(position)) =
            step;
        self.control.tell(self.partition.index() as usize, position);
    }

    /// Whether this is whose turn it is, in a transaction of what is to be done.
    pub(crate) fn has_lease(&mut self, transaction: &Transaction<'_>) -> Result<bool, ProjectionError> {
        let Some(holder) = self.holder else { return Ok(true) };
        let taken =
            holder.take(transaction).map_err(|error| ProjectionError::store::<P>(store_error(error)))?;
        self.taken = taken.then(Instant::now);
        Ok(taken)
    }

    /// How often the event at a position has failed.
    pub(crate) fn failures(&self, position: u64) -> u32 {
        if self.failed_at.0 == position { self.failed_at.1 } else { 0 }
    }

    /// Waits for an event beyond `position`, and keeps the lease meanwhile.
    fn wait_for_more(&mut self, position: u64) -> Result<(), ProjectionError> {
        while !self.control.is_stopping() && self.view.wait_for::<P>(position + 1, SLICE)? <= position {
            let is_due =
                |holder: &Holder| self.taken.is_none_or(|taken| taken.elapsed() > holder.lasts() / 3);
            if self.holder.is_some_and(is_due) {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Tells how far the one comes who has the lease, until it is time to ask for it again.
    fn stand_by(&self, mut position: u64) -> Result<(), ProjectionError> {
        let lasts = self.holder.map_or(Duration::ZERO, Holder::lasts);
        let (begun, time) = (Instant::now(), (lasts / 4).min(Duration::from_millis(500)));
        while !self.control.is_stopping()
            && self.goal.is_none_or(|goal| position < goal)
            && begun.elapsed() < time
        {
            if self.view.wait_for::<P>(position + 1, SLICE)? > position {
                // Somebody may be waiting for it here.
                self.control.pause(Duration::from_millis(5));
            }
            position = self.view.on_reader::<P, _>(|connection| known::<P>(connection))?.position();
            self.tell(Step::NotOurs(position));
        }
        Ok(())
    }

    /// What becomes of an event that fails: it is tried again later, set aside, or the end.
    fn fail(&mut self, failed: Failed) -> Result<bool, ProjectionError> {
        let Failed { partition, error, .. } = failed;
        let Some(position) = error.position() else { return Err(error) };
        let attempts = self.failures(position) + 1;
        self.failed_at = (position, attempts);
        if attempts <= self.policy.retries {
            self.control.pause(self.policy.delay(attempts));
            return Ok(false);
        }
        match self.policy.on_failure {
            OnFailure::Stop => Err(error),
            OnFailure::SetAside => {
                let view = self.view;
                view.in_transaction::<P, _, ProjectionError>(|transaction| {
                    // If it is another's by now, so is the event.
                    if self.has_lease(transaction)?
                        && known::<P>(transaction)?.at(partition).is_some_and(|at| at < position)
                    {
                        set_aside::<P>(transaction, position, &error, attempts)?;
                        save::<P>(transaction, partition, position)?;
                    }
                    Ok(false)
                })
            }
        }
    }
}
