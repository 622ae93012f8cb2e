use factum::prelude::*;

#[derive(Command)]
struct Open(String);

fn main() {}

// errors: 1
