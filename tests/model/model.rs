//! The lanes and the group commit under a model checker: the crate's own code, on locks whose order `shuttle` chooses.
//!
//! `cargo test --manifest-path tests/model/Cargo.toml model` tries some thousand orders; with `FACTUM_MODEL=1000000`
//! before it, a million.

mod store;
pub(crate) mod sync;
mod tasks;
#[cfg(test)]
#[expect(irrefutable_let_patterns, reason = "the lint does not know that macros of this crate are macros")]
mod turns;
