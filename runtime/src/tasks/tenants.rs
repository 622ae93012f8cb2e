//! Tenants, in tasks.

use crate::application::tenants::{Tenant, TenantError, Tenants};
use crate::application::whole::Application;
use crate::store::event_store::EventStore;
use crate::tasks::threads::on_thread;

/// In tasks of tokio, with the feature `tokio`: see [`factum::tasks`](crate::tasks).
impl<App, S> Tenants<App, S>
where
    App: Application<Aggregates<S>: Send + Sync> + 'static,
    S: EventStore + Clone + 'static,
{
    /// The application of a tenant, which is opened if it is not open, as [`get`](Self::get) says.
    pub async fn get_async(&self, tenant: &str) -> Result<Tenant<App, S>, TenantError> {
        on_thread(self.getter(tenant)).await
    }
}
