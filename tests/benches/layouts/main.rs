//! Which tables, and which way of writing into them, suit a store of events. Plain rusqlite: nothing of factum is used,
//! so that a layout can be tried here before the store has it.
//!
//! `cargo bench -p factum-tests --bench layouts [-- --quick]`

mod account;
mod content;
mod database;
mod history;
mod layout;
mod layouts;
mod paths;
mod read;
mod sizes;
mod statements;
mod table;
mod turns;
mod work;
mod write;

use std::error::Error;

use self::sizes::Sizes;

fn main() -> Result<(), Box<dyn Error>> {
    let sizes = Sizes::asked_for();
    println!("SQLite {}, medians of {} interleaved rounds", rusqlite::version(), sizes.rounds);
    layouts::compare(&sizes)?;
    paths::compare(&sizes)
}
