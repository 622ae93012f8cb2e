//! Processes whose instances are stored.

use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Instant;

use crate::domain::position::Position;
use crate::follow::background::{Follower, FollowerBuilder};
use crate::follow::control::Control;
use crate::follow::dead_letter::{Letters, ListLetters};
use crate::follow::definition::FollowerDefinition;
use crate::follow::error::{FollowError, ProcessError};
use crate::follow::keeps::{FollowerOptions, KeepsProcesses, Started};
use crate::follow::lease::{DEFAULT_LEASE, LeaseHolder};
use crate::follow::next_run::Backlog;
use crate::follow::policy::RetryPolicy;
use crate::follow::process::Process;
use crate::follow::process::backlog::ProcessBacklog;
use crate::follow::process::clock::Clock;
use crate::follow::process::commands::Commands;
use crate::follow::process::instances::Instances;
use crate::follow::process::process_store::ProcessStore;
use crate::follow::process::runner::ProcessRunner;
use crate::follow::progress::{CaughtUp, Progress, Report};
use crate::follow::progress_store::ProgressHome;
use crate::follow::session::Session;
use crate::follow::{background, checkpoint, lease_keeper};
use crate::store::event_store::EventStore;

/// A process whose instances are kept in the store of its events.
///
/// It is `SqliteProcess` in a `SqliteStore`, and `PostgresProcess` in a `PostgresStore`. See [`Process`] for an example.
pub struct StoredProcess<P, S> {
    runner: ProcessRunner<P, S>,
}

#[expect(private_bounds, reason = "which stores keep processes is said by `KeepsProcesses`")]
impl<P: Process, S: ProcessStore + EventStore> StoredProcess<P, S> {
    /// Opens the process at its stored position; the first time, before the first event of the store. `process` is the
    /// state of an instance before its first event. `commands` executes what it sends.
    ///
    /// Fails with [`ProcessError::NameTaken`] if its name is that of a projection or a reaction.
    pub fn new(store: &S, process: P, commands: Arc<dyn Commands>) -> Result<Self, ProcessError> {
        Self::open(store, process, commands, |_| Ok(Position::START))
    }

    /// Opens the process at its stored position; the first time, at the end of the store, so that it sees later events
    /// only.
    ///
    /// Fails as [`new`](Self::new) does.
    pub fn from_now(store: &S, process: P, commands: Arc<dyn Commands>) -> Result<Self, ProcessError> {
        Self::open(store, process, commands, |home| home.newest(P::NAME))
    }

    fn open(
        store: &S,
        process: P,
        commands: Arc<dyn Commands>,
        first: impl FnOnce(&ProgressHome<S>) -> Result<Position, FollowError>,
    ) -> Result<Self, ProcessError> {
        let home = ProgressHome::new(store.clone(), None);
        checkpoint::open(&home, &FollowerDefinition::of_process::<P>(), first)?;
        Ok(Self { runner: ProcessRunner::new(home, process, commands) })
    }

    /// Sets the clock that time-outs fire by, instead of the system's.
    #[must_use = "the process with the clock is what this returns"]
    pub fn clock(self, clock: impl Clock) -> Self {
        self.shared_clock(Arc::new(clock))
    }

    pub(crate) fn shared_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.runner.clock = clock;
        self
    }

    /// Sets how many commands are sent at a time, each of another instance; 4 by default. If the handlers of so many block, those of
    /// other instances wait.
    #[must_use = "the process with so many senders is what this returns"]
    pub fn senders(mut self, senders: u32) -> Self {
        self.runner.senders = senders.max(1);
        self
    }

    /// Lets the hooks of an application see the events.
    pub(crate) fn hooked(mut self, options: &FollowerOptions) -> Self {
        self.runner.home.hooks = options.hooks.clone();
        self
    }

    /// Sets the callback that gets the progress of a catch-up.
    ///
    /// A break ends the run: [`catch_up`](Self::catch_up) then fails with [`FollowError::Stopped`]. Another call resumes. A
    /// running follower reports until it reaches the position at which the store ended when it started.
    #[must_use = "the process with the callback is what this returns"]
    pub fn on_progress(
        mut self,
        callback: impl FnMut(&Progress) -> ControlFlow<()> + Send + 'static,
    ) -> Self {
        self.runner.report = Some(Report::new(Box::new(callback)));
        self
    }

    /// Handles events and sends commands until nothing is left to do: no event, no command, no time-out that is due. What the
    /// commands lead to counts too.
    ///
    /// Fails at the first event that cannot be read, and at a command that is not executed for another reason than a
    /// refusal. The next call tries it again.
    pub fn catch_up(&mut self) -> Result<CaughtUp, ProcessError> {
        let holder = LeaseHolder::new(P::NAME, DEFAULT_LEASE);
        let progress = self.runner.home.progress.clone();
        let result = lease_keeper::while_kept(&progress, P::NAME, &holder, || self.runner.catch_up(&holder));
        Ok(result?)
    }

    /// Prepares the process to follow the store, with a lease of 10 seconds.
    ///
    /// An event whose instance can't be told, as it can't be read, stops the process, whatever
    /// [`on_failure`](FollowerBuilder::on_failure) says. A command that is neither executed nor refused, as with a store that
    /// fails, is sent again until it is, and each failure is reported. If its aggregate panics, it is sent again as often as
    /// [`retry`](FollowerBuilder::retry) says, and is a dead letter then. All other failures are dead letters at once. Dead letters
    /// hold their instances.
    pub fn follow(self) -> FollowerBuilder<Self> {
        FollowerBuilder::new(self)
    }

    /// The position up to which all events have been handled.
    pub fn position(&self) -> Result<Position, ProcessError> {
        let ProcessRunner { home, definition, .. } = &self.runner;
        Ok(checkpoint::require(&home.progress, definition)?.position())
    }

    /// The instances: their states, their histories, and the dead letters that hold them.
    #[must_use]
    pub fn instances(&self) -> Instances<P> {
        Instances::new(self.runner.home.progress.clone(), Arc::clone(&self.runner.clock))
    }
}

impl<P: Process, S: ProcessStore + EventStore> Follower for StoredProcess<P, S> {}

impl<P: Process, S: ProcessStore + EventStore> background::sealed::Run for StoredProcess<P, S> {
    const NAME: &'static str = P::NAME;

    type Error = ProcessError;

    fn run(
        &mut self,
        control: &Control,
        policy: &RetryPolicy,
        session: &mut Session,
    ) -> Result<Option<Instant>, ProcessError> {
        Ok(self.runner.follow(control, policy, session)?)
    }

    fn events(&self) -> Arc<dyn EventStore> {
        self.runner.home.shared_events()
    }

    fn letters(&self) -> Box<dyn ListLetters> {
        Box::new(Letters { home: self.runner.home.clone(), follower: P::NAME })
    }

    fn backlog(&self) -> Box<dyn Backlog> {
        let ProcessRunner { home, clock, .. } = &self.runner;
        let (store, clock) = (home.progress.clone(), Arc::clone(clock));
        Box::new(ProcessBacklog { store, process: P::NAME, clock })
    }

    fn report(&mut self) -> &mut Option<Report> {
        &mut self.runner.report
    }
}

#[diagnostic::do_not_recommend]
impl<S: ProcessStore + EventStore> KeepsProcesses for S {
    fn instances<P: Process>(&self, clock: Arc<dyn Clock>) -> Instances<P> {
        Instances::new(self.clone(), clock)
    }

    fn process<P: Process>(
        &self,
        commands: Arc<dyn Commands>,
        clock: Arc<dyn Clock>,
        process: P,
        options: &FollowerOptions,
    ) -> Started {
        let process = StoredProcess::new(self, process, commands)?.hooked(options).shared_clock(clock);
        options.start(match options.senders {
            Some(senders) => process.senders(senders),
            None => process,
        })
    }
}

impl<P, S> fmt::Debug for StoredProcess<P, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredProcess").field("runner", &self.runner).finish_non_exhaustive()
    }
}
