//! The past: aggregates at a version or a time, and their history.

mod history;
mod load_at;
