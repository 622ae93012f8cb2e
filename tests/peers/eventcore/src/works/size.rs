//! The size of an event in the file.

use crate::database::Database;
use crate::works::prepare;

pub(crate) async fn run(database: &Database, count: usize) -> f64 {
    prepare::events(database, count, prepare::PER_ACCOUNT).await;
    let bytes = u32::try_from(database.settled_bytes()).expect("a file of less than four gigabytes");
    let count = u32::try_from(count).expect("a count of a few millions at most");
    f64::from(bytes) / f64::from(count)
}
