//! The checksum of a stored event: finds a bit that has changed on the disk.

use uuid::Uuid;

use crate::domain::metadata::Envelope;
use crate::domain::stream_name::StreamName;
use crate::domain::time::Timestamp;
use crate::store::append::NewEvent;
use crate::store::read::StoredEvent;

/// Whether reads compare the checksums of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Checksums {
    Verified,
    /// As if no event had one.
    Ignored,
}

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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct StreamHash(u64);

impl StreamHash {
    pub(super) fn of(stream: &StreamName) -> Self {
        let (category, key) = (stream.category().as_bytes(), stream.key().as_bytes());
        Self(Hash(SEED).pair(category.len() as u64, key.len() as u64).bytes(category).bytes(key).0)
    }

    /// Which of so many slots belongs to the hash.
    pub(super) fn slot(self, slots: u16) -> usize {
        usize::try_from(self.0 % u64::from(slots)).unwrap_or_default()
    }

    /// Half of the hash.
    pub(super) fn short(self) -> u32 {
        Hash(self.0).half()
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
        let (name, payload) = (event.name.as_bytes(), event.payload.as_bytes());
        let version_and_length = u64::from(event.event_version) << 32 ^ name.len() as u64;
        Hash(self.0)
            .pair(event.position, event.version)
            .pair(version_and_length, payload.len() as u64)
            .bytes(name)
            .bytes(payload)
            .half()
    }
}

impl CheckedMetadata<'_> {
    /// The low 32 bits of the checksum.
    pub(super) fn hash(&self) -> u32 {
        let custom = self.custom.unwrap_or_default().as_bytes();
        let given = [self.correlation.is_some(), self.causation.is_some(), self.custom.is_some()];
        let given = given.iter().fold(0, |given, is| given << 1 | u64::from(*is));
        let mut hash =
            Hash(SEED).pair(given, self.recorded_at.as_micros().cast_unsigned()).pair(custom.len() as u64, 0);
        for id in [Some(self.id), self.correlation, self.causation].into_iter().flatten() {
            let (high, low) = id.as_u64_pair();
            hash = hash.pair(high, low);
        }
        hash.bytes(custom).half()
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

/// A hash that takes sixteen bytes at a time. It is stored, so it must never change.
///
/// The lengths of texts are hashed before the texts, so that `ab` and `c` have another hash than `a` and `bc`.
#[derive(Clone, Copy)]
struct Hash(u64);

impl Hash {
    /// Multiplies to 128 bits and folds them, so that each bit changes bits everywhere.
    #[inline]
    fn pair(self, first: u64, second: u64) -> Self {
        let product = u128::from(first ^ self.0) * u128::from(second ^ FACTOR);
        #[expect(clippy::cast_possible_truncation, reason = "the other half follows")]
        Self(product as u64 ^ (product >> 64) as u64)
    }

    #[inline]
    fn block(self, block: &[u8; 16]) -> Self {
        let block = u128::from_le_bytes(*block);
        #[expect(clippy::cast_possible_truncation, reason = "the other half follows")]
        self.pair(block as u64, (block >> 64) as u64)
    }

    #[inline]
    fn bytes(self, bytes: &[u8]) -> Self {
        let (blocks, rest) = bytes.as_chunks::<16>();
        let hash = blocks.iter().fold(self, Self::block);
        match bytes.last_chunk::<16>() {
            _ if rest.is_empty() => hash,
            // Some bytes are in two blocks, which does no harm.
            Some(last) => hash.block(last),
            None => hash.short(bytes),
        }
    }

    /// Hashes fewer bytes than a block has.
    #[inline]
    fn short(self, bytes: &[u8]) -> Self {
        if let (Some(first), Some(last)) = (bytes.first_chunk::<8>(), bytes.last_chunk::<8>()) {
            return self.pair(u64::from_le_bytes(*first), u64::from_le_bytes(*last));
        }
        if let (Some(first), Some(last)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
            return self.pair(u32::from_le_bytes(*first).into(), u32::from_le_bytes(*last).into());
        }
        self.pair(bytes.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)), 0)
    }

    #[inline]
    fn half(self) -> u32 {
        let mixed = self.pair(0, 0).0;
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
        let halves =
            (stream.event(&event("money-deposited", r#"{"cents":500,"note":"thanks"}"#)), metadata.hash());
        assert_eq!(halves, (EVENT, METADATA));
        assert_eq!(split(join(halves.0, halves.1)), halves);
    }

    const EVENT: u32 = 739_235_702;
    const METADATA: u32 = 3_193_042_093;

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
