//! What runs: one struct says it all, and rustc checks that it fits together.

use factum::application::{CommandOrigin, Hook, Incoming};
use factum::prelude::*;

use super::order::Order;
use super::payment::{Gateway, Payment};
use super::process::Fulfilment;
use super::shipment::Shipment;
use super::stock::Stock;
use super::views::{Board, Mail, Sales, Shelf};

/// The shop.
#[derive(Application)]
#[application(aggregates(Order, Stock, Payment, Shipment), json)]
pub struct Shop {
    #[hook]
    pub signature: Signature,
    #[services(Payment)]
    pub bank: Gateway,
    #[projection(inline)]
    pub board: Board,
    #[projection]
    pub sales: Sales,
    #[projection]
    pub shelf: Shelf,
    #[reaction(retry(5), dead_letters)]
    pub mail: Mail,
    #[process]
    pub fulfilment: Fulfilment,
}

/// Signs each event: whether a person led to it, or the shop itself.
pub struct Signature;

impl Hook for Signature {
    fn before(&self, command: &mut Incoming<'_>) -> Result<(), BoxError> {
        let by = if command.origin() == CommandOrigin::Application { "the shop" } else { "a person" };
        Ok(command.enrich("by", by)?)
    }
}
