//! The transaction that the handlers of a view get.

use std::cell::RefCell;
use std::fmt;
use std::ops::Deref;

use rusqlite::{CachedStatement, Connection, Statement, Transaction};

use crate::follow::handler::LendsTo;

/// The transaction that a view's handlers write in, with the statements that they have used in it.
///
/// It dereferences to a [`Transaction`], and a handler may take it as one. [`with`](Self::with) adds speed:
/// it finds a statement by the address of its text, while
/// [`prepare_cached`](rusqlite::Connection::prepare_cached) hashes the text each time.
///
/// ```
/// use factum::prelude::*;
/// use factum::sqlite::{ViewTransaction, rusqlite};
/// # mod bank { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/bank.rs")); }
/// # use bank::*;
///
/// #[derive(Projection)]
/// #[projection(
///     events(MoneyDeposited),
///     from(BankAccount),
///     into = Sqlite,
///     init = "CREATE TABLE deposits (account TEXT PRIMARY KEY, cents INTEGER NOT NULL)",
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
///         transaction: &ViewTransaction<'_>,
///     ) -> rusqlite::Result<()> {
///         transaction.with(
///             "INSERT INTO deposits VALUES (?1, ?2) ON CONFLICT DO UPDATE SET cents = cents + excluded.cents",
///             |upsert| upsert.execute((account, event.cents.cast_signed())),
///         )?;
///         Ok(())
///     }
/// }
/// # let store = SqliteStore::in_memory()?;
/// # let accounts = store.repository::<BankAccount>();
/// # accounts.execute(DepositMoney { account: AccountId("a".into()), cents: 5 })?;
/// # accounts.execute(DepositMoney { account: AccountId("a".into()), cents: 6 })?;
/// # SqliteProjection::new(&store, Deposits)?.catch_up()?;
/// # let cents: u64 = store.query(|view| view.query_row("SELECT cents FROM deposits", (), |row| row.get(0)))?;
/// # assert_eq!(cents, 11);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ViewTransaction<'t> {
    transaction: &'t Transaction<'t>,
    /// The statements that are not in use. They are few, as each is a text in the program.
    idle: RefCell<Vec<(&'static str, CachedStatement<'t>)>>,
}

impl<'t> ViewTransaction<'t> {
    pub(crate) fn new(transaction: &'t Transaction<'t>) -> Self {
        Self { transaction, idle: RefCell::default() }
    }

    /// Runs `work` with the statement of this text, which is compiled the first time.
    ///
    /// Fails if the statement can't be compiled, or if `work` fails.
    pub fn with<T>(
        &self,
        sql: &'static str,
        work: impl FnOnce(&mut Statement<'t>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        let found = {
            let mut idle = self.idle.borrow_mut();
            // By address: a text at two addresses is compiled twice, which does no harm.
            let index = idle.iter().position(|(text, _)| std::ptr::eq(*text, sql));
            index.map(|index| idle.swap_remove(index).1)
        };
        let mut statement = match found {
            Some(statement) => statement,
            None => self.transaction.prepare_cached(sql)?,
        };
        let result = work(&mut statement);
        self.idle.borrow_mut().push((sql, statement));
        result
    }
}

impl<'t> Deref for ViewTransaction<'t> {
    type Target = Transaction<'t>;

    fn deref(&self) -> &Transaction<'t> {
        self.transaction
    }
}

// A handler that needs only a transaction or a connection may take the context as one.
#[diagnostic::do_not_recommend]
impl<'t, H> LendsTo<H, Transaction<'t>> for ViewTransaction<'t> {
    fn lend(&self) -> &Transaction<'t> {
        self
    }
}

#[diagnostic::do_not_recommend]
impl<H> LendsTo<H, Connection> for ViewTransaction<'_> {
    fn lend(&self) -> &Connection {
        self
    }
}

impl fmt::Debug for ViewTransaction<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ViewTransaction").finish_non_exhaustive()
    }
}
