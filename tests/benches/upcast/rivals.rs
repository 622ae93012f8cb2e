//! Other ways to read the event. Both are written as well as their kind allows.

use factum::prelude::*;
use factum::{DecodeError, EncodeError};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::payment::{PaymentTaken, counted_from_one, milliseconds};

/// Read by steps from version to version on untyped JSON, as most event stores' upcasters work.
#[derive(Debug)]
pub(crate) struct ByValues(PaymentTaken);

/// From version 1 to 2, from 2 to 3, and so on. In place: a chain with a new object in each step is slower.
const STEPS: [fn(&mut Map<String, Value>); 4] = [
    |event| {
        event.insert("currency".into(), "USD".into());
    },
    |event| {
        if let Some(sum) = event.remove("sum") {
            event.insert("amount".into(), sum);
        }
    },
    |event| {
        if let Some(paid_at) = event.get_mut("paid_at")
            && let Some(seconds) = paid_at.as_u64()
        {
            *paid_at = milliseconds(seconds).into();
        }
    },
    |event| {
        event.remove("teller");
        if let Some(instalment) = event.get_mut("instalment")
            && let Some(number) = instalment.as_u64().and_then(|number| u32::try_from(number).ok())
        {
            *instalment = counted_from_one(number).into();
        }
    },
];

impl Event for ByValues {
    const NAME: &'static str = PaymentTaken::NAME;
    const VERSION: u32 = PaymentTaken::VERSION;

    fn encode(&self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        self.0.encode(out)
    }

    fn decode(version: u32, payload: &str) -> Result<Self, DecodeError> {
        let Some(steps) = past(version).and_then(|past| STEPS.get(past..)) else {
            return PaymentTaken::decode(version, payload).map(Self);
        };
        let mut event: Map<String, Value> = read(payload);
        for step in steps {
            step(&mut event);
        }
        Ok(Self(serde_json::from_value(Value::Object(event)).expect("what the steps lead to is a payment")))
    }
}

/// The number of steps before `version`.
fn past(version: u32) -> Option<usize> {
    usize::try_from(version).ok()?.checked_sub(1).filter(|past| *past < STEPS.len())
}

/// Read as the struct of its version, which is converted to the struct of the next version, and so on.
#[derive(Debug)]
pub(crate) struct ByHops(PaymentTaken);

#[derive(Deserialize)]
struct V1 {
    sum: u64,
    payer: String,
    paid_at: u64,
    instalment: u32,
    teller: String,
}

#[derive(Deserialize)]
struct V2 {
    sum: u64,
    currency: String,
    payer: String,
    paid_at: u64,
    instalment: u32,
    teller: String,
}

#[derive(Deserialize)]
struct V3 {
    amount: u64,
    currency: String,
    payer: String,
    paid_at: u64,
    instalment: u32,
    teller: String,
}

#[derive(Deserialize)]
struct V4 {
    amount: u64,
    currency: String,
    payer: String,
    paid_at: u64,
    instalment: u32,
    // Unused, but the event had the field in this version.
    #[serde(rename = "teller")]
    _teller: String,
}

impl From<V1> for V2 {
    fn from(V1 { sum, payer, paid_at, instalment, teller }: V1) -> Self {
        Self { sum, currency: "USD".into(), payer, paid_at, instalment, teller }
    }
}

impl From<V2> for V3 {
    fn from(V2 { sum, currency, payer, paid_at, instalment, teller }: V2) -> Self {
        Self { amount: sum, currency, payer, paid_at, instalment, teller }
    }
}

impl From<V3> for V4 {
    fn from(V3 { amount, currency, payer, paid_at, instalment, teller }: V3) -> Self {
        Self { amount, currency, payer, paid_at: milliseconds(paid_at), instalment, _teller: teller }
    }
}

impl From<V4> for PaymentTaken {
    fn from(V4 { amount, currency, payer, paid_at, instalment, .. }: V4) -> Self {
        Self { amount, currency, payer, paid_at, instalment: counted_from_one(instalment) }
    }
}

impl Event for ByHops {
    const NAME: &'static str = PaymentTaken::NAME;
    const VERSION: u32 = PaymentTaken::VERSION;

    fn encode(&self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        self.0.encode(out)
    }

    fn decode(version: u32, payload: &str) -> Result<Self, DecodeError> {
        let fourth = match version {
            1 => V4::from(V3::from(V2::from(read::<V1>(payload)))),
            2 => V4::from(V3::from(read::<V2>(payload))),
            3 => V4::from(read::<V3>(payload)),
            4 => read::<V4>(payload),
            _ => return PaymentTaken::decode(version, payload).map(Self),
        };
        Ok(Self(fourth.into()))
    }
}

/// A hand-written `Event` cannot make a `DecodeError` of its own, and this benchmark does not need one.
fn read<T: DeserializeOwned>(payload: &str) -> T {
    serde_json::from_str(payload).expect("the payload is of its version")
}

impl AsRef<PaymentTaken> for ByValues {
    fn as_ref(&self) -> &PaymentTaken {
        &self.0
    }
}

impl AsRef<PaymentTaken> for ByHops {
    fn as_ref(&self) -> &PaymentTaken {
        &self.0
    }
}

impl From<PaymentTaken> for ByValues {
    fn from(payment: PaymentTaken) -> Self {
        Self(payment)
    }
}

impl From<PaymentTaken> for ByHops {
    fn from(payment: PaymentTaken) -> Self {
        Self(payment)
    }
}
