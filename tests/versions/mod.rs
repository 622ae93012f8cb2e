//! Events that change: their versions, their retirement, the lock of their shapes, and those that can't be read.

mod bad_events;
mod event_versions;
mod lock;
mod retired;
