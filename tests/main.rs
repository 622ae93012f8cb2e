//! What a user of the library relies on, one folder for each of its areas; `support` has what the tests share.

mod domain;
mod execute;
mod follow;
mod past;
mod processes;
mod store;
mod support;
mod versions;
