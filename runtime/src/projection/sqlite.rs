//! Views in the tables of a store's own file.

mod batch;
mod inline;
mod prepared;
mod rebuild;
mod swap;
mod writer;

use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::Transaction;

pub(crate) use self::inline::Inline;
use self::inline::InlineProjection;
use self::rebuild::Rebuild;
pub use self::writer::ViewTransaction;
use super::{CaughtUp, PartitionedByStream, Projection, ProjectionError, Target, guarded};
use crate::error::BoxError;
use crate::following::{
    Control, DeadLetter, Engine, Follow, Follower, Found, Holder, Policy, Progress, Report, Revived, View,
    find, forget, list, patiently, remove, sealed, set_aside, start,
};
use crate::store::EventStore;
use crate::store::sqlite::SqliteStore;

/// How long a process that has died is waited for, where nobody says.
const LEASE: Duration = Duration::from_secs(10);

/// The view is in tables of a SQLite file; handlers write with a [`Transaction`], or a [`ViewTransaction`].
#[derive(Debug)]
pub enum Sqlite {}

impl Target for Sqlite {
    type Writer<'w> = ViewTransaction<'w>;
}

/// A view in tables of the file that the events are in.
///
/// What the handlers write and the position up to which events have been seen are committed together: each event
/// counts exactly once, whatever crashes.
///
/// ```
/// use factum::prelude::*;
/// use factum::sqlite::rusqlite::Transaction;
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Debug, Serialize, Deserialize, Event)] struct Incremented;
/// # #[derive(Debug, Command)] struct Increment(String);
/// # #[derive(Debug, Default, Clone, Aggregate)]
/// # #[aggregate(id = String, commands(Increment), events(Incremented))]
/// # struct Counter { count: u64 }
/// # #[handlers] impl Counter {
/// #     #[execute] fn increment(&self, _: Increment) -> Incremented { Incremented }
/// #     #[apply] fn incremented(&mut self, _: &Incremented) { self.count += 1; }
/// # }
/// #[derive(Projection)]
/// #[projection(
///     events(Incremented),
///     into = Sqlite,
///     init = "CREATE TABLE counts (counter TEXT PRIMARY KEY, count INTEGER NOT NULL)",
/// )]
/// struct Counts;
///
/// #[handlers]
/// impl Counts {
///     #[project]
///     fn incremented(
///         &self,
///         _: &Incremented,
///         envelope: &Envelope<'_>,
///         transaction: &Transaction<'_>,
///     ) -> Result<(), BoxError> {
///         transaction.execute(
///             "INSERT INTO counts VALUES (?1, 1) ON CONFLICT DO UPDATE SET count = count + 1",
///             [envelope.key],
///         )?;
///         Ok(())
///     }
/// }
///
/// let store = SqliteStore::in_memory()?;
/// let counters = store.repository::<Counter>();
/// counters.execute(Increment("visits".into()))?;
///
/// let mut counts = SqliteProjection::new(&store, Counts)?;
/// counts.catch_up()?;
/// let visits: u64 = store.query(|connection| {
///     connection.query_row("SELECT count FROM counts WHERE counter = 'visits'", (), |row| row.get(0))
/// })?;
/// assert_eq!(visits, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Handlers run while the store is held for writing. They can't execute commands: that fails with
/// [`StoreError::Reentrant`](crate::StoreError::Reentrant), as does loading from a store in memory. Nor must they wait for
/// anybody who appends.
///
/// It can be run in three ways: when it is told to ([`catch_up`](Self::catch_up)), as part of each append
/// ([`inline`](Self::inline)), or by itself, behind the store ([`follow`](Self::follow)).
///
/// # Another version
///
/// If the view was made by an earlier version of the projection, each of these makes it anew first, beside the old view, which
/// serves all the while and is replaced in one transaction; see [`rebuild`](Self::rebuild).
///
/// What a handler writes to `self` is not undone with the transaction, and is gone when the program ends: it is good for a
/// cache and no more.
pub struct SqliteProjection<P> {
    engine: Engine<P>,
}

impl<P: Projection<Target = Sqlite>> SqliteProjection<P> {
    /// The projection as far as it has come in the store's file; its tables are made if it is the first time.
    ///
    /// Fails with [`ProjectionError::OtherVersion`] if the view there was made by a newer version of the projection, with
    /// [`ProjectionError::OtherDefinition`] if by one with other events or tables at the same version, and if its `init`
    /// fails.
    pub fn new(store: &SqliteStore, projection: P) -> Result<Self, ProjectionError> {
        Self::open(View { home: store.clone(), source: None }, projection)
    }

    /// The projection of the events in any store into another file, `views`: that of a store of its own, which need not have
    /// events. View and progress are committed together there. Who appends never waits for it.
    ///
    /// ```
    /// # use factum::prelude::*;
    /// # use factum::sqlite::rusqlite::{self, Transaction};
    /// # mod bank { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/bank.rs")); }
    /// # use bank::*;
    /// # #[derive(Projection)]
    /// # #[projection(events(MoneyDeposited), into = Sqlite, init = "CREATE TABLE deposits (cents INTEGER NOT NULL)")]
    /// # struct Deposits;
    /// # #[handlers]
    /// # impl Deposits {
    /// #     #[project]
    /// #     fn deposited(&self, event: &MoneyDeposited, transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    /// #         transaction.execute("INSERT INTO deposits VALUES (?1)", [event.cents.cast_signed()]).map(drop)
    /// #     }
    /// # }
    /// # let folder = tempfile::tempdir()?;
    /// # let path = |name: &str| folder.path().join(name);
    /// let store = SqliteStore::open(path("bank.db"))?;
    /// let views = SqliteStore::open(path("views.db"))?;
    /// let mut deposits = SqliteProjection::new_in(&views, &store, Deposits)?;
    /// # store.repository::<BankAccount>().execute(DepositMoney { account: AccountId("a".into()), cents: 5 })?;
    /// deposits.catch_up()?;
    /// let count: u64 = views.query(|views| {
    ///     views.query_row("SELECT count(*) FROM deposits", (), |row| row.get(0))
    /// })?;
    /// # assert_eq!(count, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// Fails as [`new`](Self::new) does.
    pub fn new_in<S: EventStore + Clone + 'static>(
        views: &SqliteStore,
        events: &S,
        projection: P,
    ) -> Result<Self, ProjectionError> {
        // Of one file, it is one transaction.
        let is_one = events.identity().is_some_and(|identity| views.identity() == Some(identity));
        let source = (!is_one).then(|| Arc::new(events.clone()) as Arc<dyn EventStore>);
        Self::open(View { home: views.clone(), source }, projection)
    }

    fn open(view: View, projection: P) -> Result<Self, ProjectionError> {
        if matches!(view.on_reader::<P, _>(|connection| find::<P>(connection))?, Found::Nothing) {
            view.in_transaction::<P, _, ProjectionError>(|transaction| match find::<P>(transaction)? {
                Found::Nothing => start::<P>(transaction, 0),
                Found::Older { .. } | Found::Current(_) => Ok(()),
            })?;
        }
        Ok(Self { engine: Engine::new(view, projection) })
    }

    /// The projection, to be made anew in place: `drop_tables` takes its tables away, `init` makes them again, and the next
    /// catch-up begins at the first event. All in one transaction.
    ///
    /// Until then, the view is empty: [`rebuild`](Self::rebuild) lets the old one serve meanwhile. This is for a view whose
    /// definition was changed at the same version, or that has tables which can't be copied. A program that still runs an earlier
    /// version gets [`ProjectionError::OtherVersion`] from then on.
    pub fn reset<E: Into<BoxError>>(
        store: &SqliteStore,
        projection: P,
        drop_tables: impl FnOnce(&Transaction<'_>) -> Result<(), E>,
    ) -> Result<Self, ProjectionError> {
        let view = View { home: store.clone(), source: None };
        view.in_transaction::<P, _, _>(|transaction| {
            drop_tables(transaction)
                .map_err(|error| ProjectionError::Tables { projection: P::NAME, source: error.into() })?;
            forget::<P>(transaction)?;
            start::<P>(transaction, 0)
        })?;
        Ok(Self { engine: Engine::new(view, projection) })
    }

    /// Has so many workers share the work, each with a part of the streams and a clone of the projection. Events of one stream
    /// are taken in order; how far each worker has come is committed with what it writes.
    ///
    /// SQLite lets one write at a time: workers read and decode side by side, and take turns writing.
    pub fn workers(mut self, workers: usize) -> Self
    where
        P: PartitionedByStream + Clone + Send,
    {
        self.engine.work_side_by_side(workers);
        self
    }

    /// Who is told how far a catch-up or a rebuild has come, after each transaction of many events. Breaking off ends it, with
    /// [`ProjectionError::Stopped`] where somebody waits for it; another call goes on from there.
    ///
    /// One that follows tells of its way to what is the end of the store when it starts, and no further.
    ///
    /// ```
    /// # use factum::prelude::*;
    /// # use factum::sqlite::rusqlite::{self, Transaction};
    /// # mod bank { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/bank.rs")); }
    /// # use bank::*;
    /// # #[derive(Projection)]
    /// # #[projection(events(MoneyDeposited), into = Sqlite, init = "CREATE TABLE deposits (cents INTEGER NOT NULL)")]
    /// # struct Deposits;
    /// # #[handlers]
    /// # impl Deposits {
    /// #     #[project]
    /// #     fn deposited(&self, event: &MoneyDeposited, transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    /// #         transaction.execute("INSERT INTO deposits VALUES (?1)", [event.cents.cast_signed()]).map(drop)
    /// #     }
    /// # }
    /// # let store = SqliteStore::in_memory()?;
    /// use std::ops::ControlFlow;
    ///
    /// let mut deposits = SqliteProjection::new(&store, Deposits)?.on_progress(|progress| {
    ///     println!("{} of {} events, {:.0} a second", progress.done, progress.total, progress.rate());
    ///     ControlFlow::Continue(())
    /// });
    /// deposits.rebuild()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn on_progress(mut self, tell: impl FnMut(&Progress) -> ControlFlow<()> + Send + 'static) -> Self {
        self.engine.report = Some(Report::new(Box::new(tell)));
        self
    }

    /// Projects all events that are in the store by now and have not been seen yet, in transactions of many events; makes the
    /// view anew first, if an earlier version has made it.
    ///
    /// Fails at the first event that can't be read or projected. What comes before it counts; another call tries it once
    /// more.
    pub fn catch_up(&mut self) -> Result<CaughtUp, ProjectionError> {
        let rebuilt = if self.needs_rebuild()? { self.rebuild_if(false)? } else { None };
        let caught = self.engine.catch_up(None)?;
        Ok(CaughtUp { events: caught.events + rebuilt.map_or(0, |rebuilt| rebuilt.events), ..caught })
    }

    /// Makes the view anew from the first event, beside the one that serves, which is replaced when the new one has caught up:
    /// after a mistake in a handler, or with damage in a table. A new [`version`](Projection::VERSION) does the same by itself.
    ///
    /// The new view is made in a file beside the old one's, whose name ends with `-rebuild-` and the projection's (for a store
    /// in memory, in the system's folder for temporary files; it goes with the store); a rebuild that is stopped, or dies, goes on
    /// from there. The old tables are those that `init` has made; nobody but handlers should write
    /// to them. While the new ones take their place, in one transaction, readers see the old ones and who appends waits: about
    /// a second for a million rows. Handlers that read tables of others do not find them in the new file.
    ///
    /// Fails as [`catch_up`](Self::catch_up) does; the old view stays then. A table without content of its own (FTS5 with
    /// `content=''`) can't be copied: [`reset`](Self::reset) makes it anew in place.
    pub fn rebuild(&mut self) -> Result<CaughtUp, ProjectionError> {
        let rebuilt = self.rebuild_if(true)?;
        let caught = self.engine.catch_up(None)?;
        Ok(CaughtUp { events: caught.events + rebuilt.map_or(0, |rebuilt| rebuilt.events), ..caught })
    }

    /// Whether the view was made by an earlier version of the projection, and will be made anew.
    pub fn needs_rebuild(&self) -> Result<bool, ProjectionError> {
        let found = self.engine.view.on_reader::<P, _>(|connection| find::<P>(connection))?;
        Ok(matches!(found, Found::Older { .. }))
    }

    fn rebuild_if(&mut self, asked: bool) -> Result<Option<CaughtUp>, ProjectionError> {
        let control = Control::new(self.engine.report.take());
        let policy = Policy::impatient();
        let rebuild = Rebuild { control: &control, policy: &policy, lease: LEASE, asked };
        let result = rebuild.run(&mut self.engine);
        self.engine.report = control.into_report();
        result
    }

    /// The position up to which everything has been seen.
    pub fn position(&self) -> Result<u64, ProjectionError> {
        self.engine.position()
    }

    /// Makes the view part of every append to the store, in the append's own transaction: it is always current.
    ///
    /// A handler that fails makes the append fail, with [`AppendError::Projection`](crate::AppendError::Projection), and with
    /// it the command: nothing is stored then. Events that are in the store already are projected first, in transactions of
    /// many.
    ///
    /// It holds for this store and its clones, as long as they are open. A program that appends to the file without the
    /// view leaves it behind; the next append here brings it up to date.
    ///
    /// Fails with [`ProjectionError::Registered`] if the store has an inline projection of that name, with
    /// [`ProjectionError::OtherFile`] if the view is in another file.
    pub fn inline(mut self) -> Result<(), ProjectionError>
    where
        P: Send + 'static,
    {
        if self.engine.view.source.is_some() {
            return Err(ProjectionError::OtherFile { projection: P::NAME });
        }
        self.catch_up()?;
        let Engine { view, mut handlers, .. } = self.engine;
        handlers.truncate(1);
        handlers.pop().map_or(Ok(()), |handlers| view.home.add_inline(Box::new(InlineProjection(handlers))))
    }

    /// Has the projection follow the store: no retries, [`OnFailure::Stop`](crate::OnFailure::Stop), a lease of 10 seconds.
    pub fn follow(self) -> Follow<Self>
    where
        P: Send + 'static,
    {
        Follow::new(self)
    }

    /// The events that were set aside, in order of position.
    pub fn dead_letters(&self) -> Result<Vec<DeadLetter>, ProjectionError> {
        Ok(list::<P>(&self.engine.view)?.into_iter().map(|(letter, _)| letter).collect())
    }

    /// Tries the events that were set aside once more, in order of position, each in a transaction of its own with its
    /// removal from the list.
    ///
    /// The view has seen later events by now: this is for handlers that do not mind.
    pub fn retry_dead_letters(&mut self) -> Result<Revived, ProjectionError> {
        let mut revived = Revived::default();
        let Engine { view, handlers, .. } = &mut self.engine;
        let Some(projection) = handlers.first_mut() else { return Ok(revived) };
        for (letter, event) in list::<P>(view)? {
            let event = event.as_stored(letter.position);
            let result = view.in_transaction::<P, _, ProjectionError>(|transaction| {
                if !remove::<P>(transaction, letter.position)? {
                    return Ok(());
                }
                guarded(|| projection.project_stored(event.name, &event, &ViewTransaction::new(transaction)))
                    .map_err(|error| ProjectionError::of_event::<P>(&event, error))
            });
            match result {
                Ok(()) => revived.done += 1,
                Err(error) if error.position().is_some() => {
                    revived.failed += 1;
                    view.in_transaction::<P, _, ProjectionError>(|transaction| {
                        let attempts = letter.attempts.saturating_add(1);
                        set_aside::<P>(transaction, letter.position, &error, attempts)
                    })?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(revived)
    }
}

impl<P: Projection<Target = Sqlite> + Send + 'static> Follower for SqliteProjection<P> {}

impl<P: Projection<Target = Sqlite>> sealed::Run for SqliteProjection<P> {
    const NAME: &'static str = P::NAME;

    fn run(&mut self, control: &Control, policy: &Policy, lease: Duration) -> Result<(), ProjectionError> {
        if patiently(control, || self.needs_rebuild())? {
            let rebuild = Rebuild { control, policy, lease, asked: false };
            match rebuild.run(&mut self.engine) {
                Err(ProjectionError::Stopped { .. }) if control.is_stopping() => return Ok(()),
                result => drop(result?),
            }
        }
        self.engine.follow(control, policy, &Holder::new(P::NAME, lease))
    }

    fn report(&mut self) -> &mut Option<Report> {
        &mut self.engine.report
    }
}

impl<P> fmt::Debug for SqliteProjection<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteProjection").field("engine", &self.engine).finish_non_exhaustive()
    }
}
