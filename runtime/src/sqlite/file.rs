//! The file of a store: how it is opened, its tables and connections, and its maintenance.

pub(crate) mod at_path;
pub(crate) mod busy;
pub(crate) mod errors;
pub(crate) mod handler_sql;
pub(crate) mod log_index;
pub(crate) mod maintenance;
pub(crate) mod open;
pub(crate) mod opened;
pub(crate) mod readers;
pub(crate) mod tables;
pub(crate) mod temporary_files;
