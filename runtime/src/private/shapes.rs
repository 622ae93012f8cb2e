//! Shapes and fingerprints of events and of what is in them.

use std::marker::PhantomData;

use crate::shape::{EventSchema, FNV_OFFSET, hashed, mixed, never_zero};

/// Asks for the fingerprint of `T`, which may have none.
#[derive(Debug)]
pub struct Schema<T: ?Sized>(PhantomData<T>);

impl<T: EventSchema + ?Sized> Schema<T> {
    /// That of its [`EventSchema`]: an inherent constant, and so found first where there is one.
    pub const FINGERPRINT: u64 = T::FINGERPRINT;
}

/// Types without an [`EventSchema`].
pub trait NoSchema {
    /// None.
    const FINGERPRINT: u64 = 0;
}

impl<T: ?Sized> NoSchema for Schema<T> {}

/// The fingerprint of a shape written as `text`, with parts that have fingerprints of their own.
pub const fn fingerprint(text: &str, parts: &[u64]) -> u64 {
    let mut hash = hashed(FNV_OFFSET, text);
    let mut index = 0;
    while index < parts.len() {
        hash = mixed(hash, parts[index]);
        index += 1;
    }
    never_zero(hash)
}

/// The fingerprint of a type as it is written, of those of its parts; 0 if none of them has one.
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
