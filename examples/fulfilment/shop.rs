//! What runs: one struct says it all, and rustc checks that it fits together.

use factum::prelude::*;

use super::order::Order;
use super::payment::{Gateway, Payment};
use super::process::Fulfilment;
use super::stock::Stock;
use super::views::{Board, Mail, Sales};

/// The shop.
#[derive(Application)]
#[application(aggregates(Order, Stock, Payment))]
pub struct Shop {
    #[services(Payment)]
    pub bank: Gateway,
    #[projection(inline)]
    pub board: Board,
    #[projection]
    pub sales: Sales,
    #[reaction(retry(5), dead_letters)]
    pub mail: Mail,
    #[process]
    pub fulfilment: Fulfilment,
}
