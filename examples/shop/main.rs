//! The shop of the example `fulfilment` as a web service, for many tenants.
//!
//! ```sh
//! cargo run --example shop                    # a fresh folder, which is deleted at the end
//! cargo run --example shop -- --story         # plays traffic
//! cargo run --example shop -- --help
//! cargo run --features postgres --example shop -- --postgres postgresql://shop@localhost/shop
//! ```
//!
//! | module | what it has |
//! |---|---|
//! | `../fulfilment` | the domain: four aggregates, a process with compensations and a time-out, three views. It knows no HTTP |
//! | [`tenants`] | a tenant is a store of its own, with the whole application on it |
//! | [`server`] | from start to shutdown |
//! | [`http`] | commands as JSON, queries, events as they happen, health and metrics; errors as responses |
//! | [`page`] | a page to look at, made by the server |
//! | [`traffic`] | goods and orders for a look |
//!
//! All that is neither HTTP, page nor traffic has less than 1,000 lines of code, and a test counts them: the lines of
//! `../fulfilment` without its story, and of [`tenants`], without blank lines, comments and tests.

#[path = "../fulfilment"]
#[allow(dead_code, reason = "the story of the example `fulfilment` uses more")]
mod fulfilment {
    pub mod ids;
    pub mod order;
    pub mod payment;
    pub mod process;
    pub mod shipment;
    pub mod shop;
    pub mod stock;
    pub mod views;
}
mod http;
mod options;
mod page;
mod server;
mod tenants;
mod traffic;

use std::process::ExitCode;

use options::Options;

fn main() -> ExitCode {
    let options = match Options::read(std::env::args().skip(1)) {
        Ok(Some(options)) => options,
        Ok(None) => {
            print!("{}", options::HELP);
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("shop: {error}\n\n{}", options::HELP);
            return ExitCode::from(2);
        }
    };
    match server::run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("shop: {}", factum::with_causes(&*error));
            ExitCode::FAILURE
        }
    }
}
