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

/// The customer does not agree with the payment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Event)]
pub struct PaymentDisputed {
    pub reason: String,
}

/// The money went back, or a part of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Event)]
pub struct PaymentRefunded {
    pub amount: Cents,
}

/// Ask the customer to pay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Command)]
#[command(internal)]
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
#[command(internal)]
pub struct CallOffPayment(pub OrderId);

/// Object to a payment.
#[derive(Debug, Clone, Serialize, Deserialize, Command)]
pub struct DisputePayment {
    #[command(id)]
    pub order: OrderId,
    pub reason: String,
}

/// Pay a part back, or all.
#[derive(Debug, Clone, Serialize, Deserialize, Command)]
pub struct RefundPayment {
    #[command(id)]
    pub order: OrderId,
    pub amount: Cents,
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
    #[error("no payment was taken")]
    NothingTaken,
    #[error("from 0.01 to {0} can be paid back")]
    BadRefund(Cents),
}

/// The bank, as far as a payment needs it.
#[derive(Debug, Clone, Default)]
pub struct Gateway {
    /// The cards that the bank refuses.
    pub blocked_cards: Vec<String>,
}

/// How far a payment is.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Aggregate)]
#[aggregate(
    id = OrderId, error = PaymentError, services = Gateway, event(derive(PartialEq)),
    commands(RequestPayment, Pay, CallOffPayment, DisputePayment, RefundPayment),
    events(PaymentRequested, PaymentTaken, PaymentCalledOff, PaymentDisputed, PaymentRefunded),
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
        let requested = PaymentRequested { amount: command.amount };
        (*self == Self::None).then_some(requested).ok_or(PaymentError::RequestedAlready)
    }

    #[execute]
    fn pay(&self, command: Pay, bank: &Gateway) -> Result<PaymentTaken, PaymentError> {
        let Self::Due(amount) = *self else { return Err(PaymentError::NothingDue) };
        if bank.blocked_cards.contains(&command.card) {
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

    #[execute]
    fn dispute(&self, command: DisputePayment) -> Result<PaymentDisputed, PaymentError> {
        self.taken().map(|_| PaymentDisputed { reason: command.reason })
    }

    #[execute]
    fn refund(&self, command: RefundPayment) -> Result<PaymentRefunded, PaymentError> {
        let (amount, most) = (command.amount, self.taken()?);
        let fits = (Cents(1)..=most).contains(&amount);
        fits.then_some(PaymentRefunded { amount }).ok_or(PaymentError::BadRefund(most))
    }

    #[apply]
    fn requested(&mut self, event: &PaymentRequested) {
        *self = Self::Due(event.amount);
    }

    #[apply]
    fn paid(&mut self, event: &PaymentTaken) {
        *self = Self::Taken(event.amount);
    }

    #[apply]
    fn called_off(&mut self, _: &PaymentCalledOff) {
        *self = Self::Ended;
    }

    #[apply]
    fn disputed(&mut self, _: &PaymentDisputed) {}

    #[apply]
    fn refunded(&mut self, event: &PaymentRefunded) {
        *self = match self {
            Self::Taken(taken) if *taken > event.amount => Self::Taken(Cents(taken.0 - event.amount.0)),
            _ => Self::Ended,
        };
    }

    /// What was taken and not paid back.
    fn taken(&self) -> Result<Cents, PaymentError> {
        match self {
            Self::Taken(amount) => Ok(*amount),
            _ => Err(PaymentError::NothingTaken),
        }
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
        let call_off = || CallOffPayment("o-1".into());
        let refund = PaymentRefunded { amount: Cents(500) };
        given::<Payment>(DUE).when(call_off()).then(PaymentCalledOff);
        given::<Payment>((DUE, taken())).when(call_off()).then(refund);
        given::<Payment>((DUE, PaymentCalledOff)).when(pay("1234")).then_error(&PaymentError::NothingDue);
        given::<Payment>(()).when(call_off()).then_nothing();
    }

    #[test]
    fn what_was_taken_is_disputed_and_paid_back_in_parts() {
        let dispute = || DisputePayment { order: "o-1".into(), reason: "two of them".into() };
        let disputed = || PaymentDisputed { reason: "two of them".into() };
        let refund = |cents| RefundPayment { order: "o-1".into(), amount: Cents(cents) };
        let refunded = |cents| PaymentRefunded { amount: Cents(cents) };
        given::<Payment>((DUE, taken())).when(dispute()).then(disputed());
        given::<Payment>((DUE, taken(), disputed()))
            .when(refund(200))
            .then(refunded(200))
            .then_state(&Payment::Taken(Cents(300)));
        given::<Payment>((DUE, taken())).when(refund(500)).then(refunded(500)).then_state(&Payment::Ended);
        for cents in [0, 501] {
            let refused = PaymentError::BadRefund(Cents(500));
            given::<Payment>((DUE, taken())).when(refund(cents)).then_error(&refused);
        }
        given::<Payment>(DUE).when(refund(1)).then_error(&PaymentError::NothingTaken);
        given::<Payment>(DUE).when(dispute()).then_error(&PaymentError::NothingTaken);
    }
}
