//! The second year: there are vans, parcels can be insured, and money is counted in cents.
//!
//! The stored events of the first year stay as they are; each event declares what has changed since.

use factum::prelude::*;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Money, in whole cents: text can't be added up.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
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

/// One version with four changes: a renamed field, one of another type, an added one and a removed one.
#[derive(Debug, PartialEq, Serialize, Deserialize, Event)]
#[event(name = "parcel-accepted", version = 2, removed(since = 2, name = "counter", ty = u8))]
pub struct ParcelAccepted {
    pub recipient: String,
    #[event(renamed(since = 2, from = "weight"))]
    pub grams: u32,
    // A text that is not an amount is an error, which is better than a wrong sum.
    #[event(changed(since = 2, from = String, try_with = Cents::try_from))]
    pub postage: Cents,
    #[event(added(since = 2, default = Cents(0)))]
    pub insured: Cents,
}

#[derive(Debug, PartialEq, Serialize, Deserialize, Event)]
#[event(name = "label-printed")]
pub struct LabelPrinted {
    pub printer: String,
}

/// Any text is a place, so the conversion can't fail.
#[derive(Debug, PartialEq, Serialize, Deserialize, Event)]
#[event(name = "parcel-scanned", version = 2)]
pub struct ParcelScanned {
    #[event(changed(since = 2, from = String, with = Place::from))]
    pub place: Place,
}

/// A renamed event, whose version does not change.
#[derive(Debug, PartialEq, Serialize, Deserialize, Event)]
#[event(name = "parcel-delivered", aliases("parcel-handed-over"))]
pub struct ParcelDelivered {
    pub to: String,
}

#[derive(Debug, PartialEq, Serialize, Deserialize, Event)]
#[event(name = "parcel-sent-back", version = 2)]
pub struct ParcelSentBack {
    pub reason: String,
    #[event(changed(since = 2, from = String, try_with = Cents::try_from))]
    pub refund: Cents,
}

#[derive(Debug, Command)]
pub struct AcceptParcel {
    #[command(id)]
    pub parcel: String,
    pub recipient: String,
    pub grams: u32,
    pub postage: Cents,
    pub insured: Cents,
}

#[derive(Debug, Command)]
pub struct PrintLabel {
    #[command(id)]
    pub parcel: String,
    pub printer: String,
}

#[derive(Debug, Command)]
pub struct ScanParcel {
    #[command(id)]
    pub parcel: String,
    pub place: Place,
}

#[derive(Debug, Command)]
pub struct DeliverParcel {
    #[command(id)]
    pub parcel: String,
    pub to: String,
}

#[derive(Debug, Command)]
pub struct SendBackParcel {
    #[command(id)]
    pub parcel: String,
    pub reason: String,
}

/// Why a parcel refuses a command.
#[derive(Debug, PartialEq, Eq, Error)]
pub enum ParcelError {
    #[error("the parcel is here already")]
    AcceptedAlready,
    #[error("the parcel is not under way")]
    NotUnderWay,
    #[error("no parcel needs more than 3 labels")]
    TooManyLabels,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    #[default]
    Unheard,
    UnderWay,
    Delivered,
    SentBack,
}

#[derive(Debug, Default, Clone, PartialEq, Eq, Aggregate)]
#[aggregate(
    name = "parcel",
    id = String,
    error = ParcelError,
    commands(AcceptParcel, PrintLabel, ScanParcel, DeliverParcel, SendBackParcel),
    events(ParcelAccepted, LabelPrinted, ParcelScanned, ParcelDelivered, ParcelSentBack),
)]
pub struct Parcel {
    pub progress: Progress,
    pub recipient: String,
    pub grams: u32,
    pub postage: Cents,
    pub insured: Cents,
    pub labels: u8,
    pub place: Option<Place>,
    pub refunded: Cents,
}

#[handlers]
impl Parcel {
    #[execute]
    fn accept(&self, command: AcceptParcel) -> Result<ParcelAccepted, ParcelError> {
        if self.progress != Progress::Unheard {
            return Err(ParcelError::AcceptedAlready);
        }
        let AcceptParcel { recipient, grams, postage, insured, .. } = command;
        Ok(ParcelAccepted { recipient, grams, postage, insured })
    }

    #[execute]
    fn print(&self, command: PrintLabel) -> Result<LabelPrinted, ParcelError> {
        self.under_way()?;
        if self.labels == 3 {
            return Err(ParcelError::TooManyLabels);
        }
        Ok(LabelPrinted { printer: command.printer })
    }

    #[execute]
    fn scan(&self, command: ScanParcel) -> Result<ParcelScanned, ParcelError> {
        self.under_way()?;
        Ok(ParcelScanned { place: command.place })
    }

    #[execute]
    fn deliver(&self, command: DeliverParcel) -> Result<ParcelDelivered, ParcelError> {
        self.under_way()?;
        Ok(ParcelDelivered { to: command.to })
    }

    #[execute]
    fn send_back(&self, command: SendBackParcel) -> Result<ParcelSentBack, ParcelError> {
        self.under_way()?;
        Ok(ParcelSentBack { reason: command.reason, refund: self.postage })
    }

    #[apply]
    fn accepted(&mut self, event: &ParcelAccepted) {
        self.progress = Progress::UnderWay;
        self.recipient.clone_from(&event.recipient);
        self.grams = event.grams;
        self.postage = event.postage;
        self.insured = event.insured;
    }

    #[apply]
    fn labelled(&mut self, _: &LabelPrinted) {
        self.labels += 1;
    }

    #[apply]
    fn scanned(&mut self, event: &ParcelScanned) {
        self.place = Some(event.place.clone());
    }

    #[apply]
    fn delivered(&mut self, _: &ParcelDelivered) {
        self.progress = Progress::Delivered;
    }

    #[apply]
    fn sent_back(&mut self, event: &ParcelSentBack) {
        self.progress = Progress::SentBack;
        self.refunded = event.refund;
    }

    fn under_way(&self) -> Result<(), ParcelError> {
        if self.progress == Progress::UnderWay { Ok(()) } else { Err(ParcelError::NotUnderWay) }
    }
}
