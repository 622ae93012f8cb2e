//! A shop that fulfils orders, from the click to the parcel: four aggregates, and a process that leads each order.
//!
//! `cargo run --example fulfilment` plays a story on a fresh file, with a clock that the story moves. [`order`],
//! [`stock`], [`payment`] and [`shipment`] are the domain, [`process`] leads an order through them, [`views`] follow, and
//! [`Shop`] says what runs. `model.md` is drawn from these types. The example `shop` makes a web service of them.

mod ids;
mod order;
mod payment;
mod process;
mod shipment;
mod shop;
mod stock;
mod story;
mod views;

use std::process::ExitCode;

fn main() -> ExitCode {
    match story::on_a_fresh_file(&mut std::io::stdout().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("fulfilment: {}", factum::with_causes(&*error));
            ExitCode::from(2)
        }
    }
}
