//! Event-sourced domains: annotate plain structs, let the compiler check the aggregate, keep every event in SQLite.
//!
//! An *event-sourced* program stores what has happened, not what is. Each change is an *event*: a fact in the past tense. It is
//! appended to the *stream* of one aggregate, and never changes again. The program computes the present state from the
//! events. It computes every past state, and its reasons, in the same way.
//!
//! # What do I need
//!
//! | I want to .. | see |
//! |---|---|
//! | learn it step by step | the [tutorial](#tutorial) below |
//! | declare an event, a command, an aggregate, an id | the derives [`Event`], [`Command`], [`Aggregate`], [`AggregateId`] |
//! | know what a handler may return | [`IntoEvents`]; [`Events`] to look ahead at the state between two events |
//! | execute commands, load aggregates, read their history | [`Repository`] |
//! | set metadata, an expected version, retries, an idempotency key | [`ExecuteOptions`] |
//! | change several aggregates in one commit | [`EventStoreExt::atomically`], [`UnitOfWork`] |
//! | load faster | [`CacheOptions`], [`Snapshots`]; [`RepositoryStatistics`] counts what they save |
//! | keep events in a file, back it up, check it | [`SqliteStore`], [`SqliteOptions`] |
//! | move to another database, erase events for good | [`copy`](mod@copy) |
//! | keep events in memory | [`MemoryStore`](memory::MemoryStore) |
//! | make a view (a read model) | [`Projection`](follow::Projection), [`SqliteProjection`], [`MemoryProjection`](memory::MemoryProjection) |
//! | make a view that runs on SQLite and on PostgreSQL | [`Sql`](follow::Sql) |
//! | read my own writes in a view | [`SqliteProjection::inline`], [`RunningFollower::wait_for`](follow::RunningFollower::wait_for) |
//! | rebuild a view | [`SqliteProjection::rebuild`] |
//! | send a mail, call a service, give a command to another aggregate | [`Reaction`](follow::Reaction), [`SqliteReaction`] |
//! | send commands after events, with a memory and time-outs (a saga) | [`Process`](follow::Process), [`SqliteProcess`](sqlite::SqliteProcess) |
//! | send a command at a time | [`Running::schedule`](application::Running::schedule), [`ExecuteOptions::schedule`] |
//! | continue after an event that fails | [`OnFailure`](follow::OnFailure), [`DeadLetter`](follow::DeadLetter) |
//! | read all events as they come | [`Subscription`](follow::Subscription) |
//! | change an event that is stored already | [`guide::versions`] |
//! | deploy a new version of a program | [`guide::deployment`] |
//! | run a PostgreSQL cluster that survives a node | [`guide::cluster`] |
//! | write a service, from `main` to shutdown | [`guide::services`] |
//! | trace commands and followers, or count them | [`guide::telemetry`], [`telemetry::statistics`] |
//! | know the tests behind each promise | [`guide::reliability`] |
//! | test an aggregate, a view or a reaction without a store | [`testing::given`], [`testing::project`], [`testing::react`] |
//! | keep stored events readable | [`testing::lock!`] |
//! | say in one struct what runs | [`Application`](application::Application), [`Running`](application::Running) |
//! | check a command before anything is read | [`Command`](Command#validation), [`InvalidCommand`] |
//! | authorize commands, add metadata, measure (middleware) | [`Hook`](application::Hook) |
//! | draw what an application is made of | [`application::Model`], [`testing::model!`] |
//! | serve many customers, each with a store of its own (multi-tenancy) | [`Tenants`](application::Tenants) |
//! | describe events to programs in other languages | [`Shape::json_schema`] |
//! | write a store, and test it | [`store::EventStore`], [`testing::conformance`] |
//! | understand a message of the compiler | [`guide::messages`] |
//! | come from Commanded (Elixir) | [`guide::commanded`] |
//! | understand an error | [`ExecuteError`], [`LoadError`], [`StoreError`](store::StoreError); [`with_causes`] prints one whole |
//!
//! # Tutorial
//!
//! Six steps build a small bank. They are one program; each step hides what it uses of the steps before.
//!
//! ## 1. Events: what happens
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
//! version. The name never changes: it connects the stored event to the code, even if the struct is renamed. The shape may
//! change: [`Event`] says how to declare each change, and how old versions are read.
//!
//! ## 2. Commands: what is asked for
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
//! A command is a request, in the imperative, and the aggregate may refuse it. One field names the account. Ids are strings,
//! integers, UUIDs, or newtypes of these with [`derive(AggregateId)`](AggregateId).
//!
//! ## 3. The aggregate: what decides
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
//! Derive [`Aggregate`] on the state, which holds what decisions need and no more. Its lists are the contract. Three
//! mistakes do not compile: a command without an `#[execute]` method, an event without an `#[apply]` method, and a method
//! that emits an unlisted event.
//!
//! An `#[execute]` method decides, and changes nothing. It returns an event, or several in one of the shapes of
//! [`IntoEvents`], or a `Result` of these. If the next event depends on the one before, [`Events`] looks ahead. An
//! `#[apply]` method changes the state. It cannot fail: the event has happened.
//!
//! The derive writes two enums, `BankAccountCommand` and `BankAccountEvent`, and the dispatch between them and the
//! methods. [`#[handlers]`](macro@handlers) does not change the methods: a test can call them.
//!
//! ## 4. A store and a repository
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
//! // A refusal is the domain's own error, and nothing is stored.
//! let error = accounts.execute(WithdrawMoney { account: alice(), cents: 501 }).unwrap_err();
//! assert_eq!(error.refusal(), Some(&AccountError::Overdraft(500)));
//!
//! // No event is no error, and nothing is stored either.
//! assert!(accounts.execute(DepositMoney { account: alice(), cents: 0 })?.is_unchanged());
//!
//! // The past.
//! assert_eq!(accounts.load_at(&alice(), 1)?.state().balance, 0);
//! for event in accounts.history(&alice())? {
//!     let event = event?;
//!     println!("{} {} {:?}", event.version, event.recorded_at, event.event);
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`SqliteStore`] is one file. When [`execute`](Repository::execute) returns, the events are on the disk.
//! [`MemoryStore`](memory::MemoryStore) is for tests. Both implement [`EventStore`](store::EventStore), as your own store can.
//!
//! Commands of one process to one aggregate [take turns](Repository#commands-to-one-aggregate-at-once), and share
//! commits. The append names the version that the decision was made on. If another process was faster, the answer is a
//! [`Conflict`](store::Conflict). With [`ExecuteOptions::retry`], the aggregate decides again on the new state. The options
//! also carry metadata: the user, the reason, and [the event that caused the command](ExecuteOptions::caused_by). A
//! [unit of work](EventStoreExt::atomically) changes several aggregates together.
//!
//! ## 5. Views and tests
//!
//! ```
//! # use factum::prelude::*;
//! # mod bank { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/bank.rs")); }
//! # use bank::*;
//! #[derive(Default, Projection)]
//! #[projection(events(MoneyDeposited, MoneyWithdrawn), from(BankAccount))]
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
//! let mut total = MemoryProjection::new(&store, Total::default());
//! total.catch_up()?;
//! assert_eq!(total.view().cents, 500);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A [`Projection`](follow::Projection) is a view made from the events of any aggregates, for a question that no single one
//! answers. [`SqliteProjection`] keeps it in tables beside the events. The view and its position are one commit, so each
//! event counts exactly once, even after a crash.
//!
//! * [`SqliteProjection::inline`] makes the view part of each append, and so always current.
//! * [`SqliteProjection::follow`] keeps it up to date in the background.
//! * A new `version` of the projection rebuilds the view beside the one that serves.
//! * An effect outside of the store, such as a mail, is a [`Reaction`](follow::Reaction).
//!
//! With the feature `testing`, a test of an aggregate needs no store:
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
//! ## 6. A long life
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
//! // A request that comes twice is carried out once.
//! let once = ExecuteOptions::new().idempotency_key("request 4711");
//! let first = accounts.execute_with(DepositMoney { account: alice(), cents: 5 }, &once)?;
//! let again = accounts.execute_with(DepositMoney { account: alice(), cents: 5 }, &once)?;
//! assert!(again.is_repeated() && again.version() == first.version());
//!
//! // Another program, or this one tomorrow, starts at the snapshot of version 200.
//! store.backup(&copy)?;
//! let tomorrow = SqliteStore::open(&copy)?.repository::<BankAccount>();
//! assert_eq!(tomorrow.load(&alice())?.version(), 251);
//! assert_eq!(tomorrow.statistics().snapshots_used, 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! * A command on a cached aggregate reads only the events that are new since then. [`CacheOptions`] bounds the cache, and
//!   [`RepositoryStatistics`] counts its hits.
//! * Without a cached state, a load reads the events after the last [snapshot](Snapshots).
//! * Both are caches. They may be dropped at any time, and a damaged snapshot is never used.
//! * An [idempotency key](ExecuteOptions::idempotency_key) makes a command that is sent twice happen once.
//!   Only a key settles what happened if the disk fails during a commit
//!   ([`StoreError::CommitUnknown`](store::StoreError::CommitUnknown)).
//! * [`SqliteStore`] can be copied (`backup`) and checked (`check`) while it is in use.
//!
//! # Features
//!
//! * `sqlite` (on by default): [`SqliteStore`], and projections and reactions with their progress in SQLite. SQLite is compiled
//!   in.
//! * `postgres`: the module `postgres`, with a store for several programs on several machines, and reactions, processes and
//!   timers that these share.
//! * `postgres-tls`: encrypted connections with PostgreSQL, by rustls and ring. It needs a C compiler.
//! * `tokio`: the module `tasks`, with `async` methods for what blocks, and streams of events; `async fn` in reactions.
//! * `tracing`: spans and events for subscribers of the crate `tracing`; [`guide::telemetry`] lists them.
//! * `testing`: the module `testing`, for your `dev-dependencies`. It has tests of aggregates, views and reactions without a
//!   store, the lock of events, and a conformance suite for stores.
//!
//! <!-- Without a feature, links to its items lead to the list of features. -->
#![cfg_attr(
    feature = "sqlite",
    doc = "
[`SqliteStore`]: sqlite::SqliteStore
[`SqliteOptions`]: sqlite::SqliteOptions
[`SqliteProjection`]: sqlite::SqliteProjection
[`SqliteProjection::inline`]: sqlite::SqliteProjection::inline
[`SqliteProjection::follow`]: sqlite::SqliteProjection::follow
[`SqliteProjection::rebuild`]: sqlite::SqliteProjection::rebuild
[`SqliteReaction`]: sqlite::SqliteReaction
"
)]
#![cfg_attr(
    not(feature = "sqlite"),
    doc = "
[`SqliteStore`]: #features
[`SqliteOptions`]: #features
[`SqliteProjection`]: #features
[`SqliteProjection::inline`]: #features
[`SqliteProjection::follow`]: #features
[`SqliteProjection::rebuild`]: #features
[`SqliteReaction`]: #features
"
)]
#![cfg_attr(
    feature = "testing",
    doc = "
[`testing::given`]: testing::given
[`testing::lock!`]: testing::lock!
[`testing::model!`]: testing::model!
[`testing::project`]: testing::project()
[`testing::react`]: testing::react()
[`testing::conformance`]: testing::conformance
"
)]
#![cfg_attr(
    not(feature = "testing"),
    doc = "
[`testing::given`]: #features
[`testing::lock!`]: #features
[`testing::model!`]: #features
[`testing::project`]: #features
[`testing::react`]: #features
[`testing::conformance`]: #features
"
)]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)
)]
#![cfg_attr(
    not(all(feature = "postgres", feature = "sqlite", feature = "tokio")),
    allow(dead_code, reason = "some code below is run by one database only, and some by tasks only")
)]

extern crate self as factum;

/// The README's program, compiled and run as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

pub mod application;
pub mod copy;
mod domain;
mod event_store_ext;
pub mod follow;
pub mod guide;
#[doc(hidden)]
pub mod macro_support;
pub mod memory;
#[cfg_attr(feature = "tokio", path = "misuse/noticed.rs")]
#[cfg_attr(not(feature = "tokio"), path = "misuse/unnoticed.rs")]
mod misuse;
#[cfg(factum_shuttle)]
#[path = "../../tests/model/model.rs"]
mod model;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(feature = "postgres")]
#[cfg_attr(feature = "postgres-tls", path = "postgres_tls/encrypted.rs")]
#[cfg_attr(not(feature = "postgres-tls"), path = "postgres_tls/missing.rs")]
mod postgres_tls;
mod repository;
#[cfg_attr(feature = "tokio", path = "runtime/of_tokio.rs")]
#[cfg_attr(not(feature = "tokio"), path = "runtime/absent.rs")]
mod runtime;
#[cfg(feature = "sqlite")]
pub mod sqlite;
pub mod store;
#[cfg(feature = "tokio")]
pub mod tasks;
#[cfg(all(feature = "sqlite", feature = "tokio"))]
mod tasks_sqlite;
pub mod telemetry;
#[cfg(feature = "testing")]
pub mod testing;
#[cfg(all(feature = "sqlite", feature = "testing"))]
mod testing_sqlite;
#[cfg_attr(feature = "tracing", path = "trace/emitted.rs")]
#[cfg_attr(not(feature = "tracing"), path = "trace/silent.rs")]
mod trace;

pub use factum_macros::{
    Aggregate, AggregateId, Command, Event, EventSchema, apply, execute, handlers, upcast,
};
/// The type of the ids of events, correlations and causations.
pub use uuid::Uuid;

pub use self::copy::store_copy::copy;
pub use self::domain::accepts::{Accepts, CommandFor};
pub use self::domain::aggregate::{Aggregate, Apply, Emits, Execute, Knows, Retires, Upcast};
pub use self::domain::aggregate_model::AggregateModel;
pub use self::domain::codec_error::{DecodeError, EncodeError};
pub use self::domain::command::Command;
pub use self::domain::command_fields::CommandFields;
pub use self::domain::command_set::{CommandKind, CommandSet};
pub use self::domain::command_traits::ReadCommand;
pub use self::domain::decision::{Events, IntoEvents};
pub use self::domain::denied::Denied;
pub use self::domain::emitted::{Count, Emitted};
pub use self::domain::error::{BoxError, with_causes};
pub use self::domain::event::{Event, EventKind};
pub use self::domain::event_schema::{EventSchema, FieldShape, Shape};
pub use self::domain::event_set::{Decoded, EventSet};
pub use self::domain::id::{AggregateId, InvalidId};
pub use self::domain::invalid_command::{InvalidCommand, InvalidField};
pub use self::domain::metadata::{Cause, Envelope, Metadata, Recorded};
pub use self::domain::position::Position;
pub use self::domain::read_command::ReadCommandError;
pub use self::domain::snapshot::{SnapshotPolicy, Snapshots};
pub use self::domain::stream_name::StreamName;
pub use self::domain::thread_safe::ThreadSafe;
pub use self::domain::time::{InvalidTimestamp, Timestamp};
pub use self::event_store_ext::EventStoreExt;
pub use self::repository::error::{BatchError, ExecuteError, LoadError, ReadError, SnapshotError};
pub use self::repository::execute_options::{CanRetry, ExecuteOptions, NoRetry, Retries};
pub use self::repository::history::History;
pub use self::repository::moment::Moment;
pub use self::repository::outcome::{Executed, Loaded};
pub use self::repository::repository::Repository;
pub use self::repository::state_cache::CacheOptions;
pub use self::repository::statistics::RepositoryStatistics;
pub use self::repository::unit_of_work::{Committed, Decided, UnitOfWork};

/// What most files of a domain need: `use factum::prelude::*;`.
pub mod prelude {
    pub use crate::application::{Application, ApplicationCommand, ApplicationExt};
    pub use crate::follow::{
        After, At, Cancel, Delivery, Done, OnFailure, Process, Project, Projection, Reaction, Sql, SqlError,
        SqlTransaction, SubscriptionOptions, Timeout, project, react, refused,
    };
    pub use crate::memory::{MemoryProjection, MemoryStore};
    #[cfg(feature = "postgres")]
    pub use crate::postgres::{PostgresProcess, PostgresReaction, PostgresStore};
    #[cfg(feature = "sqlite")]
    pub use crate::sqlite::{Sqlite, SqliteProcess, SqliteProjection, SqliteReaction, SqliteStore};
    pub use crate::store::EventStore;
    pub use crate::{
        Aggregate, AggregateId, Apply, BoxError, Command, CommandSet, Envelope, Event, EventSchema,
        EventStoreExt, Events, Execute, ExecuteError, ExecuteOptions, Repository, Timestamp, Upcast, apply,
        execute, handlers, upcast,
    };
}
