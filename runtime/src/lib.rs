//! Event-sourced domains: annotate plain structs, let the compiler check the aggregate, keep every event in SQLite.
//!
//! An *event-sourced* program does not store what is, but what has happened. Each change is an *event*, a fact in the past
//! tense, appended to the *stream* of the thing that it happened to and never changed again. What is follows from
//! that at any time; so does what was, and why.
//!
//! This page builds a small bank in six steps. It is one program: what a step uses of the steps before is hidden.
//!
//! # 1. Events: what happens
//!
//! ```
//! use factum::prelude::*;
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Debug, Clone, Serialize, Deserialize, Event)]
//! pub struct AccountOpened {
//!     pub owner: String,
//! }
//!
//! #[derive(Debug, Clone, Serialize, Deserialize, Event)]
//! #[event(name = "money-deposited")]
//! pub struct MoneyDeposited {
//!     pub cents: u64,
//! }
//!
//! #[derive(Debug, Clone, Serialize, Deserialize, Event)]
//! pub struct MoneyWithdrawn {
//!     pub cents: u64,
//! }
//!
//! assert_eq!(AccountOpened::NAME, "account-opened");
//! ```
//!
//! An event is a struct that owns its data, with serde's derives and [`Event`]. It is stored as JSON, under a name and a
//! version. The name is for good: it ties what is stored to the code, whatever becomes of the struct's own name. Its shape
//! may change: [`Event`] tells how each change is declared, and how old versions are read.
//!
//! # 2. Commands: what is asked for
//!
//! ```
//! # use factum::prelude::*;
//! #[derive(Debug, Clone, PartialEq, AggregateId)]
//! pub struct AccountId(String);
//!
//! #[derive(Debug, Command)]
//! pub struct OpenAccount {
//!     #[command(id)]
//!     pub account: AccountId,
//!     pub owner: String,
//! }
//!
//! #[derive(Debug, Command)]
//! pub struct DepositMoney {
//!     #[command(id)]
//!     pub account: AccountId,
//!     pub cents: u64,
//! }
//!
//! #[derive(Debug, Command)]
//! pub struct WithdrawMoney {
//!     #[command(id)]
//!     pub account: AccountId,
//!     pub cents: u64,
//! }
//! ```
//!
//! A command is a request, in the imperative, and may be refused. One field says which account is meant. Ids are strings,
//! integers, UUIDs, or newtypes of these with [`derive(AggregateId)`](AggregateId).
//!
//! # 3. The aggregate: what decides
//!
//! ```
//! # use factum::prelude::*;
//! # mod bank { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/bank.rs")); }
//! # use bank::{AccountId, AccountOpened, DepositMoney, MoneyDeposited, MoneyWithdrawn, OpenAccount, WithdrawMoney};
//! #[derive(Debug, PartialEq, thiserror::Error)]
//! pub enum AccountError {
//!     #[error("the account is open already")]
//!     AlreadyOpen,
//!     #[error("there are {0} cents, and no more")]
//!     Overdraft(u64),
//! }
//!
//! #[derive(Debug, Default, Clone, PartialEq, Aggregate)]
//! #[aggregate(
//!     id = AccountId,
//!     error = AccountError,
//!     commands(OpenAccount, DepositMoney, WithdrawMoney),
//!     events(AccountOpened, MoneyDeposited, MoneyWithdrawn),
//! )]
//! pub struct BankAccount {
//!     owner: Option<String>,
//!     balance: u64,
//! }
//!
//! #[handlers]
//! impl BankAccount {
//!     #[execute]
//!     fn open(&self, command: OpenAccount) -> Result<AccountOpened, AccountError> {
//!         match self.owner {
//!             Some(_) => Err(AccountError::AlreadyOpen),
//!             None => Ok(AccountOpened { owner: command.owner }),
//!         }
//!     }
//!
//!     #[execute]
//!     fn deposit(&self, command: DepositMoney) -> Option<MoneyDeposited> {
//!         // Nothing happens if nothing is deposited.
//!         (command.cents > 0).then_some(MoneyDeposited { cents: command.cents })
//!     }
//!
//!     #[execute]
//!     fn withdraw(&self, command: WithdrawMoney) -> Result<MoneyWithdrawn, AccountError> {
//!         if command.cents > self.balance {
//!             return Err(AccountError::Overdraft(self.balance));
//!         }
//!         Ok(MoneyWithdrawn { cents: command.cents })
//!     }
//!
//!     #[apply]
//!     fn opened(&mut self, event: &AccountOpened) {
//!         self.owner = Some(event.owner.clone());
//!     }
//!
//!     #[apply]
//!     fn deposited(&mut self, event: &MoneyDeposited) {
//!         self.balance += event.cents;
//!     }
//!
//!     #[apply]
//!     fn withdrawn(&mut self, event: &MoneyWithdrawn) {
//!         self.balance -= event.cents;
//!     }
//! }
//! ```
//!
//! [`Aggregate`] is derived on the state, which holds what decisions need to know and no more. Its lists are the
//! contract: a command without an `#[execute]` method does not compile, nor an event without an `#[apply]` method, nor a
//! method that emits what is not listed.
//!
//! An `#[execute]` method looks and decides; it changes nothing. It returns an event, or several in any of the shapes that
//! [`IntoEvents`] lists, or a `Result` of these. If what comes next depends on what came before, [`Events`] looks ahead. An
//! `#[apply]` method changes the state and can't fail: the event has happened.
//!
//! The derive makes two enums, `BankAccountCommand` and `BankAccountEvent`, and the dispatch between them and the
//! methods. [`#[handlers]`](macro@handlers) leaves the methods what they are: functions that a test can call.
//!
//! # 4. A store, and a repository
//!
//! ```
//! # use factum::prelude::*;
//! # mod bank { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/bank.rs")); }
//! # use bank::*;
//! let store = SqliteStore::in_memory()?; // or SqliteStore::open("bank.db")?
//! let accounts = store.repository::<BankAccount>();
//! let alice = || AccountId("alice".into());
//!
//! accounts.execute(OpenAccount { account: alice(), owner: "Alice".into() })?;
//! let done = accounts.execute(DepositMoney { account: alice(), cents: 500 })?;
//! assert_eq!((done.state().balance, done.version()), (500, 2));
//!
//! // Refused: the domain's own error, and nothing is stored.
//! let error = accounts.execute(WithdrawMoney { account: alice(), cents: 501 }).unwrap_err();
//! assert_eq!(error.refusal(), Some(&AccountError::Overdraft(500)));
//!
//! // Nothing happened: not an error, and nothing is stored either.
//! assert!(accounts.execute(DepositMoney { account: alice(), cents: 0 })?.is_unchanged());
//!
//! // What was.
//! assert_eq!(accounts.load_at(&alice(), 1)?.state().balance, 0);
//! for event in accounts.history(&alice())? {
//!     let event = event?;
//!     println!("{} {} {:?}", event.version, event.recorded_at, event.event);
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`SqliteStore`] is one file; what [`execute`](Repository::execute) has returned is on the disk. [`MemoryStore`] is
//! for tests. Both are [`EventStore`]s, as yours can be.
//!
//! The events are appended with the version that the decision was made on. If another thread or process was faster, the
//! answer is a [`Conflict`], or, with [`ExecuteOptions::retry`], a new decision on the new state. The same options
//! carry metadata: who, why, and [from which event it follows](ExecuteOptions::caused_by). Several aggregates change
//! together in a [unit of work](EventStore::atomically).
//!
//! # 5. Views, and tests
//!
//! ```
//! # use factum::prelude::*;
//! # mod bank { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/bank.rs")); }
//! # use bank::*;
//! #[derive(Default, Projection)]
//! #[projection(events(MoneyDeposited, MoneyWithdrawn))]
//! struct Total {
//!     cents: u64,
//! }
//!
//! #[handlers]
//! impl Total {
//!     #[project]
//!     fn deposited(&mut self, event: &MoneyDeposited) {
//!         self.cents += event.cents;
//!     }
//!
//!     #[project]
//!     fn withdrawn(&mut self, event: &MoneyWithdrawn) {
//!         self.cents -= event.cents;
//!     }
//! }
//!
//! let store = MemoryStore::new();
//! let accounts = store.repository::<BankAccount>();
//! for name in ["alice", "bob"] {
//!     accounts.execute(DepositMoney { account: AccountId(name.into()), cents: 250 })?;
//! }
//! let mut total = MemoryProjection::new(store, Total::default());
//! total.catch_up()?;
//! assert_eq!(total.view().cents, 500);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A [`Projection`] is a view made from the events of any aggregates, for a question that no single one of them
//! answers. [`SqliteProjection`] keeps one in tables beside the events, where the view and how far it has come are one
//! commit: each event counts exactly once, whatever crashes. It can be [part of each append](SqliteProjection::inline), and
//! so always current, or [follow](SqliteProjection::follow) in a thread of its own. When its `version` is raised, it is made anew
//! beside the one that serves. What is no view, as a mail, is a [`Reaction`].
//!
//! With the feature `testing`, an aggregate is tested without a store:
//!
#![cfg_attr(feature = "testing", doc = "```")]
#![cfg_attr(not(feature = "testing"), doc = "```ignore")]
//! # use factum::prelude::*;
//! # mod bank { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/bank.rs")); }
//! # use bank::*;
//! use factum::testing::given;
//!
//! given::<BankAccount>((AccountOpened { owner: "Alice".into() }, MoneyDeposited { cents: 500 }))
//!     .when(WithdrawMoney { account: AccountId("alice".into()), cents: 501 })
//!     .then_error(&AccountError::Overdraft(500));
//! ```
//!
//! # 6. A long life
//!
//! ```
//! # use factum::prelude::*;
//! # use factum::{CacheOptions, ExecuteOptions};
//! # use serde::{Deserialize, Serialize};
//! # #[derive(Debug, Clone, Serialize, Deserialize, Event)] pub struct MoneyDeposited { pub cents: u64 }
//! # #[derive(Debug, Clone, Command)] pub struct DepositMoney { #[command(id)] pub account: String, pub cents: u64 }
//! #[derive(Debug, Default, Clone, Serialize, Deserialize, Aggregate)]
//! #[aggregate(
//!     id = String,
//!     commands(DepositMoney),
//!     events(MoneyDeposited),
//!     snapshot(every = 100),
//! )]
//! pub struct BankAccount {
//!     balance: u64,
//! }
//! # #[handlers] impl BankAccount {
//! #     #[execute] fn deposit(&self, command: DepositMoney) -> MoneyDeposited { MoneyDeposited { cents: command.cents } }
//! #     #[apply] fn deposited(&mut self, event: &MoneyDeposited) { self.balance += event.cents; }
//! # }
//!
//! # let directory = tempfile::tempdir()?;
//! # let (path, copy) = (directory.path().join("bank.db"), directory.path().join("copy.db"));
//! let store = SqliteStore::open(&path)?;
//! let accounts = store.repository::<BankAccount>().with_cache(CacheOptions::aggregates(10_000));
//! let alice = || "alice".to_owned();
//! for cents in 1..=250 {
//!     accounts.execute(DepositMoney { account: alice(), cents })?;
//! }
//! assert_eq!(accounts.statistics().hits, 249);
//!
//! // The request that came twice is carried out once.
//! let once = ExecuteOptions::new().idempotency_key("request 4711");
//! let first = accounts.execute_with(DepositMoney { account: alice(), cents: 5 }, &once)?;
//! let again = accounts.execute_with(DepositMoney { account: alice(), cents: 5 }, &once)?;
//! assert!(again.is_repeated() && again.version() == first.version());
//!
//! // Another program, or this one tomorrow, begins at the snapshot of version 200.
//! store.backup(&copy)?;
//! let tomorrow = SqliteStore::open(&copy)?.repository::<BankAccount>();
//! assert_eq!(tomorrow.load(&alice())?.version(), 251);
//! assert_eq!(tomorrow.statistics().snapshots_used, 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A command on an aggregate that was just used reads only what is new; on one that was not, what came after its last
//! [snapshot](Snapshots). Both are caches: they may be dropped at any time, and what is wrong with one is never believed.
//! [`CacheOptions`] bounds what is in memory, [`RepositoryStatistics`] tells what it was good for, and an
//! [idempotency key](ExecuteOptions::idempotency_key) makes a command that is sent twice happen once.
//! [`SqliteStore`] can be [copied](SqliteStore::backup) and [checked](SqliteStore::check) while it is in use.
//!
//! # Where to look next
//!
//! * [`Aggregate`], [`Event`], [`Command`], [`Projection`], [`Reaction`]: what each derive takes.
//! * [`guide::versions`]: how an event is changed when there are stored ones.
//! * [`guide::messages`]: all that the compiler says of a mistake, why, and what to write instead.
//! * [`Repository`]: all that can be done with aggregates. [`ExecuteOptions`]: all that can be said of a command.
//! * [`EventStore`]: how a store is written. [`Subscription`]: all events as they come.
//! * [`ReadError`], [`ExecuteError`], [`StoreError`]: all that can go wrong. Nothing is skipped in silence, and nothing
//!   panics.
//!
//! # Features
//!
//! * `sqlite` (on by default): [`SqliteStore`] and projections into SQLite, with SQLite compiled in.
//! * `testing`: the module `testing`, for your `dev-dependencies`: given/when/then for aggregates, and a conformance suite
//!   for stores.

#![cfg_attr(docsrs, feature(doc_cfg))]

extern crate self as factum;

/// The README's program, compiled and run as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

mod aggregate;
mod command;
pub mod derived;
mod encode;
mod error;
mod event;
mod event_id;
mod events;
#[cfg(feature = "sqlite")]
mod following;
pub mod guide;
mod id;
mod metadata;
mod options;
#[doc(hidden)]
pub mod private;
mod projection;
mod reaction;
mod replay;
mod repository;
mod shape;
mod snapshot;
mod store;
mod subscription;
#[cfg(feature = "testing")]
pub mod testing;
mod time;
mod unit_of_work;

pub use factum_macros::{
    Aggregate, AggregateId, Command, Event, EventSchema, Projection, Reaction, apply, execute, handlers,
    project, react, upcast,
};

pub use self::aggregate::{Aggregate, Apply, Emits, Execute, Retires, Upcast};
pub use self::command::{Accepts, Command};
pub use self::error::{
    AppendError, BoxError, Conflict, ExecuteError, LoadError, ReadError, SnapshotError, StoreError,
};
pub use self::event::{DecodeError, Decoded, EncodeError, Event, EventKind, EventSet};
pub use self::events::{Events, IntoEvents};
#[cfg(feature = "sqlite")]
pub use self::following::{DeadLetter, Follow, Follower, Following, OnFailure, Progress, Revived, WaitError};
pub use self::id::{AggregateId, InvalidId, StreamId};
pub use self::metadata::{Cause, Envelope, Metadata, Recorded};
pub use self::options::{Attempts, ExecuteOptions, Once, Retry};
pub use self::projection::{
    CaughtUp, Follows, HandlerPanicked, Memory, MemoryProjection, MemoryShards, PartitionedByStream, Project,
    ProjectError, Projection, ProjectionError, Target, Writer,
};
#[cfg(feature = "sqlite")]
pub use self::projection::{Sqlite, SqliteProjection};
#[cfg(feature = "sqlite")]
pub use self::reaction::SqliteReaction;
pub use self::reaction::{Delivery, React, Reaction, SideEffects};
pub use self::repository::{
    BatchError, CacheOptions, Executed, History, Loaded, Repository, RepositoryStatistics,
};
pub use self::shape::{EventSchema, FieldShape, Shape};
pub use self::snapshot::{SnapshotPolicy, Snapshots};
#[cfg(feature = "sqlite")]
pub use self::store::SqliteStore;
pub use self::store::{
    Append, Appended, EventStore, ExpectedVersion, Filter, MemoryStore, NewEvent, NewKey, Outcome, Partition,
    ReplayedEvent, StoredEvent, StoredSnapshot, Visit, VisitReplayed, VisitSnapshot, check_appends,
};
pub use self::subscription::{Stopper, SubscribedEvent, Subscription, SubscriptionOptions};
pub use self::time::{InvalidTimestamp, Moment, Timestamp};
pub use self::unit_of_work::{Committed, Decided, UnitOfWork};
/// Ids of events, correlations and causations.
pub use uuid::Uuid;

/// The SQLite store and its options.
#[cfg(feature = "sqlite")]
pub mod sqlite {
    pub use crate::projection::ViewTransaction;
    pub use crate::store::SqliteStore;
    pub use crate::store::sqlite::{
        BackupError, BackupProgress, Checkpoint, Damage, Durability, OpenError, QueryError, SqliteOptions,
    };
    /// The rusqlite that factum is built with, for projections' handlers and queries.
    pub use rusqlite;
}

/// What most files of a domain need: `use factum::prelude::*;`.
pub mod prelude {
    pub use crate::{
        Aggregate, AggregateId, Apply, BoxError, Command, Envelope, Event, EventSchema, EventStore, Events,
        Execute, MemoryProjection, MemoryStore, Project, Projection, Reaction, Repository, Timestamp, Upcast,
        apply, execute, handlers, project, react, upcast,
    };
    #[cfg(feature = "sqlite")]
    pub use crate::{Sqlite, SqliteProjection, SqliteReaction, SqliteStore};
}
