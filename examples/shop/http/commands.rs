//! Commands by name, as JSON.
//!
//! ```sh
//! curl http://127.0.0.1:8080/north/commands/pay -H 'Content-Type: application/json' \
//!     -H 'Idempotency-Key: 4711' -d '{"order": "A-1", "card": "4242"}'
//! ```
//!
//! The answer comes when the events are on the disk. With `?seen_by=sales,shelf`, it comes when these views have seen
//! them too, at most after `&within=2000` milliseconds. If a view is late, the status is 202: the command was carried
//! out.

use std::time::Instant;

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::header::ETAG;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use factum::application::Answer;
use serde::Deserialize;
use serde_json::json;

use super::headers::{CommandHeaders, tag};
use super::problem::Problem;
use super::queries::{View, within};
use super::{InPath, InQuery, InShop, Json, Service, Shared};
use crate::tenants::{OpenShop, ShopStore};

/// What a caller wants to see in the views.
#[derive(Debug, Deserialize)]
pub struct Seen {
    /// Names of views, with commas between them.
    seen_by: Option<String>,
    within: Option<u64>,
}

pub async fn execute<S: ShopStore>(
    State(service): Shared<S>,
    InShop(shop): InShop<S>,
    InPath((_, name)): InPath<(String, String)>,
    InQuery(seen): InQuery<Seen>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<impl IntoResponse, Problem> {
    let body = body.map_err(|error| Problem::of_body(error.status(), error.body_text()))?;
    let headers = CommandHeaders::read(&headers)?;
    let trace = [("traceparent", headers.trace.header())];
    Ok((trace, carry_out(&service, &shop, &name, &seen, &headers, &body).await))
}

async fn carry_out<S: ShopStore>(
    service: &Service<S>,
    shop: &OpenShop<S>,
    name: &str,
    seen: &Seen,
    headers: &CommandHeaders,
    body: &[u8],
) -> Result<Response, Problem> {
    // Before the command: a name that no view has must not come up after it.
    let views = seen.seen_by.as_deref().unwrap_or_default().split(',').filter(|name| !name.is_empty());
    let views: Vec<View> = views.map(str::parse).collect::<Result<_, _>>()?;
    let json = str::from_utf8(body).map_err(|_| Problem::bad_request("the body is not UTF-8"))?;
    let place = service.place(shop.name())?;

    let done = shop.execute_json_with_async(name, json, &headers.options()).await;
    drop(place);
    let answer = done.map_err(|error| match headers.expected {
        Some(_) => Problem::from(error).of_precondition(),
        None => error.into(),
    })?;

    let mut late = Vec::new();
    if let Some(position) = answer.position {
        let (begun, within) = (Instant::now(), within(seen.within));
        for view in views {
            let waited = view.wait(shop, position, within.saturating_sub(begun.elapsed())).await;
            late.extend(waited.err().map(|error| error.to_string()));
        }
    }
    let status = if late.is_empty() { StatusCode::OK } else { StatusCode::ACCEPTED };
    let Answer { stream, version, position, repeated, events, .. } = answer;
    let body = json!({
        "stream": stream.as_str(), "version": version, "position": position,
        "repeated": repeated, "events": events, "late": late,
    });
    Ok((status, [(ETAG, tag(version))], Json(body)).into_response())
}
