//! The port of stores: the trait that a store implements, its data and its errors.
//!
//! A program gets a store from [`factum::sqlite`](crate::sqlite) or [`factum::memory`](crate::memory). This
//! module is for the authors of other stores. The tests of
//! [`factum::testing::conformance`](crate::testing::conformance) hold the laws that every store must keep.

pub(crate) mod append;
pub(crate) mod error;
pub(crate) mod event_store;
pub(crate) mod forwarding;
pub(crate) mod group_commit;
pub(crate) mod held;
pub(crate) mod identity;
pub(crate) mod lock;
pub(crate) mod owned_append;
pub(crate) mod owned_event;
pub(crate) mod partition;
pub(crate) mod per_process;
pub(crate) mod queue;

pub(crate) mod read;
pub(crate) mod serving;
pub(crate) mod snapshot;
pub(crate) mod stored_key;
pub(crate) mod sync;
pub(crate) mod task_reads;
pub(crate) mod timer;
pub(crate) mod wakers;
pub(crate) mod written;

pub use self::append::{Append, Appended, ExpectedVersion, NewEvent, NewKey, Outcome, check_appends};
pub use self::error::{AppendError, Conflict, KeyReused, StoreError};
pub use self::event_store::EventStore;
pub use self::identity::StoreIdentity;
pub use self::partition::Partition;
pub use self::queue::{Chain, QueueError, Queued, QueuedAppend, TaskAnswer};
pub use self::read::{Filter, ReplayedEvent, StoredEvent, Visit, VisitReplayed};
pub use self::snapshot::{StoredSnapshot, VisitSnapshot};
pub use self::stored_key::{StoredKey, VisitKey};
pub use self::task_reads::{Page, ReadSnapshot, TaskRead, TaskReads};
pub use self::timer::{NewTimer, TimerChange};
pub use crate::domain::command_mark::CommandMark;
