//! Snapshots: states in the store, so that a load need not begin at the first event.

use std::fmt;
use std::time::Duration;

use crate::domain::time::Timestamp;

/// How and when an aggregate's state is stored as a snapshot; what `#[aggregate(snapshot(..))]` becomes.
///
/// Snapshots are a cache in the store: they may be dropped at any time. A load uses a snapshot only if
///
/// * its checksum is right,
/// * its fingerprint is that of the current state type,
/// * serde can decode it, and
/// * the stream has the snapshot's last event, at the same version and position, with the same id.
///
/// Otherwise the load replays the whole stream.
///
/// The fingerprint covers the names, types and serde attributes of the fields, those of nested types that
/// derive [`EventSchema`](crate::EventSchema), and the declared version. It does not cover `apply`, or the
/// fields of nested types that do not derive `EventSchema`. If one of these changes so that the same events
/// lead to another state, declare a new version: `snapshot(every = 100, version = 2)`.
///
/// A field that serde skips does not compile, because a snapshot would lose it. What serde loses in another
/// way, such as an infinite float or digits of a rounded number, is found when a snapshot is taken. The state is
/// read back and compared: what serde sees of both, their `Debug` texts if there are any, and the states if they
/// are `PartialEq`. If they differ, the snapshot is not stored
/// ([`SnapshotError::Lossy`](crate::SnapshotError::Lossy)).
pub struct Snapshots<A> {
    pub(crate) fingerprint: u64,
    pub(crate) policy: SnapshotPolicy<A>,
    pub(crate) encode: fn(&A, &mut Vec<u8>) -> Result<(), serde_json::Error>,
    pub(crate) decode: fn(&[u8]) -> Result<A, serde_json::Error>,
    /// Whether two states are equal, as far as can be seen.
    pub(crate) is_same: fn(&A, &A) -> bool,
}

/// When a snapshot is due: if one condition holds, and there are new events since the last snapshot.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct SnapshotPolicy<A> {
    /// The number of events since the last snapshot after which the next one is due.
    pub every: Option<u64>,
    /// The age of the last snapshot, or without one of the first event, after which the next one is due.
    pub older_than: Option<Duration>,
    /// Whether a snapshot of this state is due.
    pub when: Option<fn(&A) -> bool>,
}

impl<A> Snapshots<A> {
    /// Snapshots that `encode` writes and `decode` reads.
    ///
    /// For an impl of [`Aggregate`](crate::Aggregate) by hand. Without [`compared_by`](Self::compared_by), a
    /// state that loses something in its snapshot is not noticed.
    pub const fn new(
        fingerprint: u64,
        policy: SnapshotPolicy<A>,
        encode: fn(&A, &mut Vec<u8>) -> Result<(), serde_json::Error>,
        decode: fn(&[u8]) -> Result<A, serde_json::Error>,
    ) -> Self {
        Self { fingerprint, policy, encode, decode, is_same: |_, _| true }
    }

    /// Sets how a state is compared with what its snapshot is read back as. A snapshot that is another state
    /// is not stored.
    #[must_use = "the snapshots with this comparison are what this returns"]
    pub const fn compared_by(self, is_same: fn(&A, &A) -> bool) -> Self {
        Self { is_same, ..self }
    }
}

impl<A> SnapshotPolicy<A> {
    /// A policy with these conditions; `None` for a condition that never holds.
    #[must_use]
    pub const fn new(every: Option<u64>, older_than: Option<Duration>, when: Option<fn(&A) -> bool>) -> Self {
        Self { every, older_than, when }
    }

    /// Whether a snapshot of `state` is due, after this many events since the last snapshot.
    ///
    /// `since` is the time of the last snapshot or, without one, of the first event.
    pub(crate) fn is_due(&self, state: &A, events: u64, since: Option<Timestamp>) -> bool {
        let old_enough = |limit: Duration| {
            since.is_some_and(|since| {
                let age = Timestamp::now().as_micros().saturating_sub(since.as_micros());
                u128::try_from(age).is_ok_and(|age| age >= limit.as_micros())
            })
        };
        events > 0
            && (self.every.is_some_and(|every| events >= every)
                || self.older_than.is_some_and(old_enough)
                || self.when.is_some_and(|when| when(state)))
    }
}

impl<A> fmt::Debug for Snapshots<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshots")
            .field("fingerprint", &self.fingerprint)
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}

impl<A> fmt::Debug for SnapshotPolicy<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SnapshotPolicy")
            .field("every", &self.every)
            .field("older_than", &self.older_than)
            .field("when", &self.when.is_some())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies() {
        let now = Timestamp::now();
        let long_ago = Timestamp::from_micros(now.as_micros() - 10_000_000);
        let never = SnapshotPolicy::<u8> { every: None, older_than: None, when: None };
        assert!(!never.is_due(&9, 1_000, Some(long_ago)));
        let every = SnapshotPolicy { every: Some(3), ..never };
        assert!(
            !every.is_due(&9, 2, Some(long_ago)) && every.is_due(&9, 3, None) && every.is_due(&9, 4, None)
        );
        let older = SnapshotPolicy { older_than: Some(Duration::from_secs(5)), ..never };
        assert!(older.is_due(&9, 1, Some(long_ago)) && !older.is_due(&9, 1, Some(now)));
        assert!(!older.is_due(&9, 0, Some(long_ago)), "nothing has happened since");
        let when = SnapshotPolicy { when: Some(|state| *state == 9), ..never };
        assert!(when.is_due(&9, 1, None) && !when.is_due(&8, 1, None));
    }
}
