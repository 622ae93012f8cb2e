//! The same aggregate without factum: two enums and two matches, as a user would write them. `vec!` makes
//! each list exactly as long as needed.

use crate::order::{
    AddItem, AddressSet, ChangeNote, CloseOrder, DiscountGranted, GrantDiscount, ItemAdded, ItemRemoved,
    NoteChanged, Order, OrderClosed, OrderError, OrderPacked, OrderPaid, OrderPlaced, OrderShipped,
    PackOrder, PayOrder, PlaceOrder, RemoveItem, SetAddress, ShipOrder,
};

pub(crate) enum Asked {
    Place(PlaceOrder),
    Add(AddItem),
    Remove(RemoveItem),
    SetAddress(SetAddress),
    Grant(GrantDiscount),
    ChangeNote(ChangeNote),
    Pay(PayOrder),
    Pack(PackOrder),
    Ship(ShipOrder),
    Close(CloseOrder),
}

pub(crate) enum Happened {
    Placed(OrderPlaced),
    Added(ItemAdded),
    Removed(ItemRemoved),
    AddressSet(AddressSet),
    Granted(DiscountGranted),
    NoteChanged(NoteChanged),
    Paid(OrderPaid),
    Packed(OrderPacked),
    Shipped(OrderShipped),
    Closed(OrderClosed),
}

#[inline(never)]
pub(crate) fn execute(order: &Order, command: Asked) -> Result<Vec<Happened>, OrderError> {
    Ok(match command {
        Asked::Place(command) => vec![Happened::Placed(order.place(command))],
        Asked::Add(command) => vec![Happened::Added(order.add(command))],
        Asked::Remove(command) => match order.remove(command) {
            Some(event) => vec![Happened::Removed(event)],
            None => Vec::new(),
        },
        Asked::SetAddress(command) => vec![Happened::AddressSet(order.set_address(command))],
        Asked::Grant(command) => vec![Happened::Granted(order.grant(command)?)],
        Asked::ChangeNote(command) => vec![Happened::NoteChanged(order.change_note(command))],
        Asked::Pay(command) => vec![Happened::Paid(order.pay(command)?)],
        Asked::Pack(command) => vec![Happened::Packed(order.pack(command)?)],
        Asked::Ship(command) => {
            let (packed, shipped) = order.ship(command);
            vec![Happened::Packed(packed), Happened::Shipped(shipped)]
        }
        Asked::Close(command) => vec![Happened::Closed(order.close(command))],
    })
}

#[inline(never)]
pub(crate) fn apply(order: &mut Order, event: &Happened) {
    match event {
        Happened::Placed(event) => order.placed(event),
        Happened::Added(event) => order.added(event),
        Happened::Removed(event) => order.removed(event),
        Happened::AddressSet(event) => order.address_set(event),
        Happened::Granted(event) => order.granted(event),
        Happened::NoteChanged(event) => order.note_changed(event),
        Happened::Paid(event) => order.paid(event),
        Happened::Packed(event) => order.packed(event),
        Happened::Shipped(event) => order.shipped(event),
        Happened::Closed(event) => order.closed(event),
    }
}

macro_rules! from {
    ($($variant:ident($command:ty))*) => {$(
        impl From<$command> for Asked {
            fn from(command: $command) -> Self {
                Self::$variant(command)
            }
        }
    )*};
}

from! {
    Place(PlaceOrder)
    Add(AddItem)
    Remove(RemoveItem)
    SetAddress(SetAddress)
    Grant(GrantDiscount)
    ChangeNote(ChangeNote)
    Pay(PayOrder)
    Pack(PackOrder)
    Ship(ShipOrder)
    Close(CloseOrder)
}
