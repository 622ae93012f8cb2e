//! Drives one worker, step by step.

use std::time::{Duration, Instant};

use crate::domain::error::with_causes;
use crate::domain::panic::discard;
use crate::domain::position::Position;
use crate::domain::time::Timestamp;
use crate::follow::error::FollowError;
use crate::follow::handler::EventHandler;
use crate::follow::partitions::PartitionPositions;
use crate::follow::patience::StoreFailures;
use crate::follow::policy::{OnFailure, RetryPolicy};
use crate::follow::progress_store::{ProgressStore, StoredLetter};
use crate::follow::redelivery::Redelivery;
use crate::follow::state::FollowerChange;
use crate::follow::step::{FailedStep, Step, StepSize};
use crate::follow::worker::{StepTarget, Worker};
use crate::follow::{checkpoint, dead_letter, patience};
use crate::store::partition::Partition;

/// How often a runner looks for letters that wait no longer: another process may have ended after it has dealt
/// with the one before them.
const READY_CHECK: Duration = Duration::from_secs(1);

/// How long a runner waits before it checks whether it has to stop.
const STOP_CHECK: Duration = Duration::from_millis(50);

/// A worker with its retry policy and its goal.
pub(crate) struct Runner<'e, H, P> {
    worker: Worker<'e, H, P>,
    policy: &'e RetryPolicy,
    /// The position to end at. Without a goal, the runner ends only when stopped.
    goal: Option<Position>,
    /// Whether this runner, and none of the others, looks for letters that wait no longer.
    looks_for_ready: bool,
    looked_for_ready: Option<Instant>,
    /// How often the store or the disk has failed since the last step.
    store_failures: StoreFailures,
}

impl<'e, H: EventHandler, P: ProgressStore> Runner<'e, H, P>
where
    H::Target: StepTarget<P>,
{
    pub(crate) fn new(worker: Worker<'e, H, P>, policy: &'e RetryPolicy, goal: Option<Position>) -> Self {
        let looks_for_ready = worker.partition().index() == 0;
        let store_failures = StoreFailures::default();
        Self { worker, policy, goal, looks_for_ready, looked_for_ready: None, store_failures }
    }

    pub(crate) fn run(&mut self) -> Result<(), FollowError> {
        while !self.worker.control().is_stopping() {
            self.answer_requests();
            match self.advance().or_else(|failed| self.fail(failed)) {
                Ok(true) => break,
                Ok(false) => {}
                Err(error) => {
                    let (control, worker) = (self.worker.control(), self.worker.partition().index() as usize);
                    patience::wait_after(error, &mut self.store_failures, control, worker, self.policy)?;
                }
            }
        }
        Ok(())
    }

    /// One step, and the wait for the next; `true` if the runner is at its goal.
    fn advance(&mut self) -> Result<bool, FailedStep> {
        let newest = match self.goal {
            Some(goal) => goal,
            None => self.worker.home().newest(self.name())?,
        };
        let step = self.step(newest)?;
        self.store_failures = StoreFailures::default();
        self.worker.report_position(step.position());
        self.worker.control().say(None);
        if self.looks_for_ready
            && self.looked_for_ready.is_none_or(|looked| looked.elapsed() >= READY_CHECK)
            && !matches!(step, Step::NoLease(_))
        {
            self.redelivery().retry_ready()?;
            self.looked_for_ready = Some(Instant::now());
        }
        match step {
            Step::CaughtUp(_) if self.goal.is_some() => return Ok(true),
            Step::CaughtUp(position) => self.wait_for_more(position)?,
            Step::More(_) => {}
            Step::NoLease(position) | Step::Wait(position)
                if self.goal.is_some_and(|goal| position >= goal) =>
            {
                return Ok(true);
            }
            Step::NoLease(position) => self.stand_by(position)?,
            Step::Wait(_) => self.worker.control().pause(Duration::from_millis(5)),
        }
        Ok(false)
    }

    fn name(&self) -> &'static str {
        self.worker.definition().name
    }

    fn step(&mut self, goal: Position) -> Result<Step, FailedStep> {
        let mut result = H::Target::step(&mut self.worker, goal, StepSize::Batch);
        loop {
            match result {
                Err(failed) if failed.handled > 0 => {
                    // The failure has rolled the step back. Handle the events before the failed one again, and
                    // commit them. If one of these fails now, there are fewer before it.
                    let size = StepSize::Before { events: failed.handled };
                    result = H::Target::step(&mut self.worker, goal, size);
                    if let Ok(step) = &result {
                        self.worker.report_position(step.position());
                        return Err(failed);
                    }
                    discard(failed);
                }
                result => return result,
            }
        }
    }

    /// Waits for an event beyond `position`, at most until the lease has to be renewed.
    fn wait_for_more(&self, position: Position) -> Result<(), FollowError> {
        while !self.worker.control().is_stopping()
            && self.worker.home().wait_for(self.name(), position.next(), STOP_CHECK)? <= position
        {
            if self.worker.lease_is_due() || self.has_requests() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Reports the position of the runner that has the lease, until it is time to ask for the lease again.
    fn stand_by(&self, mut position: Position) -> Result<(), FollowError> {
        let (control, home) = (self.worker.control(), self.worker.home());
        let (begun, time) = (Instant::now(), (self.worker.lease_lasts() / 4).min(Duration::from_millis(500)));
        while !control.is_stopping()
            && !self.has_requests()
            && self.goal.is_none_or(|goal| position < goal)
            && begun.elapsed() < time
        {
            if home.wait_for(self.name(), position.next(), STOP_CHECK)? > position {
                // Give the holder of the lease time to handle the event: a caller may wait for it here.
                control.pause(Duration::from_millis(5));
            }
            position = checkpoint::require(&home.progress, self.worker.definition())?.position();
            self.worker.report_position(position);
        }
        Ok(())
    }

    /// Whether a caller wants something. A run that its caller waits for, or that rebuilds a view, has no callers.
    fn has_requests(&self) -> bool {
        self.goal.is_none() && self.worker.control().has_requests()
    }

    fn answer_requests(&mut self) {
        while self.has_requests()
            && let Some(request) = self.worker.control().take_request()
        {
            let result = self.redelivery().carry_out(&request.letters);
            // The caller may have given up.
            let _ = request.answer.send(result);
        }
    }

    fn redelivery(&mut self) -> Redelivery<'_, H, P> {
        let (home, control) = (self.worker.home(), self.worker.control());
        let definition = self.worker.definition();
        Redelivery { home, definition, handlers: self.worker.handlers(), control: Some(control) }
    }

    /// Waits until a failed event is due again. Callers get their answers meanwhile.
    fn wait_for_retry(&mut self, delay: Duration) {
        let begun = Instant::now();
        while !self.worker.control().is_stopping()
            && let Some(left) = delay.checked_sub(begun.elapsed()).filter(|left| !left.is_zero())
        {
            if self.goal.is_some() {
                self.worker.control().pause(left);
            } else {
                self.worker.control().pause_or_request(left);
                self.answer_requests();
            }
        }
    }

    /// Deals with an event that fails: retries it later, moves it to the dead letters, or stops the runner.
    fn fail(&mut self, failed: FailedStep) -> Result<bool, FollowError> {
        let FailedStep { partition, after, error, .. } = failed;
        let Some(position) = error.position() else { return Err(error) };
        let attempts = self.worker.count_failure(position);
        if attempts <= self.policy.retries {
            let delay = self.policy.delay(attempts);
            self.worker.say_retry(Some(position), &error, attempts, delay);
            discard(error);
            self.wait_for_retry(delay);
            return Ok(false);
        }
        match self.policy.on_failure {
            OnFailure::Stop => Err(error),
            OnFailure::DeadLetter | OnFailure::SequencedDeadLetter => {
                self.move_to_dead_letters((partition, after), position, &error, attempts)?;
                discard(error);
                Ok(false)
            }
        }
    }

    /// Moves an event to the dead letters, in one transaction with the checkpoint that skips it.
    ///
    /// `after` is where the partition has to be: a partition that is elsewhere was moved, as by a rewind, and the
    /// next step decides again.
    fn move_to_dead_letters(
        &mut self,
        (partition, after): (Partition, Position),
        position: Position,
        error: &FollowError,
        attempts: u32,
    ) -> Result<(), FollowError> {
        let (home, definition) = (self.worker.home(), self.worker.definition());
        let follower = definition.name;
        let stream = match self.policy.on_failure {
            OnFailure::SequencedDeadLetter => {
                let event = dead_letter::event_at(home, follower, position)?;
                Some(event.as_stored(position).envelope.stream().to_string())
            }
            OnFailure::Stop | OnFailure::DeadLetter => None,
        };
        let error = with_causes(error);
        let letter = StoredLetter {
            position,
            error: error.clone(),
            attempts,
            failed_at: Timestamp::now(),
            stream,
            behind: None,
        };
        let is_moved = home.in_transaction(definition.name, |transaction| {
            // If another runner has taken the lease, that runner handles the event.
            let is_due = |positions: &PartitionPositions| positions.of(partition) == Some(after);
            let is_ours = self.worker.take_lease(transaction)?
                && is_due(&checkpoint::require_in::<P>(transaction, definition)?);
            if is_ours {
                P::save_letter(transaction, follower, &letter).map_err(FollowError::store(follower))?;
                self.worker.save_position(transaction, partition, position)?;
            }
            Ok::<_, FollowError>(is_ours)
        })?;
        let change = FollowerChange::DeadLetter { follower, position, error, attempts };
        self.worker.control().say(is_moved.then_some(change));
        Ok(())
    }
}
