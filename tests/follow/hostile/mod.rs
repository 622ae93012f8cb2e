//! Handlers that do what they should not: they harm no other caller, and get an error that says so.

mod errors;
mod other_databases;
mod own_runner;
mod sql;
