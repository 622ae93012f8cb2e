//! The handlers and where they work: all that runs.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::Duration;

use super::checkpoint::known;
use super::control::Control;
use super::follow::Policy;
use super::lease::Holder;
use super::progress::Report;
use super::runner::{Durable, Runner};
use super::view::View;
use crate::error::StoreError;
use crate::projection::{CaughtUp, Projection, ProjectionError};
use crate::store::Partition;

/// Handlers, one for each worker, and where they work.
pub(crate) struct Engine<P> {
    pub(crate) view: View,
    /// At least one.
    pub(crate) handlers: Vec<P>,
    pub(crate) report: Option<Report>,
    run: Run<P>,
}

/// How all workers are run; told apart, as only what is `Send` can be run side by side.
type Run<P> = fn(&Job<'_>, &mut [P]) -> Result<(), ProjectionError>;

/// What workers have in common.
#[derive(Clone, Copy)]
pub(crate) struct Job<'j> {
    pub(crate) view: &'j View,
    pub(crate) control: &'j Control,
    pub(crate) policy: &'j Policy,
    pub(crate) holder: Option<&'j Holder>,
    pub(crate) goal: Option<u64>,
}

impl<P: Projection> Engine<P>
where
    P::Target: Durable,
{
    pub(crate) fn new(view: View, handlers: P) -> Self {
        Self { view, handlers: vec![handlers], report: None, run: alone }
    }

    /// Goes on with so many workers.
    pub(crate) fn work_side_by_side(&mut self, workers: usize)
    where
        P: Clone + Send,
    {
        let first = self.handlers.first().cloned();
        self.handlers.extend(first.into_iter().cycle().take(workers.saturating_sub(1)));
        self.handlers.truncate(workers.max(1));
        self.run = side_by_side;
    }

    /// The position up to which everything has been seen.
    pub(crate) fn position(&self) -> Result<u64, ProjectionError> {
        self.view.on_reader::<P, _>(|connection| known::<P>(connection).map(|layout| layout.position()))
    }

    /// Takes all events that there are by now.
    pub(crate) fn catch_up(&mut self, holder: Option<&Holder>) -> Result<CaughtUp, ProjectionError> {
        let control = Control::new(self.report.take());
        let result = self.catch_up_under(&control, &Policy::impatient(), holder);
        self.report = control.into_report();
        result
    }

    fn catch_up_under(
        &mut self,
        control: &Control,
        policy: &Policy,
        holder: Option<&Holder>,
    ) -> Result<CaughtUp, ProjectionError> {
        let goal = self.view.newest::<P>()?;
        let after = self.position()?;
        if after > goal {
            return Err(ProjectionError::Ahead { projection: P::NAME, seen: after, newest: goal });
        }
        control.begin_report(after, after, goal);
        control.begin(self.handlers.len(), after);
        let view = self.view.clone();
        self.run_to(&view, goal, control, policy, holder)
    }

    /// Takes all events up to a position, into any view.
    pub(crate) fn run_to(
        &mut self,
        view: &View,
        goal: u64,
        control: &Control,
        policy: &Policy,
        holder: Option<&Holder>,
    ) -> Result<CaughtUp, ProjectionError> {
        let before = control.events();
        let job = Job { view, control, policy, holder, goal: Some(goal) };
        (self.run)(&job, &mut self.handlers)?;
        let position = control.reached();
        if position < goal {
            return Err(ProjectionError::Stopped { projection: P::NAME, position, goal });
        }
        Ok(CaughtUp { events: control.events() - before, position })
    }

    /// Takes all events that there are and that come, until it is stopped.
    pub(crate) fn follow(
        &mut self,
        control: &Control,
        policy: &Policy,
        holder: &Holder,
    ) -> Result<(), ProjectionError> {
        let (after, newest) = patiently(control, || Ok((self.position()?, self.view.newest::<P>()?)))?;
        control.begin(self.handlers.len(), after);
        control.begin_report(after, after, newest);
        let job = Job { view: &self.view, control, policy, holder: Some(holder), goal: None };
        let result = (self.run)(&job, &mut self.handlers);
        holder.give_back(&self.view.home);
        result
    }
}

/// Does something that fails only for good: whoever holds the file lets go of it one day.
pub(crate) fn patiently<T: Default>(
    control: &Control,
    mut work: impl FnMut() -> Result<T, ProjectionError>,
) -> Result<T, ProjectionError> {
    while !control.is_stopping() {
        match work() {
            Err(ProjectionError::Store { source: StoreError::Busy, .. }) => {
                control.pause(Duration::from_millis(50));
            }
            result => return result,
        }
    }
    Ok(T::default())
}

fn runner<'e, P>(job: &Job<'e>, handlers: &'e mut P, partition: Partition) -> Runner<'e, P> {
    let Job { view, control, policy, holder, goal } = *job;
    Runner { view, handlers, partition, control, policy, holder, goal, failed_at: (0, 0), taken: None }
}

fn alone<P: Projection>(job: &Job<'_>, handlers: &mut [P]) -> Result<(), ProjectionError>
where
    P::Target: Durable,
{
    handlers.first_mut().map_or(Ok(()), |handlers| runner(job, handlers, Partition::WHOLE).run())
}

/// The first worker that fails ends them all.
fn side_by_side<P: Projection + Send>(job: &Job<'_>, handlers: &mut [P]) -> Result<(), ProjectionError>
where
    P::Target: Durable,
{
    let parts = Partition::all(u32::try_from(handlers.len()).unwrap_or(u32::MAX));
    let control = job.control;
    thread::scope(|scope| {
        for (handlers, partition) in handlers.iter_mut().zip(parts) {
            let mut runner = runner(job, handlers, partition);
            let thread = thread::Builder::new().name(format!("factum: {} {}", P::NAME, partition.index()));
            let spawned = thread.spawn_scoped(scope, move || {
                // Handlers are caught; what else is the user's may panic in the name of its events or its progress.
                match catch_unwind(AssertUnwindSafe(|| runner.run())) {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => control.fail(error),
                    Err(_) => control.fail(ProjectionError::Panicked { projection: P::NAME }),
                }
            });
            if let Err(source) = spawned {
                control.fail(ProjectionError::Thread { projection: P::NAME, source });
            }
        }
    });
    control.take_error().map_or(Ok(()), Err)
}

impl<P> fmt::Debug for Engine<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("view", &self.view).finish_non_exhaustive()
    }
}
