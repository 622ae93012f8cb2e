//! Projections into tables of a SQLite file.

mod batch;
mod decode_ahead;
pub(crate) mod inline;
mod letters;
mod objects;
mod rebuild;
pub(crate) mod serving;
mod sql_driver;
mod swap;
pub(crate) mod target;
pub(crate) mod view_transaction;

use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::Transaction;

use crate::domain::error::BoxError;
use crate::domain::position::Position;
use crate::follow::background::{Follower, FollowerBuilder};
use crate::follow::checkpoint::FoundCheckpoint;
use crate::follow::control::Control;
use crate::follow::dead_letter::ListLetters;
use crate::follow::definition::FollowerDefinition;
use crate::follow::engine::Engine;
use crate::follow::error::{FollowError, ProjectionError};
use crate::follow::handler::PartitionedByStream;
use crate::follow::keeps::FollowerOptions;
use crate::follow::lease::DEFAULT_LEASE;
use crate::follow::next_run::Backlog;
use crate::follow::policy::RetryPolicy;
use crate::follow::progress::{CaughtUp, Progress, Report};
use crate::follow::progress_store::ProgressHome;
use crate::follow::progress_store::ProgressStore;
use crate::follow::projection::Projection;
use crate::follow::session::Session;
use crate::follow::state::FollowerChange;
use crate::follow::{background, checkpoint, patience};
use crate::sqlite::file::handler_sql;
use crate::sqlite::projection::inline::{InlineProjection, OnNewerVersion};
use crate::sqlite::projection::rebuild::Rebuild;
use crate::sqlite::projection::target::SqliteTarget;
use crate::sqlite::store::SqliteStore;
use crate::store::event_store::EventStore;

/// A projection into tables of a SQLite file: that of the events, or [another one](Self::in_file).
///
/// The handlers' writes and the view's position are committed together, so each event counts exactly once,
/// also after a crash.
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
///     from(Counter),
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
/// Handlers run while the store is locked for writing. They can't execute commands: that fails with
/// [`StoreError::Reentrant`](crate::store::StoreError::Reentrant), as does loading from a store in memory.
/// They must not wait for a thread that appends.
///
/// A transaction that is rolled back does not undo what a handler has written to `self`. When the program
/// ends, `self` is lost. So use `self` for caches only.
///
/// Three methods run the projection:
///
/// | method | updates the view |
/// |---|---|
/// | [`catch_up`](Self::catch_up) | in the call |
/// | [`inline`](Self::inline) | in each append |
/// | [`follow`](Self::follow) | in the background, soon after each append |
///
/// # Another version
///
/// If an earlier version of the projection has made the view, each of these methods rebuilds it first.
/// Readers see the old view until one transaction replaces it; see [`rebuild`](Self::rebuild).
pub struct SqliteProjection<P> {
    engine: Engine<P, SqliteStore>,
}

impl<P: Projection<Target: SqliteTarget>> SqliteProjection<P> {
    /// Opens the projection at the position that is stored in the store's file. The first time, `init`
    /// creates its tables.
    ///
    /// Fails with
    ///
    /// * [`FollowError::OtherVersion`] if a newer version of the projection has made the view;
    /// * [`FollowError::OtherDefinition`] if the view has other events or tables at the same version;
    /// * [`ProjectionError::Init`] if `init` fails.
    pub fn new(store: &SqliteStore, projection: P) -> Result<Self, ProjectionError> {
        Self::open(ProgressHome::new(store.clone(), None), projection)
    }

    /// Opens the projection of any store's events, with the view in another file: that of the store `views`,
    /// which need not have events.
    ///
    /// View and progress are committed together there. Appends never wait for the view.
    ///
    /// ```
    /// # use factum::prelude::*;
    /// # use factum::sqlite::rusqlite::{self, Transaction};
    /// # mod bank { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/bank.rs")); }
    /// # use bank::*;
    /// # #[derive(Projection)]
    /// # #[projection(events(MoneyDeposited), from(BankAccount), into = Sqlite, init = "CREATE TABLE deposits (cents INTEGER NOT NULL)")]
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
    /// let mut deposits = SqliteProjection::in_file(&views, &store, Deposits)?;
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
    pub fn in_file<S: EventStore + Clone + 'static>(
        views: &SqliteStore,
        events: &S,
        projection: P,
    ) -> Result<Self, ProjectionError> {
        Self::open(ProgressHome::of(views.clone(), events), projection)
    }

    fn open(home: ProgressHome<SqliteStore>, projection: P) -> Result<Self, ProjectionError> {
        let definition = FollowerDefinition::of_projection::<P>();
        definition.check_categories(home.events())?;
        if matches!(checkpoint::find(&home.progress, &definition)?, FoundCheckpoint::Nothing) {
            home.in_transaction::<_, ProjectionError>(P::NAME, |transaction| {
                match checkpoint::find_in::<SqliteStore>(transaction, &definition)? {
                    FoundCheckpoint::Nothing => rebuild::start_view(transaction, &definition),
                    FoundCheckpoint::Older { .. } | FoundCheckpoint::Current(_) => Ok(()),
                }
            })?;
        }
        Ok(Self { engine: Engine::new(definition, home, projection) })
    }

    /// Opens the projection with an empty view: in one transaction, `drop_tables` drops its tables, and
    /// `init` creates them again.
    ///
    /// The next catch-up begins at the first event, and the view is empty until then;
    /// [`rebuild`](Self::rebuild) keeps the old view instead. This is for a view whose definition was changed
    /// at the same version, or whose tables can't be copied. A program that still runs an earlier version
    /// gets [`FollowError::OtherVersion`] from then on.
    pub fn from_scratch<E: Into<BoxError>>(
        store: &SqliteStore,
        projection: P,
        drop_tables: impl FnOnce(&Transaction<'_>) -> Result<(), E>,
    ) -> Result<Self, ProjectionError> {
        let definition = FollowerDefinition::of_projection::<P>();
        let home = ProgressHome::new(store.clone(), None);
        definition.check_categories(home.events())?;
        home.in_transaction(P::NAME, |transaction| {
            handler_sql::run_definition(transaction, || drop_tables(transaction))
                .map_err(|source| ProjectionError::Init { projection: P::NAME, source })?;
            SqliteStore::remove_letters(transaction, P::NAME).map_err(FollowError::store(P::NAME))?;
            rebuild::start_view(transaction, &definition)
        })?;
        Ok(Self { engine: Engine::new(definition, home, projection) })
    }

    /// Lets this many workers share the work, each with a partition of the streams and a clone of the
    /// projection.
    ///
    /// A worker takes the events of one stream in order, and commits its position with its writes.
    ///
    /// SQLite allows one writer at a time: workers read and decode side by side, and take turns to write.
    #[must_use = "the projection with so many workers is what this returns"]
    pub fn workers(mut self, workers: u32) -> Self
    where
        P: PartitionedByStream + Clone + Send,
    {
        self.engine.use_workers(workers);
        self
    }

    /// Sets how long one transaction of a catch-up or a background view holds the file; 10 milliseconds by
    /// default.
    ///
    /// It ends after the event during which the time runs out. Appends of the same process then get their turn.
    /// Other processes get theirs in gaps: one every 30 milliseconds, or after each transaction if another
    /// process has written in the last second. A gap takes at least 0.3 milliseconds, and a sixteenth of the
    /// last transaction. A longer time makes a catch-up faster, and lets appends wait longer.
    #[must_use = "the projection with this time is what this returns"]
    pub fn batch_time(mut self, time: Duration) -> Self {
        self.engine.batch_time = time;
        self
    }

    /// Sets the callback that gets the progress of a catch-up or a rebuild, after each transaction of many
    /// events.
    ///
    /// A break ends the run: [`catch_up`](Self::catch_up) and [`rebuild`](Self::rebuild) then fail with
    /// [`FollowError::Stopped`]. Another call resumes.
    ///
    /// A running follower reports until it reaches the position at which the store ended when it started.
    ///
    /// ```
    /// # use factum::prelude::*;
    /// # use factum::sqlite::rusqlite::{self, Transaction};
    /// # mod bank { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/bank.rs")); }
    /// # use bank::*;
    /// # #[derive(Projection)]
    /// # #[projection(events(MoneyDeposited), from(BankAccount), into = Sqlite, init = "CREATE TABLE deposits (cents INTEGER NOT NULL)")]
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
    #[must_use = "the projection with the callback is what this returns"]
    pub fn on_progress(
        mut self,
        callback: impl FnMut(&Progress) -> ControlFlow<()> + Send + 'static,
    ) -> Self {
        self.engine.report = Some(Report::new(Box::new(callback)));
        self
    }

    /// Projects all stored events that the view has not seen, in transactions of many events. Rebuilds the
    /// view first, if an earlier version has made it.
    ///
    /// Fails at the first event that can't be read or projected. The events before it count; the next call
    /// tries it again.
    pub fn catch_up(&mut self) -> Result<CaughtUp, ProjectionError> {
        let rebuilt = if self.needs_rebuild()? { self.rebuild_if(false)? } else { None };
        self.catch_up_after(rebuilt)
    }

    /// Rebuilds the view from the first event. Readers see the old view until the new one has caught up and
    /// replaces it.
    ///
    /// Call it after a mistake in a handler, or when a table is damaged. A new
    /// [`version`](Projection::VERSION) causes a rebuild by itself.
    ///
    /// Of several programs, one rebuilds the view, and the others wait for it. A newer version takes over from an
    /// older one: the older program then fails with [`FollowError::OtherVersion`], once the newer view is there.
    ///
    /// The new view is made in a file of its own, beside the file of the old one. The name of that file ends
    /// with `-rebuild-`, the projection's name, a hash and an id. For a store in memory, the file is in the system's
    /// folder for temporary files, and is removed with the store. A rebuild that was stopped or killed
    /// resumes from the file.
    ///
    /// The old tables are those that `init` has created; only handlers should write to them. One transaction
    /// replaces them. While it runs, readers see the old tables and appends wait: about a second for a
    /// million rows. Handlers that read other tables do not find them in the new file.
    ///
    /// Fails as [`catch_up`](Self::catch_up) does; the old view stays then. A table without content of its
    /// own (FTS5 with `content=''`) can't be copied: [`from_scratch`](Self::from_scratch) rebuilds the view
    /// in place.
    pub fn rebuild(&mut self) -> Result<CaughtUp, ProjectionError> {
        let rebuilt = self.rebuild_if(true)?;
        self.catch_up_after(rebuilt)
    }

    /// Lets the hooks of an application see the events, except for those of a rebuild.
    pub(crate) fn hooked(mut self, options: &FollowerOptions) -> Self {
        self.engine.definition.wants_metadata |= options.hooks.are_set();
        self.engine.home.hooks = options.hooks.clone();
        self
    }

    fn catch_up_after(&mut self, rebuilt: Option<CaughtUp>) -> Result<CaughtUp, ProjectionError> {
        let caught_up = self.engine.catch_up(None)?;
        let before = rebuilt.map_or(0, |rebuilt| rebuilt.events);
        Ok(CaughtUp { events: caught_up.events + before, ..caught_up })
    }

    /// Whether an earlier version of the projection has made the view, so that the next run rebuilds it.
    pub fn needs_rebuild(&self) -> Result<bool, ProjectionError> {
        Ok(self.earlier_version()?.is_some())
    }

    /// The version of the projection that has made the view, if that is an earlier one.
    fn earlier_version(&self) -> Result<Option<u32>, ProjectionError> {
        match checkpoint::find(&self.engine.home.progress, &self.engine.definition)? {
            FoundCheckpoint::Older { version } => Ok(Some(version)),
            FoundCheckpoint::Nothing | FoundCheckpoint::Current(_) => Ok(None),
        }
    }

    fn rebuild_if(&mut self, is_forced: bool) -> Result<Option<CaughtUp>, ProjectionError> {
        let control = Control::new(P::NAME, self.engine.report.take());
        let policy = RetryPolicy::impatient();
        let rebuild = Rebuild { control: &control, policy: &policy, lease: DEFAULT_LEASE, is_forced };
        let result = rebuild.run(&mut self.engine);
        self.engine.report = control.into_report();
        result
    }

    /// The position up to which the view has seen everything.
    pub fn position(&self) -> Result<Position, ProjectionError> {
        Ok(self.engine.position()?)
    }

    /// Updates the view in the transaction of every append to the store, so that the view is always current.
    ///
    /// If a handler fails at an event of the append, the append fails with
    /// [`AppendError::Hook`](crate::store::AppendError::Hook), whose source is a [`FollowError`], and so does the
    /// command: nothing is stored. Events that are already in the store are projected first, in transactions of
    /// many events.
    ///
    /// This holds for this store and its clones, as long as they are open. If another program appends to the
    /// file without the view, the next append here brings the view up to date. If that takes longer than 10 milliseconds,
    /// the view catches up in transactions of that length first, and other writers get their turn in between. While they
    /// are faster than the handlers, each transaction takes twice as long as the one before.
    ///
    /// Other trouble of the view stops no append that has nothing to do with it:
    ///
    /// | trouble | what an append does |
    /// |---|---|
    /// | An event that *another* program has written can't be read, projected or committed. | It is stored without the view, which stays before that event. Each later append tries the event again. |
    /// | A newer program has made the view, by a newer version of the projection. | It is stored without the view; see [`inline_with`](Self::inline_with). |
    /// | The view's checkpoint is gone, or is another one. | It fails if it has events that the view reads. Otherwise it is stored. |
    ///
    /// An append that is stored without the view writes a line to standard error, once for each reason.
    /// [`SqliteStore::inline_views`] has the reason too.
    ///
    /// Fails with [`ProjectionError::AlreadyInline`] if the store has an inline projection of this name, and
    /// with [`ProjectionError::OtherFile`] if the view is in another file.
    pub fn inline(self) -> Result<(), ProjectionError>
    where
        P: Send + 'static,
    {
        self.inline_with(OnNewerVersion::default())
    }

    /// Updates the view as [`inline`](Self::inline) does, and says what appends do after a newer program has
    /// made the view.
    ///
    /// Fails as [`inline`](Self::inline) does.
    pub fn inline_with(mut self, on_newer: OnNewerVersion) -> Result<(), ProjectionError>
    where
        P: Send + 'static,
    {
        if self.engine.home.source.is_some() {
            return Err(ProjectionError::OtherFile { projection: P::NAME });
        }
        self.catch_up()?;
        let Engine { home, handlers, .. } = self.engine;
        match handlers.into_iter().next() {
            Some(projection) => {
                InlineProjection::new(projection, on_newer, home.hooks.clone()).register(&home.progress)
            }
            None => Ok(()),
        }
    }

    /// Prepares the projection to follow the store: without retries, with
    /// [`OnFailure::Stop`](crate::follow::OnFailure::Stop) and a lease of 10 seconds.
    pub fn follow(self) -> FollowerBuilder<Self>
    where
        P: Send + 'static,
    {
        FollowerBuilder::new(self)
    }
}

impl<P: Projection<Target: SqliteTarget> + Send + 'static> Follower for SqliteProjection<P> {}

impl<P: Projection<Target: SqliteTarget>> background::sealed::Run for SqliteProjection<P> {
    const NAME: &'static str = P::NAME;

    type Error = ProjectionError;

    fn run(
        &mut self,
        control: &Control,
        policy: &RetryPolicy,
        session: &mut Session,
    ) -> Result<Option<Instant>, ProjectionError> {
        let earlier = if session.has_begun { Ok(None) } else { self.earlier_version() };
        let earlier = match earlier {
            Ok(earlier) => earlier,
            Err(error) => return session.begin_later(error, control, policy),
        };
        if let Some(from) = earlier {
            let lease = session.lease;
            let (follower, to) = (P::NAME, P::VERSION);
            control.report_rebuild(Some(from));
            control.say(Some(FollowerChange::RebuildBegun { follower, from, to }));
            let rebuild = Rebuild { control, policy, lease, is_forced: false };
            match patience::retry(control, policy, || rebuild.run(&mut self.engine)) {
                Ok(None) | Err(ProjectionError::Follow(FollowError::Stopped { .. }))
                    if control.is_stopping() =>
                {
                    return Ok(None);
                }
                result => drop(result?),
            }
            control.report_rebuild(None);
            control.say(Some(FollowerChange::RebuildDone { follower, version: to }));
        }
        Ok(self.engine.follow(control, policy, session)?)
    }

    fn letters(&self) -> Box<dyn ListLetters> {
        Box::new(self.engine.letters())
    }

    fn backlog(&self) -> Box<dyn Backlog> {
        Box::new(self.engine.letters())
    }

    fn events(&self) -> Arc<dyn EventStore> {
        self.engine.home.shared_events()
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
