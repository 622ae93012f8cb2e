//! Measures evento 2.0 alpha on SQLite: `<work> <full|normal> <count> <folder>` in, one `rate` line out.

#![forbid(unsafe_code)]

mod account;
mod arguments;
mod command;
mod database;
mod preparation;
mod verification;
mod views;
mod works;

use anyhow::Result;
use arguments::Arguments;
use database::Database;

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse(std::env::args().skip(1))?;
    let database = Database::create(&arguments.folder, arguments.durability).await?;
    match works::run(&arguments.work, &database, arguments.count).await? {
        Some(rate) => println!("rate {rate:.1}"),
        None => println!("rate -"),
    }
    Ok(())
}
