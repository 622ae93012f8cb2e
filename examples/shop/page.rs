//! Pages to look at: the orders as they move, and one order with its past. The server makes them; one small script
//! (`page/shop.js`) replaces what has changed. Without the script, a page shows how things were when it was loaded.

mod board;
mod html;
mod order;

use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use self::html::Html;
use self::order::Look;
use crate::fulfilment::views::{Board, Sales, Shelf};
use crate::http::problem::Problem;
use crate::http::{InPath, InQuery, InShop, Shared, blocking};
use crate::tenants::ShopStore;

/// Nothing comes from another server, and nothing that users typed can run.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src data:; \
     base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// The list of tenants.
pub async fn tenants<S: ShopStore>(State(service): Shared<S>) -> Response {
    let mut html = Html::default();
    html.raw("<main class=\"tenants\"><h1>Shops</h1><ul>");
    for tenant in service.tenants() {
        html.raw("<li><a href=\"/").text(tenant).raw("\">").text(tenant).raw("</a></li>");
    }
    html.raw("</ul></main>");
    respond("Shops", &html)
}

/// The orders of a shop, in columns.
pub async fn board<S: ShopStore>(InShop(shop): InShop<S>) -> Result<Response, Problem> {
    blocking(move || {
        let rows = Board::newest(shop.store(), board::MOST_ROWS)?;
        let sales = Sales::totals(shop.store())?;
        let shelf = shop.view(|shelf: &Shelf| shelf.0.clone()).unwrap_or_default();
        let html = board::page(shop.name(), &rows, sales, &shelf);
        Ok(respond(shop.name(), &html))
    })
    .await
}

#[derive(Debug, Deserialize)]
pub struct AtStep {
    step: Option<usize>,
}

/// An order with its history, its state after a step of it, and its process.
pub async fn order<S: ShopStore>(
    InShop(shop): InShop<S>,
    InPath((_, number)): InPath<(String, String)>,
    InQuery(at): InQuery<AtStep>,
) -> Result<Response, Problem> {
    blocking(move || {
        let look = Look::at(&shop, &number, at.step)?;
        Ok(respond(&number, &order::page(shop.name(), &look)))
    })
    .await
}

pub async fn style() -> Response {
    ([(CONTENT_TYPE, "text/css; charset=utf-8")], include_str!("page/shop.css")).into_response()
}

pub async fn script() -> Response {
    ([(CONTENT_TYPE, "text/javascript; charset=utf-8")], include_str!("page/shop.js")).into_response()
}

fn respond(title: &str, main: &Html) -> Response {
    let mut html = Html::default();
    html.raw("<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\">")
        .raw("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">")
        .raw("<meta name=\"color-scheme\" content=\"light dark\"><link rel=\"icon\" href=\"data:,\">")
        .raw("<link rel=\"stylesheet\" href=\"/shop.css\"><script src=\"/shop.js\" defer></script><title>")
        .text(title)
        .raw(" · shop</title></head><body>")
        .append(main)
        .raw("</body></html>");
    let headers = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CONTENT_SECURITY_POLICY, POLICY),
        (CACHE_CONTROL, "no-store"),
    ];
    (headers, html.into_text()).into_response()
}
