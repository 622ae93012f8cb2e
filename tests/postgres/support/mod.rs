//! What the tests share, with each other and with those of SQLite.

#[path = "../../support/account.rs"]
pub(crate) mod account;
#[path = "../../support/bounded.rs"]
pub(crate) mod bounded;
#[expect(dead_code, reason = "the tests of SQLite use all of it")]
#[path = "../../support/job.rs"]
pub(crate) mod job;
pub(crate) mod kept;
pub(crate) mod process;
#[path = "../../support/retries.rs"]
pub(crate) mod retries;
#[path = "../../support/shop.rs"]
pub(crate) mod shop;
#[path = "../../support/sql_views.rs"]
pub(crate) mod sql_views;
pub(crate) mod stores;
