//! The first year of a parcel service: one counter, one depot, and most values are text.

use factum::prelude::*;
use serde::{Deserialize, Serialize};
use thiserror::Error;

#[derive(Debug, PartialEq, Serialize, Deserialize, Event)]
#[event(name = "parcel-accepted")]
pub struct ParcelAccepted {
    /// Name and address, as written on the parcel.
    pub recipient: String,
    /// In grams.
    pub weight: u32,
    /// As printed on the receipt, such as `4.90`.
    pub postage: String,
    pub counter: u8,
}

#[derive(Debug, PartialEq, Serialize, Deserialize, Event)]
#[event(name = "label-printed")]
pub struct LabelPrinted {
    pub printer: String,
}

#[derive(Debug, PartialEq, Serialize, Deserialize, Event)]
#[event(name = "parcel-scanned")]
pub struct ParcelScanned {
    pub place: String,
}

#[derive(Debug, PartialEq, Serialize, Deserialize, Event)]
#[event(name = "parcel-handed-over")]
pub struct ParcelHandedOver {
    pub to: String,
}

/// The parcel went back to the sender, who gets the postage back.
#[derive(Debug, PartialEq, Serialize, Deserialize, Event)]
#[event(name = "parcel-sent-back")]
pub struct ParcelSentBack {
    pub reason: String,
    pub refund: String,
}

#[derive(Debug, Command)]
pub struct AcceptParcel {
    #[command(id)]
    pub parcel: String,
    pub recipient: String,
    pub weight: u32,
    pub postage: String,
    pub counter: u8,
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
    pub place: String,
}

#[derive(Debug, Command)]
pub struct HandOverParcel {
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
    HandedOver,
    SentBack,
}

#[derive(Debug, Default, Clone, PartialEq, Eq, Aggregate)]
#[aggregate(
    name = "parcel",
    id = String,
    error = ParcelError,
    commands(AcceptParcel, PrintLabel, ScanParcel, HandOverParcel, SendBackParcel),
    events(ParcelAccepted, LabelPrinted, ParcelScanned, ParcelHandedOver, ParcelSentBack),
)]
pub struct Parcel {
    pub progress: Progress,
    pub recipient: String,
    pub weight: u32,
    pub postage: String,
    pub labels: u8,
    pub place: Option<String>,
}

#[handlers]
impl Parcel {
    #[execute]
    fn accept(&self, command: AcceptParcel) -> Result<ParcelAccepted, ParcelError> {
        if self.progress != Progress::Unheard {
            return Err(ParcelError::AcceptedAlready);
        }
        let AcceptParcel { recipient, weight, postage, counter, .. } = command;
        Ok(ParcelAccepted { recipient, weight, postage, counter })
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
    fn hand_over(&self, command: HandOverParcel) -> Result<ParcelHandedOver, ParcelError> {
        self.under_way()?;
        Ok(ParcelHandedOver { to: command.to })
    }

    #[execute]
    fn send_back(&self, command: SendBackParcel) -> Result<ParcelSentBack, ParcelError> {
        self.under_way()?;
        Ok(ParcelSentBack { reason: command.reason, refund: self.postage.clone() })
    }

    #[apply]
    fn accepted(&mut self, event: &ParcelAccepted) {
        self.progress = Progress::UnderWay;
        self.recipient.clone_from(&event.recipient);
        self.weight = event.weight;
        self.postage.clone_from(&event.postage);
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
    fn handed_over(&mut self, _: &ParcelHandedOver) {
        self.progress = Progress::HandedOver;
    }

    #[apply]
    fn sent_back(&mut self, _: &ParcelSentBack) {
        self.progress = Progress::SentBack;
    }

    fn under_way(&self) -> Result<(), ParcelError> {
        if self.progress == Progress::UnderWay { Ok(()) } else { Err(ParcelError::NotUnderWay) }
    }
}
