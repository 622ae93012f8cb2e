//! Which version of a view serves queries.

use crate::follow::progress_store::ProgressStore as _;
use crate::follow::projection::Projection;
use crate::follow::serving::ServingView;
use crate::postgres::progress::rebuilds;
use crate::postgres::projection::target::PostgresTarget;
use crate::postgres::projection::{PostgresProjection, schema, views};
use crate::postgres::store::PostgresStore;
use crate::postgres::transaction::PostgresTransaction;
use crate::store::error::StoreError;

impl<P: Projection<Target: PostgresTarget>> PostgresProjection<P> {
    /// Which version of the view serves; `None` if no program has made the view yet.
    ///
    /// While a new version is rebuilt, the tables of the old one serve. A program that knows both can query either. Until the
    /// transaction ends, no rebuild replaces the view, so the answer fits the tables:
    ///
    /// ```no_run
    /// # use factum::follow::SqlError;
    /// # use factum::postgres::{Postgres, PostgresProjection, ViewTransaction};
    /// # use factum::prelude::*;
    /// # mod bank { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/bank.rs")); }
    /// # use bank::*;
    /// # #[derive(Projection)]
    /// # #[projection(from(BankAccount), events(MoneyDeposited), into = Postgres)]
    /// # #[projection(version = 2, init = "CREATE TABLE deposits (cents bigint NOT NULL)")]
    /// # struct Deposits;
    /// # #[handlers]
    /// # impl Deposits {
    /// #     #[project]
    /// #     fn deposited(&self, event: &MoneyDeposited, view: &ViewTransaction<'_>) -> Result<(), SqlError> {
    /// #         view.queue("INSERT INTO deposits VALUES ($1)", &[&event.cents.cast_signed()])
    /// #     }
    /// # }
    /// # let store = PostgresStore::connect("postgresql://bank@localhost/bank")?;
    /// let transaction = store.begin()?;
    /// let serving = PostgresProjection::<Deposits>::serving(&transaction)?;
    /// let column = if serving.is_some_and(|view| view.version < 2) { "amount" } else { "cents" };
    /// let sql = format!(r#"SELECT sum({column})::bigint FROM "factum/deposits".deposits"#);
    /// let total: Option<i64> = transaction.query(&sql, &[])?[0].get(0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// For a view with `into = Sql`, see [`SqlView::read_serving`](crate::follow::SqlView::read_serving).
    pub fn serving(transaction: &PostgresTransaction) -> Result<Option<ServingView>, StoreError> {
        let schema = schema::quoted(&schema::name(transaction.store().schema_name(), P::NAME));
        transaction.run(&views::lock_marker(&schema, "ACCESS SHARE"))?;
        serving(transaction, P::NAME)
    }
}

/// Which version of a view serves, as the transaction sees it.
pub(super) fn serving(
    transaction: &PostgresTransaction,
    view: &str,
) -> Result<Option<ServingView>, StoreError> {
    let Some(found) = PostgresStore::checkpoint_in(transaction, view)? else { return Ok(None) };
    let rebuilding = rebuilds::version(transaction, view)?;
    Ok(Some(ServingView::of(&found, rebuilding)))
}
