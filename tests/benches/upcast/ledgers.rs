//! The aggregates that replay the payments: one for each way to read them, and otherwise equal.

use factum::prelude::*;

use crate::payment::{PaymentTaken, payment};
use crate::rivals::{ByHops, ByValues};

/// The sums of the payments. All ways must give equal sums.
#[derive(Debug, Default, Clone, PartialEq)]
pub(crate) struct Totals {
    payments: u32,
    amount: u64,
    paid_at: u128,
    instalments: u64,
    letters: usize,
}

impl Totals {
    pub(crate) fn add(&mut self, event: &impl AsRef<PaymentTaken>) {
        let event = event.as_ref();
        self.payments += 1;
        self.amount += event.amount;
        self.paid_at += u128::from(event.paid_at);
        self.instalments += u64::from(event.instalment);
        self.letters += event.currency.len() + event.payer.len();
    }
}

/// An aggregate needs a command. This one is never sent.
#[derive(Debug, Command)]
pub(crate) struct TakePayment(#[command(id)] String);

/// All ledgers have one name, so that they read the same streams.
macro_rules! ledger {
    ($ledger:ident, $event:ident) => {
        #[derive(Debug, Default, Clone, Aggregate)]
        #[aggregate(name = "ledger", id = String, commands(TakePayment), events($event))]
        pub(crate) struct $ledger(Totals);

        #[handlers]
        impl $ledger {
            #[execute]
            fn take(&self, _: TakePayment) -> $event {
                payment(self.0.payments, &mut String::new()).into()
            }

            #[apply]
            fn taken(&mut self, event: &$event) {
                self.0.add(event);
            }
        }

        impl From<$ledger> for Totals {
            fn from(ledger: $ledger) -> Self {
                ledger.0
            }
        }
    };
}

ledger!(Ledger, PaymentTaken);
ledger!(LedgerByValues, ByValues);
ledger!(LedgerByHops, ByHops);
