//! The service as its callers use it: the real program, over HTTP on this machine.
#![cfg(unix)]

mod browser;
mod client;
mod commands;
mod domain;
mod events;
mod kills;
mod pages;
#[path = "../program/mod.rs"]
mod program;
mod server;
mod stopping;
