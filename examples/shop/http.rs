//! The service over HTTP.
//!
//! | request | answer |
//! |---|---|
//! | `POST /{tenant}/commands/{name}` | carries out a command, which comes as JSON; see [`commands`] |
//! | `GET /{tenant}/views/board`, `.../sales`, `.../shelf` | the views; `?seen=17` waits until the view has seen this position |
//! | `GET /{tenant}/orders/{number}` | an order as it is, or as it was at `?version=2` |
//! | `GET /{tenant}/orders/{number}/history`, `.../process` | its events; what the process did for it |
//! | `GET /{tenant}/events` | events as they happen; see [`events`] |
//! | `GET /health`, `GET /metrics` | for a load balancer, and for Prometheus |
//! | `GET /`, `GET /{tenant}`, `GET /{tenant}/orders/{number}/page` | pages to look at |
//!
//! What fails is a [`Problem`](problem::Problem), which is a body of `application/problem+json`.

pub mod commands;
pub mod events;
pub mod headers;
pub mod metrics;
pub mod problem;
mod prometheus;
pub mod queries;

use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use axum::extract::{FromRequestParts, Path, Query, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use self::metrics::Metrics;
use self::problem::Problem;
use crate::options::Options;
use crate::page;
use crate::tenants::{OpenShop, ShopStore, Shops};

/// What the handlers share.
#[derive(Clone)]
pub struct Service<S: ShopStore> {
    shops: Arc<Shops<S>>,
    /// The places for commands of each tenant.
    places: Arc<HashMap<String, Arc<Semaphore>>>,
    metrics: Arc<Metrics>,
    /// Becomes true when the program was asked to stop.
    stopping: watch::Receiver<bool>,
}

impl<S: ShopStore> Service<S> {
    pub fn new(shops: Arc<Shops<S>>, options: &Options, stopping: watch::Receiver<bool>) -> Self {
        let places = |tenant: &String| (tenant.clone(), Arc::new(Semaphore::new(options.at_once)));
        let places = Arc::new(options.tenants.iter().map(places).collect());
        Self { shops, places, metrics: Arc::default(), stopping }
    }

    /// The names of all tenants.
    pub fn tenants(&self) -> Vec<&str> {
        let mut tenants: Vec<_> = self.places.keys().map(String::as_str).collect();
        tenants.sort_unstable();
        tenants
    }

    /// The shop of a tenant, which is opened if it is closed.
    async fn shop(&self, tenant: &str) -> Result<OpenShop<S>, Problem> {
        // Otherwise each name that a caller invents would become a store.
        if !self.places.contains_key(tenant) {
            return Err(Problem::not_found(format!("there is no tenant `{tenant}`")));
        }
        let (shops, tenant) = (Arc::clone(&self.shops), tenant.to_owned());
        blocking(move || Ok(shops.get(&tenant)?)).await
    }

    /// A place for one more command of a tenant.
    fn place(&self, tenant: &str) -> Result<Option<OwnedSemaphorePermit>, Problem> {
        let Some(places) = self.places.get(tenant) else { return Ok(None) };
        Arc::clone(places).try_acquire_owned().map(Some).map_err(|_| Problem::too_many())
    }
}

pub fn router<S: ShopStore>(service: Service<S>) -> Router {
    Router::new()
        .route("/", get(page::tenants::<S>))
        .route("/shop.css", get(page::style))
        .route("/shop.js", get(page::script))
        .route("/health", get(metrics::health::<S>))
        .route("/metrics", get(metrics::metrics::<S>))
        .route("/{tenant}", get(page::board::<S>))
        .route("/{tenant}/commands/{name}", post(commands::execute::<S>))
        .route("/{tenant}/events", get(events::listen::<S>))
        .route("/{tenant}/views/{view}", get(queries::view::<S>))
        .route("/{tenant}/orders/{number}", get(queries::order::<S>))
        .route("/{tenant}/orders/{number}/history", get(queries::history::<S>))
        .route("/{tenant}/orders/{number}/process", get(queries::process::<S>))
        .route("/{tenant}/orders/{number}/page", get(page::order::<S>))
        .fallback(async || Problem::not_found("there is nothing at this path".to_owned()))
        .method_not_allowed_fallback(async || Problem::method_not_allowed())
        .layer(middleware::from_fn_with_state(service.clone(), metrics::count::<S>))
        .with_state(service)
}

/// Runs `work` on a thread that may block: reads of the store, queries, and what opens a tenant.
pub async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(panic) => Err(Problem::internal(&panic)),
    }
}

/// The shop that the path names.
pub struct InShop<S: ShopStore>(pub OpenShop<S>);

impl<S: ShopStore> FromRequestParts<Service<S>> for InShop<S> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, service: &Service<S>) -> Result<Self, Problem> {
        let InPath(path): InPath<HashMap<String, String>> =
            InPath::from_request_parts(parts, service).await?;
        let tenant = path.get("tenant").map_or("", String::as_str);
        service.shop(tenant).await.map(Self)
    }
}

/// Parts of the path, with a problem as the answer to those that don't fit.
pub struct InPath<T>(pub T);

impl<T: DeserializeOwned + Send, S: ShopStore> FromRequestParts<Service<S>> for InPath<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, service: &Service<S>) -> Result<Self, Problem> {
        let path = Path::<T>::from_request_parts(parts, service).await;
        path.map(|Path(path)| Self(path)).map_err(|error| Problem::not_found(error.body_text()))
    }
}

/// The part of the path after `?`, with a problem as the answer to one that does not fit.
pub struct InQuery<T>(pub T);

impl<T: DeserializeOwned, S: ShopStore> FromRequestParts<Service<S>> for InQuery<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Service<S>) -> Result<Self, Problem> {
        let query = Query::<T>::try_from_uri(&parts.uri);
        query.map(|Query(query)| Self(query)).map_err(|error| Problem::bad_request(error.body_text()))
    }
}

/// A body of JSON.
pub struct Json<T>(pub T);

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        match serde_json::to_string(&self.0) {
            Ok(json) => ([(CONTENT_TYPE, "application/json")], json).into_response(),
            Err(error) => Problem::internal(&error).into_response(),
        }
    }
}

/// The state that all handlers take.
pub type Shared<S> = State<Service<S>>;
