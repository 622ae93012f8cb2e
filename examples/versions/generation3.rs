//! The third year: a machine sorts by address, refunds are events of their own, and labels are no longer
//! counted.
//!
//! This file alone still reads every event that was ever stored.

use factum::prelude::*;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Money, in whole cents: text can't be added up.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cents(pub u64);

/// A text that is not an amount of money.
#[derive(Debug, PartialEq, Eq, Error)]
#[error("`{0}` is not an amount like 4.90")]
pub struct NotAnAmount(String);

impl TryFrom<String> for Cents {
    type Error = NotAnAmount;

    /// Reads an amount as the first year printed it on receipts.
    fn try_from(text: String) -> Result<Self, NotAnAmount> {
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        let cents = text.split_once('.').and_then(|(whole, cents)| {
            let written_so = digits(whole) && digits(cents) && cents.len() == 2;
            let (whole, cents) = (whole.parse::<u64>().ok()?, cents.parse::<u64>().ok()?);
            whole.checked_mul(100)?.checked_add(cents).filter(|_| written_so)
        });
        cents.map(Self).ok_or(NotAnAmount(text))
    }
}

/// Where a parcel can be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    Depot(String),
    Van(u16),
    /// A text that was typed in, and that the program does not understand.
    Elsewhere(String),
}

impl From<String> for Place {
    fn from(text: String) -> Self {
        match text.strip_prefix("depot ") {
            Some(depot) => Self::Depot(depot.to_owned()),
            None => Self::Elsewhere(text),
        }
    }
}

/// One field has become two, which no attribute of one field can say: the previous struct is converted.
#[derive(Debug, PartialEq, Serialize, Deserialize, Event)]
#[event(name = "parcel-accepted", version = 3, previous = ParcelAcceptedV2)]
pub struct ParcelAccepted {
    pub name: String,
    /// `None` if the recipient of the earlier versions has no address.
    pub address: Option<String>,
    pub grams: u32,
    pub postage: Cents,
    pub insured: Cents,
}

/// The event of the second year, which also reads that of the first.
#[derive(Debug, Serialize, Deserialize, Event)]
#[event(name = "parcel-accepted", version = 2, removed(since = 2, name = "counter", ty = u8))]
pub struct ParcelAcceptedV2 {
    recipient: String,
    #[event(renamed(since = 2, from = "weight"))]
    grams: u32,
    #[event(changed(since = 2, from = String, try_with = Cents::try_from))]
    postage: Cents,
    #[event(added(since = 2, default = Cents(0)))]
    insured: Cents,
}

impl From<ParcelAcceptedV2> for ParcelAccepted {
    fn from(old: ParcelAcceptedV2) -> Self {
        let (name, address) = match old.recipient.split_once(", ") {
            Some((name, address)) => (name.to_owned(), Some(address.to_owned())),
            None => (old.recipient, None),
        };
        Self { name, address, grams: old.grams, postage: old.postage, insured: old.insured }
    }
}

/// One field with two changes, in order.
#[derive(Debug, PartialEq, Serialize, Deserialize, Event)]
#[event(name = "parcel-scanned", version = 3)]
pub struct ParcelScanned {
    #[event(changed(since = 2, from = String, with = Place::from), renamed(since = 3, from = "place"))]
    pub at: Place,
}

#[derive(Debug, PartialEq, Serialize, Deserialize, Event)]
#[event(name = "parcel-delivered", aliases("parcel-handed-over"))]
pub struct ParcelDelivered {
    pub to: String,
}

#[derive(Debug, PartialEq, Serialize, Deserialize, Event)]
#[event(name = "parcel-returned")]
pub struct ParcelReturned {
    pub reason: String,
}

#[derive(Debug, PartialEq, Serialize, Deserialize, Event)]
#[event(name = "postage-refunded")]
pub struct PostageRefunded {
    pub amount: Cents,
}

/// A retired event, because a return and a refund are two events now. Stored ones are still read.
#[derive(Debug, Serialize, Deserialize, Event)]
#[event(name = "parcel-sent-back", version = 2)]
pub struct ParcelSentBack {
    reason: String,
    #[event(changed(since = 2, from = String, try_with = Cents::try_from))]
    refund: Cents,
}

#[derive(Debug, Command)]
pub struct AcceptParcel {
    #[command(id)]
    pub parcel: String,
    pub name: String,
    pub address: String,
    pub grams: u32,
    pub postage: Cents,
    pub insured: Cents,
}

#[derive(Debug, Command)]
pub struct ScanParcel {
    #[command(id)]
    pub parcel: String,
    pub at: Place,
}

#[derive(Debug, Command)]
pub struct DeliverParcel {
    #[command(id)]
    pub parcel: String,
    pub to: String,
}

#[derive(Debug, Command)]
pub struct ReturnParcel {
    #[command(id)]
    pub parcel: String,
    pub reason: String,
}

#[derive(Debug, Command)]
pub struct RefundPostage {
    #[command(id)]
    pub parcel: String,
    pub amount: Cents,
}

/// Why a parcel refuses a command.
#[derive(Debug, PartialEq, Eq, Error)]
pub enum ParcelError {
    #[error("the parcel is here already")]
    AcceptedAlready,
    #[error("the parcel is not under way")]
    NotUnderWay,
    #[error("postage is refunded for what was returned")]
    NotReturned,
    #[error("the refunds would be more than the postage")]
    RefundTooHigh,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    #[default]
    Unheard,
    UnderWay,
    Delivered,
    Returned,
}

#[derive(Debug, Default, Clone, PartialEq, Eq, Aggregate)]
#[aggregate(
    name = "parcel",
    id = String,
    error = ParcelError,
    commands(AcceptParcel, ScanParcel, DeliverParcel, ReturnParcel, RefundPostage),
    events(ParcelAccepted, ParcelScanned, ParcelDelivered, ParcelReturned, PostageRefunded),
    // Label events are read as nothing, so the name is enough and the struct is gone.
    retired(ParcelSentBack, "label-printed"),
)]
pub struct Parcel {
    pub progress: Progress,
    pub name: String,
    pub address: Option<String>,
    pub grams: u32,
    pub postage: Cents,
    pub insured: Cents,
    pub at: Option<Place>,
    pub refunded: Cents,
}

#[handlers]
impl Parcel {
    #[execute]
    fn accept(&self, command: AcceptParcel) -> Result<ParcelAccepted, ParcelError> {
        if self.progress != Progress::Unheard {
            return Err(ParcelError::AcceptedAlready);
        }
        let AcceptParcel { name, address, grams, postage, insured, .. } = command;
        Ok(ParcelAccepted { name, address: Some(address), grams, postage, insured })
    }

    #[execute]
    fn scan(&self, command: ScanParcel) -> Result<ParcelScanned, ParcelError> {
        self.under_way()?;
        Ok(ParcelScanned { at: command.at })
    }

    #[execute]
    fn deliver(&self, command: DeliverParcel) -> Result<ParcelDelivered, ParcelError> {
        self.under_way()?;
        Ok(ParcelDelivered { to: command.to })
    }

    #[execute]
    fn send_back(&self, command: ReturnParcel) -> Result<ParcelReturned, ParcelError> {
        self.under_way()?;
        Ok(ParcelReturned { reason: command.reason })
    }

    /// Refunds the postage, or a part of it, in one sum or in several.
    #[execute]
    fn refund(&self, command: RefundPostage) -> Result<PostageRefunded, ParcelError> {
        if self.progress != Progress::Returned {
            return Err(ParcelError::NotReturned);
        }
        let left = self.postage.0.saturating_sub(self.refunded.0);
        if command.amount > Cents(left) {
            return Err(ParcelError::RefundTooHigh);
        }
        Ok(PostageRefunded { amount: command.amount })
    }

    #[apply]
    fn accepted(&mut self, event: &ParcelAccepted) {
        self.progress = Progress::UnderWay;
        self.name.clone_from(&event.name);
        self.address.clone_from(&event.address);
        self.grams = event.grams;
        self.postage = event.postage;
        self.insured = event.insured;
    }

    #[apply]
    fn scanned(&mut self, event: &ParcelScanned) {
        self.at = Some(event.at.clone());
    }

    #[apply]
    fn delivered(&mut self, _: &ParcelDelivered) {
        self.progress = Progress::Delivered;
    }

    #[apply]
    fn returned(&mut self, _: &ParcelReturned) {
        self.progress = Progress::Returned;
    }

    #[apply]
    fn refunded(&mut self, event: &PostageRefunded) {
        self.refunded.0 += event.amount.0;
    }

    /// Splits the old event, so that the rest of this file need not know it.
    #[upcast]
    fn split(event: ParcelSentBack) -> (ParcelReturned, PostageRefunded) {
        (ParcelReturned { reason: event.reason }, PostageRefunded { amount: event.refund })
    }

    fn under_way(&self) -> Result<(), ParcelError> {
        if self.progress == Progress::UnderWay { Ok(()) } else { Err(ParcelError::NotUnderWay) }
    }
}

#[cfg(test)]
mod tests {
    use factum::testing::given;

    use super::*;

    fn accepted() -> ParcelAccepted {
        ParcelAccepted {
            name: "Ada".into(),
            address: None,
            grams: 1200,
            postage: Cents(490),
            insured: Cents(0),
        }
    }

    #[test]
    fn a_refund_comes_after_the_return_and_is_never_more_than_the_postage() {
        let refund = |amount| RefundPostage { parcel: "ada".into(), amount: Cents(amount) };
        given::<Parcel>(accepted()).when(refund(1)).then_error(&ParcelError::NotReturned);

        let returned = || ParcelReturned { reason: "refused".into() };
        let given_back = || PostageRefunded { amount: Cents(400) };
        given::<Parcel>((accepted(), returned(), given_back()))
            .when(refund(91))
            .then_error(&ParcelError::RefundTooHigh);
        given::<Parcel>((accepted(), returned(), given_back()))
            .when(refund(90))
            .then(PostageRefunded { amount: Cents(90) });
    }

    #[test]
    fn a_retired_event_is_two_of_these() {
        let sent_back = ParcelSentBack { reason: "refused".into(), refund: Cents(490) };
        let returned = ParcelReturned { reason: "refused".into() };
        assert_eq!(Parcel::split(sent_back), (returned, PostageRefunded { amount: Cents(490) }));
    }
}
