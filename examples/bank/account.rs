//! The domain: a bank account, its events and its commands.

use std::fmt;
use std::str::FromStr;

use factum::prelude::*;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The name of an account, as its customers know it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, AggregateId, EventSchema)]
pub struct AccountId(String);

impl From<&str> for AccountId {
    fn from(name: &str) -> Self {
        Self(name.to_owned())
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An amount of money in whole cents: money is counted, not measured.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, EventSchema,
)]
#[serde(transparent)]
pub struct Cents(pub u64);

impl fmt::Display for Cents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad_integral(true, "", &format!("{}.{:02}", self.0 / 100, self.0 % 100))
    }
}

/// A text that is not an amount of money.
#[derive(Debug, PartialEq, Eq, Error)]
#[error("`{0}` is not an amount like 12 or 12.50")]
pub struct NotAnAmount(String);

impl FromStr for Cents {
    type Err = NotAnAmount;

    fn from_str(text: &str) -> Result<Self, NotAnAmount> {
        let not_an_amount = || NotAnAmount(text.to_owned());
        let (whole, cents) = text.split_once('.').unwrap_or((text, "00"));
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(whole) || !digits(cents) || cents.len() != 2 {
            return Err(not_an_amount());
        }
        let whole: u64 = whole.parse().map_err(|_| not_an_amount())?;
        let cents: u64 = cents.parse().map_err(|_| not_an_amount())?;
        whole.checked_mul(100).and_then(|whole| whole.checked_add(cents)).map(Self).ok_or_else(not_an_amount)
    }
}

// The events. They stay for good, so they must say enough to rebuild any state.

/// An account was opened for an owner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Event)]
#[event(name = "account-opened")]
pub struct AccountOpened {
    pub owner: String,
}

/// Money came in over the counter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Event)]
#[event(name = "money-deposited")]
pub struct MoneyDeposited {
    pub amount: Cents,
}

/// Money went out over the counter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Event)]
#[event(name = "money-withdrawn")]
pub struct MoneyWithdrawn {
    pub amount: Cents,
}

/// Money went to another account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Event)]
#[event(name = "transfer-sent")]
pub struct TransferSent {
    pub to: AccountId,
    pub amount: Cents,
}

/// Money came from another account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Event)]
#[event(name = "transfer-received")]
pub struct TransferReceived {
    pub from: AccountId,
    pub amount: Cents,
}

// The commands. Each names its account, and the account decides.

/// Open an account that does not exist yet.
#[derive(Debug, Clone, Command)]
pub struct OpenAccount {
    #[command(id)]
    pub account: AccountId,
    pub owner: String,
}

/// Put money in.
#[derive(Debug, Clone, Command)]
pub struct DepositMoney {
    #[command(id)]
    pub account: AccountId,
    pub amount: Cents,
}

/// Take money out: no more than there is.
#[derive(Debug, Clone, Command)]
pub struct WithdrawMoney {
    #[command(id)]
    pub account: AccountId,
    pub amount: Cents,
}

/// Send money to another account: no more than there is.
#[derive(Debug, Clone, Command)]
pub struct SendTransfer {
    #[command(id)]
    pub account: AccountId,
    pub to: AccountId,
    pub amount: Cents,
}

/// Receive money that another account has sent.
#[derive(Debug, Clone, Command)]
pub struct ReceiveTransfer {
    #[command(id)]
    pub account: AccountId,
    pub from: AccountId,
    pub amount: Cents,
}

/// Why an account refuses a command.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AccountError {
    #[error("there is no account `{0}`")]
    Unknown(AccountId),
    #[error("the account `{0}` is open already")]
    AlreadyOpen(AccountId),
    #[error("an amount of 0.00 moves nothing")]
    ZeroAmount,
    #[error("`{account}` holds {balance}: {asked} is more than that")]
    Overdraft { account: AccountId, balance: Cents, asked: Cents },
    #[error("`{account}` can't hold {asked} more")]
    TooMuch { account: AccountId, asked: Cents },
    #[error("`{0}` can't send money to itself")]
    SameAccount(AccountId),
}

/// The state of an account, as far as decisions need it.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize, Aggregate)]
#[aggregate(
    name = "bank-account",
    id = AccountId,
    error = AccountError,
    commands(OpenAccount, DepositMoney, WithdrawMoney, SendTransfer, ReceiveTransfer),
    events(AccountOpened, MoneyDeposited, MoneyWithdrawn, TransferSent, TransferReceived),
    event(derive(Clone, PartialEq, Eq)),
    // An account may have many events, and the program, started for one command, need not read all of them.
    snapshot(every = 100),
)]
pub struct BankAccount {
    /// `None` until the account is opened.
    pub owner: Option<String>,
    pub balance: Cents,
}

#[handlers]
impl BankAccount {
    #[execute]
    fn open(&self, command: OpenAccount) -> Result<AccountOpened, AccountError> {
        match self.owner {
            Some(_) => Err(AccountError::AlreadyOpen(command.account)),
            None => Ok(AccountOpened { owner: command.owner }),
        }
    }

    #[execute]
    fn deposit(&self, command: DepositMoney) -> Result<MoneyDeposited, AccountError> {
        self.can_take(&command.account, command.amount)?;
        Ok(MoneyDeposited { amount: command.amount })
    }

    #[execute]
    fn withdraw(&self, command: WithdrawMoney) -> Result<MoneyWithdrawn, AccountError> {
        self.can_give(&command.account, command.amount)?;
        Ok(MoneyWithdrawn { amount: command.amount })
    }

    #[execute]
    fn send(&self, command: SendTransfer) -> Result<TransferSent, AccountError> {
        if command.account == command.to {
            return Err(AccountError::SameAccount(command.account));
        }
        self.can_give(&command.account, command.amount)?;
        Ok(TransferSent { to: command.to, amount: command.amount })
    }

    #[execute]
    fn receive(&self, command: ReceiveTransfer) -> Result<TransferReceived, AccountError> {
        self.can_take(&command.account, command.amount)?;
        Ok(TransferReceived { from: command.from, amount: command.amount })
    }

    #[apply]
    fn opened(&mut self, event: &AccountOpened) {
        self.owner = Some(event.owner.clone());
    }

    #[apply]
    fn deposited(&mut self, event: &MoneyDeposited) {
        self.balance.0 += event.amount.0;
    }

    #[apply]
    fn withdrawn(&mut self, event: &MoneyWithdrawn) {
        self.balance.0 -= event.amount.0;
    }

    #[apply]
    fn sent(&mut self, event: &TransferSent) {
        self.balance.0 -= event.amount.0;
    }

    #[apply]
    fn received(&mut self, event: &TransferReceived) {
        self.balance.0 += event.amount.0;
    }

    /// Checks that the account exists and that the amount is not zero.
    fn can_move(&self, account: &AccountId, amount: Cents) -> Result<(), AccountError> {
        if self.owner.is_none() {
            return Err(AccountError::Unknown(account.clone()));
        }
        if amount.0 == 0 {
            return Err(AccountError::ZeroAmount);
        }
        Ok(())
    }

    fn can_give(&self, account: &AccountId, amount: Cents) -> Result<(), AccountError> {
        self.can_move(account, amount)?;
        if amount > self.balance {
            let (account, balance) = (account.clone(), self.balance);
            return Err(AccountError::Overdraft { account, balance, asked: amount });
        }
        Ok(())
    }

    /// Checks that the amount fits: an event is applied without a check, so the command must be refused.
    fn can_take(&self, account: &AccountId, amount: Cents) -> Result<(), AccountError> {
        self.can_move(account, amount)?;
        match self.balance.0.checked_add(amount.0) {
            // At most an integer of SQLite, so that the table of balances can hold the sum too.
            Some(sum) if i64::try_from(sum).is_ok() => Ok(()),
            _ => Err(AccountError::TooMuch { account: account.clone(), asked: amount }),
        }
    }
}

#[cfg(test)]
mod tests {
    use factum::testing::given;

    use super::*;

    fn alice() -> AccountId {
        AccountId::from("alice")
    }

    fn opened() -> AccountOpened {
        AccountOpened { owner: "Alice".into() }
    }

    #[test]
    fn an_account_is_opened_once() {
        let open = OpenAccount { account: alice(), owner: "Alice".into() };
        given::<BankAccount>(()).when(open.clone()).then(opened());
        given::<BankAccount>(opened()).when(open).then_error(&AccountError::AlreadyOpen(alice()));
    }

    #[test]
    fn money_comes_and_goes() {
        given::<BankAccount>((opened(), MoneyDeposited { amount: Cents(50) }))
            .when(WithdrawMoney { account: alice(), amount: Cents(20) })
            .then(MoneyWithdrawn { amount: Cents(20) })
            .then_state(&BankAccount { owner: Some("Alice".into()), balance: Cents(30) });
    }

    #[test]
    fn an_overdraft_is_refused() {
        let refusal = AccountError::Overdraft { account: alice(), balance: Cents(50), asked: Cents(51) };
        let rich = || given::<BankAccount>((opened(), MoneyDeposited { amount: Cents(50) }));
        rich().when(WithdrawMoney { account: alice(), amount: Cents(51) }).then_error(&refusal);
        rich()
            .when(SendTransfer { account: alice(), to: "bob".into(), amount: Cents(51) })
            .then_error(&refusal);
        rich()
            .when(WithdrawMoney { account: alice(), amount: Cents(50) })
            .then(MoneyWithdrawn { amount: Cents(50) });
    }

    #[test]
    fn zero_amounts_and_wrong_accounts_are_refused() {
        given::<BankAccount>(opened())
            .when(DepositMoney { account: alice(), amount: Cents(0) })
            .then_error(&AccountError::ZeroAmount);
        given::<BankAccount>(())
            .when(DepositMoney { account: alice(), amount: Cents(1) })
            .then_error(&AccountError::Unknown(alice()));
        given::<BankAccount>(opened())
            .when(SendTransfer { account: alice(), to: alice(), amount: Cents(1) })
            .then_error(&AccountError::SameAccount(alice()));
    }

    #[test]
    fn a_balance_does_not_overflow() {
        let full = Cents(u64::MAX / 2);
        given::<BankAccount>((opened(), MoneyDeposited { amount: full }))
            .when(DepositMoney { account: alice(), amount: Cents(1) })
            .then_error(&AccountError::TooMuch { account: alice(), asked: Cents(1) });
    }

    /// The events in users' files stay readable: see `events.lock` and `events.golden`.
    #[test]
    fn what_was_stored_can_be_read() {
        factum::testing::lock! {
            BankAccount => (
                opened(),
                MoneyDeposited { amount: Cents(50) },
                MoneyWithdrawn { amount: Cents(20) },
                TransferSent { to: "bob".into(), amount: Cents(7) },
                TransferReceived { from: "bob".into(), amount: Cents(7) },
            ),
        }
    }

    #[test]
    fn amounts() {
        for (text, cents) in [("12", 1200), ("12.50", 1250), ("0.07", 7)] {
            assert_eq!(text.parse(), Ok(Cents(cents)));
        }
        for text in ["", ".", "-1", "1.5", "1.505", "1,50", "1e3", "99999999999999999999"] {
            assert_eq!(text.parse::<Cents>(), Err(NotAnAmount(text.into())), "{text}");
        }
        assert_eq!(format!("{:>8}", Cents(1205)), "   12.05");
    }
}
