//! The event as its reader knows it, and the state that it is folded into.

use serde::Deserialize;

pub(crate) const NAME: &str = "money-deposited";

/// Owns its texts, as events of an application do.
#[derive(Deserialize)]
pub(crate) struct MoneyDeposited {
    account: String,
    amount: u64,
    currency: String,
    reference: String,
}

/// What the events sum up to: the same for all layouts, or one of them has lost something.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub(crate) struct Account {
    pub(crate) events: u32,
    balance: u64,
    letters: usize,
    /// Everything that stands beside the payload, so that no reader can leave it out.
    beside: u64,
}

/// What an application sees of an event beside its payload.
pub(crate) struct Envelope {
    pub(crate) version: i64,
    pub(crate) schema: i64,
    pub(crate) id: [u8; 16],
    pub(crate) recorded_at: i64,
    pub(crate) correlation: Option<[u8; 16]>,
    pub(crate) causation: Option<[u8; 16]>,
}

impl Account {
    pub(crate) fn add(&mut self, other: &Self) {
        self.events += other.events;
        self.balance += other.balance;
        self.letters += other.letters;
        self.beside = self.beside.wrapping_add(other.beside);
    }

    pub(crate) fn apply(&mut self, envelope: &Envelope, event: &MoneyDeposited) {
        self.events += 1;
        self.balance += event.amount;
        self.letters += event.account.len() + event.currency.len() + event.reference.len();
        let Envelope { version, schema, id, recorded_at, correlation, causation } = envelope;
        let numbers = version.wrapping_add(*schema).wrapping_add(*recorded_at);
        self.beside = self.beside.wrapping_add(numbers.cast_unsigned());
        // All of these are random at their end.
        for id in [Some(id), correlation.as_ref(), causation.as_ref()].into_iter().flatten() {
            self.beside = self.beside.wrapping_add(u64::from(id[15]));
        }
    }
}
