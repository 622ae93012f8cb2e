//! Views in tables of a PostgreSQL database.

use crate::server::on_server;
use crate::support::sql_views;

/// One test for each law of views with `into = Sql`.
macro_rules! laws {
    ($($law:ident),* $(,)?) => {$(
        #[test]
        fn $law() {
            on_server!(server);
            sql_views::$law(&server.new_store());
        }
    )*};
}

laws!(
    a_view_follows_and_is_queried,
    values_come_back,
    what_no_database_keeps_is_refused,
    the_transaction_is_factums,
    a_failed_statement_fails_its_event,
    a_newer_version_is_rebuilt,
);
