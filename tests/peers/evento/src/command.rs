use anyhow::Result;
use evento::metadata::Event;
use evento::{Executor, Projection, ProjectionAggregate, WriteError};

use crate::account::{Account, MoneyDeposited, deposited};

/// The write model. Its snapshot in memory is the fastest of evento's three kinds. A snapshot in the store
/// costs each command a second commit, and without one each command reads the whole stream.
#[evento::projection(id = id)]
#[evento::snapshot(memory)]
pub struct AccountState {
    pub id: String,
    pub balance: u64,
    pub deposits: u64,
}

#[evento::handler]
async fn on_deposited(event: Event<MoneyDeposited>, state: &mut AccountState) -> Result<()> {
    state.id = event.aggregate_id.clone();
    state.balance += event.data.amount;
    state.deposits += 1;
    Ok(())
}

fn account<E: Executor>() -> Projection<E, AccountState> {
    Projection::new::<Account>().handler(on_deposited()).strict()
}

pub struct Command<E: Executor>(pub E);

#[evento::command]
impl<E: Executor> Command<E> {
    pub async fn deposit(&self, id: &str, amount: u64) -> Result<()> {
        let event = deposited(amount);
        match self.account(id).await? {
            Some(account) => account.write()?.event(&event).commit(&self.0).await?,
            None => evento::append(id).event(&event).commit(&self.0).await?,
        };
        Ok(())
    }

    pub async fn account(&self, id: &str) -> Result<Option<AccountState>> {
        account().load(id).execute(&self.0).await
    }
}

/// Whether SQLite found the database locked for longer than its time-out.
pub fn is_busy(error: &anyhow::Error) -> bool {
    const SQLITE_BUSY: i32 = 5;
    // A command's write error contains its cause. A load's error is the cause.
    let cause = match error.downcast_ref::<WriteError>() {
        Some(WriteError::Unknown(cause)) => cause,
        Some(_) => return false,
        None => error,
    };
    let Some(sqlx::Error::Database(cause)) = cause.downcast_ref::<sqlx::Error>() else { return false };
    let code = cause.code().and_then(|code| code.parse::<i32>().ok());
    // The low byte is the primary code.
    code.is_some_and(|code| code & 0xff == SQLITE_BUSY)
}
