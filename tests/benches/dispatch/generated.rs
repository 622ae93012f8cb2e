//! The aggregate through factum's generated code.

use factum::prelude::*;

use crate::order::{Order, OrderCommand, OrderError, OrderEvent};

#[inline(never)]
pub(crate) fn execute(order: &Order, command: OrderCommand) -> Result<Vec<OrderEvent>, OrderError> {
    Aggregate::execute(order, command, &())
}

#[inline(never)]
pub(crate) fn apply(order: &mut Order, event: &OrderEvent) {
    Aggregate::apply(order, event);
}
