//! The event of this benchmark: at version 5, with all changes since version 1 declared to factum.

use std::fmt::Write as _;

use factum::prelude::*;
use serde::{Deserialize, Serialize};

/// The event's versions:
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

/// A payment, and its text in version 1.
///
/// The two texts are equally long and hold five values each. They differ in this:
/// * Version 1 has a `teller`, whose eleven letters are scanned and dropped.
/// * Version 5 has a `currency`, whose three letters are copied to a string. The default of `currency` is
///   such a string too, so both versions allocate equally often.
/// * Version 1 saves the copy of one short string, and has three digits fewer to parse: an advantage of a few
///   nanoseconds.
///
/// The other ways read the same text of version 1.
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
