//! Projections into tables of a store's database.

mod letters;

use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Instant;

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
use crate::follow::projection::Projection;
use crate::follow::rebuild::Rebuild;
use crate::follow::session::Session;
use crate::follow::state::FollowerChange;
use crate::follow::view_store::{TableTarget, ViewStore};
use crate::follow::{background, checkpoint, patience};
use crate::store::event_store::EventStore;

/// A projection into tables that are kept beside its progress, in a store's database.
///
/// It is `SqliteProjection` in a `SqliteStore`, and `PostgresProjection` in a `PostgresStore`.
pub struct StoredProjection<P, S> {
    pub(crate) engine: Engine<P, S>,
}

#[expect(private_bounds, reason = "which stores keep which views is said by `Keeps`")]
impl<P: Projection<Target: TableTarget<S>>, S: ViewStore> StoredProjection<P, S> {
    /// Opens the projection at its stored position. The first time, `init` creates its tables.
    ///
    /// Fails with
    ///
    /// * [`FollowError::OtherVersion`] if a newer version of the projection has made the view;
    /// * [`FollowError::OtherDefinition`] if the view has other events or tables at the same version;
    /// * [`ProjectionError::Init`] if `init` fails.
    pub fn new(store: &S, projection: P) -> Result<Self, ProjectionError> {
        Self::open(ProgressHome::new(store.clone(), None), projection)
    }

    /// Opens the projection of any store's events, with the view in the database of the store `views`, which need not have
    /// events.
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
    /// let mut deposits = SqliteProjection::in_store(&views, &store, Deposits)?;
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
    pub fn in_store<E: EventStore + Clone + 'static>(
        views: &S,
        events: &E,
        projection: P,
    ) -> Result<Self, ProjectionError> {
        Self::open(ProgressHome::of(views.clone(), events), projection)
    }

    pub(crate) fn with_engine(definition: FollowerDefinition, home: ProgressHome<S>, projection: P) -> Self {
        let mut engine = Engine::new(definition, home, projection);
        engine.batch_time = S::BATCH_TIME;
        Self { engine }
    }

    fn open(home: ProgressHome<S>, projection: P) -> Result<Self, ProjectionError> {
        let definition = FollowerDefinition::of_projection::<P>();
        definition.check_categories(home.events())?;
        if matches!(checkpoint::find(&home.progress, &definition)?, FoundCheckpoint::Nothing) {
            home.in_transaction::<_, ProjectionError>(P::NAME, |transaction| {
                match checkpoint::find_in::<S>(transaction, &definition)? {
                    FoundCheckpoint::Nothing => S::start_view(transaction, &definition),
                    FoundCheckpoint::Older { .. } | FoundCheckpoint::Current(_) => Ok(()),
                }
            })?;
        }
        Ok(Self::with_engine(definition, home, projection))
    }

    /// Lets this many workers share the work, each with a partition of the streams and a clone of the
    /// projection. From 1 to 1,000: each has a thread.
    ///
    /// A worker takes the events of one stream in order, and commits its position with its writes. Programs that run the view in
    /// the background [share the partitions](FollowerBuilder::start).
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
        let caught_up = self.engine.catch_up()?;
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

    /// Prepares the projection to follow the store: without retries, with
    /// [`OnFailure::Stop`](crate::follow::OnFailure::Stop) and a lease of 10 seconds.
    pub fn follow(self) -> FollowerBuilder<Self>
    where
        P: Send + 'static,
    {
        FollowerBuilder::new(self)
    }
}

impl<P, S> Follower for StoredProjection<P, S>
where
    P: Projection<Target: TableTarget<S>> + Send + 'static,
    S: ViewStore,
{
}

impl<P: Projection<Target: TableTarget<S>>, S: ViewStore> background::sealed::Run for StoredProjection<P, S> {
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

impl<P, S: fmt::Debug> fmt::Debug for StoredProjection<P, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredProjection").field("engine", &self.engine).finish_non_exhaustive()
    }
}
