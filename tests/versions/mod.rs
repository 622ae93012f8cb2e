//! Events that change: their versions, retired events, the lock of their shapes, and events that cannot be
//! read.

mod bad_events;
mod event_versions;
mod json_schema;
mod lock;
mod retired;
