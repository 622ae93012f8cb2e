//! What a user relies on from the stores: the laws, and what happens to files that are not as they should be.

mod bad_files;
mod bad_rows;
#[cfg(unix)]
mod child;
mod conformance;
mod events;
#[cfg(target_os = "linux")]
mod full_disk;
mod golden;
mod grouped;
mod maintenance;
#[cfg(unix)]
mod processes;
mod shared_file;
