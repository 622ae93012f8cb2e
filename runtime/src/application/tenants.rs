//! Many applications in one program: one for each tenant, opened when it is used, and closed when it is idle.

mod error;
mod keeper;
mod name;
mod shared;
mod slots;
mod tenant;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub use self::error::{StopTenantsError, TenantError};
use self::shared::{CLOSE_LIMIT, Shared};
use self::slots::Slot;
pub use self::tenant::Tenant;
use crate::application::running::Running;
use crate::application::whole::Application;
use crate::domain::error::BoxError;
use crate::follow::state::FollowerState;
use crate::store::event_store::EventStore;

/// Many applications in one program: one for each tenant, on a store of its own.
///
/// A tenant is opened when it is used, and closed after some time without a use. All tenants share threads, and one that is idle costs
/// next to nothing.
///
/// ```
/// use std::time::Duration;
/// use factum::prelude::*;
/// use factum::application::Tenants;
/// # mod bank { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/bank.rs")); }
/// # use bank::*;
/// # #[derive(Default, Projection)]
/// # #[projection(events(MoneyDeposited), from(BankAccount))]
/// # struct Deposits { cents: u64 }
/// # #[handlers] impl Deposits { #[project] fn deposited(&mut self, e: &MoneyDeposited) { self.cents += e.cents; } }
///
/// #[derive(Default, Application)]
/// #[application(aggregates(BankAccount))]
/// struct Bank {
///     #[projection]
///     deposits: Deposits,
/// }
///
/// # let directory = tempfile::tempdir()?;
/// # let folder = directory.path().to_owned();
/// # let customers = ["acme", "globex"];
/// let tenants = Tenants::new(move |tenant: &str| {
///     // Without this, each name that a caller invents would become a file.
///     if !customers.contains(&tenant) {
///         return Err(format!("`{tenant}` is no customer").into());
///     }
///     let store = SqliteStore::open(folder.join(format!("{tenant}.db")))?;
///     Ok(Bank::default().start(&store)?)
/// });
/// let tenants = tenants.idle(Duration::from_secs(60)).most_open(100);
///
/// let bank = tenants.get("acme")?;
/// bank.execute(DepositMoney { account: AccountId("alice".into()), cents: 50 })?;
/// # drop(bank);
///
/// assert!(tenants.get("initech").is_err());
/// assert!(tenants.get("../passwords").is_err());
/// tenants.stop(Duration::from_secs(10))?;
/// # Ok::<(), BoxError>(())
/// ```
///
/// Threads share it in an [`Arc`].
///
/// # When a tenant is closed
///
/// A tenant is closed after [`idle`](Self::idle), or when another one needs its place ([`most_open`](Self::most_open)). It stays open
///
/// * while a caller has a [`Tenant`] of it;
/// * while a follower has something to do: it is behind, tries an event again, rebuilds a view, sends commands, or waits for the
///   lease of another runner. A follower that has ended by an error keeps no tenant open.
///
/// A closed tenant whose process has set a time-out is opened again when the time-out is due, one such tenant after the other. This is
/// remembered only while the program runs. So a program whose processes set time-outs gets each tenant once when it starts:
///
/// ```
/// # use factum::prelude::*;
/// # use factum::application::{Tenants, TenantError};
/// # fn start<A: Application>(tenants: &Tenants<A, SqliteStore>, customers: &[&str]) -> Result<(), TenantError> {
/// for customer in customers {
///     drop(tenants.get(customer)?);
/// }
/// # Ok(())
/// # }
/// ```
///
/// What a tenant has only in memory ends with it: cached aggregates, and views in memory, which read all events again when the tenant
/// is opened. A store in memory must be kept by the function that opens it. Events that other programs append to a closed tenant's file
/// are handled when it is opened.
#[doc(alias = "multi-tenancy")]
#[doc(alias = "multitenancy")]
#[must_use = "all tenants stop when this is dropped"]
pub struct Tenants<App: Application, S: EventStore + Clone + 'static> {
    shared: Arc<Shared<App, S>>,
}

/// How many tenants are open, and how many have been, since [`Tenants`] was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TenantsStatistics {
    /// The tenants that have files open now: those that are open, or being opened or closed.
    pub open: usize,
    /// How many of them callers use.
    pub in_use: usize,
    /// The closed tenants that are opened again when their time-outs are due.
    pub due_later: usize,
    /// How often a tenant was opened.
    pub opened: u64,
    /// How often a tenant was closed.
    pub closed: u64,
}

impl<App: Application, S: EventStore + Clone + 'static> Tenants<App, S> {
    /// Tenants that are opened by a function. It gets the tenant's name, and starts the application on the tenant's store.
    ///
    /// The function runs without a lock. If several callers ask for one tenant, one of them opens it, and the others wait for it.
    pub fn new(open: impl Fn(&str) -> Result<Running<App, S>, BoxError> + Send + Sync + 'static) -> Self {
        Self { shared: Arc::new(Shared::new(open)) }
    }

    /// How long a tenant that is not in use stays open; one minute by default.
    pub fn idle(self, time: Duration) -> Self {
        if let Some(mut slots) = self.shared.slots() {
            slots.idle = time;
        }
        self
    }

    /// How many tenants are open at most; 100 by default, and 1 at least.
    ///
    /// A tenant on a SQLite store has about 8 files open, and more while several threads read. Systems often allow a program 1,024.
    pub fn most_open(self, tenants: usize) -> Self {
        if let Some(mut slots) = self.shared.slots() {
            slots.most_open = tenants.max(1);
        }
        self
    }

    /// How long [`get`](Self::get) waits for other threads; 10 seconds by default. It waits
    ///
    /// * while another thread opens or closes the tenant, and
    /// * while as many tenants are open as may be, until one of them can be closed.
    ///
    /// The function that opens tenants has no limit but its own.
    pub fn patience(self, time: Duration) -> Self {
        if let Some(mut slots) = self.shared.slots() {
            slots.patience = time;
        }
        self
    }

    /// Sets the hook that is called with errors that no caller gets: of a tenant that was closed because it was idle or for another
    /// one, or that could not be opened for a time-out. The latter is tried again.
    ///
    /// By default, each becomes a line on standard error. A panic in the hook has no effect.
    pub fn on_error(self, hook: impl Fn(&TenantError) + Send + Sync + 'static) -> Self {
        self.shared.set_on_error(hook);
        self
    }

    /// The application of a tenant, which is opened if it is not open.
    ///
    /// A name has 1 to 100 characters, all of them `a` to `z`, `0` to `9`, `-`, `_` and `.`. It begins with a letter or a digit, does not
    /// end with `.`, `-wal`, `-shm` or `-journal`, and is none that Windows has for a device. So it can be the name of a file or a folder,
    /// or a part of one, and names that differ are different files. Other names are refused before the tenant is opened.
    ///
    /// A tenant that is being closed is opened after that. If [`most_open`](Self::most_open) tenants are open, the one that was used the
    /// longest time ago is closed first, of those that may be closed.
    ///
    /// Fails with
    ///
    /// * [`TenantError::BadName`];
    /// * [`TenantError::Open`] and [`TenantError::Panicked`], if the function that opens tenants fails. All callers that wait for the
    ///   tenant get the error, and the next one tries again;
    /// * [`TenantError::Full`], if no open tenant can be closed in time;
    /// * [`TenantError::Changing`], if another thread does not open or close the tenant in time;
    /// * [`TenantError::Circle`], in the function that opens this tenant, or one that waits for it;
    /// * [`TenantError::Stopped`] after [`stop`](Self::stop).
    pub fn get(&self, tenant: &str) -> Result<Tenant<App, S>, TenantError> {
        let running = self.shared.get(tenant)?;
        Ok(Tenant::new(Arc::clone(&self.shared), tenant, running))
    }

    /// What [`get`](Self::get) does, for another thread.
    pub(crate) fn getter(
        &self,
        tenant: &str,
    ) -> impl FnOnce() -> Result<Tenant<App, S>, TenantError> + use<App, S> {
        let (shared, tenant) = (Arc::clone(&self.shared), tenant.to_owned());
        move || shared.get(&tenant).map(|running| Tenant::new(Arc::clone(&shared), &tenant, running))
    }

    /// Closes a tenant once it is not in use, as before its file is moved or deleted. Does nothing if it is closed.
    ///
    /// Its time-outs wait until it is opened again.
    ///
    /// Fails with [`TenantError::InUse`] if the time runs out before that, and with [`TenantError::Close`] if a follower had failed, or
    /// still runs.
    pub fn close(&self, tenant: &str, within: Duration) -> Result<(), TenantError> {
        self.shared.close(tenant, within)
    }

    /// What the followers of each open tenant do, in order of the tenants' names. This does not count as a use.
    #[must_use]
    pub fn health(&self) -> Vec<(String, Vec<FollowerState>)> {
        self.shared.look(Running::health)
    }

    /// How many tenants are open, and how many have been.
    #[must_use]
    pub fn statistics(&self) -> TenantsStatistics {
        let Some(slots) = self.shared.slots() else { return TenantsStatistics::default() };
        let is_used = |slot: &&Slot<App, S>| matches!(slot, Slot::Open(open) if open.guards > 0);
        TenantsStatistics {
            open: slots.tenants.len(),
            in_use: slots.tenants.values().filter(is_used).count(),
            due_later: slots.alarms.len(),
            opened: slots.opened,
            closed: slots.closed,
        }
    }

    /// Stops all tenants, all at once, and opens no more. It waits for those that are in use, and for all followers, at most this long.
    ///
    /// Fails with the tenants that are in use after that, and with those that did not close as they should. A tenant that is in use is
    /// stopped by its last [`Tenant`].
    pub fn stop(&self, within: Duration) -> Result<(), StopTenantsError> {
        self.shared.stop(within, within)
    }
}

/// Stops all tenants, as [`Tenants::stop`] does within 10 seconds. It does not wait for those that are in use.
impl<App: Application, S: EventStore + Clone + 'static> Drop for Tenants<App, S> {
    fn drop(&mut self) {
        if self.shared.slots().is_none_or(|slots| slots.is_stopped) {
            return;
        }
        if let Err(error) = self.shared.stop(CLOSE_LIMIT, Duration::ZERO) {
            error.failed.iter().for_each(|error| self.shared.report(error));
        }
    }
}

impl<App: Application, S: EventStore + Clone + 'static> fmt::Debug for Tenants<App, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tenants").field("application", &App::NAME).finish_non_exhaustive()
    }
}
