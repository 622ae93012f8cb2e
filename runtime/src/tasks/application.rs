//! A running application, in tasks.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::application::answer::{Answer, ByNameError};
use crate::application::command::{ApplicationCommand as _, CommandInTasks};
use crate::application::error::{StartError, StopError};
use crate::application::hook::CommandOrigin;
use crate::application::parts::{RoutedTo, Runs};
use crate::application::running::{ApplicationExt, Running, any_options};
use crate::application::seen::{self, Seen};
use crate::application::start::RunsOn;
use crate::application::timers::{self, HasTimers, ScheduledBy};
use crate::application::untyped::AnyOptions;
use crate::application::whole::{Application, TakesNames};
use crate::domain::position::Position;
use crate::domain::time::Timestamp;
use crate::follow::background::WaitError;
use crate::follow::timers::keeps_timers::KeepsTimers;
use crate::follow::timers::timer::TimerError;
use crate::repository::error::ExecuteError;
use crate::repository::execute_options::{CanRetry, ExecuteOptions, RetriesAny};
use crate::repository::in_tasks::InTasks;
use crate::repository::outcome::Executed;
use crate::store::event_store::EventStore;
use crate::store::timer::TimerChange;
use crate::tasks::threads::{Tasks, on_thread, run};
use crate::tasks::waiting::wait_for_follower;

/// Starts an application from a task: see [`factum::tasks`](crate::tasks).
pub trait AsyncApplicationExt: Application {
    /// Starts all followers, as [`ApplicationExt::start`] does.
    fn start_async<S>(self, store: &S) -> impl Future<Output = Result<Running<Self, S>, StartError>> + Send
    where
        S: EventStore + Clone + 'static,
        Self: RunsOn<S> + Send + 'static,
        Self::Aggregates<S>: Send + Sync,
    {
        let store = store.clone();
        on_thread(move || self.start(&store))
    }
}

impl<App: Application> AsyncApplicationExt for App {}

/// In tasks of tokio, with the feature `tokio`: see [`factum::tasks`](crate::tasks).
impl<App, S> Running<App, S>
where
    App: Application<Aggregates<S>: Send + Sync>,
    S: EventStore + Clone + 'static,
{
    /// Carries out a command, as [`execute`](Self::execute) does.
    pub async fn execute_async<C, A>(&self, command: C) -> Result<Executed<A>, ExecuteError<A::Error>>
    where
        C: RoutedTo<App, A> + Send + 'static,
        A: InTasks,
    {
        self.execute_with_async(command, &ExecuteOptions::new()).await
    }

    /// Carries out a command with options, as [`execute_with`](Self::execute_with) does.
    ///
    /// If the future is dropped while it waits for followers, the command has been carried out.
    pub async fn execute_with_async<C, A, R, V>(
        &self,
        command: C,
        options: &ExecuteOptions<'static, A::Services, R, V>,
    ) -> Result<Executed<A>, V::Error<A>>
    where
        C: RoutedTo<App, A> + Send + 'static,
        A: InTasks,
        R: CanRetry<C> + Clone + Send + Sync + 'static,
        V: Seen<App>,
    {
        let (aggregates, hooks) = (Arc::clone(self.aggregates()), self.all_hooks().clone());
        let (command, timers) = seen::with_timers::<App, A, _, V>(&options.seen, command)?;
        let (of_command, retrying) = (options.command.with_timers(timers), options.retrying.clone());
        let execute = async move {
            let (repository, refusals) = (C::repository(&aggregates), &C::REFUSALS);
            hooks
                .execute::<Tasks, _, _, _, _>(
                    CommandOrigin::Caller,
                    repository,
                    C::into_command,
                    command,
                    (&of_command, &retrying),
                    refusals,
                )
                .await
        };
        let done = run(execute).await?;
        let late = self.wait_for_seen_async(waits_of::<App, V>(&options.seen), done.position()).await;
        V::answer(done, late)
    }

    /// Waits for followers to see the event at `position`, and returns those that were late.
    async fn wait_for_seen_async(
        &self,
        waits: Vec<(&'static str, Duration)>,
        position: Option<Position>,
    ) -> Vec<WaitError> {
        let mut late = Vec::new();
        if let Some(position) = position {
            let begun = Instant::now();
            for (follower, within) in waits {
                let left = within.saturating_sub(begun.elapsed());
                late.extend(self.wait_for_one_async(follower, position, left).await.err());
            }
        }
        late
    }

    /// Carries out a command of any aggregate, as [`execute_any`](Self::execute_any) does.
    pub async fn execute_any_async(&self, command: App::Command) -> Result<Answer, ByNameError>
    where
        App::Command: CommandInTasks + Send,
    {
        self.execute_any_with_async(command, &ExecuteOptions::new()).await
    }

    /// Carries out a command of any aggregate with options, as [`execute_any_with`](Self::execute_any_with) does.
    pub async fn execute_any_with_async<R, V>(
        &self,
        command: App::Command,
        options: &ExecuteOptions<'static, (), R, V>,
    ) -> Result<Answer, ByNameError>
    where
        App::Command: CommandInTasks + Send,
        R: RetriesAny,
        V: Seen<App>,
    {
        let waits = waits_of::<App, V>(&options.seen);
        let options = any_options::<App, R, V>(options)?;
        self.execute_later(CommandOrigin::Caller, command, options, waits).await
    }

    fn execute_later(
        &self,
        origin: CommandOrigin,
        command: App::Command,
        options: AnyOptions<'static>,
        waits: Vec<(&'static str, Duration)>,
    ) -> impl Future<Output = Result<Answer, ByNameError>> + Send
    where
        App::Command: CommandInTasks,
    {
        let execute = run(command.execute_later::<Tasks, S>(self.shared_way(origin), options));
        async move {
            let done = execute.await?;
            let late = self.wait_for_seen_async(waits, done.position).await;
            done.seen(late)
        }
    }

    /// Carries out the command with this name, as [`execute_json`](Self::execute_json) does.
    pub async fn execute_json_async(&self, name: &str, json: &str) -> Result<Answer, ByNameError>
    where
        App: TakesNames<Command: CommandInTasks>,
    {
        self.execute_json_with_async(name, json, &ExecuteOptions::new()).await
    }

    /// Carries out a command by its name with options, as [`execute_json_with`](Self::execute_json_with) does.
    pub async fn execute_json_with_async<R, V>(
        &self,
        name: &str,
        json: &str,
        options: &ExecuteOptions<'static, (), R, V>,
    ) -> Result<Answer, ByNameError>
    where
        App: TakesNames<Command: CommandInTasks>,
        R: RetriesAny,
        V: Seen<App>,
    {
        let waits = waits_of::<App, V>(&options.seen);
        let options = any_options::<App, R, V>(options)?;
        self.execute_later(CommandOrigin::Name, App::Command::read(name, json)?, options, waits).await
    }

    /// Sends a command at a time, as [`schedule`](Self::schedule) does.
    pub async fn schedule_async<C>(
        &self,
        at: impl Into<Timestamp>,
        command: C,
        key: impl Into<String>,
    ) -> Result<bool, TimerError>
    where
        App: HasTimers,
        C: ScheduledBy<App>,
        S: KeepsTimers,
    {
        self.change_timer(timers::set::<App, C>(at.into(), &command, key.into())?).await
    }

    /// Takes the timer with this key away, as [`cancel`](Self::cancel) does.
    pub async fn cancel_async(&self, key: &str) -> Result<bool, TimerError>
    where
        App: HasTimers,
        S: KeepsTimers,
    {
        self.change_timer(TimerChange::Cancel(key.to_owned())).await
    }

    async fn change_timer(&self, change: TimerChange) -> Result<bool, TimerError>
    where
        S: KeepsTimers,
    {
        let store = self.store().clone();
        Ok(on_thread(move || store.change(&change)).await?)
    }

    /// Waits until the follower `V` has seen the event at `position`, as [`wait_for`](Self::wait_for) does.
    pub async fn wait_for_async<V>(&self, position: Position, within: Duration) -> Result<(), WaitError>
    where
        App: Runs<V>,
    {
        self.wait_for_one_async(<App as Runs<V>>::NAME, position, within).await
    }

    /// Waits until all followers have seen the event at `position`, as [`wait_for_all`](Self::wait_for_all) does.
    pub async fn wait_for_all_async(&self, position: Position, within: Duration) -> Result<(), WaitError> {
        let begun = Instant::now();
        for follower in self.followers() {
            wait_for_follower(follower, position, within.saturating_sub(begun.elapsed())).await?;
        }
        Ok(())
    }

    async fn wait_for_one_async(
        &self,
        name: &'static str,
        position: Position,
        within: Duration,
    ) -> Result<(), WaitError> {
        match self.follower(name) {
            Some(follower) => wait_for_follower(follower, position, within).await,
            None => Ok(()),
        }
    }

    /// Stops all followers, as [`stop`](Self::stop) does. An application that is dropped blocks until they have stopped.
    pub async fn stop_async(self, within: Duration) -> Result<(), StopError>
    where
        App: 'static,
    {
        on_thread(move || self.stop(within)).await
    }
}

/// The followers to wait for, and how long.
fn waits_of<App: Application, V: Seen<App>>(seen: &V) -> Vec<(&'static str, Duration)> {
    let mut waits = Vec::new();
    seen.wait(&mut |follower, within| waits.push((follower, within)));
    waits
}
