//! The name of a command is one that the store can hold.

use factum::prelude::*;

#[derive(Debug, Command)]
#[command(name = "open door")]
struct Open(String);

#[derive(Debug, Command)]
#[command(name = shut, internal = true)]
struct Shut(String);

#[derive(Debug, Command)]
struct Lock {
    #[command(id, internal)]
    door: String,
}

fn main() {}
// errors: 4
