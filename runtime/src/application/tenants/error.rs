//! Why a tenant is not open, and why one did not close.

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::application::error::StopError;
use crate::domain::error::causes;
use crate::store::error::StoreError;

/// Why a tenant is not open, or did not close as it should.
///
/// All callers that wait for one tenant get the same error.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum TenantError {
    /// The name is none that a tenant can have; see [`Tenants::get`](crate::application::Tenants::get).
    #[error("{tenant:?} is no name of a tenant: {reason}")]
    #[non_exhaustive]
    BadName {
        /// The name.
        tenant: String,
        /// The rule that it breaks.
        reason: &'static str,
    },
    /// The function that opens tenants has returned an error. The next call tries it again.
    #[error("can't open the tenant `{tenant}`")]
    #[non_exhaustive]
    Open {
        /// The tenant's name.
        tenant: String,
        /// Why.
        source: Arc<dyn Error + Send + Sync>,
    },
    /// The function that opens tenants has panicked, or the destructor of a part of the application.
    #[error("the tenant `{tenant}` panicked while it was opened or closed: {message}")]
    #[non_exhaustive]
    Panicked {
        /// The tenant's name.
        tenant: String,
        /// The panic's own message.
        message: String,
    },
    /// As many tenants are open as may be, and each is in use or has something to do.
    #[error(
        "the tenant `{tenant}` is not opened: {most_open} tenants are open, and none of them could be closed within \
         {waited:?}; raise `most_open`, or keep each tenant for a shorter time"
    )]
    #[non_exhaustive]
    Full {
        /// The tenant's name.
        tenant: String,
        /// How many tenants may be open.
        most_open: usize,
        /// How long the caller has waited.
        waited: Duration,
    },
    /// Another thread opens or closes the tenant, and has not ended in time: its function may hang.
    #[error(
        "another thread still opens or closes the tenant `{tenant}`, after {waited:?}; raise `patience` if that may take longer"
    )]
    #[non_exhaustive]
    Changing {
        /// The tenant's name.
        tenant: String,
        /// How long the caller has waited.
        waited: Duration,
    },
    /// The thread that opens or closes the tenant waits for this thread, so neither would ever go on.
    #[error("the thread that opens or closes the tenant `{tenant}` waits for this thread")]
    #[non_exhaustive]
    Circle {
        /// The tenant's name.
        tenant: String,
    },
    /// The tenant is in use, so it was not closed.
    #[error("the tenant `{tenant}` is still in use after {waited:?}, and was not closed")]
    #[non_exhaustive]
    InUse {
        /// The tenant's name.
        tenant: String,
        /// How long the caller has waited.
        waited: Duration,
    },
    /// The tenant is closed. Some of its followers had failed before, or still run.
    #[error("the tenant `{tenant}` did not close as it should")]
    #[non_exhaustive]
    Close {
        /// The tenant's name.
        tenant: String,
        /// The followers, each with the reason.
        source: Arc<StopError>,
    },
    /// All tenants were stopped.
    #[error("the tenant `{tenant}` is not opened: all tenants were stopped")]
    #[non_exhaustive]
    Stopped {
        /// The tenant's name.
        tenant: String,
    },
    /// The system can't start the first of the threads that close idle tenants.
    #[error("the tenant `{tenant}` is not opened: can't start a thread")]
    #[non_exhaustive]
    Thread {
        /// The tenant's name.
        tenant: String,
        /// Why.
        source: Arc<io::Error>,
    },
    /// This process was forked from the one that has the tenants.
    #[error("the tenant `{tenant}` is another process's, from which this one was forked")]
    #[non_exhaustive]
    Forked {
        /// The tenant's name.
        tenant: String,
    },
}

impl TenantError {
    /// The store's error, if the tenant is not open because its store has failed.
    ///
    /// The function that opens tenants may return the store's error inside another error, whose
    /// [`source`](Error::source) leads there: the error of `PostgresStore::connect` does so. `None` for all other reasons.
    #[must_use]
    pub fn store_error(&self) -> Option<&StoreError> {
        // `source` of this error is the `Arc`, which hides the type of what it holds.
        let Self::Open { source, .. } = self else { return None };
        causes(&**source).find_map(|cause| cause.downcast_ref())
    }
}

/// Tenants that have not stopped as they should.
#[derive(Debug)]
#[non_exhaustive]
pub struct StopTenantsError {
    /// The tenants that are in use, or are being opened or closed. Each one stops by itself once it no longer is.
    pub busy: Vec<String>,
    /// Why others did not close as they should.
    pub failed: Vec<TenantError>,
}

impl fmt::Display for StopTenantsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not all tenants have stopped as they should")?;
        let mut separator = ": ";
        for busy in &self.busy {
            write!(f, "{separator}`{busy}` is in use, or is being opened or closed")?;
            separator = "; ";
        }
        for failed in &self.failed {
            write!(f, "{separator}{failed}")?;
            separator = "; ";
        }
        Ok(())
    }
}

impl Error for StopTenantsError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.failed.first().and_then(Error::source)
    }
}
