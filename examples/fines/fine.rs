//! The domain: a road-traffic fine, from its creation until it is paid, dismissed, or sent for collection.

mod appeal;
mod commands;
mod events;
#[cfg(test)]
mod tests;

use factum::prelude::*;
use thiserror::Error;

pub use self::commands::*;
pub use self::events::*;
use super::values::{Cents, Day, FineId};

/// The state of a fine: the events that have happened to it. Nearly every step happens once.
///
/// # When two entries of the log are the same
///
/// Two entries are the same if they say the same: the fine, the step, the day, the amounts. Their lines do
/// not count, nor does their order: both change when a bad row is repaired or files are joined. Two payments
/// of one amount on one day may both be real; the total paid, which each entry states, distinguishes them.
///
/// An entry is known if the event that it leads to has happened already. Its command then leads to no event.
/// A different event for a step that was taken is a contradiction, and the fine refuses it.
#[derive(Debug, Default, Clone, PartialEq, Aggregate)]
#[aggregate(
    name = "fine",
    id = FineId,
    error = Refusal,
    command(derive(Debug)),
    commands(
        CreateFine, SendFine, NotifyFine, AddPenalty, ReceivePayment, LodgeAppeal, ForwardAppeal, AnswerAppeal,
        NotifyAppealAnswer, AppealToJudge, SendForCollection,
    ),
    events(
        FineCreated, FineSent, FineNotified, PenaltyAdded, PaymentReceived, AppealLodged, AppealForwarded,
        AppealAnswered, AppealAnswerNotified, AppealedToJudge, SentForCollection,
    ),
)]
pub struct Fine {
    created: Option<FineCreated>,
    sent: Option<FineSent>,
    notified: Option<FineNotified>,
    penalty: Option<PenaltyAdded>,
    payments: Vec<PaymentReceived>,
    appeal: appeal::Appeals,
    collection: Option<SentForCollection>,
}

/// Why a fine refuses a command.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refusal {
    #[error("there is no such fine yet")]
    NotCreated,
    #[error("the fine was created later, on {0}")]
    CreatedLater(Day),
    #[error("the fine is in credit collection")]
    InCollection,
    #[error("the fine was dismissed")]
    Dismissed,
    #[error("another `{0}` is recorded already")]
    Otherwise(&'static str),
    #[error("the fine was not sent yet")]
    NotSent,
    #[error("the offender was not notified yet")]
    NotNotified,
    #[error("no penalty was added yet")]
    NoPenalty,
    #[error("a penalty must raise the amount, which is {0}")]
    NoRaise(Cents),
    #[error("nothing is owed any more")]
    NothingOwed,
    #[error("a payment must be more than 0.00")]
    EmptyPayment,
    #[error("the total paid would be {counted}, not {stated}")]
    WrongTotal { stated: Cents, counted: Cents },
    #[error("no appeal was lodged yet")]
    NoAppeal,
    #[error("the appeal was not sent to the prefecture yet")]
    AppealNotForwarded,
    #[error("the prefecture has not answered yet")]
    AppealNotAnswered,
}

#[handlers]
impl Fine {
    #[execute]
    fn create(&self, command: CreateFine) -> Result<Option<FineCreated>, Refusal> {
        let CreateFine { on, amount, dismissed_by, .. } = command;
        once(self.created.as_ref(), FineCreated { on, amount, dismissed_by }, |_| Ok(()))
    }

    #[execute]
    fn send(&self, command: SendFine) -> Result<Option<FineSent>, Refusal> {
        let SendFine { on, postage, .. } = command;
        once(self.sent.as_ref(), FineSent { on, postage }, |sent| self.check_open(&sent.on))
    }

    #[execute]
    fn notify(&self, command: NotifyFine) -> Result<Option<FineNotified>, Refusal> {
        once(self.notified.as_ref(), FineNotified { on: command.on }, |notified| {
            self.check_open(&notified.on)?;
            require(self.sent.is_some(), Refusal::NotSent)
        })
    }

    #[execute]
    fn add_penalty(&self, command: AddPenalty) -> Result<Option<PenaltyAdded>, Refusal> {
        let AddPenalty { on, new_amount, .. } = command;
        once(self.penalty.as_ref(), PenaltyAdded { on, new_amount }, |penalty| {
            self.check_debt(&penalty.on)?;
            require(self.notified.is_some(), Refusal::NotNotified)?;
            require(penalty.new_amount > self.amount(), Refusal::NoRaise(self.amount()))
        })
    }

    /// The handler checks the total that the log states, because only the aggregate knows the earlier
    /// payments. So a wrong total is refused before anything is stored.
    #[execute]
    fn receive_payment(&self, command: ReceivePayment) -> Result<Option<PaymentReceived>, Refusal> {
        let ReceivePayment { on, amount, total, .. } = command;
        let payment = PaymentReceived { on, amount, total };
        let same = self.payments.iter().find(|known| **known == payment);
        once(same, payment, |payment| {
            self.check_open(&payment.on)?;
            require(payment.amount > Cents::ZERO, Refusal::EmptyPayment)?;
            let counted = self.paid() + payment.amount;
            require(payment.total == counted, Refusal::WrongTotal { stated: payment.total, counted })
        })
    }

    #[execute]
    fn send_for_collection(&self, command: SendForCollection) -> Result<Option<SentForCollection>, Refusal> {
        once(self.collection.as_ref(), SentForCollection { on: command.on }, |collection| {
            self.check_debt(&collection.on)?;
            require(self.penalty.is_some(), Refusal::NoPenalty)
        })
    }

    #[apply]
    fn created(&mut self, event: &FineCreated) {
        self.created = Some(event.clone());
    }

    #[apply]
    fn sent(&mut self, event: &FineSent) {
        self.sent = Some(event.clone());
    }

    #[apply]
    fn notified(&mut self, event: &FineNotified) {
        self.notified = Some(event.clone());
    }

    #[apply]
    fn penalty_added(&mut self, event: &PenaltyAdded) {
        self.penalty = Some(event.clone());
    }

    #[apply]
    fn payment_received(&mut self, event: &PaymentReceived) {
        self.payments.push(event.clone());
    }

    #[apply]
    fn sent_for_collection(&mut self, event: &SentForCollection) {
        self.collection = Some(event.clone());
    }
}

impl Fine {
    /// The present amount of the fine, without postage.
    pub fn amount(&self) -> Cents {
        let created = self.created.as_ref().map(|created| created.amount);
        self.penalty.as_ref().map(|penalty| penalty.new_amount).or(created).unwrap_or_default()
    }

    /// The total to be paid, with postage, whether or not it was paid.
    pub fn due(&self) -> Cents {
        self.amount() + self.sent.as_ref().map(|sent| sent.postage).unwrap_or_default()
    }

    /// The total that was paid.
    pub fn paid(&self) -> Cents {
        self.payments.iter().map(|payment| payment.amount).sum()
    }

    /// Whether the police, the prefecture or a judge has dismissed the fine.
    pub fn is_dismissed(&self) -> bool {
        self.created.as_ref().is_some_and(|created| created.dismissed_by.is_some())
            || self.appeal.is_successful()
    }

    /// Checks that the fine exists on this day, and is not in collection.
    fn check_open(&self, on: &Day) -> Result<(), Refusal> {
        let created = self.created.as_ref().ok_or(Refusal::NotCreated)?;
        require(created.on <= *on, Refusal::CreatedLater(created.on.clone()))?;
        require(self.collection.is_none(), Refusal::InCollection)
    }

    /// Checks that the offender still owes money on this day.
    fn check_debt(&self, on: &Day) -> Result<(), Refusal> {
        self.check_open(on)?;
        require(!self.is_dismissed(), Refusal::Dismissed)?;
        require(self.paid() < self.due(), Refusal::NothingOwed)
    }
}

/// A step that happens once: no event if this event has happened already, a refusal if a different one has.
fn once<E: Event + PartialEq>(
    happened: Option<&E>,
    event: E,
    check: impl FnOnce(&E) -> Result<(), Refusal>,
) -> Result<Option<E>, Refusal> {
    match happened {
        Some(happened) if *happened == event => Ok(None),
        Some(_) => Err(Refusal::Otherwise(E::NAME)),
        None => check(&event).map(|()| Some(event)),
    }
}

fn require(condition: bool, refusal: Refusal) -> Result<(), Refusal> {
    if condition { Ok(()) } else { Err(refusal) }
}
