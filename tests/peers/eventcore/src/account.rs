//! The account in eventcore's terms: events that know their stream, a command that folds them.

use eventcore::{
    Command, CommandError, CommandLogic, CommandStateSnapshotId, Event, NewEvents, StreamId, require,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum AccountEvent {
    MoneyDeposited { account_id: StreamId, amount: u64, currency: String, channel: String, reference: String },
}

impl AccountEvent {
    pub(crate) fn deposited(account_id: StreamId, amount: u64) -> Self {
        Self::MoneyDeposited {
            account_id,
            amount,
            currency: "EUR".into(),
            channel: "branch".into(),
            reference: Uuid::now_v7().to_string(),
        }
    }
}

impl Event for AccountEvent {
    fn stream_id(&self) -> &StreamId {
        let Self::MoneyDeposited { account_id, .. } = self;
        account_id
    }

    fn event_type_name() -> &'static str {
        "AccountEvent"
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Account {
    pub(crate) balance: u64,
    pub(crate) deposits: u64,
}

impl Account {
    pub(crate) fn with(self, event: &AccountEvent) -> Self {
        let AccountEvent::MoneyDeposited { amount, .. } = event;
        Self { balance: self.balance + amount, deposits: self.deposits + 1 }
    }
}

#[derive(Command)]
pub(crate) struct Deposit {
    #[stream]
    account_id: StreamId,
    amount: u64,
    snapshots: bool,
}

impl Deposit {
    pub(crate) fn new(account_id: StreamId, amount: u64) -> Self {
        Self { account_id, amount, snapshots: false }
    }

    pub(crate) fn with_snapshots(self) -> Self {
        Self { snapshots: true, ..self }
    }
}

impl CommandLogic for Deposit {
    type Event = AccountEvent;
    type State = Account;

    fn apply(&self, state: Account, event: &AccountEvent) -> Account {
        state.with(event)
    }

    fn handle(&self, state: Account) -> Result<NewEvents<AccountEvent>, CommandError> {
        require!(state.balance.checked_add(self.amount).is_some(), "the account is full");
        Ok(vec![AccountEvent::deposited(self.account_id.clone(), self.amount)].into())
    }

    fn command_state_snapshot_id(&self) -> Option<CommandStateSnapshotId> {
        self.snapshots.then(|| {
            CommandStateSnapshotId::try_new(format!("account-v1::{}", self.account_id))
                .expect("the id is short and not empty")
        })
    }

    fn serialize_command_state_snapshot(&self, state: &Account) -> Result<Value, CommandError> {
        serde_json::to_value(state).map_err(|error| CommandError::ValidationError(error.to_string()))
    }

    fn deserialize_command_state_snapshot(&self, state: Value) -> Result<Account, CommandError> {
        serde_json::from_value(state).map_err(|error| CommandError::ValidationError(error.to_string()))
    }
}

/// Ids of new accounts, in ascending order.
pub(crate) fn account_ids(count: usize) -> Vec<StreamId> {
    (0..count).map(|_| StreamId::try_new(Uuid::now_v7().to_string()).expect("a UUID is an id")).collect()
}

/// The amount of the deposit with this number. Amounts differ, so that a wrong sum shows.
pub(crate) fn amount(number: usize) -> u64 {
    number as u64 % 97 + 1
}

/// The sum of the amounts of this many deposits.
pub(crate) fn total(count: usize) -> u64 {
    (0..count).map(amount).sum()
}
