//! Queries: the views, and one order with its past.

use std::str::FromStr;
use std::time::Duration;

use axum::http::header::ETAG;
use axum::response::{IntoResponse, Response};
use factum::follow::{Happening, WaitError};
use factum::{EventSet, Position, Recorded};
use serde::Deserialize;
use serde_json::{Value, json};

use super::headers::tag;
use super::problem::Problem;
use super::{InPath, InQuery, InShop, Json, blocking};
use crate::fulfilment::order::{Order, OrderEvent};
use crate::fulfilment::process::Fulfilment;
use crate::fulfilment::views::{Board, Sales, Shelf};
use crate::tenants::{OpenShop, ShopStore};

/// How many orders of the board an answer has, unless the caller asks for fewer.
const MOST_ROWS: u32 = 500;

/// How long a request waits for a view, unless the caller asks for another time.
const WITHIN: Duration = Duration::from_secs(2);

/// The longest wait that a caller can ask for. It is shorter than the limit of the shutdown.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// The time to wait that a caller asks for, in milliseconds.
pub fn within(asked: Option<u64>) -> Duration {
    asked.map_or(WITHIN, Duration::from_millis).min(LONGEST_WAIT)
}

/// A view that callers can read and wait for.
#[derive(Debug, Clone, Copy)]
pub enum View {
    Board,
    Sales,
    Shelf,
}

impl View {
    /// Waits until the view has seen an event.
    pub async fn wait<S: ShopStore>(
        self,
        shop: &OpenShop<S>,
        position: Position,
        within: Duration,
    ) -> Result<(), WaitError> {
        match self {
            Self::Board => shop.wait_for_async::<Board>(position, within).await,
            Self::Sales => shop.wait_for_async::<Sales>(position, within).await,
            Self::Shelf => shop.wait_for_async::<Shelf>(position, within).await,
        }
    }

    fn json<S: ShopStore>(self, shop: &OpenShop<S>, limit: u32) -> Result<Value, Problem> {
        Ok(match self {
            Self::Board => serde_json::to_value(Board::newest(shop.store(), limit)?)?,
            Self::Sales => {
                let (taken, refunded) = Sales::totals(shop.store())?;
                json!({ "taken": taken, "refunded": refunded })
            }
            Self::Shelf => serde_json::to_value(shop.view(|shelf: &Shelf| shelf.0.clone()))?,
        })
    }
}

impl FromStr for View {
    type Err = Problem;

    fn from_str(name: &str) -> Result<Self, Problem> {
        match name {
            "board" => Ok(Self::Board),
            "sales" => Ok(Self::Sales),
            "shelf" => Ok(Self::Shelf),
            _ => Err(Problem::not_found(format!("there is no view `{name}`: see board, sales and shelf"))),
        }
    }
}

#[derive(Debug, Deserialize)]
pub struct OfView {
    /// The position that the view must have seen, as the answer to a command names it.
    seen: Option<Position>,
    within: Option<u64>,
    limit: Option<u32>,
}

pub async fn view<S: ShopStore>(
    InShop(shop): InShop<S>,
    InPath((_, name)): InPath<(String, String)>,
    InQuery(of): InQuery<OfView>,
) -> Result<Json<Value>, Problem> {
    let view: View = name.parse()?;
    if let Some(position) = of.seen {
        view.wait(&shop, position, within(of.within)).await?;
    }
    let limit = of.limit.unwrap_or(MOST_ROWS).min(MOST_ROWS);
    blocking(move || view.json(&shop, limit)).await.map(Json)
}

#[derive(Debug, Deserialize)]
pub struct AtVersion {
    version: Option<u64>,
}

pub async fn order<S: ShopStore>(
    InShop(shop): InShop<S>,
    InPath((_, number)): InPath<(String, String)>,
    InQuery(at): InQuery<AtVersion>,
) -> Result<Response, Problem> {
    let (orders, id) = (shop.repository::<Order>(), number.as_str().into());
    let loaded = match at.version {
        Some(version) => orders.load_at_async(&id, version).await?,
        None => orders.load_async(&id).await?,
    };
    let body = json!({ "number": number, "version": loaded.version(), "state": loaded.state() });
    Ok(([(ETAG, tag(loaded.version()))], Json(body)).into_response())
}

pub async fn history<S: ShopStore>(
    InShop(shop): InShop<S>,
    InPath((_, number)): InPath<(String, String)>,
) -> Result<Json<Value>, Problem> {
    let read = move || {
        let id = number.as_str().into();
        let events = shop.repository::<Order>().history(&id)?.map(|event| recorded(&event?));
        events.collect::<Result<Vec<_>, Problem>>()
    };
    blocking(read).await.map(|events| Json(events.into()))
}

fn recorded(event: &Recorded<OrderEvent>) -> Result<Value, Problem> {
    let mut payload = Vec::new();
    event.event.encode(&mut payload).map_err(|error| Problem::internal(&error))?;
    Ok(json!({
        "name": event.event.name(),
        "version": event.version,
        "position": event.position,
        "id": event.id.to_string(),
        "recorded_at": event.recorded_at.to_string(),
        "correlation": event.metadata.correlation.map(|id| id.to_string()),
        "causation": event.metadata.causation.map(|id| id.to_string()),
        "payload": serde_json::from_slice::<Value>(&payload)?,
    }))
}

pub async fn process<S: ShopStore>(
    InShop(shop): InShop<S>,
    InPath((_, number)): InPath<(String, String)>,
) -> Result<Json<Value>, Problem> {
    let read = move || Ok(shop.instances::<Fulfilment>().history(&number.as_str().into())?);
    let happenings: Vec<Happening> = blocking(read).await?;
    let shown = happenings.iter().map(|happening| {
        json!({
            "at": happening.at.to_string(), "kind": format!("{:?}", happening.kind), "name": happening.name,
            "cause": happening.cause.map(|id| id.to_string()), "position": happening.position,
            "detail": happening.detail,
        })
    });
    Ok(Json(shown.collect()))
}
