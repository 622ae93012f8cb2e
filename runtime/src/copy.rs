//! Copies of stores: to another database, or without the events that have to go.
//!
//! [`factum::copy`](fn@crate::copy) copies the events of a store to another one, of whatever kind each is. It is how a program moves
//! from SQLite to PostgreSQL, or back.
//!
//! ```
//! use factum::prelude::*;
//! # mod bank { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/bank.rs")); }
//! # use bank::*;
//!
//! # fn filled() -> Result<SqliteStore, BoxError> {
//! #     let store = SqliteStore::in_memory()?;
//! #     store.repository::<BankAccount>().execute(DepositMoney { account: AccountId("alice".into()), cents: 50 })?;
//! #     Ok(store)
//! # }
//! let from = filled()?; // or SqliteStore::open("bank.db")?
//! let to = MemoryStore::new(); // or PostgresStore::connect("postgresql://bank@localhost/bank")?
//! let report = factum::copy(&from, &to).run()?;
//! assert_eq!((report.events, to.position()?), (1, from.position()?));
//! # Ok::<(), BoxError>(())
//! ```
//!
//! # What is copied
//!
//! | part | in the copy |
//! |---|---|
//! | events: id, time, name, event version, payload, metadata | the same |
//! | positions, and versions in the streams | the same, if no event is left out |
//! | idempotency keys, with their commands and outcomes | the same; [below](#events-that-are-left-out) if events are left out |
//! | snapshots | none: the next commands take them again |
//! | views, checkpoints, reactions, processes, timers | none; [see below](#followers-of-the-copy) |
//! | the id of the store | the target has its own |
//!
//! # An interrupted copy
//!
//! The copy is appended in batches, each a commit. After an interruption at any point, run the same copy again: it compares
//! what the target has with the source, and resumes after it. So the target must be empty, or the beginning of the same
//! copy. A target with other events is refused with [`CopyError::OtherEvents`], and nothing is changed.
//!
//! No other program may append to the target meanwhile. The copy notices one, and fails with [`CopyError::OtherWriter`]. Two runs of
//! the same copy do no harm: at least one of them fails so, and the target stays right.
//!
//! Programs may append to the source. The copy ends with the event that was the newest one when it began
//! ([`CopyReport::position`]). So the time without writers can be short: copy while the programs run, stop them, and run the copy again.
//!
//! In the end, the copy reads both stores from their first events, and compares all events. [`CopyReport::checksum`] is over
//! all of them: two copies with the same events have the same one.
//!
//! # Events that are left out
//!
//! [`StoreCopy::changing`] changes events, or leaves some out. A stored event never changes: so a copy is how data is erased for good,
//! such as those of a person. Afterwards, the programs work on the copy, and the old store and its backups are deleted.
//!
//! * The versions of a stream still count from 1 without a gap, and positions too. So an event after one that was left out has a
//!   smaller version and position than in the source. References to events by their ids stay true; those by positions or
//!   versions, in tables or programs of your own, do not.
//! * The aggregate must be able to load from what is left. Often a changed event is better than none.
//! * A key's outcome names the versions in the copy. A command whose events were all left out keeps its key, and so does
//!   not happen again. If a stream is left with no events, its keys are left out too, and its name is not in the copy.
//! * Names of streams and the keys' texts are copied as they are: put no personal data there.
//! * The copy has no trace of what was left out. Delete the old file; in PostgreSQL, drop the old schema.
//!
//! # Followers of the copy
//!
//! Followers keep nothing from the source. They begin with the first event of the copy.
//!
//! * Views are rebuilt. A view in a file of its own (`SqliteProjection::in_store`) refuses the copy, as another store: delete that file.
//! * A reaction gets all events again. If what it does must not happen again, let it finish on the source, and have it begin after
//!   the events that are there: `SqliteReaction::from_now`.
//! * A process handles all events again, and sends its commands again. Their idempotency keys are in the copy, so those that were
//!   executed are not executed a second time, unless the keys were forgotten or left out.
//! * Timers are not copied: let them fire before, or schedule them again.

pub(crate) mod copied_event;
pub(crate) mod error;
mod events;
mod keys;
pub(crate) mod store_copy;

pub use self::copied_event::{Change, CopiedEvent};
pub use self::error::CopyError;
pub use self::store_copy::{CopyReport, StoreCopy};
