//! A moment in the life of an aggregate, for `load_at`.

use std::fmt;
use std::time::SystemTime;

use crate::domain::time::Timestamp;

/// A moment in the life of an aggregate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// Right after the event of this version.
    Version(u64),
    /// At this time: right before the first event that was recorded later.
    Time(Timestamp),
}

impl From<u64> for Moment {
    fn from(version: u64) -> Self {
        Self::Version(version)
    }
}

impl From<Timestamp> for Moment {
    fn from(time: Timestamp) -> Self {
        Self::Time(time)
    }
}

impl From<SystemTime> for Moment {
    fn from(time: SystemTime) -> Self {
        Self::Time(time.into())
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(version) => write!(f, "version {version}"),
            Self::Time(time) => fmt::Display::fmt(time, f),
        }
    }
}
