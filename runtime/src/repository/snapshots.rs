//! Writes states as snapshots and reads them back, with the checks whether a snapshot can be used.

use std::sync::Arc;

use crate::domain::error::BoxError;
use crate::domain::hash::{FNV_OFFSET, hashed, mixed};
use crate::domain::panic::catch_panic;
use crate::domain::snapshot::Snapshots;
use crate::domain::stream_name::StreamName;
use crate::domain::time::Timestamp;
use crate::repository::error::SnapshotError;
use crate::repository::replay::Replay;
use crate::store::event_store::EventStore;
use crate::store::snapshot::StoredSnapshot;

/// The state in a snapshot of this stream, or the reason why it cannot be used.
pub(crate) fn open<A>(
    snapshots: &Snapshots<A>,
    stream: &StreamName,
    snapshot: &StoredSnapshot<'_>,
) -> Result<A, BoxError> {
    if snapshot.version == 0 || snapshot.checksum != checksum(stream, snapshot) {
        return Err("it is damaged".into());
    }
    if snapshot.fingerprint != snapshots.fingerprint {
        return Err("it was taken of a state of another shape".into());
    }
    Ok(contained(|| (snapshots.decode)(snapshot.state))?)
}

/// Encodes a snapshot of the state, and passes it to the store, which writes it.
pub(crate) fn take<A, S: EventStore + ?Sized>(
    snapshots: &Snapshots<A>,
    store: &S,
    stream: &StreamName,
    replay: &mut Replay<A>,
) -> Result<(), SnapshotError> {
    let taken_at = Timestamp::now();
    (replay.snapshot, replay.since) = (replay.version, Some(taken_at));
    let mut state = Vec::new();
    let encode_failed = |source| SnapshotError::Encode { stream: stream.clone(), source };
    contained(|| (snapshots.encode)(&replay.state, &mut state)).map_err(encode_failed)?;
    // A snapshot that can't be read back would be ignored by every load, and then taken again. One that is read
    // back as another state would be believed.
    let is_same = contained(|| Ok((snapshots.is_same)(&replay.state, &(snapshots.decode)(&state)?)));
    if !is_same.map_err(encode_failed)? {
        return Err(SnapshotError::Lossy { stream: stream.clone() });
    }
    let mut snapshot = StoredSnapshot {
        version: replay.version,
        position: replay.position,
        event: replay.event,
        taken_at,
        fingerprint: snapshots.fingerprint,
        checksum: 0,
        state: &state,
    };
    snapshot.checksum = checksum(stream, &snapshot);
    store
        .save_snapshot(stream, &snapshot)
        .map_err(|source| SnapshotError::Store { stream: stream.clone(), source })
}

/// The state in a snapshot as a replay, which the snapshot's event has yet to confirm.
pub(crate) fn as_replay<A>(state: A, snapshot: &StoredSnapshot<'_>) -> Replay<A> {
    Replay {
        state: Arc::new(state),
        version: snapshot.version,
        position: snapshot.position,
        event: snapshot.event,
        foreign_changes: 0,
        snapshot: snapshot.version,
        since: Some(snapshot.taken_at),
    }
}

/// Runs a state's own serde code, and turns a panic into an error.
fn contained<T>(work: impl FnOnce() -> Result<T, serde_json::Error>) -> Result<T, serde_json::Error> {
    catch_panic(work).unwrap_or_else(|panic| Err(serde::ser::Error::custom(panic)))
}

/// The checksum that a snapshot of this stream should have: over the stream's name and all other fields.
fn checksum(stream: &StreamName, snapshot: &StoredSnapshot<'_>) -> u64 {
    let StoredSnapshot { version, position, event, taken_at, fingerprint, checksum: _, state } = *snapshot;
    let head =
        [version, position.get(), taken_at.as_micros().cast_unsigned(), fingerprint, state.len() as u64];
    let hash = head.into_iter().fold(hashed(FNV_OFFSET, stream.as_str()), mixed);
    // An earlier factum has stored no id.
    let hash = event.map_or(hash, |id| {
        let (high, low) = id.as_u64_pair();
        mixed(mixed(hash, high), low)
    });
    // Eight bytes at a time, because states may be large. Each step is invertible, so a change of one chunk
    // always changes the checksum.
    let mut parts = state.chunks_exact(8);
    let hash = (&mut parts).fold(hash, |hash, part| {
        let part = part.try_into().map_or(0, u64::from_le_bytes);
        (hash ^ part).wrapping_mul(0x0100_0000_01b3).rotate_left(29)
    });
    parts.remainder().iter().fold(hash, |hash, byte| mixed(hash, u64::from(*byte)))
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::domain::position::Position;

    #[test]
    fn every_bit_counts() {
        let stream = StreamName::new("counter", "a");
        let state: Vec<u8> = (0..21).collect();
        let whole = StoredSnapshot {
            version: 3,
            position: Position::new(7),
            event: Some(Uuid::from_u128(9)),
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
        assert_ne!(sum, checksum(&stream, &StoredSnapshot { position: Position::new(8), ..whole }));
        assert_ne!(sum, checksum(&stream, &StoredSnapshot { fingerprint: 12, ..whole }));
        for event in [None, Some(Uuid::from_u128(8)), Some(Uuid::from_u128(9 << 64))] {
            assert_ne!(sum, checksum(&stream, &StoredSnapshot { event, ..whole }));
        }
        assert_ne!(sum, checksum(&StreamName::new("counter", "b"), &whole));
    }
}
