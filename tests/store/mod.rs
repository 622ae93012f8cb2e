//! The stores: the laws, SQLite, and damaged files.

pub(crate) mod bad_files;
mod bad_positions;
mod bad_rows;
mod bounds;
mod checks;
mod checksums;
mod conformance;
pub(crate) mod copies;
#[cfg(unix)]
pub(crate) mod failing_disk;
#[cfg(target_os = "linux")]
mod full_disk;
mod golden;
mod group_commit;
mod known_streams;
mod maintenance;
#[cfg(unix)]
mod moved_files;
mod options;
mod other_tables;
mod queries;
mod reentrance;
mod triggers;
mod watching;
