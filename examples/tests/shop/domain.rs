//! How much of the service is its domain: all that is neither HTTP, page nor traffic.

use std::fs;
use std::path::Path;

/// The code that a service needs without HTTP.
const FILES: [&str; 9] = [
    "fulfilment/ids.rs",
    "fulfilment/order.rs",
    "fulfilment/payment.rs",
    "fulfilment/process.rs",
    "fulfilment/shipment.rs",
    "fulfilment/shop.rs",
    "fulfilment/stock.rs",
    "fulfilment/views.rs",
    "shop/tenants.rs",
];

#[test]
fn the_domain_has_less_than_a_thousand_lines() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let lines = |file: &&str| {
        let text = fs::read_to_string(folder.join(file)).expect("the file");
        let code = text.lines().take_while(|line| *line != "#[cfg(test)]").map(str::trim);
        code.filter(|line| !line.is_empty() && !line.starts_with("//")).count()
    };
    let all: usize = FILES.iter().map(lines).sum();
    println!("{all} lines");
    assert!((900..=1_000).contains(&all), "{all} lines: see the figure in issue 19");
}
