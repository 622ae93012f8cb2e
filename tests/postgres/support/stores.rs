//! What tests of all stores share.

use std::time::Duration;

/// A time that no wait takes, unless the test fails.
pub(crate) const LONG: Duration = Duration::from_mins(1);
