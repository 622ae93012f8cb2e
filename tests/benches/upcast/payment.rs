//! The event that is read: at version 5, with what has changed since version 1 declared to factum.

use std::fmt::Write as _;

use factum::prelude::*;
use serde::{Deserialize, Serialize};

/// What the declarations come to, version by version:
///
/// 1. `sum`, `payer`, `paid_at` in seconds, `instalment` counted from 0, `teller`
/// 2. `currency` added
/// 3. `sum` renamed to `amount`
/// 4. `paid_at` changed to milliseconds
/// 5. `instalment` changed to count from 1, `teller` removed
#[derive(Debug, PartialEq, Serialize, Deserialize, Event)]
#[event(name = "payment-taken", version = 5, removed(since = 5, name = "teller", ty = String))]
pub(crate) struct PaymentTaken {
    #[event(renamed(since = 3, from = "sum"))]
    pub(crate) amount: u64,
    #[event(added(since = 2, default = "USD".to_owned()))]
    pub(crate) currency: String,
    pub(crate) payer: String,
    #[event(changed(since = 4, from = u64, with = milliseconds))]
    pub(crate) paid_at: u64,
    #[event(changed(since = 5, from = u32, with = counted_from_one))]
    pub(crate) instalment: u32,
}

pub(crate) fn milliseconds(seconds: u64) -> u64 {
    seconds * 1000
}

pub(crate) fn counted_from_one(instalment: u32) -> u32 {
    instalment + 1
}

impl AsRef<Self> for PaymentTaken {
    fn as_ref(&self) -> &Self {
        self
    }
}

/// One payment: as it is, and as the text of its version 1.
///
/// The two texts are equally long and hold five values each. What differs: version 1 has a `teller`, whose eleven
/// letters are scanned and dropped; version 5 has a `currency` instead, whose three are copied to a string of its own.
/// As the default of `currency` is such a string too, reading version 1 allocates the same. Beyond that it saves the
/// copy of one short string, and has three digits fewer to parse: a few nanoseconds in favour of version 1. The rivals
/// read that same version 1.
pub(crate) fn payment(number: u32, first_version: &mut String) -> PaymentTaken {
    let (sum, seconds, instalment) =
        (u64::from(1000 + number % 9000), 1_700_000_000 + u64::from(number), number % 9);
    let payer = format!("payer-{:06}", number % 1_000_000);
    let teller = number % 1000;
    write!(
        first_version,
        r#"{{"sum":{sum},"payer":"{payer}","paid_at":{seconds},"instalment":{instalment},"teller":"desk-00-{teller:03}"}}"#
    )
    .expect("a string takes what is written");
    PaymentTaken {
        amount: sum,
        currency: "USD".into(),
        payer,
        paid_at: milliseconds(seconds),
        instalment: counted_from_one(instalment),
    }
}
