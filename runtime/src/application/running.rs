//! An application that runs.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::application::answer::{Answer, ByNameError};
use crate::application::command::ApplicationCommand;
use crate::application::error::{StartError, StopError};
use crate::application::hook::{CommandOrigin, HookState};
use crate::application::hooks::Hooks;
use crate::application::parts::{Has, RoutedTo, Runs};
use crate::application::seen::{self, Seen};
use crate::application::start::{RunsOn, Start};
use crate::application::untyped::AnyOptions;
use crate::application::way::{SharedWay, Way};
use crate::application::whole::{Application, TakesNames};
use crate::domain::aggregate::Aggregate;
use crate::domain::panic::catch_panic;
use crate::domain::position::Position;
use crate::follow::background::WaitError;
use crate::follow::dyn_follower::DynFollower;
use crate::follow::keeps::KeepsProcesses;
use crate::follow::next_run::NextRun;
use crate::follow::process::Process;
use crate::follow::process::clock::{Clock, SystemClock};
use crate::follow::process::instances::Instances;
use crate::follow::projection::Projection;
use crate::follow::state::FollowerState;
use crate::memory::projection::Memory;
use crate::misuse;
use crate::repository::error::ExecuteError;
use crate::repository::execute_options::{CanRetry, ExecuteOptions, RetriesAny};
use crate::repository::outcome::Executed;
use crate::repository::repository::Repository;
use crate::repository::waits::{Blocks, now};
use crate::store::event_store::EventStore;
use crate::store::lock::lock;

/// How long an application that is dropped waits for its followers.
const DROP_LIMIT: Duration = Duration::from_secs(10);

/// Starts an application: what every [`Application`] can do.
pub trait ApplicationExt: Application {
    /// Starts all followers on a store, and returns the running application.
    ///
    /// Fails if a follower can't be started; those before it are stopped.
    #[track_caller]
    fn start<S>(self, store: &S) -> Result<Running<Self, S>, StartError>
    where
        S: EventStore + Clone + 'static,
        Self: RunsOn<S>,
    {
        misuse::blocks("ApplicationExt::start", "start_async");
        self.start_with(store, SystemClock)
    }

    /// Starts all followers, with a clock of the caller's for the time-outs of processes and for timers.
    ///
    /// A test moves its clock: see `factum::testing::TestClock`. Events keep the time of the system's clock, and a time-out
    /// counts from there: one that is set after the clock was moved forward is due the sooner. Fails as [`start`](Self::start) does.
    fn start_with<S>(self, store: &S, clock: impl Clock) -> Result<Running<Self, S>, StartError>
    where
        S: EventStore + Clone + 'static,
        Self: RunsOn<S>,
    {
        let clock: Arc<dyn Clock> = Arc::new(clock);
        let mut start = Start::new(store, Arc::clone(&clock));
        let assembled = self.assemble(&mut start);
        if assembled.is_err() {
            // Dropped one after the other, each would be waited for before the next is asked.
            start.followers.iter().for_each(|follower| follower.begin_stop());
        }
        let aggregates = assembled?;
        let Start { store, followers, hooks, .. } = start;
        Ok(Running { aggregates, store, followers, hooks, clock })
    }
}

impl<App: Application> ApplicationExt for App {}

/// An application that runs on a store, until it is [stopped](Self::stop) or dropped.
///
/// [`ApplicationExt::start`] starts it. Threads share it in an [`Arc`].
#[must_use = "the followers stop when the application is dropped: keep it for as long as they are to run"]
pub struct Running<App: Application, S: EventStore + Clone + 'static> {
    aggregates: Arc<App::Aggregates<S>>,
    store: S,
    followers: Vec<Box<dyn DynFollower>>,
    hooks: Hooks,
    clock: Arc<dyn Clock>,
}

impl<App: Application, S: EventStore + Clone + 'static> Running<App, S> {
    /// Carries out a command on the aggregate that takes it; see [`Repository::execute`].
    #[inline]
    #[track_caller]
    pub fn execute<C, A>(&self, command: C) -> Result<Executed<A>, ExecuteError<A::Error>>
    where
        C: RoutedTo<App, A>,
        A: Aggregate,
    {
        misuse::blocks("Running::execute", "execute_async");
        let (repository, options) = (C::repository(&self.aggregates), ExecuteOptions::new().command);
        now(self.hooks.execute_once::<Blocks, _, _>(
            CommandOrigin::Caller,
            repository,
            command.into_command(),
            &options,
            &C::REFUSALS,
        ))
    }

    /// Carries out a command with options; see [`Repository::execute_with`].
    ///
    /// With [`seen_by`](ExecuteOptions::seen_by), the answer comes when a follower has seen the command's events:
    ///
    /// ```
    /// # use factum::prelude::*;
    /// # use factum::application::SeenError;
    /// # use std::time::Duration;
    /// # mod bank { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/bank.rs")); }
    /// # use bank::*;
    /// # #[derive(Default, Projection)]
    /// # #[projection(events(MoneyDeposited), from(BankAccount))]
    /// # struct Deposits;
    /// # #[handlers] impl Deposits { #[project] fn deposited(&mut self, _: &MoneyDeposited) {} }
    /// # #[derive(Application)]
    /// # #[application(aggregates(BankAccount))]
    /// # struct Bank { #[projection] deposits: Deposits }
    /// # let bank = Bank { deposits: Deposits }.start(&MemoryStore::new())?;
    /// # let deposit = DepositMoney { account: AccountId("alice".into()), cents: 50 };
    /// let options = ExecuteOptions::new().seen_by::<Deposits>(Duration::from_secs(2));
    /// match bank.execute_with(deposit, &options) {
    ///     Ok(done) => println!("done and seen, at version {}", done.version()),
    ///     Err(SeenError::Unseen { done, late, .. }) => println!("done, at version {}; {}", done.version(), late[0]),
    ///     Err(error) => return Err(error.into()),
    /// }
    /// # Ok::<(), BoxError>(())
    /// ```
    ///
    /// If the time runs out, the command *has* been carried out, and the error has its outcome
    /// ([`SeenError::Unseen`](crate::application::SeenError::Unseen)). Each follower has its own time, from the commit on.
    #[track_caller]
    pub fn execute_with<C, A, R, V>(
        &self,
        command: C,
        options: &ExecuteOptions<'_, A::Services, R, V>,
    ) -> Result<Executed<A>, V::Error<A>>
    where
        C: RoutedTo<App, A>,
        A: Aggregate,
        R: CanRetry<C>,
        V: Seen<App>,
    {
        misuse::blocks("Running::execute_with", "execute_with_async");
        let (command, timers) = seen::with_timers::<App, A, _, V>(&options.seen, command)?;
        let with_timers = (!timers.is_empty()).then(|| options.command.with_timers(timers));
        let command_options = with_timers.as_ref().unwrap_or(&options.command);
        let done = now(self.hooks.execute::<Blocks, _, _, _, _>(
            CommandOrigin::Caller,
            C::repository(&self.aggregates),
            C::into_command,
            command,
            (command_options, &options.retrying),
            &C::REFUSALS,
        ))?;
        let late = self.wait_for_seen(&options.seen, done.position());
        V::answer(done, late)
    }

    /// Waits for followers to see the event at `position`, and returns those that were late.
    fn wait_for_seen(&self, seen: &impl Seen<App>, position: Option<Position>) -> Vec<WaitError> {
        let mut late = Vec::new();
        if let Some(position) = position {
            let begun = Instant::now();
            seen.wait(&mut |follower, within| {
                late.extend(
                    self.wait_for_one(follower, position, within.saturating_sub(begun.elapsed())).err(),
                );
            });
        }
        late
    }

    /// The repository of the aggregate `A`: to load, to read the history, for several commands at once.
    ///
    /// The application's [hooks](crate::application::Hook) do not see the commands that go through it.
    #[must_use]
    pub fn repository<A: Aggregate>(&self) -> &Repository<A, S>
    where
        App: Has<A>,
    {
        App::repository(&self.aggregates)
    }

    /// The store of the events.
    #[must_use]
    pub fn store(&self) -> &S {
        &self.store
    }

    /// Reads a view that is in memory; `None` if the view is elsewhere.
    ///
    /// The view changes only between two reads. While `read` runs, the view waits.
    pub fn view<V, T>(&self, read: impl FnOnce(&V) -> T) -> Option<T>
    where
        App: Runs<V>,
        V: Projection<Target = Memory> + Send + 'static,
    {
        let view = self.follower(<App as Runs<V>>::NAME)?.view()?.downcast_ref::<Mutex<V>>()?;
        Some(read(&lock(view)))
    }

    /// The instances of a process: their states, their histories, and the dead letters that hold them.
    #[must_use]
    pub fn instances<P>(&self) -> Instances<P>
    where
        App: Runs<P>,
        P: Process,
        S: KeepsProcesses,
    {
        self.store.instances(Arc::clone(&self.clock))
    }

    /// What each follower does, and how far it is behind the store, in the order of the fields.
    #[must_use]
    pub fn health(&self) -> Vec<FollowerState> {
        self.followers.iter().map(|follower| follower.state()).collect()
    }

    /// How each hook does, in the order of the fields: whether it has panicked.
    #[must_use]
    pub fn hooks(&self) -> Vec<HookState> {
        self.hooks.states()
    }

    /// Waits until all followers have seen the event at `position`, at most this long.
    ///
    /// Fails with the first follower that has not, or that has ended.
    #[track_caller]
    pub fn wait_for_all(&self, position: Position, within: Duration) -> Result<(), WaitError> {
        misuse::blocks("Running::wait_for_all", "wait_for_all_async");
        let begun = Instant::now();
        self.followers
            .iter()
            .try_for_each(|follower| follower.wait_for(position, within.saturating_sub(begun.elapsed())))
    }

    /// Waits until the follower `V` has seen the event at `position`, at most this long.
    ///
    /// Fails if the time runs out, or if the follower has ended.
    #[track_caller]
    pub fn wait_for<V>(&self, position: Position, within: Duration) -> Result<(), WaitError>
    where
        App: Runs<V>,
    {
        misuse::blocks("Running::wait_for", "wait_for_async");
        self.wait_for_one(<App as Runs<V>>::NAME, position, within)
    }

    fn wait_for_one(&self, name: &str, position: Position, within: Duration) -> Result<(), WaitError> {
        self.follower(name).map_or(Ok(()), |follower| follower.wait_for(position, within))
    }

    pub(crate) fn aggregates(&self) -> &Arc<App::Aggregates<S>> {
        &self.aggregates
    }

    pub(crate) fn followers(&self) -> impl Iterator<Item = &dyn DynFollower> {
        self.followers.iter().map(|follower| &**follower)
    }

    pub(crate) fn all_hooks(&self) -> &Hooks {
        &self.hooks
    }

    /// The way of a command, for a future.
    pub(crate) fn shared_way(&self, origin: CommandOrigin) -> SharedWay<App::Aggregates<S>> {
        SharedWay { all: Arc::clone(&self.aggregates), hooks: self.hooks.clone(), origin }
    }

    pub(crate) fn follower(&self, name: &str) -> Option<&dyn DynFollower> {
        self.followers.iter().find(|follower| follower.name() == name).map(|follower| &**follower)
    }

    /// Stops all followers, each after the step that it is in. All are asked first, and then waited for, at most this long.
    ///
    /// Inline views are no longer part of appends. The next start on the store catches them up.
    ///
    /// Fails with the followers that had failed before, and with those that still run.
    #[track_caller]
    pub fn stop(mut self, within: Duration) -> Result<(), StopError> {
        misuse::blocks("Running::stop", "stop_async");
        self.end(within)
    }

    /// Asks all followers to stop, and waits for none.
    pub(crate) fn begin_stop(&self) {
        self.followers.iter().for_each(|follower| follower.begin_stop());
    }

    /// When a follower has something to do again. A store of the user's that panics makes it busy.
    pub(crate) fn next_run(&self) -> NextRun {
        let next = || {
            let newest = || self.store.position().ok();
            let before = newest()?;
            let next = self.followers.iter().map(|follower| follower.next_run()).min();
            // A follower that was asked before an event of another one may have it to do.
            (newest()? == before).then(|| next.unwrap_or(NextRun::WithNextEvent))
        };
        catch_panic(next).ok().flatten().unwrap_or(NextRun::Now)
    }

    /// The clock of processes and timers.
    pub(crate) fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    fn end(&mut self, within: Duration) -> Result<(), StopError> {
        self.begin_stop();
        let begun = Instant::now();
        let stop = |follower: Box<dyn DynFollower>| {
            let name = follower.name();
            Some((name, follower.stop_within(within.saturating_sub(begun.elapsed())).err()?))
        };
        let failed: Vec<_> = self.followers.drain(..).filter_map(stop).collect();
        if failed.is_empty() { Ok(()) } else { Err(StopError { failed }) }
    }

    /// Carries out a command of any aggregate, as `ShopCommand`: see [`ApplicationCommand`].
    ///
    /// The answer has no type of an aggregate. It takes `internal` commands too: the program itself has made the value.
    #[track_caller]
    pub fn execute_any(&self, command: App::Command) -> Result<Answer, ByNameError> {
        misuse::blocks("Running::execute_any", "execute_any_async");
        self.execute_any_with(command, &ExecuteOptions::new())
    }

    /// Carries out a command as [`execute_any`](Self::execute_any) does, with options.
    ///
    /// [`retry`](ExecuteOptions::retry) counts for a command that is `Clone`; another one is tried once. With
    /// [`seen_by`](ExecuteOptions::seen_by), a follower that is late makes the error [`ByNameError::Unseen`].
    #[track_caller]
    pub fn execute_any_with<R, V>(
        &self,
        command: App::Command,
        options: &ExecuteOptions<'_, (), R, V>,
    ) -> Result<Answer, ByNameError>
    where
        R: RetriesAny,
        V: Seen<App>,
    {
        misuse::blocks("Running::execute_any_with", "execute_any_with_async");
        self.execute_as(CommandOrigin::Caller, command, options)
    }

    fn execute_as<V: Seen<App>>(
        &self,
        origin: CommandOrigin,
        command: App::Command,
        options: &ExecuteOptions<'_, (), impl RetriesAny, V>,
    ) -> Result<Answer, ByNameError> {
        let way = Way { all: &*self.aggregates, hooks: &self.hooks, origin };
        let done = command.execute(&way, &any_options::<App, _, _>(options)?)?;
        let late = self.wait_for_seen(&options.seen, done.position);
        done.seen(late)
    }

    /// Carries out the command with this name, which is read from JSON: for callers outside of the program.
    ///
    /// Fails with a [`ByNameError`]: the name is unknown, the JSON does not fit, the command is `internal` or invalid, a hook
    /// denies it, the aggregate refuses it, or the command failed.
    #[track_caller]
    pub fn execute_json(&self, name: &str, json: &str) -> Result<Answer, ByNameError>
    where
        App: TakesNames,
    {
        misuse::blocks("Running::execute_json", "execute_json_async");
        self.execute_json_with(name, json, &ExecuteOptions::new())
    }

    /// Carries out a command as [`execute_json`](Self::execute_json) does, with options, as
    /// [`execute_any_with`](Self::execute_any_with) says.
    #[track_caller]
    pub fn execute_json_with<R, V>(
        &self,
        name: &str,
        json: &str,
        options: &ExecuteOptions<'_, (), R, V>,
    ) -> Result<Answer, ByNameError>
    where
        App: TakesNames,
        R: RetriesAny,
        V: Seen<App>,
    {
        misuse::blocks("Running::execute_json_with", "execute_json_with_async");
        self.execute_as(CommandOrigin::Name, App::Command::read(name, json)?, options)
    }
}

/// What a command of any aggregate takes of its options. Fails if the command of a timer can't be written as JSON.
pub(crate) fn any_options<'a, App: Application, R: RetriesAny, V: Seen<App>>(
    options: &ExecuteOptions<'a, (), R, V>,
) -> Result<AnyOptions<'a>, ByNameError> {
    let mut timers = Vec::new();
    options.seen.timers(&mut timers).map_err(|error| ByNameError::Failed(error.into()))?;
    let command = options.command.with_timers(timers);
    Ok(ExecuteOptions { command, retrying: options.retrying.any(), seen: () })
}

impl<App: Application, S: EventStore + Clone + 'static> Drop for Running<App, S> {
    fn drop(&mut self) {
        drop(self.end(DROP_LIMIT));
    }
}

impl<App: Application, S: EventStore + Clone + 'static> fmt::Debug for Running<App, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let followers: Vec<_> = self.followers.iter().map(|follower| follower.name()).collect();
        f.debug_struct("Running")
            .field("application", &App::NAME)
            .field("followers", &followers)
            .finish_non_exhaustive()
    }
}
