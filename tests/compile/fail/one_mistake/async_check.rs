use factum::prelude::*;

#[derive(Debug, Command)]
#[validate(is_known)]
struct Open(String);

async fn is_known(command: &Open) -> Result<(), &'static str> {
    if command.0.is_empty() { Err("no name") } else { Ok(()) }
}

fn main() {}
