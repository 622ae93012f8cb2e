//! The parcel of an order, from the packing table to the door.

use factum::prelude::*;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::ids::OrderId;

/// The parcel is to be packed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Event)]
pub struct ShipmentPrepared;

/// The carrier has the parcel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Event)]
pub struct ShipmentHandedOver {
    pub carrier: String,
    pub tracking: String,
}

/// The parcel takes longer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Event)]
pub struct ShipmentDelayed {
    pub reason: String,
}

/// The parcel arrived.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Event)]
pub struct ShipmentDelivered;

/// The parcel will not arrive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Event)]
pub struct ShipmentLost;

/// Let the warehouse pack a parcel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Command)]
#[command(internal)]
pub struct PrepareShipment(pub OrderId);

/// Give the parcel to the carrier.
#[derive(Debug, Clone, Serialize, Deserialize, Command)]
pub struct HandOverShipment {
    #[command(id)]
    pub order: OrderId,
    pub carrier: String,
    pub tracking: String,
}

/// Say that the parcel takes longer.
#[derive(Debug, Clone, Serialize, Deserialize, Command)]
pub struct ReportDelay {
    #[command(id)]
    pub order: OrderId,
    pub reason: String,
}

/// Say that the parcel arrived.
#[derive(Debug, Clone, Serialize, Deserialize, Command)]
pub struct ReportDelivery {
    #[command(id)]
    pub order: OrderId,
}

/// Say that the parcel is lost.
#[derive(Debug, Clone, Serialize, Deserialize, Command)]
pub struct ReportLoss {
    #[command(id)]
    pub order: OrderId,
}

/// Why a shipment refuses a command.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ShipmentError {
    #[error("there is a parcel already")]
    PreparedAlready,
    #[error("there is no parcel to hand over")]
    NotPacked,
    #[error("the parcel is not on its way")]
    NotOnItsWay,
}

/// How far a parcel is.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Aggregate)]
#[aggregate(
    id = OrderId, error = ShipmentError, event(derive(PartialEq)),
    commands(PrepareShipment, HandOverShipment, ReportDelay, ReportDelivery, ReportLoss),
    events(ShipmentPrepared, ShipmentHandedOver, ShipmentDelayed, ShipmentDelivered, ShipmentLost),
)]
pub enum Shipment {
    #[default]
    None,
    Prepared,
    OnItsWay,
    Delivered,
    Lost,
}

#[handlers]
impl Shipment {
    #[execute]
    fn prepare(&self, _: PrepareShipment) -> Result<ShipmentPrepared, ShipmentError> {
        (*self == Self::None).then_some(ShipmentPrepared).ok_or(ShipmentError::PreparedAlready)
    }

    #[execute]
    fn hand_over(&self, command: HandOverShipment) -> Result<ShipmentHandedOver, ShipmentError> {
        let HandOverShipment { carrier, tracking, .. } = command;
        let handed_over = ShipmentHandedOver { carrier, tracking };
        (*self == Self::Prepared).then_some(handed_over).ok_or(ShipmentError::NotPacked)
    }

    #[execute]
    fn delay(&self, command: ReportDelay) -> Result<ShipmentDelayed, ShipmentError> {
        self.on_its_way(ShipmentDelayed { reason: command.reason })
    }

    #[execute]
    fn deliver(&self, _: ReportDelivery) -> Result<ShipmentDelivered, ShipmentError> {
        self.on_its_way(ShipmentDelivered)
    }

    #[execute]
    fn lose(&self, _: ReportLoss) -> Result<ShipmentLost, ShipmentError> {
        self.on_its_way(ShipmentLost)
    }

    #[apply]
    fn prepared(&mut self, _: &ShipmentPrepared) {
        *self = Self::Prepared;
    }

    #[apply]
    fn handed_over(&mut self, _: &ShipmentHandedOver) {
        *self = Self::OnItsWay;
    }

    #[apply]
    fn delayed(&mut self, _: &ShipmentDelayed) {}

    #[apply]
    fn delivered(&mut self, _: &ShipmentDelivered) {
        *self = Self::Delivered;
    }

    #[apply]
    fn lost(&mut self, _: &ShipmentLost) {
        *self = Self::Lost;
    }

    fn on_its_way<E>(self, event: E) -> Result<E, ShipmentError> {
        (self == Self::OnItsWay).then_some(event).ok_or(ShipmentError::NotOnItsWay)
    }
}

#[cfg(test)]
mod tests {
    use factum::testing::given;

    use super::*;

    fn handed_over() -> ShipmentHandedOver {
        ShipmentHandedOver { carrier: "post".into(), tracking: "p-1".into() }
    }

    #[test]
    fn a_parcel_is_packed_once_and_then_handed_over() {
        let prepare = || PrepareShipment("o-1".into());
        let hand_over =
            || HandOverShipment { order: "o-1".into(), carrier: "post".into(), tracking: "p-1".into() };
        given::<Shipment>(()).when(prepare()).then(ShipmentPrepared);
        given::<Shipment>(ShipmentPrepared).when(prepare()).then_error(&ShipmentError::PreparedAlready);
        given::<Shipment>(ShipmentPrepared).when(hand_over()).then(handed_over());
        given::<Shipment>(()).when(hand_over()).then_error(&ShipmentError::NotPacked);
    }

    #[test]
    fn only_a_parcel_on_its_way_is_late_or_arrives_or_is_lost() {
        let delay = || ReportDelay { order: "o-1".into(), reason: "snow".into() };
        let deliver = || ReportDelivery { order: "o-1".into() };
        let lose = || ReportLoss { order: "o-1".into() };
        let late = || ShipmentDelayed { reason: "snow".into() };
        let on_its_way = || (ShipmentPrepared, handed_over());
        given::<Shipment>(on_its_way()).when(delay()).then(late());
        given::<Shipment>((on_its_way(), late())).when(deliver()).then(ShipmentDelivered);
        given::<Shipment>(on_its_way()).when(lose()).then(ShipmentLost);
        given::<Shipment>(ShipmentPrepared).when(delay()).then_error(&ShipmentError::NotOnItsWay);
        given::<Shipment>((on_its_way(), ShipmentDelivered))
            .when(lose())
            .then_error(&ShipmentError::NotOnItsWay);
    }
}
