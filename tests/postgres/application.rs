//! The tests of applications, on PostgreSQL.

pub(crate) mod timers;
