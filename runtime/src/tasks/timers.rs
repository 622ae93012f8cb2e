//! The timers of an application, in tasks.

use crate::follow::timers::timer::{DiscardedTimer, Timer, TimerError, Timers};
use crate::tasks::threads::on_thread;

/// In tasks of tokio, with the feature `tokio`: see [`factum::tasks`](crate::tasks).
impl Timers {
    /// The first 1,000 timers whose commands are not sent yet, as [`waiting`](Self::waiting) says.
    pub async fn waiting_async(&self) -> Result<Vec<Timer>, TimerError> {
        self.on_thread(Self::waiting).await
    }

    /// The timers that wait after one of these, as [`waiting_after`](Self::waiting_after) says.
    pub async fn waiting_after_async(&self, timer: &Timer, limit: usize) -> Result<Vec<Timer>, TimerError> {
        let timer = timer.clone();
        self.on_thread(move |timers| timers.waiting_after(&timer, limit)).await
    }

    /// The first 1,000 dead letters, as [`dead_letters`](Self::dead_letters) says.
    pub async fn dead_letters_async(&self) -> Result<Vec<Timer>, TimerError> {
        self.on_thread(Self::dead_letters).await
    }

    /// The dead letters after one of these, as [`dead_letters_after`](Self::dead_letters_after) says.
    pub async fn dead_letters_after_async(
        &self,
        timer: &Timer,
        limit: usize,
    ) -> Result<Vec<Timer>, TimerError> {
        let timer = timer.clone();
        self.on_thread(move |timers| timers.dead_letters_after(&timer, limit)).await
    }

    /// The first 1,000 dead letters that were discarded, as [`discarded`](Self::discarded) says.
    pub async fn discarded_async(&self) -> Result<Vec<DiscardedTimer>, TimerError> {
        self.on_thread(Self::discarded).await
    }

    /// Sends the command of a dead letter again, as [`retry`](Self::retry) says.
    pub async fn retry_async(&self, number: i64) -> Result<bool, TimerError> {
        self.on_thread(move |timers| timers.retry(number)).await
    }

    /// Discards a dead letter, as [`discard`](Self::discard) says.
    pub async fn discard_async(&self, number: i64, reason: &str) -> Result<bool, TimerError> {
        let reason = reason.to_owned();
        self.on_thread(move |timers| timers.discard(number, &reason)).await
    }

    async fn on_thread<T: Send + 'static>(&self, work: impl FnOnce(&Self) -> T + Send + 'static) -> T {
        let timers = self.clone();
        on_thread(move || work(&timers)).await
    }
}
