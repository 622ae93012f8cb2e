//! Views with `into = Sql`, in SQLite.

use factum::testing::{of, project};

use crate::support::account::{Account, Deposited, id};
use crate::support::sql_views::{self, SqlBalances};
use crate::support::stores::{open_store, sqlite_stores};

/// One test for each law, in a file and in memory.
macro_rules! laws {
    ($($law:ident),* $(,)?) => {$(
        #[test]
        fn $law() {
            let folder = tempfile::tempdir().unwrap();
            for store in sqlite_stores(&folder) {
                sql_views::$law(&store);
            }
        }
    )*};
}

laws!(
    a_view_follows_and_is_queried,
    values_come_back,
    what_no_database_keeps_is_refused,
    the_transaction_is_factums,
    a_failed_statement_fails_its_event,
    several_workers_share_a_view,
    an_inline_view_is_part_of_each_append,
    a_newer_version_is_rebuilt,
);

#[test]
fn a_wait_brings_an_inline_view_up_to_date() {
    let folder = tempfile::tempdir().unwrap();
    let [with, without] = [(); 2].map(|()| open_store(&folder.path().join("bank.db")));
    sql_views::a_wait_brings_an_inline_view_up_to_date(&with, &without);
}

#[test]
fn a_view_is_tested_without_a_store() {
    project(
        SqlBalances::default(),
        [of::<Account>(id("alice"), vec![Deposited { cents: 5 }, Deposited { cents: 6 }])],
    )
    .then_rows("SELECT account, cents FROM balances", &[("alice".to_owned(), 11_i64)]);
}
