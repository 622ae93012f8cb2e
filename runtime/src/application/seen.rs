//! Which followers a command waits for, and which timers it sets.

use std::time::Duration;

use crate::application::error::SeenError;
use crate::application::parts::{RoutedTo, Runs};
use crate::application::timers::{self, HasTimers, Schedules};
use crate::application::whole::Application;
use crate::domain::aggregate::Aggregate;
use crate::domain::codec_error::EncodeError;
use crate::domain::command_set::CommandSet as _;
use crate::domain::stream_name::StreamName;
use crate::follow::background::WaitError;
use crate::repository::error::ExecuteError;
use crate::repository::execute_options::SeenBy;
use crate::repository::outcome::Executed;
use crate::repository::timer_options::{CancelledTimer, Scheduled};
use crate::store::timer::TimerChange;

/// The followers that a command of the application `App` waits for, and the timers that it sets: none, or a [`SeenBy`], a
/// [`Scheduled`] or a [`CancelledTimer`].
pub trait Seen<App: Application> {
    /// Why a command has no answer. Without followers, it is the error of the command itself.
    type Error<A: Aggregate>: From<ExecuteError<A::Error>>;

    /// Waits for each of the followers, by its name and time limit.
    #[doc(hidden)]
    fn wait(&self, wait: &mut dyn FnMut(&'static str, Duration));

    /// Adds the timers that are set and cancelled with the command, in order. Fails if a command can't be written as JSON.
    #[doc(hidden)]
    fn timers(&self, changes: &mut Vec<TimerChange>) -> Result<(), EncodeError>;

    /// The answer, once all followers have been waited for.
    #[doc(hidden)]
    fn answer<A: Aggregate>(done: Executed<A>, late: Vec<WaitError>) -> Result<Executed<A>, Self::Error<A>>;
}

/// A command, and the timers that are set and cancelled with it. Fails if the command of a timer can't be written as JSON.
pub(crate) fn with_timers<App, A, C, V>(seen: &V, command: C) -> Result<(C, Vec<TimerChange>), V::Error<A>>
where
    App: Application,
    A: Aggregate,
    C: RoutedTo<App, A>,
    V: Seen<App>,
{
    let mut timers = Vec::new();
    match seen.timers(&mut timers) {
        Ok(()) => Ok((command, timers)),
        Err(source) => {
            let stream = StreamName::of::<A>(command.into_command().aggregate_id());
            Err(ExecuteError::Encode { stream, source }.into())
        }
    }
}

impl<App: Application> Seen<App> for () {
    type Error<A: Aggregate> = ExecuteError<A::Error>;

    #[inline]
    fn wait(&self, _: &mut dyn FnMut(&'static str, Duration)) {}

    #[inline]
    fn timers(&self, _: &mut Vec<TimerChange>) -> Result<(), EncodeError> {
        Ok(())
    }

    #[inline]
    fn answer<A: Aggregate>(done: Executed<A>, _: Vec<WaitError>) -> Result<Executed<A>, Self::Error<A>> {
        Ok(done)
    }
}

impl<App: Runs<V>, V, Others: Seen<App>> Seen<App> for SeenBy<V, Others> {
    type Error<A: Aggregate> = SeenError<A>;

    fn wait(&self, wait: &mut dyn FnMut(&'static str, Duration)) {
        self.others.wait(wait);
        wait(<App as Runs<V>>::NAME, self.within);
    }

    fn timers(&self, changes: &mut Vec<TimerChange>) -> Result<(), EncodeError> {
        self.others.timers(changes)
    }

    fn answer<A: Aggregate>(done: Executed<A>, late: Vec<WaitError>) -> Result<Executed<A>, Self::Error<A>> {
        if late.is_empty() { Ok(done) } else { Err(SeenError::Unseen { done: Box::new(done), late }) }
    }
}

impl<App: Schedules<C>, C, Others: Seen<App>> Seen<App> for Scheduled<C, Others> {
    type Error<A: Aggregate> = Others::Error<A>;

    fn wait(&self, wait: &mut dyn FnMut(&'static str, Duration)) {
        self.others.wait(wait);
    }

    fn timers(&self, changes: &mut Vec<TimerChange>) -> Result<(), EncodeError> {
        self.others.timers(changes)?;
        changes.push(timers::set::<App, C>(self.at, &self.command, self.key.clone())?);
        Ok(())
    }

    fn answer<A: Aggregate>(done: Executed<A>, late: Vec<WaitError>) -> Result<Executed<A>, Self::Error<A>> {
        Others::answer(done, late)
    }
}

impl<App: HasTimers, Others: Seen<App>> Seen<App> for CancelledTimer<Others> {
    type Error<A: Aggregate> = Others::Error<A>;

    fn wait(&self, wait: &mut dyn FnMut(&'static str, Duration)) {
        self.others.wait(wait);
    }

    fn timers(&self, changes: &mut Vec<TimerChange>) -> Result<(), EncodeError> {
        self.others.timers(changes)?;
        changes.push(TimerChange::Cancel(self.key.clone()));
        Ok(())
    }

    fn answer<A: Aggregate>(done: Executed<A>, late: Vec<WaitError>) -> Result<Executed<A>, Self::Error<A>> {
        Others::answer(done, late)
    }
}

impl<A: Aggregate> From<ExecuteError<A::Error>> for SeenError<A> {
    fn from(error: ExecuteError<A::Error>) -> Self {
        Self::Execute(error)
    }
}
