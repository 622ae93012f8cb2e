//! Leases: over all processes, one runner of a follower runs.

use std::time::Duration;

use uuid::Uuid;

use crate::domain::time::Timestamp;

/// How long a lease lasts by default: the time that other processes wait after its holder has died.
pub(crate) const DEFAULT_LEASE: Duration = Duration::from_secs(10);

/// A runner that asks for the lease of the follower of this name.
#[derive(Debug, Clone)]
pub(crate) struct LeaseHolder {
    pub(crate) name: String,
    pub(crate) id: Uuid,
    /// How long the lease lasts after it was taken or renewed.
    pub(crate) lasts: Duration,
}

impl LeaseHolder {
    pub(crate) fn new(name: impl Into<String>, lasts: Duration) -> Self {
        Self { name: name.into(), id: Uuid::now_v7(), lasts }
    }

    /// The end of a lease that is taken or renewed now.
    pub(crate) fn until(&self) -> Timestamp {
        let lasts = i64::try_from(self.lasts.as_micros()).unwrap_or(i64::MAX);
        Timestamp::from_micros(Timestamp::now().as_micros().saturating_add(lasts))
    }
}
