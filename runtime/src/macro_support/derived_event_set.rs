//! The trait that the generated event enum implements, and the impl of [`EventSet`] that follows from it.

use std::any::Any;
use std::fmt::{self, Debug};

use crate::domain::codec_error::{DecodeError, EncodeError};
use crate::domain::event::{Event, EventKind};
use crate::domain::event_schema::Shape;
use crate::domain::event_set::{Decoded, EventSet};
use crate::macro_support::decoding::decode_other;
use crate::macro_support::listed::variant_of;

/// Reads an event of the set `S`, stored at a version, from JSON.
pub type ReadEvent<S> = fn(u32, &str) -> Result<Decoded<S>, DecodeError>;

/// Adds the shapes of an event.
pub type AddShapes = fn(&mut Vec<Shape>);

/// What `derive(Aggregate)` declares about its events. Every type with this trait is an [`EventSet`].
// Tables, one `match`, and one impl of `EventSet` for all: rustc compiles these faster than a `match` in each method.
pub trait DerivedEventSet: Debug + Sized + 'static {
    /// See [`EventSet::KINDS`].
    const KINDS: &'static [EventKind];

    /// See [`EventSet::RETIRED`].
    const RETIRED: &'static [EventKind] = &[];

    /// Reads each of the events, in the order of the kinds.
    const READERS: &'static [ReadEvent<Self>];

    /// The shapes of all events, and of the retired ones.
    const SHAPES: &'static [AddShapes];

    /// Reads a retired event, or an event by its alias.
    fn read_retired(name: &str, version: u32, payload: &str) -> Result<Decoded<Self>, DecodeError> {
        decode_other(name, version, payload)
    }

    /// The name of the variant, and the event in it.
    fn listed(&self) -> (&'static str, &dyn AnyEvent);
}

/// An event whose type is not known.
pub trait AnyEvent: Debug {
    /// The name and version of its type.
    fn kind(&self) -> &'static EventKind;

    /// [`Event::encode`].
    fn encode(&self, out: &mut Vec<u8>) -> Result<(), EncodeError>;

    /// The event itself.
    fn as_any(&self) -> &dyn Any;
}

impl<E: Event> AnyEvent for E {
    fn kind(&self) -> &'static EventKind {
        const { &EventKind::of::<E>() }
    }

    fn encode(&self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        Event::encode(self, out)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

// Hides this impl in error messages.
#[diagnostic::do_not_recommend]
impl<S: DerivedEventSet> EventSet for S {
    const KINDS: &'static [EventKind] = S::KINDS;
    const RETIRED: &'static [EventKind] = S::RETIRED;

    fn name(&self) -> &'static str {
        self.listed().1.kind().name
    }

    fn event_version(&self) -> u32 {
        self.listed().1.kind().version
    }

    fn encode(&self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        self.listed().1.encode(out)
    }

    fn decode(name: &str, version: u32, payload: &str) -> Result<Decoded<Self>, DecodeError> {
        match S::KINDS.iter().zip(S::READERS).find(|(kind, _)| kind.name == name) {
            Some((_, read)) => read(version, payload),
            None => S::read_retired(name, version, payload),
        }
    }

    fn as_any(&self) -> &dyn Any {
        self.listed().1.as_any()
    }

    fn shapes() -> Vec<Shape> {
        let mut shapes = Vec::new();
        for add in S::SHAPES {
            add(&mut shapes);
        }
        shapes
    }
}

/// Formats an event as a variant of its enum.
pub fn debug_event((variant, event): (&str, &dyn AnyEvent), f: &mut fmt::Formatter<'_>) -> fmt::Result {
    variant_of(&event, variant, f)
}
