//! Commands to a store in memory: through a repository, and through an application that finds the repository by the command's
//! type.

use std::hint::black_box;

use factum::prelude::*;

use crate::order::{Order, OrderCommand};
use crate::work::command;

#[derive(Application)]
#[application(aggregates(Order))]
struct Orders;

/// Carries out this many commands, and returns how many events they led to.
pub(crate) fn run(through: &str, count: u32) -> Result<u64, Box<dyn std::error::Error>> {
    let orders = Orders.start(&MemoryStore::new())?;
    let repository = orders.repository::<Order>();
    let each =
        |execute: &dyn Fn(OrderCommand)| (0..count).for_each(|number| execute(black_box(command(number))));
    match through {
        "application" => each(&|command| drop(black_box(orders.execute(command)))),
        "repository" => each(&|command| drop(black_box(repository.execute(command)))),
        _ => return Err("no such arm".into()),
    }
    Ok(orders.store().position()?.get())
}
