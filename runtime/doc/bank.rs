// The bank of the tutorial, for the steps that need all of it.

use factum::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
pub struct AccountOpened {
    pub owner: String,
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "money-deposited")]
pub struct MoneyDeposited {
    pub cents: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
pub struct MoneyWithdrawn {
    pub cents: u64,
}

#[derive(Debug, Clone, PartialEq, AggregateId)]
pub struct AccountId(pub String);

#[derive(Debug, Command)]
pub struct OpenAccount {
    #[command(id)]
    pub account: AccountId,
    pub owner: String,
}

#[derive(Debug, Command)]
pub struct DepositMoney {
    #[command(id)]
    pub account: AccountId,
    pub cents: u64,
}

#[derive(Debug, Command)]
pub struct WithdrawMoney {
    #[command(id)]
    pub account: AccountId,
    pub cents: u64,
}

#[derive(Debug, PartialEq, thiserror::Error)]
pub enum AccountError {
    #[error("the account is open already")]
    AlreadyOpen,
    #[error("there are {0} cents, and no more")]
    Overdraft(u64),
}

#[derive(Debug, Default, Clone, PartialEq, Aggregate)]
#[aggregate(
    id = AccountId,
    error = AccountError,
    commands(OpenAccount, DepositMoney, WithdrawMoney),
    events(AccountOpened, MoneyDeposited, MoneyWithdrawn),
)]
pub struct BankAccount {
    pub owner: Option<String>,
    pub balance: u64,
}

#[handlers]
impl BankAccount {
    #[execute]
    fn open(&self, command: OpenAccount) -> Result<AccountOpened, AccountError> {
        match self.owner {
            Some(_) => Err(AccountError::AlreadyOpen),
            None => Ok(AccountOpened { owner: command.owner }),
        }
    }

    #[execute]
    fn deposit(&self, command: DepositMoney) -> Option<MoneyDeposited> {
        // Nothing happens if nothing is deposited.
        (command.cents > 0).then_some(MoneyDeposited { cents: command.cents })
    }

    #[execute]
    fn withdraw(&self, command: WithdrawMoney) -> Result<MoneyWithdrawn, AccountError> {
        if command.cents > self.balance {
            return Err(AccountError::Overdraft(self.balance));
        }
        Ok(MoneyWithdrawn { cents: command.cents })
    }

    #[apply]
    fn opened(&mut self, event: &AccountOpened) {
        self.owner = Some(event.owner.clone());
    }

    #[apply]
    fn deposited(&mut self, event: &MoneyDeposited) {
        self.balance += event.cents;
    }

    #[apply]
    fn withdrawn(&mut self, event: &MoneyWithdrawn) {
        self.balance -= event.cents;
    }
}
