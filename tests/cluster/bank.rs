//! The application of the programs: a view in the cluster itself, and a process. Another view is inline in some programs.

use factum::follow::SqlError;
use factum::postgres::{Postgres, ViewTransaction};
use factum::prelude::*;

use crate::account::{Account, Deposited, Opened};
use crate::welcome::{Card, Welcome};

#[derive(Application)]
#[application(aggregates(Account, Card))]
pub(crate) struct Bank {
    #[projection]
    ledger: Ledger,
    #[process]
    welcome: Welcome,
}

impl Bank {
    pub(crate) fn new() -> Self {
        Self { ledger: Ledger, welcome: Welcome }
    }
}

/// The balance of each account, and the number of its events.
#[derive(Debug, Clone, Projection)]
#[projection(
    events(Opened, Deposited),
    from(Account),
    into = Sql,
    init = "CREATE TABLE balances (account TEXT PRIMARY KEY, cents BIGINT NOT NULL, events BIGINT NOT NULL)",
)]
pub(crate) struct Balances;

#[handlers]
impl Balances {
    #[project]
    fn opened(&self, _: &Opened, account: &str, sql: &mut dyn SqlTransaction) -> Result<(), SqlError> {
        sql.execute("INSERT INTO balances VALUES ($1, 0, 1)", &[&account]).map(drop)
    }

    #[project]
    fn deposited(
        &self,
        event: &Deposited,
        account: &str,
        sql: &mut dyn SqlTransaction,
    ) -> Result<(), SqlError> {
        let add = "UPDATE balances SET cents = cents + $2, events = events + 1 WHERE account = $1";
        sql.execute(add, &[&account, &event.cents]).map(drop)
    }
}

/// A row for each event: one that comes twice is refused.
#[derive(Debug, Clone, Projection)]
#[projection(
    events(Opened, Deposited),
    from(Account),
    into = Postgres,
    init = "CREATE TABLE entries (account text NOT NULL, version bigint NOT NULL, cents bigint NOT NULL, PRIMARY KEY (account, version))",
)]
pub(crate) struct Ledger;

const ENTRY: &str = "INSERT INTO entries VALUES ($1, $2, $3)";

#[handlers]
impl Ledger {
    #[project]
    fn opened(
        &self,
        _: &Opened,
        envelope: &Envelope<'_>,
        view: &ViewTransaction<'_>,
    ) -> Result<(), SqlError> {
        view.queue(ENTRY, &[&envelope.key, &envelope.version.cast_signed(), &0_i64])
    }

    #[project]
    fn deposited(
        &self,
        event: &Deposited,
        envelope: &Envelope<'_>,
        view: &ViewTransaction<'_>,
    ) -> Result<(), SqlError> {
        view.queue(ENTRY, &[&envelope.key, &envelope.version.cast_signed(), &event.cents])
    }
}
