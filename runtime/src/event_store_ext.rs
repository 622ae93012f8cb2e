//! The methods that a program calls on a store.

use crate::domain::aggregate::Aggregate;
use crate::domain::default_services::DefaultServices;
use crate::follow::keeps::KeepsSql;
use crate::follow::projection::Projection;
use crate::follow::sql::Sql;
use crate::follow::sql::view::SqlView;
use crate::follow::subscription::Subscription;
use crate::follow::subscription::options::SubscriptionOptions;
use crate::misuse;
use crate::repository::repository::Repository;
use crate::repository::unit_of_work::UnitOfWork;
use crate::repository::waits::{Blocks, now};
use crate::store::error::AppendError;
use crate::store::event_store::EventStore;

/// The methods of every [`EventStore`] for programs: repositories, units of work, subscriptions.
///
/// The prelude brings the trait into scope. A store implements [`EventStore`] only.
pub trait EventStoreExt: EventStore {
    /// Iterates over all events, or those that the options select: first the stored ones, then new ones.
    ///
    /// See [`Subscription`] for an example.
    fn subscribe(&self, options: SubscriptionOptions) -> Subscription<Self>
    where
        Self: Sized + Clone,
    {
        Subscription::new(self.clone(), options)
    }

    /// A repository of the aggregates of type `A`, with the default of their services, such as `()`.
    fn repository<A>(&self) -> Repository<A, Self>
    where
        A: Aggregate,
        A::Services: DefaultServices<A>,
        Self: Sized + Clone,
    {
        Repository::new(self.clone(), A::Services::default_services())
    }

    /// A repository of the aggregates of type `A`, with these services.
    fn repository_with<A>(&self, services: A::Services) -> Repository<A, Self>
    where
        A: Aggregate,
        Self: Sized + Clone,
    {
        Repository::new(self.clone(), services)
    }

    /// The tables of a view with [`into = Sql`](crate::follow::Sql), for queries.
    ///
    /// ```
    /// use factum::follow::SqlError;
    /// # use factum::follow::{KeepsSql, Sql};
    /// # use factum::prelude::*;
    /// # fn richest<Balances: Projection<Target = Sql>>(store: &impl KeepsSql) -> Result<Option<String>, SqlError> {
    /// let sql = "SELECT account FROM balances ORDER BY cents DESC LIMIT 1";
    /// let row = store.sql_view::<Balances>().query_opt(sql, &[])?;
    /// # row.map(|row| row.get("account")).transpose()
    /// # }
    /// ```
    fn sql_view<P>(&self) -> SqlView<'_, Self, P>
    where
        P: Projection<Target = Sql>,
        Self: KeepsSql,
    {
        SqlView::of(self)
    }

    /// Runs `work` on a unit of work and commits it; after a conflict, both again, up to `retries` times.
    ///
    /// Waits before each retry as [`ExecuteOptions::retry`](crate::ExecuteOptions::retry) does. `work` also runs again,
    /// whatever `retries` is, if it was decided on states of other commands that were not stored after all.
    ///
    /// ```
    /// # use factum::prelude::*;
    /// # mod bank { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/bank.rs")); }
    /// # use bank::*;
    /// # let store = MemoryStore::new();
    /// # let accounts = store.repository::<BankAccount>();
    /// # let [alice, bob] = ["alice", "bob"].map(|name| AccountId(name.into()));
    /// # accounts.execute(DepositMoney { account: alice.clone(), cents: 50 })?;
    /// store.atomically(5, |work| -> Result<(), BoxError> {
    ///     work.execute(&accounts, WithdrawMoney { account: alice.clone(), cents: 50 })?;
    ///     work.execute(&accounts, DepositMoney { account: bob.clone(), cents: 50 })?;
    ///     Ok(())
    /// })?;
    /// # assert_eq!(accounts.load(&bob)?.state().balance, 50);
    /// # Ok::<(), BoxError>(())
    /// ```
    ///
    /// Fails as `work` does, or as [`UnitOfWork::commit`] does; in either case nothing is stored.
    #[track_caller]
    fn atomically<T, E>(
        &self,
        retries: u32,
        work: impl FnMut(&mut UnitOfWork<'_, Self>) -> Result<T, E>,
    ) -> Result<T, E>
    where
        E: From<AppendError>,
        Self: Sized,
    {
        misuse::blocks("EventStoreExt::atomically", "atomically_async");
        now(UnitOfWork::run::<Blocks, _, _>(self, retries, work))
    }

    /// Begins a unit of work: several commands, to one or more aggregates, in one commit.
    fn unit_of_work(&self) -> UnitOfWork<'_, Self>
    where
        Self: Sized,
    {
        UnitOfWork::new(self)
    }
}

impl<S: EventStore + ?Sized> EventStoreExt for S {}
