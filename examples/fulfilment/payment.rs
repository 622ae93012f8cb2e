//! The payment of an order: it is asked for, then taken or called off, and paid back if the order fails.

use factum::prelude::*;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::ids::{Cents, OrderId};

/// The customer was asked to pay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Event)]
pub struct PaymentRequested {
    pub amount: Cents,
}

/// The bank confirmed the payment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Event)]
pub struct PaymentTaken {
    pub amount: Cents,
    pub card: String,
}

/// The customer needs to pay no longer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Event)]
pub struct PaymentCalledOff;

/// The money went back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Event)]
pub struct PaymentRefunded {
    pub amount: Cents,
}

/// Ask the customer to pay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Command)]
pub struct RequestPayment {
    #[command(id)]
    pub order: OrderId,
    pub amount: Cents,
}

/// Pay by card.
#[derive(Debug, Clone, Serialize, Deserialize, Command)]
pub struct Pay {
    #[command(id)]
    pub order: OrderId,
    pub card: String,
}

/// Call the payment off, or pay it back if it is taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Command)]
pub struct CallOffPayment {
    #[command(id)]
    pub order: OrderId,
}

/// Why a payment refuses a command.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PaymentError {
    #[error("a payment was requested before")]
    RequestedAlready,
    #[error("no payment is due")]
    NothingDue,
    #[error("the bank refuses the card {0}")]
    CardRefused(String),
}

/// The bank, as far as a payment needs it.
#[derive(Debug, Clone, Default)]
pub struct Gateway {
    /// The cards that the bank refuses.
    pub blocked_cards: Vec<String>,
}

impl Gateway {
    fn accepts(&self, card: &str) -> bool {
        !self.blocked_cards.iter().any(|blocked| blocked == card)
    }
}

/// How far a payment is.
#[derive(Debug, Default, Clone, PartialEq, Eq, Aggregate)]
#[aggregate(
    id = OrderId,
    error = PaymentError,
    services = Gateway,
    commands(RequestPayment, Pay, CallOffPayment),
    events(PaymentRequested, PaymentTaken, PaymentCalledOff, PaymentRefunded),
    event(derive(PartialEq)),
)]
pub enum Payment {
    #[default]
    None,
    Due(Cents),
    Taken(Cents),
    Ended,
}

#[handlers]
impl Payment {
    #[execute]
    fn request(&self, command: RequestPayment) -> Result<PaymentRequested, PaymentError> {
        match self {
            Self::None => Ok(PaymentRequested { amount: command.amount }),
            _ => Err(PaymentError::RequestedAlready),
        }
    }

    #[execute]
    fn pay(&self, command: Pay, bank: &Gateway) -> Result<PaymentTaken, PaymentError> {
        let Self::Due(amount) = *self else { return Err(PaymentError::NothingDue) };
        if !bank.accepts(&command.card) {
            return Err(PaymentError::CardRefused(command.card));
        }
        Ok(PaymentTaken { amount, card: command.card })
    }

    /// A payment that was never requested needs no end.
    #[execute]
    fn call_off(&self, _: CallOffPayment) -> (Option<PaymentCalledOff>, Option<PaymentRefunded>) {
        match *self {
            Self::Due(_) => (Some(PaymentCalledOff), None),
            Self::Taken(amount) => (None, Some(PaymentRefunded { amount })),
            Self::None | Self::Ended => (None, None),
        }
    }

    #[apply]
    fn requested(&mut self, event: &PaymentRequested) {
        *self = Self::Due(event.amount);
    }

    #[apply]
    fn taken(&mut self, event: &PaymentTaken) {
        *self = Self::Taken(event.amount);
    }

    #[apply]
    fn called_off(&mut self, _: &PaymentCalledOff) {
        *self = Self::Ended;
    }

    #[apply]
    fn refunded(&mut self, _: &PaymentRefunded) {
        *self = Self::Ended;
    }
}

#[cfg(test)]
mod tests {
    use factum::testing::given;

    use super::*;

    const DUE: PaymentRequested = PaymentRequested { amount: Cents(500) };

    fn bank() -> Gateway {
        Gateway { blocked_cards: vec!["0000".into()] }
    }

    fn pay(card: &str) -> Pay {
        Pay { order: "o-1".into(), card: card.into() }
    }

    fn taken() -> PaymentTaken {
        PaymentTaken { amount: Cents(500), card: "1234".into() }
    }

    #[test]
    fn what_is_due_is_paid_once() {
        let refused = PaymentError::CardRefused("0000".into());
        given::<Payment>(DUE).when_with(pay("1234"), &bank()).then(taken());
        given::<Payment>(DUE).when_with(pay("0000"), &bank()).then_error(&refused);
        given::<Payment>((DUE, taken())).when(pay("1234")).then_error(&PaymentError::NothingDue);
        given::<Payment>(()).when(pay("1234")).then_error(&PaymentError::NothingDue);
    }

    #[test]
    fn what_is_called_off_is_not_paid_or_paid_back() {
        let call_off = || CallOffPayment { order: "o-1".into() };
        let refund = PaymentRefunded { amount: Cents(500) };
        given::<Payment>(DUE).when(call_off()).then(PaymentCalledOff);
        given::<Payment>((DUE, taken())).when(call_off()).then(refund);
        given::<Payment>((DUE, PaymentCalledOff)).when(pay("1234")).then_error(&PaymentError::NothingDue);
        given::<Payment>(()).when(call_off()).then_nothing();
    }
}
