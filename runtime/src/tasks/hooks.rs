//! Hooks that await.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::time::Duration;

use tokio::runtime::Handle;

use crate::application::hook::{CarriedOut, Hook, Incoming};
use crate::domain::error::BoxError;
use crate::follow::event_hooks::FollowerEvent;
use crate::runtime::Runtime;
use crate::tasks::threads::apart;

/// Code of an application that runs around each command, and around each event of a follower, and may await.
///
/// It is a [`Hook`] in all but that: each of its methods is called when the one of [`Hook`] is. In the application, its field is
/// an [`Awaited`] hook.
///
/// ```
/// use factum::application::Incoming;
/// use factum::prelude::*;
/// use factum::tasks::{AsyncApplicationExt as _, AsyncHook, Awaited};
/// # mod bank { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/bank.rs")); }
/// # use bank::*;
/// # struct Sessions;
/// # impl Sessions { async fn user(&self) -> Result<&'static str, BoxError> { Ok("alice") } }
///
/// /// Asks another service for the user, and notes the user in the metadata of all events.
/// struct Users(Sessions);
///
/// impl AsyncHook for Users {
///     async fn before(&self, command: &mut Incoming<'_>) -> Result<(), BoxError> {
///         let user = self.0.user().await?;
///         Ok(command.enrich("user", user)?)
///     }
/// }
///
/// #[derive(Application)]
/// #[application(aggregates(BankAccount))]
/// struct Bank {
///     #[hook]
///     users: Awaited<Users>,
/// }
///
/// # tokio::runtime::Builder::new_multi_thread().build()?.block_on(async {
/// let bank = Bank { users: Awaited::new(Users(Sessions))? }.start_async(&MemoryStore::new()).await?;
/// bank.execute_async(OpenAccount { account: AccountId("alice".into()), owner: "Alice".into() }).await?;
/// # Ok::<(), BoxError>(())
/// # })?;
/// # Ok::<(), BoxError>(())
/// ```
///
/// * The futures stay on the thread of their command or follower, and need not be `Send`. While a hook of a task's command awaits,
///   it holds one of tokio's blocking threads, which does not count among those of [`set_threads`](crate::tasks::set_threads).
/// * A follower that is stopped waits for its hooks: give what they await a time limit.
/// * Hooks around a view in SQLite, and around a process, run while the store is locked for writing: they should await nothing there.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a hook that awaits",
    label = "this type does not implement `AsyncHook`",
    note = "implement it: `impl factum::tasks::AsyncHook for {Self} {{ .. }}`; each of its methods has a default"
)]
pub trait AsyncHook: Send + Sync + 'static {
    /// See [`Hook::before`].
    fn before(&self, command: &mut Incoming<'_>) -> impl Future<Output = Result<(), BoxError>> {
        let _ = command;
        async { Ok(()) }
    }

    /// See [`Hook::after`].
    fn after(&self, command: &CarriedOut<'_>) -> impl Future<Output = ()> {
        let _ = command;
        async {}
    }

    /// See [`Hook::before_event`].
    fn before_event(&self, event: &FollowerEvent<'_>) -> impl Future<Output = Result<(), BoxError>> {
        let _ = event;
        async { Ok(()) }
    }

    /// See [`Hook::after_event`].
    fn after_event(
        &self,
        event: &FollowerEvent<'_>,
        outcome: Result<(), &(dyn Error + 'static)>,
        duration: Duration,
    ) -> impl Future<Output = ()> {
        let _ = (event, outcome, duration);
        async {}
    }
}

/// A hook that awaits, with the runtime that it runs on.
pub struct Awaited<H> {
    hook: H,
    runtime: Runtime,
}

/// A hook that awaits needs a runtime of tokio, and its caller has none.
#[derive(Debug, thiserror::Error)]
#[error(
    "a hook that awaits runs on a runtime of tokio: make it in a task, in a scope of `let _entered = runtime.enter();`, or by \
     `Awaited::on`"
)]
#[non_exhaustive]
pub struct NoRuntime;

impl<H: AsyncHook> Awaited<H> {
    /// The hook, on the runtime that this thread belongs to or has entered.
    ///
    /// Fails without a runtime.
    pub fn new(hook: H) -> Result<Self, NoRuntime> {
        let runtime = Runtime::current().ok_or(NoRuntime)?;
        Ok(Self { hook, runtime })
    }

    /// The hook, on this runtime.
    pub fn on(hook: H, runtime: &Handle) -> Self {
        Self { hook, runtime: Runtime::of(runtime) }
    }

    fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        apart(|| self.runtime.block_on(future))
    }
}

impl<H: AsyncHook> Hook for Awaited<H> {
    fn before(&self, command: &mut Incoming<'_>) -> Result<(), BoxError> {
        self.wait(self.hook.before(command))
    }

    fn after(&self, command: &CarriedOut<'_>) {
        self.wait(self.hook.after(command));
    }

    fn before_event(&self, event: &FollowerEvent<'_>) -> Result<(), BoxError> {
        self.wait(self.hook.before_event(event))
    }

    fn after_event(
        &self,
        event: &FollowerEvent<'_>,
        outcome: Result<(), &(dyn Error + 'static)>,
        duration: Duration,
    ) {
        self.wait(self.hook.after_event(event, outcome, duration));
    }
}

impl<H: fmt::Debug> fmt::Debug for Awaited<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Awaited").field(&self.hook).finish()
    }
}
