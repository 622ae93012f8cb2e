//! The checksum of a stored event: finds a bit that has changed on the disk.

use uuid::Uuid;

use crate::domain::metadata::Envelope;
use crate::domain::stream_name::StreamName;
use crate::domain::time::Timestamp;
use crate::store::append::NewEvent;
use crate::store::read::StoredEvent;

/// The parts of an event that a replay reads.
#[derive(Debug, Clone, Copy)]
pub(super) struct CheckedEvent<'a> {
    pub(super) position: u64,
    pub(super) version: u64,
    pub(super) name: &'a str,
    pub(super) event_version: u32,
    pub(super) payload: &'a str,
}

/// The parts of an event that a replay does not read.
#[derive(Debug, Clone, Copy)]
pub(super) struct CheckedMetadata<'a> {
    pub(super) id: Uuid,
    pub(super) recorded_at: Timestamp,
    pub(super) correlation: Option<Uuid>,
    pub(super) causation: Option<Uuid>,
    pub(super) custom: Option<&'a str>,
}

/// A hash of a stream's name, with which the hashes of its events begin.
///
/// The name, not the number: a row of the table of names may be damaged, too.
#[derive(Debug, Clone, Copy)]
pub(super) struct StreamHash(u64);

impl StreamHash {
    pub(super) fn of(stream: &StreamName) -> Self {
        Self(Hash(SEED).text(stream.category()).text(stream.key()).0)
    }

    /// The checksum of an event that is about to be stored.
    pub(super) fn checksum_of_new(self, position: u64, version: u64, event: &NewEvent<'_>) -> i64 {
        let &NewEvent { name, event_version, payload, id, recorded_at, metadata } = event;
        let metadata = CheckedMetadata {
            id,
            recorded_at,
            correlation: metadata.correlation,
            causation: metadata.causation,
            custom: metadata.custom_json(),
        };
        join(self.event(&CheckedEvent { position, version, name, event_version, payload }), metadata.hash())
    }

    /// The checksum that a stored event should have.
    pub(super) fn checksum_of(self, event: &StoredEvent<'_>) -> i64 {
        let &StoredEvent { envelope, name, event_version, payload } = event;
        let Envelope { position, version, id, recorded_at, correlation, causation, custom, .. } = envelope;
        let metadata = CheckedMetadata { id, recorded_at, correlation, causation, custom };
        let event = CheckedEvent { position: position.get(), version, name, event_version, payload };
        join(self.event(&event), metadata.hash())
    }

    /// The half of the checksum that a replay can check: its high 32 bits.
    #[inline]
    pub(super) fn event(self, event: &CheckedEvent<'_>) -> u32 {
        Hash(self.0)
            .number(event.position)
            .number(event.version)
            .number(event.event_version.into())
            .text(event.name)
            .text(event.payload)
            .half()
    }
}

impl CheckedMetadata<'_> {
    /// The low 32 bits of the checksum.
    pub(super) fn hash(&self) -> u32 {
        let id = |hash: Hash, id: Option<Uuid>| match id.map(|id| id.as_u64_pair()) {
            Some((high, low)) => hash.number(1).number(high).number(low),
            None => hash.number(0),
        };
        let hash = id(Hash(SEED), Some(self.id)).number(self.recorded_at.as_micros().cast_unsigned());
        let hash = id(id(hash, self.correlation), self.causation);
        match self.custom {
            Some(custom) => hash.number(1).text(custom),
            None => hash.number(0),
        }
        .half()
    }
}

/// The checksum as it is stored.
pub(super) fn join(event: u32, metadata: u32) -> i64 {
    (u64::from(event) << 32 | u64::from(metadata)).cast_signed()
}

/// The two halves of a stored checksum: of the event, and of its metadata.
pub(super) fn split(checksum: i64) -> (u32, u32) {
    let checksum = checksum.cast_unsigned();
    #[expect(clippy::cast_possible_truncation, reason = "each half has 32 bits")]
    ((checksum >> 32) as u32, checksum as u32)
}

const SEED: u64 = 0x9e37_79b9_7f4a_7c15;
const FACTOR: u64 = 0xd6e8_feb8_6659_fd93;

/// A hash that takes eight bytes at a time. It is stored, so it must never change.
#[derive(Clone, Copy)]
struct Hash(u64);

impl Hash {
    /// Multiplies to 128 bits and folds them, so that each bit changes bits everywhere.
    #[inline]
    fn number(self, number: u64) -> Self {
        let product = u128::from(self.0 ^ number) * u128::from(FACTOR);
        #[expect(clippy::cast_possible_truncation, reason = "the other half follows")]
        // Another constant, so that a factor of zero does not end in zero for good.
        Self((product as u64) ^ ((product >> 64) as u64) ^ SEED)
    }

    #[inline]
    fn text(self, text: &str) -> Self {
        let (words, rest) = text.as_bytes().as_chunks::<8>();
        let mut hash = self.number(text.len() as u64);
        for word in words {
            hash = hash.number(u64::from_le_bytes(*word));
        }
        hash.number(rest.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)))
    }

    fn half(self) -> u32 {
        let mixed = self.number(0).0;
        #[expect(clippy::cast_possible_truncation, reason = "half of the hash is stored")]
        ((mixed >> 32) as u32 ^ mixed as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event<'a>(name: &'a str, payload: &'a str) -> CheckedEvent<'a> {
        CheckedEvent { position: 1, version: 1, name, event_version: 1, payload }
    }

    /// Files have these values: another one would make all of their events damaged.
    #[test]
    fn the_hash_stays_as_it_is() {
        let stream = StreamHash::of(&StreamName::new("account", "alice"));
        let metadata = CheckedMetadata {
            id: Uuid::from_u128(7),
            recorded_at: Timestamp::from_micros(-5),
            correlation: None,
            causation: Some(Uuid::from_u128(8)),
            custom: Some("{}"),
        };
        let halves = (stream.event(&event("money-deposited", r#"{"cents":500}"#)), metadata.hash());
        assert_eq!(halves, (EVENT, METADATA));
        assert_eq!(split(join(halves.0, halves.1)), halves);
    }

    const EVENT: u32 = 115_025_054;
    const METADATA: u32 = 3_294_758_270;

    #[test]
    fn a_flipped_bit_and_a_moved_letter_change_the_hash() {
        let stream = StreamHash::of(&StreamName::new("account", "alice"));
        let payload = r#"{"cents":500,"note":"from the other account"}"#;
        let whole = stream.event(&event("deposited", payload));
        for bit in 0..7 * payload.len() {
            let mut bytes = payload.as_bytes().to_vec();
            if let Some(byte) = bytes.get_mut(bit / 7) {
                *byte ^= 1 << (bit % 7);
            }
            assert_ne!(
                stream.event(&event("deposited", &String::from_utf8(bytes).unwrap())),
                whole,
                "bit {bit}"
            );
        }
        assert_ne!(stream.event(&event("deposite", &format!("d{payload}"))), whole);
        assert_ne!(
            StreamHash::of(&StreamName::new("accounta", "lice")).event(&event("deposited", payload)),
            whole
        );
        assert_ne!(stream.event(&event("a", "")), stream.event(&event("", "a")));
        assert_ne!(stream.event(&event("", "")), stream.event(&event("", "\0")));
    }
}
