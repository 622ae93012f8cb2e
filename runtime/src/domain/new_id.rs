//! New ids: of events, stores, leases and rebuilds. `Uuid::now_v7` would panic before 1970.

use std::cell::Cell;
use std::hash::{BuildHasher, RandomState};
use std::time::SystemTime;

use uuid::{Builder, Uuid};

thread_local! {
    /// This thread's own hash key, made of the system's random numbers, and the newest time that it gave to
    /// an id.
    static SOURCE: (RandomState, Cell<u64>) = (RandomState::new(), Cell::new(0));
}

/// A new UUID of version 7: 60 bits of time, and 62 bits that keep threads and processes apart.
///
/// The time is in milliseconds and 4,096ths of a millisecond (RFC 9562, 6.2, method 3). A thread uses each
/// time once, so the ids that it makes are in order. A clock that is set to before 1970 counts as 1970.
///
/// The other bits are a keyed hash of the time. Fresh random numbers would cost a system call for each event,
/// and ids have to be unique, not secret. The hash includes the nanosecond, because forked processes share
/// the key.
pub(crate) fn new_id() -> Uuid {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let millis = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
    let fraction = u64::from(now.subsec_nanos() % 1_000_000) * 4_096 / 1_000_000;
    SOURCE.with(|(key, newest)| {
        let time = (millis << 12 | fraction).max(newest.get().wrapping_add(1));
        newest.set(time);
        let low = key.hash_one((time, now.subsec_nanos()));
        let mut bits = [0; 10];
        let (head, tail) = bits.split_at_mut(2);
        head.copy_from_slice(&u16::try_from(time & 0xfff).unwrap_or_default().to_be_bytes());
        tail.copy_from_slice(&low.to_be_bytes());
        Builder::from_unix_timestamp_millis(time >> 12, &bits).into_uuid()
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_are_unique_and_of_version_7() {
        let ids = std::thread::scope(|scope| {
            let threads: Vec<_> =
                (0..4).map(|_| scope.spawn(|| (0..50_000).map(|_| new_id()).collect::<Vec<_>>())).collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
        });
        assert!(ids.iter().all(|id| id.get_version_num() == 7));
        assert_eq!(ids.iter().collect::<HashSet<_>>().len(), ids.len());
        // Each of the 62 bits varies: 0 and 1 are about equally frequent.
        for bit in 66..128 {
            let ones = ids.iter().filter(|id| id.as_u128() >> (127 - bit) & 1 == 1).count();
            assert!((80_000..120_000).contains(&ones), "bit {bit}: {ones} of {}", ids.len());
        }
    }

    #[test]
    fn ids_of_a_thread_are_in_order() {
        let ids: Vec<_> = (0..50_000).map(|_| new_id()).collect();
        assert!(ids.is_sorted_by(|before, after| before < after));
    }

    #[test]
    fn ids_tell_the_time() {
        let before = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        let (seconds, nanos) = new_id().get_timestamp().unwrap().to_unix();
        assert!(seconds >= before.as_secs() && seconds <= before.as_secs() + 60, "{seconds}.{nanos}");
    }
}
