//! Snapshots: a state kept beside its stream, so that a load need not begin at the first event.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use crate::error::BoxError;
use crate::id::StreamId;
use crate::shape::{FNV_OFFSET, hashed, mixed};
use crate::store::StoredSnapshot;
use crate::time::Timestamp;

/// How and when an aggregate's state is kept as a snapshot; what `#[aggregate(snapshot(..))]` becomes.
///
/// A snapshot is a cache in the store: it may be dropped at any time, and whatever is wrong with one, the stream is
/// replayed instead. It is used only if
///
/// * its checksum is right,
/// * it was taken of a state of the same shape: `fingerprint` covers the fields' names, types and serde attributes, those of
///   nested types that derive [`EventSchema`](crate::EventSchema), and the version that you gave it,
/// * it decodes, and
/// * the stream has the event that the snapshot was taken after, in that very place.
///
/// What the fingerprint can't see is how `apply` works, and the inside of nested types that do not derive `EventSchema`: if one
/// of these changes so that the same events lead to another state, give the snapshots a new version:
/// `snapshot(every = 100, version = 2)`. A field that serde skips could not come back, so it does not compile.
pub struct Snapshots<A> {
    pub(crate) fingerprint: u64,
    pub(crate) policy: SnapshotPolicy<A>,
    pub(crate) encode: fn(&A, &mut Vec<u8>) -> Result<(), serde_json::Error>,
    pub(crate) decode: fn(&[u8]) -> Result<A, serde_json::Error>,
}

/// When a snapshot is due: as soon as one of these says so, and something has happened since the last one.
#[derive(Clone, Copy)]
pub struct SnapshotPolicy<A> {
    /// After so many events since the last snapshot.
    pub every: Option<u64>,
    /// If the last snapshot, or without one the first event, is older than this.
    pub older_than: Option<Duration>,
    /// If the state is such.
    pub when: Option<fn(&A) -> bool>,
}

impl<A> Snapshots<A> {
    /// Snapshots written by `encode` and read by `decode`; for those who implement
    /// [`Aggregate`](crate::Aggregate) by hand.
    pub const fn new(
        fingerprint: u64,
        policy: SnapshotPolicy<A>,
        encode: fn(&A, &mut Vec<u8>) -> Result<(), serde_json::Error>,
        decode: fn(&[u8]) -> Result<A, serde_json::Error>,
    ) -> Self {
        Self { fingerprint, policy, encode, decode }
    }

    /// The state in a snapshot of this stream, or why it is not to be trusted.
    pub(crate) fn open(&self, stream: &StreamId, snapshot: &StoredSnapshot<'_>) -> Result<A, BoxError> {
        if snapshot.version == 0 || snapshot.checksum != checksum(stream, snapshot) {
            return Err("it is damaged".into());
        }
        if snapshot.fingerprint != self.fingerprint {
            return Err("it was taken of a state of another shape".into());
        }
        Ok(guarded(|| (self.decode)(snapshot.state))?)
    }
}

impl<A> SnapshotPolicy<A> {
    /// Whether to take one of `state`, with so many events since the last, which was taken (or, without one, whose first
    /// event was recorded) at `since`.
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

/// A state's own code for serde may panic: then the state can't be written, or read.
pub(crate) fn guarded<T>(
    work: impl FnOnce() -> Result<T, serde_json::Error>,
) -> Result<T, serde_json::Error> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err(serde::ser::Error::custom("it panicked")))
}

/// The checksum that a snapshot of this stream should have: of where it belongs, and of all its parts.
pub(crate) fn checksum(stream: &StreamId, snapshot: &StoredSnapshot<'_>) -> u64 {
    let StoredSnapshot { version, position, taken_at, fingerprint, checksum: _, state } = *snapshot;
    let head = [version, position, taken_at.as_micros().cast_unsigned(), fingerprint, state.len() as u64];
    let hash = head.into_iter().fold(hashed(FNV_OFFSET, stream.as_str()), mixed);
    // Eight bytes at a time: states may be large. Any change of one part changes the sum, whatever follows.
    let mut parts = state.chunks_exact(8);
    let hash = (&mut parts).fold(hash, |hash, part| {
        let part = part.try_into().map_or(0, u64::from_le_bytes);
        (hash ^ part).wrapping_mul(0x0100_0000_01b3).rotate_left(29)
    });
    parts.remainder().iter().fold(hash, |hash, byte| mixed(hash, u64::from(*byte)))
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
    fn every_bit_counts() {
        let stream = StreamId::new("counter", "a");
        let state: Vec<u8> = (0..21).collect();
        let whole = StoredSnapshot {
            version: 3,
            position: 7,
            taken_at: Timestamp::from_micros(5),
            fingerprint: 11,
            checksum: 0,
            state: &state,
        };
        let sum = checksum(&stream, &whole);
        assert_eq!(sum, checksum(&stream, &StoredSnapshot { checksum: 99, ..whole }));
        for bit in 0..state.len() * 8 {
            let mut damaged = state.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_ne!(sum, checksum(&stream, &StoredSnapshot { state: &damaged, ..whole }), "bit {bit}");
        }
        assert_ne!(sum, checksum(&stream, &StoredSnapshot { state: &state[..20], ..whole }));
        assert_ne!(sum, checksum(&stream, &StoredSnapshot { version: 4, ..whole }));
        assert_ne!(sum, checksum(&stream, &StoredSnapshot { position: 8, ..whole }));
        assert_ne!(sum, checksum(&stream, &StoredSnapshot { fingerprint: 12, ..whole }));
        assert_ne!(sum, checksum(&StreamId::new("counter", "b"), &whole));
    }

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
