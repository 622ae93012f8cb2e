//! Hashes that are equal in every build: for fingerprints of shapes, partitions of streams, names of files.

#![expect(
    clippy::indexing_slicing,
    reason = "constants have no other access to slices; the loops keep to their lengths"
)]

/// The start of an FNV-1a hash (Fowler, Noll and Vo), which is simple enough to compute in constants.
pub(crate) const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;

pub(crate) const fn hashed(mut hash: u64, text: &str) -> u64 {
    let bytes = text.as_bytes();
    let mut index = 0;
    while index < bytes.len() {
        hash = (hash ^ bytes[index] as u64).wrapping_mul(0x0100_0000_01b3);
        index += 1;
    }
    // A separator, which is in no UTF-8 text: `ab` and `c` have another hash than `a` and `bc`.
    (hash ^ 0xff).wrapping_mul(0x0100_0000_01b3)
}

pub(crate) const fn mixed(mut hash: u64, part: u64) -> u64 {
    let bytes = part.to_le_bytes();
    let mut index = 0;
    while index < bytes.len() {
        hash = (hash ^ bytes[index] as u64).wrapping_mul(0x0100_0000_01b3);
        index += 1;
    }
    hash
}

pub(crate) const fn never_zero(hash: u64) -> u64 {
    if hash == 0 { 1 } else { hash }
}

/// The fingerprint of a shape: of its `text`, and of the fingerprints of its parts.
#[must_use]
pub const fn fingerprint(text: &str, parts: &[u64]) -> u64 {
    let mut hash = hashed(FNV_OFFSET, text);
    let mut index = 0;
    while index < parts.len() {
        hash = mixed(hash, parts[index]);
        index += 1;
    }
    never_zero(hash)
}

/// The fingerprint of a type from those of its parts; 0 if no part has one.
#[must_use]
pub const fn fingerprint_of(parts: &[u64]) -> u64 {
    let mut hash = FNV_OFFSET;
    let mut has_one = false;
    let mut index = 0;
    while index < parts.len() {
        has_one |= parts[index] != 0;
        hash = mixed(hash, parts[index]);
        index += 1;
    }
    if has_one { never_zero(hash) } else { 0 }
}
