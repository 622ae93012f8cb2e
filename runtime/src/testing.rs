//! Tools for tests; behind the feature `testing`.
//!
//! * [`given`] tests an aggregate without a store: given these events, when this command, then those events.
//! * [`lock!`] records the shapes and examples of all events, and checks that each can still be read.
//! * [`conformance`] tests a store against the laws that the rest of factum relies on.

#![expect(clippy::panic, clippy::indexing_slicing, reason = "an expectation that is not met is a panic")]

pub mod conformance;
mod difference;
mod given;
mod lock;

pub use self::given::{Given, When, given};
pub use self::lock::Lock;
#[doc(inline)]
pub use crate::{__delegate as delegate, __lock as lock};
