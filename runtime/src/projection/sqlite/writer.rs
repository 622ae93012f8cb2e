//! What handlers write with.

use std::cell::RefCell;
use std::fmt;
use std::ops::Deref;

use rusqlite::{CachedStatement, Connection, Statement, Transaction};

use crate::private::WriterFor;

/// The transaction that a view's handlers write in, with the statements that they have used in it.
///
/// It dereferences to a [`Transaction`], and a handler may take it as that. What [`with`](Self::with) adds is speed: a statement is
/// found by the address of its text, which costs nothing beside [`prepare_cached`](rusqlite::Connection::prepare_cached),
/// which hashes the text each time.
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
    /// Few: each is a text in the program. One that is in use is not there.
    idle: RefCell<Vec<(&'static str, CachedStatement<'t>)>>,
}

impl<'t> ViewTransaction<'t> {
    pub(crate) fn new(transaction: &'t Transaction<'t>) -> Self {
        Self { transaction, idle: RefCell::default() }
    }

    /// Has `work` use the statement with this text, which is compiled the first time.
    ///
    /// Fails if it can't be compiled, or if `work` does.
    pub fn with<T>(
        &self,
        sql: &'static str,
        work: impl FnOnce(&mut Statement<'t>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        let found = {
            let mut idle = self.idle.borrow_mut();
            // By address: one text at two addresses is compiled twice, and that is all.
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

// What it may be borrowed as: handlers that need no more than a transaction, or a connection, say so.
impl<'t, P> WriterFor<P, Transaction<'t>> for ViewTransaction<'t> {
    fn same(&self) -> &Transaction<'t> {
        self
    }
}

impl<P> WriterFor<P, Connection> for ViewTransaction<'_> {
    fn same(&self) -> &Connection {
        self
    }
}

impl fmt::Debug for ViewTransaction<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ViewTransaction").finish_non_exhaustive()
    }
}
