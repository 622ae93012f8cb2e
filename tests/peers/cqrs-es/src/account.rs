use std::convert::Infallible;

use cqrs_es::event_sink::EventSink;
use cqrs_es::{Aggregate, DomainEvent};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Account {
    pub balance: u64,
    pub deposits: u64,
}

pub struct Deposit {
    pub amount: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum AccountEvent {
    MoneyDeposited { amount: u64, currency: String, channel: String, reference: String },
}

impl AccountEvent {
    pub fn deposited(amount: u64) -> Self {
        Self::MoneyDeposited {
            amount,
            currency: "EUR".to_owned(),
            channel: "branch".to_owned(),
            reference: Uuid::now_v7().to_string(),
        }
    }
}

impl DomainEvent for AccountEvent {
    fn event_type(&self) -> String {
        match self {
            Self::MoneyDeposited { .. } => "MoneyDeposited".to_owned(),
        }
    }

    fn event_version(&self) -> String {
        "1.0".to_owned()
    }
}

impl Aggregate for Account {
    const TYPE: &'static str = "account";
    type Command = Deposit;
    type Event = AccountEvent;
    type Error = Infallible;
    type Services = ();

    async fn handle(
        &mut self,
        command: Deposit,
        _services: &(),
        sink: &EventSink<Self>,
    ) -> Result<(), Infallible> {
        // The sink applies the event to the aggregate that it gets. A store with snapshots applies the event
        // again to that aggregate before it writes the snapshot. A throw-away aggregate keeps the snapshot
        // correct.
        sink.write(AccountEvent::deposited(command.amount), &mut Self::default()).await;
        Ok(())
    }

    fn apply(&mut self, event: AccountEvent) {
        match event {
            AccountEvent::MoneyDeposited { amount, .. } => {
                self.balance += amount;
                self.deposits += 1;
            }
        }
    }
}
