//! The signatures of [`emitted`](../emitted.rs), without the feature `tracing`: no code is left of them.
#![allow(clippy::unused_self, reason = "the signatures are those with the feature")]

use std::fmt::Display;
use std::future::Future;
use std::panic::Location;
use std::time::Duration;

use crate::domain::position::Position;
use crate::domain::standard_error::report;
use crate::domain::stream_name::StreamName;

#[derive(Clone)]
pub(crate) struct Span;

impl Span {
    #[inline]
    pub(crate) fn command(_: &'static str, _: &'static str, _: impl FnOnce() -> StreamName) -> Self {
        Self
    }

    #[inline]
    pub(crate) fn unit(_: usize) -> Self {
        Self
    }

    #[inline]
    pub(crate) fn append(_: usize) -> Self {
        Self
    }

    #[inline]
    pub(crate) fn load(_: &'static str, _: &StreamName) -> Self {
        Self
    }

    #[inline]
    pub(crate) fn step(_: &'static str, _: &'static str) -> Self {
        Self
    }

    #[inline]
    pub(crate) fn send(_: &'static str, _: &str, _: &str) -> Self {
        Self
    }

    #[inline]
    pub(crate) fn current() -> Self {
        Self
    }

    #[inline]
    pub(crate) fn enter<T>(&self, work: impl FnOnce() -> T) -> T {
        work()
    }

    #[inline]
    pub(crate) fn around<F: Future>(&self, work: F) -> impl Future<Output = F::Output> + use<F> {
        work
    }

    #[inline]
    pub(crate) fn is_for(&self, _: &Self) {}

    #[inline]
    pub(crate) fn decided(&self, _: &'static str, _: Option<&'static str>, _: u64) {}

    #[inline]
    pub(crate) fn appended(&self, _: usize, _: usize) {}

    #[inline]
    pub(crate) fn loaded(&self, _: &'static str, _: u64) {}

    #[inline]
    pub(crate) fn handled(&self, _: u64) {}

    #[inline]
    pub(crate) fn reached(&self, _: Position, _: u64) {}

    #[inline]
    pub(crate) fn sent(&self, _: &'static str, _: Option<&'static str>) {}

    #[inline]
    pub(crate) fn failed(&self) {}
}

#[inline]
pub(crate) fn conflict(_: &StreamName, _: u64) {}

#[inline]
pub(crate) fn decided_again(_: &StreamName, _: u32) {}

#[inline]
pub(crate) fn lease_taken(_: &'static str) {}

#[inline]
pub(crate) fn partitions(_: &'static str, _: &[u32], _: u32) {}

#[inline]
pub(crate) fn lease_lost(_: &'static str, _: &impl Display) {}

#[inline]
pub(crate) fn follower_retries(_: &'static str, _: Option<Position>, _: &str, _: u32, _: Duration) {}

#[inline]
pub(crate) fn dead_letter(_: &'static str, _: Position, _: &str, _: u32) {}

#[inline]
pub(crate) fn timer_failed(_: &'static str, _: &str, _: &str, _: &str) {}

#[inline]
pub(crate) fn instance_held(_: &'static str, _: &str, _: &str) {}

#[inline]
pub(crate) fn rebuild_begun(_: &'static str, _: u32, _: u32) {}

#[inline]
pub(crate) fn rebuild_done(_: &'static str, _: u32) {}

#[inline]
pub(crate) fn follower_stopped(_: &'static str, _: Option<&str>) {}

#[inline]
pub(crate) fn hook_panicked(_: &str, _: &str) {}

#[inline]
pub(crate) fn handler<T>(_: &'static str, _: &'static str, work: impl FnOnce() -> T) -> T {
    work()
}

#[allow(dead_code, reason = "only the feature `tokio` has threads that must not block")]
pub(crate) fn blocking_call(method: &str, instead: &str, place: &Location<'_>) {
    report(format_args!("`{method}` blocks a worker thread of tokio, at {place}: await `{instead}` there"));
}
