//! Which followers a command waits for.

use std::time::Duration;

use crate::application::error::SeenError;
use crate::application::parts::Runs;
use crate::application::whole::Application;
use crate::domain::aggregate::Aggregate;
use crate::follow::background::WaitError;
use crate::repository::error::ExecuteError;
use crate::repository::execute_options::SeenBy;
use crate::repository::outcome::Executed;

/// The followers that a command of the application `App` waits for: none, or a [`SeenBy`].
pub trait Seen<App: Application> {
    /// Why a command has no answer. Without followers, it is the error of the command itself.
    type Error<A: Aggregate>: From<ExecuteError<A::Error>>;

    /// Waits for each of the followers, by its name and time limit.
    #[doc(hidden)]
    fn wait(&self, wait: &mut dyn FnMut(&'static str, Duration));

    /// The answer, once all followers have been waited for.
    #[doc(hidden)]
    fn answer<A: Aggregate>(done: Executed<A>, late: Vec<WaitError>) -> Result<Executed<A>, Self::Error<A>>;
}

impl<App: Application> Seen<App> for () {
    type Error<A: Aggregate> = ExecuteError<A::Error>;

    #[inline]
    fn wait(&self, _: &mut dyn FnMut(&'static str, Duration)) {}

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

    fn answer<A: Aggregate>(done: Executed<A>, late: Vec<WaitError>) -> Result<Executed<A>, Self::Error<A>> {
        if late.is_empty() { Ok(done) } else { Err(SeenError::Unseen { done: Box::new(done), late }) }
    }
}

impl<A: Aggregate> From<ExecuteError<A::Error>> for SeenError<A> {
    fn from(error: ExecuteError<A::Error>) -> Self {
        Self::Execute(error)
    }
}
