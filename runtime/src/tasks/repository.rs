//! Commands and loads of a repository, in tasks.

use std::sync::Arc;

use crate::domain::accepts::Accepts;
use crate::domain::stream_name::StreamName;
use crate::repository::error::{BatchError, ExecuteError, LoadError, ReadError};
use crate::repository::execute_options::{CanRetry, ExecuteOptions};
use crate::repository::in_tasks::InTasks;
use crate::repository::moment::Moment;
use crate::repository::outcome::{Executed, Loaded};
use crate::repository::repository::Repository;
use crate::store::event_store::EventStore;
use crate::tasks::history::HistoryStream;
use crate::tasks::threads::{Tasks, run};

/// In tasks of tokio, with the feature `tokio`: see [`factum::tasks`](crate::tasks).
impl<A: InTasks, S: EventStore + Clone + 'static> Repository<A, S> {
    /// Carries out a command, as [`execute`](Self::execute) does.
    pub async fn execute_async<C>(&self, command: C) -> Result<Executed<A>, ExecuteError<A::Error>>
    where
        A: Accepts<C>,
        C: Send + 'static,
    {
        self.execute_with_async(command, &ExecuteOptions::new()).await
    }

    /// Carries out a command with options, as [`execute_with`](Self::execute_with) does.
    pub async fn execute_with_async<C, R>(
        &self,
        command: C,
        options: &ExecuteOptions<'static, A::Services, R>,
    ) -> Result<Executed<A>, ExecuteError<A::Error>>
    where
        A: Accepts<C>,
        C: Send + 'static,
        R: CanRetry<C> + Clone + Send + Sync + 'static,
    {
        let (repository, options) = (self.clone(), options.clone());
        run(async move {
            repository
                .execute_waiting::<Tasks, _, _>(A::command, command, &options.command, &options.retrying)
                .await
        })
        .await
    }

    /// Carries out several commands on one aggregate, as [`execute_batch`](Self::execute_batch) does.
    pub async fn execute_batch_async<C>(
        &self,
        id: &A::Id,
        commands: impl IntoIterator<Item = C> + Send + 'static,
    ) -> Result<Executed<A>, BatchError<A::Error>>
    where
        A: Accepts<C>,
    {
        let (repository, stream) = (self.clone(), StreamName::of::<A>(id));
        run(async move {
            let with_options = |command| (command, ExecuteOptions::new());
            repository.execute_batch_waiting::<Tasks, _, _>(stream, commands, with_options).await
        })
        .await
    }

    /// The aggregate as it was, as [`load_at`](Self::load_at) says.
    pub async fn load_at_async(&self, id: &A::Id, moment: impl Into<Moment>) -> Result<Loaded<A>, LoadError> {
        let moment = moment.into();
        let (repository, stream) = (self.clone(), StreamName::of::<A>(id));
        run(async move { repository.load_at_waiting::<Tasks>(stream, moment).await }).await
    }

    /// Whether the aggregate has any events, as [`exists`](Self::exists) says.
    pub async fn exists_async(&self, id: &A::Id) -> Result<bool, ReadError> {
        let (repository, stream) = (self.clone(), StreamName::of::<A>(id));
        run(async move { Ok(repository.stream_version::<Tasks>(&stream).await? > 0) }).await
    }

    /// The aggregate's events, from the first on, as [`history`](Self::history) says.
    pub async fn history_async(&self, id: &A::Id) -> Result<HistoryStream<A>, LoadError> {
        let (repository, stream) = (self.clone(), StreamName::of::<A>(id));
        run(async move {
            if repository.stream_version::<Tasks>(&stream).await? == 0 {
                return Err(LoadError::NotFound { stream });
            }
            Ok(HistoryStream::new(Arc::new(repository.store().clone()), stream))
        })
        .await
    }

    /// The aggregate as it is now: see [`load`](Self::load).
    pub async fn load_async(&self, id: &A::Id) -> Result<Loaded<A>, LoadError> {
        let (repository, stream) = (self.clone(), StreamName::of::<A>(id));
        run(async move { repository.load_waiting::<Tasks>(stream).await }).await
    }
}
