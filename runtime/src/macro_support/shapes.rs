//! The fingerprint and the structure of a field's type, which may have none.

use std::marker::PhantomData;

use crate::domain::event_schema::EventSchema;
use crate::domain::type_shape::{EventPart, TypeShape};

/// The fingerprint of `T`, or 0 if `T` has none, and its structure.
#[derive(Debug)]
pub struct HasFingerprint<T: ?Sized>(PhantomData<T>);

impl<T: EventSchema + ?Sized> HasFingerprint<T> {
    /// The fingerprint of `T`. rustc finds this inherent constant before the one of [`NoFingerprint`].
    // rustc shows this line if two types contain one another.
    pub const FINGERPRINT: u64 = T::FINGERPRINT; // a cycle: mark a field of it with `#[event_schema(recursive)]`

    /// The structure of `T`.
    pub const SHAPE: Option<fn() -> TypeShape> = Some(T::shape);

    /// Both.
    #[must_use]
    pub fn factum_part() -> EventPart {
        (T::FINGERPRINT, Some(T::shape))
    }
}

/// The answer for types without an [`EventSchema`].
pub trait NoFingerprint {
    /// No fingerprint.
    const FINGERPRINT: u64 = 0;
    /// No structure that is known.
    const SHAPE: Option<fn() -> TypeShape> = None;

    /// Neither.
    #[must_use]
    fn factum_part() -> EventPart {
        (0, None)
    }
}

impl<T: ?Sized> NoFingerprint for HasFingerprint<T> {}
