//! An aggregate of ten commands and ten events with little work in each, so that dispatch is most of the
//! cost. Its handlers have all the common return types.

use factum::prelude::*;
use serde::{Deserialize, Serialize};

macro_rules! commands {
    ($($(#[$doc:meta])* $name:ident { $($field:ident: $ty:ty),* })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Command)]
        pub(crate) struct $name {
            #[command(id)]
            pub(crate) order: u64,
            $(pub(crate) $field: $ty,)*
        }
    )*};
}

macro_rules! events {
    ($($name:ident { $($field:ident: $ty:ty),* })*) => {$(
        #[derive(Debug, Serialize, Deserialize, Event)]
        pub(crate) struct $name {
            $(pub(crate) $field: $ty,)*
        }
    )*};
}

commands! {
    PlaceOrder { customer: String }
    AddItem { article: u32, pieces: u32 }
    RemoveItem { article: u32, pieces: u32 }
    SetAddress { street: String, zip: u32 }
    GrantDiscount { percent: u32 }
    ChangeNote { note: Option<String> }
    PayOrder { cents: u64 }
    PackOrder {}
    ShipOrder { parcel: u64 }
    CloseOrder {}
}

events! {
    OrderPlaced { customer: String }
    ItemAdded { article: u32, pieces: u32 }
    ItemRemoved { article: u32, pieces: u32 }
    AddressSet { street: String, zip: u32 }
    DiscountGranted { percent: u32 }
    NoteChanged { note: Option<String> }
    OrderPaid { cents: u64 }
    OrderPacked {}
    OrderShipped { parcel: u64 }
    OrderClosed { pieces: u64 }
}

/// Never returned here, but the handlers check for it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OrderError {
    #[error("{0} % is too much")]
    Discount(u32),
    #[error("nothing to pay")]
    Nothing,
}

#[derive(Debug, Default, Clone, PartialEq, Aggregate)]
#[aggregate(
    id = u64,
    error = OrderError,
    commands(
        PlaceOrder, AddItem, RemoveItem, SetAddress, GrantDiscount, ChangeNote, PayOrder, PackOrder, ShipOrder,
        CloseOrder
    ),
    events(
        OrderPlaced, ItemAdded, ItemRemoved, AddressSet, DiscountGranted, NoteChanged, OrderPaid, OrderPacked,
        OrderShipped, OrderClosed
    ),
)]
pub(crate) struct Order {
    placed: u64,
    pieces: u64,
    articles: u64,
    zip: u64,
    percent: u64,
    notes: u64,
    paid: u64,
    packed: u64,
    parcels: u64,
    closed: u64,
}

#[handlers]
impl Order {
    #[execute]
    pub(crate) fn place(&self, command: PlaceOrder) -> OrderPlaced {
        OrderPlaced { customer: command.customer }
    }

    #[execute]
    pub(crate) fn add(&self, command: AddItem) -> ItemAdded {
        ItemAdded { article: command.article, pieces: command.pieces }
    }

    #[execute]
    pub(crate) fn remove(&self, command: RemoveItem) -> Option<ItemRemoved> {
        let RemoveItem { article, pieces, .. } = command;
        (self.pieces >= u64::from(pieces)).then_some(ItemRemoved { article, pieces })
    }

    #[execute]
    pub(crate) fn set_address(&self, command: SetAddress) -> AddressSet {
        AddressSet { street: command.street, zip: command.zip }
    }

    #[execute]
    pub(crate) fn grant(&self, command: GrantDiscount) -> Result<DiscountGranted, OrderError> {
        if command.percent > 50 {
            return Err(OrderError::Discount(command.percent));
        }
        Ok(DiscountGranted { percent: command.percent })
    }

    #[execute]
    pub(crate) fn change_note(&self, command: ChangeNote) -> NoteChanged {
        NoteChanged { note: command.note }
    }

    #[execute]
    pub(crate) fn pay(&self, command: PayOrder) -> Result<OrderPaid, OrderError> {
        if command.cents == 0 {
            return Err(OrderError::Nothing);
        }
        Ok(OrderPaid { cents: command.cents })
    }

    #[execute]
    pub(crate) fn pack(&self, _: PackOrder) -> Result<OrderPacked, OrderError> {
        if self.placed == 0 { Err(OrderError::Nothing) } else { Ok(OrderPacked {}) }
    }

    #[execute]
    pub(crate) fn ship(&self, command: ShipOrder) -> (OrderPacked, OrderShipped) {
        (OrderPacked {}, OrderShipped { parcel: command.parcel })
    }

    #[execute]
    pub(crate) fn close(&self, _: CloseOrder) -> OrderClosed {
        OrderClosed { pieces: self.pieces }
    }

    #[apply]
    pub(crate) fn placed(&mut self, event: &OrderPlaced) {
        self.placed += event.customer.len() as u64;
    }

    #[apply]
    pub(crate) fn added(&mut self, event: &ItemAdded) {
        self.pieces += u64::from(event.pieces);
        self.articles ^= u64::from(event.article);
    }

    #[apply]
    pub(crate) fn removed(&mut self, event: &ItemRemoved) {
        self.pieces -= u64::from(event.pieces);
        self.articles ^= u64::from(event.article);
    }

    #[apply]
    pub(crate) fn address_set(&mut self, event: &AddressSet) {
        self.zip += u64::from(event.zip) + event.street.len() as u64;
    }

    #[apply]
    pub(crate) fn granted(&mut self, event: &DiscountGranted) {
        self.percent = u64::from(event.percent);
    }

    #[apply]
    pub(crate) fn note_changed(&mut self, event: &NoteChanged) {
        self.notes += event.note.as_ref().map_or(0, String::len) as u64;
    }

    #[apply]
    pub(crate) fn paid(&mut self, event: &OrderPaid) {
        self.paid += event.cents;
    }

    #[apply]
    pub(crate) fn packed(&mut self, _: &OrderPacked) {
        self.packed += 1;
    }

    #[apply]
    pub(crate) fn shipped(&mut self, event: &OrderShipped) {
        self.parcels ^= event.parcel;
    }

    #[apply]
    pub(crate) fn closed(&mut self, event: &OrderClosed) {
        self.closed += event.pieces;
    }
}
