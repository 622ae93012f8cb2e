//! A tenant that a caller uses.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use crate::application::running::Running;
use crate::application::tenants::shared::Shared;
use crate::application::whole::Application;
use crate::store::event_store::EventStore;

/// A tenant's running application, which stays open for as long as a handle of it lives.
///
/// [`Tenants::get`](crate::application::Tenants::get) returns it. Clones are handles of the same application. Drop it soon, as at the
/// end of a request: it keeps the tenant's files open. A clone of the store, or what else was taken from the application, keeps files
/// open too, and does not keep the followers running.
#[must_use = "the tenant may be closed once its last handle is dropped"]
pub struct Tenant<App: Application, S: EventStore + Clone + 'static> {
    // Dropped first: the use ends when this handle is gone.
    running: Arc<Running<App, S>>,
    used: Use<App, S>,
}

struct Use<App: Application, S: EventStore + Clone + 'static> {
    shared: Arc<Shared<App, S>>,
    tenant: Arc<str>,
}

impl<App: Application, S: EventStore + Clone + 'static> Tenant<App, S> {
    /// A use that has begun.
    pub(super) fn new(shared: Arc<Shared<App, S>>, tenant: &str, running: Arc<Running<App, S>>) -> Self {
        Self { running, used: Use { shared, tenant: tenant.into() } }
    }

    /// The tenant's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.used.tenant
    }
}

impl<App: Application, S: EventStore + Clone + 'static> Deref for Tenant<App, S> {
    type Target = Running<App, S>;

    fn deref(&self) -> &Running<App, S> {
        &self.running
    }
}

impl<App: Application, S: EventStore + Clone + 'static> Clone for Tenant<App, S> {
    fn clone(&self) -> Self {
        let Use { shared, tenant } = &self.used;
        shared.use_again(tenant);
        let used = Use { shared: Arc::clone(shared), tenant: Arc::clone(tenant) };
        Self { running: Arc::clone(&self.running), used }
    }
}

impl<App: Application, S: EventStore + Clone + 'static> Drop for Use<App, S> {
    fn drop(&mut self) {
        self.shared.release(&self.tenant);
    }
}

impl<App: Application, S: EventStore + Clone + 'static> fmt::Debug for Tenant<App, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tenant")
            .field("name", &self.name())
            .field("running", &self.running)
            .finish_non_exhaustive()
    }
}
