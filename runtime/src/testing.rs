//! Tools for tests; behind the feature `testing`.
//!
//! [`given`] tests an aggregate without a store: given what has happened, when a command comes, then this follows.
//! [`conformance`] tests a store against what the rest of factum relies on.

pub mod conformance;
mod difference;
mod given;

pub use self::given::{Given, When, given};
