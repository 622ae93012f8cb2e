//! What follows a store with its progress kept in a SQLite file: projections and reactions.
//!
//! An `Engine` has the handlers, one for each worker, and the `View`: where progress is kept and where events come from. A
//! `Runner` is one worker of it, going step by step; what a step is, the target of the handlers knows (`Durable`). `Control`
//! is how runners and callers tell each other things.

mod checkpoint;
mod control;
mod dead_letters;
mod engine;
mod follow;
mod lease;
mod progress;
mod runner;
mod view;

pub(crate) use self::checkpoint::{Found, Task, definition, find, known, lay_out, save, start};
pub(crate) use self::control::Control;
pub use self::dead_letters::{DeadLetter, Revived};
pub(crate) use self::dead_letters::{forget, list, remove, set_aside};
pub(crate) use self::engine::Engine;
pub(crate) use self::engine::patiently;
pub use self::follow::{Follow, Follower, Following, OnFailure, WaitError};
pub(crate) use self::follow::{Policy, sealed};
pub(crate) use self::lease::{Holder, Keeper};
pub use self::progress::Progress;
pub(crate) use self::progress::Report;
pub(crate) use self::runner::Durable;
pub(crate) use self::runner::{Failed, Runner, Step};
pub(crate) use self::view::View;
