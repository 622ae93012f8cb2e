//! The command line: runs what the arguments say, and prints the results.

use std::io::{self, Write};

use factum::prelude::*;
use factum::store::AppendError;
use factum::{ExecuteError, ExecuteOptions, LoadError, Moment, Uuid};
use thiserror::Error;

use crate::account::{
    AccountError, AccountId, BankAccount, BankAccountEvent, Cents, DepositMoney, NotAnAmount, OpenAccount,
    ReceiveTransfer, SendTransfer, WithdrawMoney,
};
use crate::balances::balances;
use crate::statement::statement;

/// The arguments that the program understands.
pub const USAGE: &str = "\
bank                                            plays a short story on a fresh file
bank [--file FILE] open ACCOUNT OWNER           opens an account
bank [--file FILE] deposit ACCOUNT AMOUNT
bank [--file FILE] withdraw ACCOUNT AMOUNT
bank [--file FILE] transfer FROM TO AMOUNT
bank [--file FILE] balance ACCOUNT              as it is now
bank [--file FILE] balance ACCOUNT --version N  as it was after its Nth event
bank [--file FILE] balance ACCOUNT --at TIME    as it was then, such as 2026-01-31T12:00:00Z
bank [--file FILE] history ACCOUNT              all that has happened
bank [--file FILE] statement ACCOUNT            the money that came and went
bank [--file FILE] balances                     of all accounts
FILE is bank.db if not given.
With --postgres URL in place of --file, the events are in that database, such as
postgresql://bank@localhost/bank. It needs `cargo run --features postgres --example bank`.";

/// How often to decide again after a conflict: far more often than writers are likely to compete.
const RETRIES: u32 = 1000;

/// Why the program failed.
#[derive(Debug, Error)]
pub enum Failure {
    /// The arguments are wrong.
    #[error("{0}")]
    Usage(String),
    /// The account refused the command.
    #[error(transparent)]
    Refused(#[from] AccountError),
    /// The account has no state at the moment asked for.
    #[error("{0}")]
    NoAnswer(String),
    /// Something is wrong with the file or the database.
    #[error(transparent)]
    Broken(BoxError),
    /// The output could not be written.
    #[error(transparent)]
    Output(#[from] io::Error),
}

impl From<ExecuteError<AccountError>> for Failure {
    fn from(error: ExecuteError<AccountError>) -> Self {
        match error {
            ExecuteError::Refused(refusal) => Self::Refused(refusal),
            other => Self::Broken(other.into()),
        }
    }
}

impl From<AppendError> for Failure {
    fn from(error: AppendError) -> Self {
        Self::Broken(error.into())
    }
}

impl From<NotAnAmount> for Failure {
    fn from(error: NotAnAmount) -> Self {
        Self::Usage(error.to_string())
    }
}

/// Whether the arguments are well-formed, as far as the program can check without a file.
pub fn is_known(words: &[&str]) -> bool {
    matches!(
        *words,
        ["open" | "deposit" | "withdraw", _, _]
            | ["transfer", _, _, _]
            | ["balance" | "history" | "statement", _]
            | ["balance", _, "--version" | "--at", _]
            | ["balances"]
    )
}

/// Runs the command in `words` on the accounts in the store `events`, with the views in another store, or in the same.
pub fn run<S: EventStore + Clone + 'static>(
    events: &S,
    views: &SqliteStore,
    words: &[&str],
    out: &mut impl Write,
) -> Result<(), Failure> {
    let bank = Bank { events, views, accounts: events.repository() };
    match *words {
        ["open", account, owner] => bank.open(account, owner, out),
        ["deposit", account, amount] => {
            bank.change(DepositMoney { account: account.into(), amount: amount.parse()? }, account, out)
        }
        ["withdraw", account, amount] => {
            bank.change(WithdrawMoney { account: account.into(), amount: amount.parse()? }, account, out)
        }
        ["transfer", from, to, amount] => bank.transfer(&from.into(), &to.into(), amount.parse()?, out),
        ["balance", account] => bank.balance(account, None, out),
        ["balance", account, "--version", version] => {
            let version: u64 = version
                .parse()
                .map_err(|_| Failure::Usage(format!("`{version}` is not a version: they count from 1")))?;
            bank.balance(account, Some(version.into()), out)
        }
        ["balance", account, "--at", time] => {
            let time: Timestamp = time.parse().map_err(|error| Failure::Usage(format!("{error}")))?;
            bank.balance(account, Some(time.into()), out)
        }
        ["history", account] => bank.history(account, out),
        ["statement", account] => bank.statement(account, out),
        ["balances"] => bank.balances(out),
        _ => Err(Failure::Usage(USAGE.into())),
    }
}

struct Bank<'a, S> {
    events: &'a S,
    views: &'a SqliteStore,
    accounts: Repository<BankAccount, S>,
}

impl<S: EventStore + Clone + 'static> Bank<'_, S> {
    fn open(&self, account: &str, owner: &str, out: &mut impl Write) -> Result<(), Failure> {
        let command = OpenAccount { account: account.into(), owner: owner.into() };
        self.accounts.execute_with(command, &ExecuteOptions::new().retry(RETRIES))?;
        Ok(writeln!(out, "{account} is open, for {owner}")?)
    }

    /// Runs one command on one account, and retries it while other writers are faster.
    fn change<C>(&self, command: C, account: &str, out: &mut impl Write) -> Result<(), Failure>
    where
        BankAccount: factum::Accepts<C>,
        C: Clone,
    {
        let done = self.accounts.execute_with(command, &ExecuteOptions::new().retry(RETRIES))?;
        Ok(writeln!(out, "{account} holds {}", done.state().balance)?)
    }

    /// Changes two accounts or none, in one commit that is retried after a conflict.
    ///
    /// Both events carry one correlation id.
    fn transfer(
        &self,
        from: &AccountId,
        to: &AccountId,
        amount: Cents,
        out: &mut impl Write,
    ) -> Result<(), Failure> {
        let options = ExecuteOptions::new().correlation(Uuid::now_v7());
        let (left, now) = self.events.atomically(RETRIES, |transfer| -> Result<_, Failure> {
            let send = SendTransfer { account: from.clone(), to: to.clone(), amount };
            let left = transfer.execute_with(&self.accounts, send, &options)?.state().balance;
            let receive = ReceiveTransfer { account: to.clone(), from: from.clone(), amount };
            let now = transfer.execute_with(&self.accounts, receive, &options)?.state().balance;
            Ok((left, now))
        })?;
        Ok(writeln!(out, "{from} holds {left}, {to} holds {now}")?)
    }

    fn balance(&self, account: &str, then: Option<Moment>, out: &mut impl Write) -> Result<(), Failure> {
        let id = account.into();
        let loaded = match then {
            None => self.accounts.load(&id),
            Some(moment) => self.accounts.load_at(&id, moment),
        };
        let loaded = loaded.map_err(|error| not_loaded(account, error))?;
        let (balance, version) = (loaded.state().balance, loaded.version());
        match then {
            None => writeln!(out, "{account} holds {balance}")?,
            Some(Moment::Version(_)) => writeln!(out, "{account} held {balance} at version {version}")?,
            Some(moment) => writeln!(out, "{account} held {balance} at {moment}, version {version}")?,
        }
        Ok(())
    }

    /// Prints each event as it is read, so that a long history takes little memory.
    fn history(&self, account: &str, out: &mut impl Write) -> Result<(), Failure> {
        let history = self.accounts.history(&account.into()).map_err(|error| not_loaded(account, error))?;
        writeln!(out, "{:>7}  {:<27}  {:<22}  {:>10}  chain", "version", "time", "what", "amount")?;
        for event in history {
            let event = event.map_err(|error| Failure::Broken(error.into()))?;
            let (what, amount) = describe(&event.event);
            // The last digits of a UUID are random: enough to see which events belong together.
            let chain = event.metadata.correlation.map(|id| id.simple().to_string().split_off(24));
            let amount = amount.map(|amount| amount.to_string()).unwrap_or_default();
            let line = format!(
                "{:>7}  {:<27}  {what:<22}  {amount:>10}  {}",
                event.version,
                event.recorded_at,
                chain.unwrap_or_default()
            );
            writeln!(out, "{}", line.trim_end())?;
        }
        Ok(())
    }

    fn statement(&self, account: &str, out: &mut impl Write) -> Result<(), Failure> {
        let id = account.into();
        // An account without movements has an empty statement; an account that does not exist is an error.
        self.accounts.load(&id).map_err(|error| not_loaded(account, error))?;
        let lines = statement(self.events, self.views, &id).map_err(Failure::Broken)?;
        writeln!(out, "{:<27}  {:<22}  {:>11}  {:>10}", "time", "what", "amount", "balance")?;
        for line in lines {
            let sign = if line.cents < 0 { "-" } else { "+" };
            let amount = format!("{sign}{}", Cents(line.cents.unsigned_abs()));
            writeln!(out, "{:<27}  {:<22}  {amount:>11}  {:>10}", line.time, line.what, line.balance)?;
        }
        Ok(())
    }

    fn balances(&self, out: &mut impl Write) -> Result<(), Failure> {
        let balances = balances(self.events, self.views).map_err(Failure::Broken)?;
        writeln!(out, "{:<12}  {:<20}  {:>12}", "account", "owner", "balance")?;
        for row in balances {
            writeln!(out, "{:<12}  {:<20}  {:>12}", row.account.to_string(), row.owner, row.balance)?;
        }
        Ok(())
    }
}

/// An event in a customer's words, and its amount.
fn describe(event: &BankAccountEvent) -> (String, Option<Cents>) {
    match event {
        BankAccountEvent::AccountOpened(event) => (format!("opened for {}", event.owner), None),
        BankAccountEvent::MoneyDeposited(event) => ("deposited".into(), Some(event.amount)),
        BankAccountEvent::MoneyWithdrawn(event) => ("withdrawn".into(), Some(event.amount)),
        BankAccountEvent::TransferSent(event) => (format!("sent to {}", event.to), Some(event.amount)),
        BankAccountEvent::TransferReceived(event) => {
            (format!("received from {}", event.from), Some(event.amount))
        }
    }
}

/// A missing account is a refusal, a missing version is no answer, and any other error is a broken file.
fn not_loaded(account: &str, error: LoadError) -> Failure {
    match error {
        LoadError::NotFound { .. } => AccountError::Unknown(account.into()).into(),
        LoadError::Before { asked, .. } => {
            Failure::NoAnswer(format!("there was no account `{account}` yet at {asked}"))
        }
        LoadError::NotYet { asked, actual, .. } => {
            Failure::NoAnswer(format!("`{account}` has {actual} versions, not {asked}"))
        }
        other => Failure::Broken(other.into()),
    }
}
