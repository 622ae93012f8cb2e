//! Views in the SQL that SQLite and PostgreSQL both speak.

pub(crate) mod column;
pub(crate) mod driver;
pub(crate) mod error;
pub(crate) mod parameter;
pub(crate) mod row;
pub(crate) mod text;
pub(crate) mod transaction;
pub(crate) mod value;
pub(crate) mod view;

use std::cell::{RefCell, RefMut};
use std::fmt;

use crate::follow::handler::{KnowsNoId, LendsMut, Target, sealed};
use crate::follow::sql::transaction::SqlTransaction;

/// The target of views in tables of whichever database the store has: SQLite in tests and on a desktop, PostgreSQL in
/// production.
///
/// Handlers write with a [`SqlTransaction`]. Queries go through
/// [`sql_view`](crate::EventStoreExt::sql_view), on both databases.
///
/// ```
/// use factum::follow::{Sql, SqlError, SqlTransaction};
/// use factum::prelude::*;
/// # mod bank { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/bank.rs")); }
/// # use bank::*;
///
/// #[derive(Projection)]
/// #[projection(
///     events(MoneyDeposited),
///     from(BankAccount),
///     into = Sql,
///     init = "CREATE TABLE deposits (account TEXT PRIMARY KEY, cents BIGINT NOT NULL)",
/// )]
/// struct Deposits;
///
/// #[handlers]
/// impl Deposits {
///     #[project]
///     fn deposited(
///         &self,
///         event: &MoneyDeposited,
///         account: &str,
///         sql: &mut dyn SqlTransaction,
///     ) -> Result<(), SqlError> {
///         sql.execute(
///             "INSERT INTO deposits VALUES ($1, $2)
///              ON CONFLICT (account) DO UPDATE SET cents = deposits.cents + excluded.cents",
///             &[&account, &event.cents],
///         )?;
///         Ok(())
///     }
/// }
///
/// let store = SqliteStore::in_memory()?;
/// let accounts = store.repository::<BankAccount>();
/// accounts.execute(DepositMoney { account: AccountId("alice".into()), cents: 500 })?;
///
/// SqliteProjection::new(&store, Deposits)?.catch_up()?;
/// let row = store
///     .sql_view::<Deposits>()
///     .query_opt("SELECT cents FROM deposits WHERE account = $1", &[&"alice"])?;
/// assert_eq!(row.map(|row| row.get::<u64>("cents")).transpose()?, Some(500));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # The SQL of both
///
/// factum gives both databases the text as it is. Each has words of its own, so write what both know:
///
/// | for | write | and not |
/// |---|---|---|
/// | whole numbers | `BIGINT` | `INTEGER`, which has 32 bits in PostgreSQL |
/// | fractions | `DOUBLE PRECISION` | `REAL`, which has 32 bits in PostgreSQL |
/// | text, yes or no | `TEXT`, `BOOLEAN` | |
/// | bytes | `BYTEA` | `BLOB`, which PostgreSQL does not know |
/// | ids, times | `UUID`, `TIMESTAMPTZ` | |
/// | insert or update | `INSERT .. ON CONFLICT (column) DO UPDATE SET n = table.n + excluded.n` | `INSERT OR REPLACE`, `MERGE`, `n = n + 1` without the table |
/// | text as it is | `'text'`, `a \|\| b` | `"text"`, which is a name |
/// | a value's type, where the database can't tell it | `CAST($1 AS BIGINT)` | `$1::bigint` |
/// | the rows of an order | `ORDER BY .. LIMIT $1` | an order that is not asked for |
///
/// SQLite keeps a [`Uuid`](uuid::Uuid) as text and a [`Timestamp`](crate::Timestamp) as microseconds since 1970. So leave
/// arithmetic with times to the program.
#[derive(Debug)]
pub enum Sql {}

impl sealed::Sealed for Sql {}

impl Target for Sql {
    type Context<'c> = SqlContext<'c>;
}

/// What the handlers of a view with `into = Sql` get.
#[doc(hidden)]
pub struct SqlContext<'c>(RefCell<&'c mut (dyn SqlTransaction + 'c)>);

impl<'c> SqlContext<'c> {
    pub(crate) fn new(transaction: &'c mut (dyn SqlTransaction + 'c)) -> Self {
        Self(RefCell::new(transaction))
    }
}

impl KnowsNoId for SqlContext<'_> {}

#[diagnostic::do_not_recommend]
impl<'c, H> LendsMut<H, dyn SqlTransaction + 'c> for SqlContext<'c> {
    fn lend_mut(&self) -> RefMut<'_, dyn SqlTransaction + 'c> {
        RefMut::map(self.0.borrow_mut(), |transaction| &mut **transaction)
    }
}

impl fmt::Debug for SqlContext<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqlContext").finish_non_exhaustive()
    }
}
