//! The orders of a shop, in columns, with what it has sold and what is on the shelves.

use std::collections::BTreeMap;

use serde_json::json;

use super::html::Html;
use crate::fulfilment::ids::{Cents, Sku};
use crate::fulfilment::views::{BoardRow, Pieces};

/// How many orders the page shows.
pub const MOST_ROWS: u32 = 120;

/// How many orders a column shows.
const IN_COLUMN: usize = 12;

/// The columns: a title, an id, and the statuses of the orders in it.
const COLUMNS: [(&str, &str, &[&str]); 5] = [
    ("New", "new", &["placed"]),
    ("To pay", "to-pay", &["to pay"]),
    ("Packing", "packing", &["paid", "shipped"]),
    ("On its way", "on-its-way", &["on its way"]),
    ("Done", "done", &["delivered", "lost", "cancelled"]),
];

pub fn page(tenant: &str, rows: &[BoardRow], sales: (Cents, Cents), shelf: &BTreeMap<Sku, Pieces>) -> Html {
    let mut html = Html::default();
    html.raw("<header class=\"top\"><h1>").text(tenant).raw("</h1><p id=\"sums\" data-live>");
    html.text(rows.len())
        .raw(" orders · ")
        .text(sales.0)
        .raw(" taken · ")
        .text(sales.1)
        .raw(" paid back</p>");
    let goods: Vec<&str> = shelf.keys().map(|sku| sku.0.as_str()).take(2).collect();
    button(&mut html, "place-order", "Place an order", json!({ "lines": lines(&goods) }));
    html.raw("<p class=\"connection\" role=\"status\" aria-live=\"polite\"></p></header>");

    html.raw("<main id=\"board\" class=\"board\" data-live data-events=\"/").text(tenant).raw("/events\">");
    for (title, id, statuses) in COLUMNS {
        let of_column: Vec<_> = rows.iter().filter(|row| statuses.contains(&row.status.as_str())).collect();
        html.raw("<section class=\"column ")
            .text(id)
            .raw("\" aria-labelledby=\"")
            .text(id)
            .raw("\"><h2 id=\"");
        html.text(id).raw("\">").text(title).raw(" <span>").text(of_column.len()).raw("</span></h2><ul>");
        of_column.iter().take(IN_COLUMN).for_each(|row| card(&mut html, tenant, row));
        html.raw("</ul>");
        if of_column.len() > IN_COLUMN {
            html.raw("<p class=\"more\">and ").text(of_column.len() - IN_COLUMN).raw(" more</p>");
        }
        html.raw("</section>");
    }
    html.raw("</main>");

    html.raw("<section id=\"shelf\" class=\"shelf\" data-live><h2>On the shelves</h2><table><thead><tr>");
    html.raw("<th scope=\"col\">Goods</th><th scope=\"col\">Free</th><th scope=\"col\">Reserved</th></tr></thead><tbody>");
    for (sku, pieces) in shelf {
        html.raw("<tr><th scope=\"row\">").text(&sku.0).raw("</th><td>").text(pieces.free).raw("</td><td>");
        html.text(pieces.reserved).raw("</td></tr>");
    }
    html.raw("</tbody></table></section>");
    html
}

fn card(html: &mut Html, tenant: &str, row: &BoardRow) {
    let BoardRow { number, total, status, detail } = row;
    html.raw("<li class=\"card\" data-moves=\"")
        .text(number)
        .raw("\" data-status=\"")
        .text(status)
        .raw("\">");
    html.raw("<a href=\"/")
        .text(tenant)
        .raw("/orders/")
        .text(number)
        .raw("/page\">")
        .text(number)
        .raw("</a>");
    html.raw("<span class=\"sum\">").text(total).raw("</span><span class=\"status\">").text(status);
    if !detail.is_empty() {
        html.raw(": ").text(detail);
    }
    html.raw("</span></li>");
}

/// A button that sends a command. The script adds the number of a new order.
pub fn button(html: &mut Html, command: &str, label: &str, body: serde_json::Value) {
    html.raw("<button type=\"button\" hidden data-command=\"").text(command).raw("\" data-body=\"");
    html.text(body).raw("\">").text(label).raw("</button>");
}

fn lines(goods: &[&str]) -> Vec<serde_json::Value> {
    goods.iter().map(|sku| json!({ "sku": sku, "quantity": 1, "price": 4_900 })).collect()
}
