//! Tools for tests; behind the feature `testing`.
//!
//! [`given`] tests an aggregate without a store: given what has happened, when a command comes, then this follows.
//! [`lock!`] keeps the shapes and examples of all events, and checks that each can still be read. [`conformance`] tests a store against what the rest of factum relies on.

pub mod conformance;
mod difference;
mod given;
mod lock;

pub use self::given::{Given, When, given};
pub use self::lock::Lock;
#[doc(inline)]
pub use crate::__lock as lock;
