//! Tasks of tokio: `async` methods for what blocks, and streams of events.
//!
//! The methods are those of the types that they belong to, with `_async` at the end of the name, and fail as the method
//! without `_async` does.
//!
//! * Reads and decisions run on a few of tokio's blocking threads; [`set_threads`] says how many. So handlers may block. A
//!   command that waits for its commit holds no thread, and shares the commit with the commands of threads.
//! * Reads of a store with [`TaskReads`](crate::store::TaskReads), as a [`PostgresStore`] has them, hold no thread while they
//!   wait. Commands are validated and events are applied where the task runs then, and decisions have a thread. Batches and
//!   units of work read on the thread that they are decided on.
//! * A handler may block on these methods too, as by `Handle::block_on`: they run on its own thread. It must not wait for
//!   another task or thread that calls them: that one may need the handler's thread. A handler of an inline view gets
//!   [`StoreError::Reentrant`](crate::store::StoreError::Reentrant) for a command: its append would wait for itself.
//! * What has begun is carried out, whether its future is dropped or not: it begins when the future is first polled, and
//!   goes on in a task of its own. A runtime that is shut down drops its tasks, as a crash would end them.
//! * What has no `async` method of its own runs by [`blocking`].
//! * Hooks may await: [`AsyncHook`]. So may [reactions](crate::follow::Reaction#async-handlers).
//! * A runtime's worker thread must not block: call the methods without `_async` from threads only. Debug builds report what
//!   they [notice](crate::guide::telemetry#blocking-calls).
//! * Without a runtime of tokio, the methods work on any executor, and block its thread.
//!
//! ```
//! use std::time::Duration;
//!
//! use factum::prelude::*;
//! use factum::tasks::AsyncStoreExt as _;
//! # mod bank { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/bank.rs")); }
//! # use bank::*;
//!
//! # tokio::runtime::Builder::new_multi_thread().build()?.block_on(async {
//! let store = MemoryStore::new();
//! let accounts = store.repository::<BankAccount>();
//! let alice = AccountId("alice".into());
//! let done = accounts.execute_async(DepositMoney { account: alice.clone(), cents: 50 }).await?;
//! assert_eq!(accounts.load_async(&alice).await?.state().balance, 50);
//!
//! let position = done.position().ok_or("there is an event")?;
//! assert_eq!(store.wait_for_async(position, Duration::from_secs(1)).await?, position);
//! # Ok::<(), BoxError>(())
//! # })?;
//! # Ok::<(), BoxError>(())
//! ```
//!
//! [`PostgresStore`]: https://docs.rs/factum/latest/factum/postgres/struct.PostgresStore.html

pub(crate) mod application;
pub(crate) mod blocking;
pub(crate) mod copy;
pub(crate) mod event_store;
pub(crate) mod history;
pub(crate) mod hooks;
pub(crate) mod instances;
pub(crate) mod repository;
pub(crate) mod signal;
pub(crate) mod stored_projection;
pub(crate) mod stream;
pub(crate) mod tenants;
pub(crate) mod threads;
pub(crate) mod timers;
pub(crate) mod waiting;

pub use self::application::AsyncApplicationExt;
pub use self::blocking::blocking;
pub use self::event_store::AsyncStoreExt;
pub use self::history::HistoryStream;
pub use self::hooks::{AsyncHook, Awaited, NoRuntime};
pub use self::stream::EventStream;
pub use self::threads::set_threads;
pub use crate::repository::in_tasks::InTasks;
