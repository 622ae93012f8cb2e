//! The instances of a process, in tasks.

use crate::domain::time::Timestamp;
use crate::follow::error::FollowError;
use crate::follow::process::Process;
use crate::follow::process::instances::{Happening, InstanceState, Instances, ProcessLetter};
use crate::tasks::threads::on_thread;

/// In tasks of tokio, with the feature `tokio`: see [`factum::tasks`](crate::tasks).
impl<P: Process<Id: Clone + Send> + Send> Instances<P> {
    /// The instance of this id, as [`get`](Self::get) says.
    pub async fn get_async(&self, id: &P::Id) -> Result<Option<InstanceState<P>>, FollowError> {
        self.on_thread(id, Self::get).await
    }

    /// What has happened to an instance, as [`history`](Self::history) says.
    pub async fn history_async(&self, id: &P::Id) -> Result<Vec<Happening>, FollowError> {
        self.on_thread(id, Self::history).await
    }

    /// Lets the process try again what an instance could not handle or send, as [`retry`](Self::retry) says.
    pub async fn retry_async(&self, id: &P::Id) -> Result<bool, FollowError> {
        self.on_thread(id, Self::retry).await
    }

    /// Discards what an instance could not handle or send, as [`discard`](Self::discard) says.
    pub async fn discard_async(
        &self,
        id: &P::Id,
        reason: &str,
    ) -> Result<Option<ProcessLetter>, FollowError> {
        let reason = reason.to_owned();
        self.on_thread(id, move |instances, id| instances.discard(id, &reason)).await
    }

    /// The first 1,000 dead letters, as [`dead_letters`](Self::dead_letters) says.
    pub async fn dead_letters_async(&self) -> Result<Vec<ProcessLetter>, FollowError> {
        let instances = self.clone();
        on_thread(move || instances.dead_letters()).await
    }

    /// Removes the instances that were done before a time, as [`remove_done`](Self::remove_done) says.
    pub async fn remove_done_async(&self, before: Timestamp) -> Result<u64, FollowError> {
        let instances = self.clone();
        on_thread(move || instances.remove_done(before)).await
    }

    async fn on_thread<T: Send + 'static>(
        &self,
        id: &P::Id,
        work: impl FnOnce(&Self, &P::Id) -> T + Send + 'static,
    ) -> T {
        let (instances, id) = (self.clone(), id.clone());
        on_thread(move || work(&instances, &id)).await
    }
}
