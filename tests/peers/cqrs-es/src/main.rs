//! Measures cqrs-es 0.5 on sqlite-es: `<work> <full|normal> <count> <folder>` in, one `rate` line out.

#![forbid(unsafe_code)]

mod account;
mod arguments;
mod database;
mod preparation;
mod verification;
mod works;

use arguments::Arguments;
use database::Database;

pub type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

#[tokio::main]
async fn main() -> Outcome<()> {
    let arguments = Arguments::parse(std::env::args().skip(1))?;
    let database = Database::create(&arguments.folder, arguments.durability).await?;
    let rate = works::run(&arguments.work, &database, arguments.count).await?;
    println!("rate {rate:.1}");
    Ok(())
}
