//! Events as they happen, as server-sent events.
//!
//! `GET /{tenant}/events` begins with the next event; with `?after=17`, or the header `Last-Event-ID: 17` that browsers
//! send when they connect again, after that position. `?categories=order,payment` selects. Each message has the position
//! as its `id`. It has no `event` field, so that a browser hands all of them to `onmessage`; the name is in the JSON.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use factum::Position;
use factum::follow::{SubscribedEvent, SubscriptionOptions};
use factum::store::StoreError;
use factum::tasks::AsyncStoreExt as _;
use futures_util::stream::{self, Stream, StreamExt as _};
use serde::Deserialize;
use serde_json::{Value, json};

use super::problem::Problem;
use super::{InQuery, InShop, Shared};
use crate::tenants::ShopStore;

/// How many events are read ahead for a listener.
const BUFFER: usize = 64;

/// When a browser connects again after a listener has ended.
const RETRY: Duration = Duration::from_secs(1);

#[derive(Debug, Deserialize)]
pub struct From {
    after: Option<Position>,
    /// Names of aggregates, with commas between them.
    categories: Option<String>,
}

pub async fn listen<S: ShopStore>(
    State(service): Shared<S>,
    InShop(shop): InShop<S>,
    InQuery(from): InQuery<From>,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let last = headers.get("last-event-id").map(|id| {
        let id = id.to_str().ok().and_then(|id| id.parse().ok()).map(Position::new);
        id.ok_or_else(|| Problem::bad_request("`Last-Event-ID` is not the id of an event: a number"))
    });
    let after = match last.transpose()?.or(from.after) {
        Some(position) => position,
        None => shop.store().position_async().await?,
    };
    let categories = from.categories.as_deref().unwrap_or_default();
    let categories = categories.split(',').filter(|category| !category.is_empty());
    let options = SubscriptionOptions::new().after(after).buffer(BUFFER).categories(categories);

    let mut stopping = service.stopping.clone();
    let stops = Box::pin(async move { drop(stopping.wait_for(|stops| *stops).await) });
    let listening = service.metrics.listener();
    let events = shop.store().stream(options);
    // An error ends it. The listener connects again, from the last event that it has.
    let until_error = stream::unfold(Some(events), async |events| {
        let mut events = events?;
        let event = events.next().await?;
        let rest = event.is_ok().then_some(events);
        Some((event, rest))
    });
    let messages = until_error.take_until(stops).map(move |event| {
        // The shop stays open while it has listeners.
        let _in_use = (&shop, &listening);
        Ok(message(event))
    });
    let begin = stream::iter([Ok(Event::default().retry(RETRY).comment("events follow"))]);
    Ok(Sse::new(begin.chain(messages)).keep_alive(KeepAlive::default()))
}

fn message(event: Result<SubscribedEvent, StoreError>) -> Event {
    let event = match event {
        Ok(event) => event,
        Err(error) => return Event::default().event("failed").data(one_line(&error.to_string())),
    };
    let envelope = event.envelope();
    // The payload is stored as JSON.
    let payload: Option<Value> = serde_json::from_str(event.payload()).ok();
    let data = json!({
        "position": envelope.position, "category": envelope.category, "key": envelope.key,
        "version": envelope.version, "name": event.name(), "id": envelope.id.to_string(),
        "recorded_at": envelope.recorded_at.to_string(),
        "correlation": envelope.correlation.map(|id| id.to_string()), "payload": payload,
    });
    Event::default().id(envelope.position.to_string()).data(data.to_string())
}

/// A field of a message has no line breaks.
fn one_line(text: &str) -> String {
    text.replace(['\r', '\n'], " ")
}
