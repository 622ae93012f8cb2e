//! The counted work: commands are made, decided and applied, ten kinds in turn.

use std::hint::black_box;

use crate::order::{
    AddItem, ChangeNote, CloseOrder, GrantDiscount, Order, OrderError, PackOrder, PayOrder, PlaceOrder,
    RemoveItem, SetAddress, ShipOrder,
};
use crate::{by_hand, generated};

type Run = fn(u32) -> Result<Order, OrderError>;

/// The ways from a command to the next state.
pub(crate) const ARMS: [(&str, Run); 2] = [
    ("generated", |count| work(count, generated::execute, generated::apply)),
    ("by-hand", |count| work(count, by_hand::execute, by_hand::apply)),
];

/// The state after a run of the arm with this name.
pub(crate) fn run(arm: &str, count: u32) -> Result<Order, Box<dyn std::error::Error>> {
    let (_, run) = ARMS.iter().find(|(name, _)| *name == arm).ok_or("no such arm")?;
    Ok(run(count)?)
}

/// Checks that both arms reach one state.
pub(crate) fn check() -> Result<(), OrderError> {
    let [(_, generated), (_, by_hand)] = ARMS;
    assert_eq!(generated(1_000)?, by_hand(1_000)?);
    Ok(())
}

fn work<C: Commands, E>(
    count: u32,
    execute: impl Fn(&Order, C) -> Result<Vec<E>, OrderError>,
    apply: impl Fn(&mut Order, &E),
) -> Result<Order, OrderError> {
    let mut order = Order::default();
    for number in 0..count {
        let command: C = black_box(command(black_box(number)));
        for event in &black_box(execute(&order, command)?) {
            apply(&mut order, event);
        }
        black_box(&mut order);
    }
    Ok(order)
}

/// The command with this number, equal in both arms.
pub(crate) fn command<C: Commands>(number: u32) -> C {
    let order = u64::from(number);
    match number % 10 {
        0 => PlaceOrder { order, customer: "Ada".into() }.into(),
        1 => AddItem { order, article: number, pieces: 3 }.into(),
        2 => RemoveItem { order, article: number, pieces: 1 }.into(),
        3 => SetAddress { order, street: "Main Street 1".into(), zip: 10_000 }.into(),
        4 => GrantDiscount { order, percent: 5 }.into(),
        5 => ChangeNote { order, note: None }.into(),
        6 => PayOrder { order, cents: 100 + order }.into(),
        7 => PackOrder { order }.into(),
        8 => ShipOrder { order, parcel: order }.into(),
        _ => CloseOrder { order }.into(),
    }
}

/// An enum of all commands.
pub(crate) trait Commands:
    From<PlaceOrder>
    + From<AddItem>
    + From<RemoveItem>
    + From<SetAddress>
    + From<GrantDiscount>
    + From<ChangeNote>
    + From<PayOrder>
    + From<PackOrder>
    + From<ShipOrder>
    + From<CloseOrder>
{
}

impl<C> Commands for C where
    C: From<PlaceOrder>
        + From<AddItem>
        + From<RemoveItem>
        + From<SetAddress>
        + From<GrantDiscount>
        + From<ChangeNote>
        + From<PayOrder>
        + From<PackOrder>
        + From<ShipOrder>
        + From<CloseOrder>
{
}
