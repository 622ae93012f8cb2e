//! Health for a load balancer, and figures for Prometheus.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use factum::follow::{Activity, FollowerState};
use factum::telemetry::statistics;
use serde_json::{Value, json};

use super::problem::Problem;
use super::prometheus::prometheus;
use super::{Json, Shared, blocking};
use crate::tenants::ShopStore;

/// What the program counts by itself. factum counts the rest.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Responses by the first digit of their status.
    responses: [AtomicU64; 6],
    listeners: AtomicU64,
    requests: AtomicU64,
}

/// Counts a request or a listener for as long as this lives.
pub struct Counted {
    metrics: Arc<Metrics>,
    gauge: fn(&Metrics) -> &AtomicU64,
}

impl Counted {
    fn begin(metrics: &Arc<Metrics>, gauge: fn(&Metrics) -> &AtomicU64) -> Self {
        gauge(metrics).fetch_add(1, Ordering::Relaxed);
        Self { metrics: Arc::clone(metrics), gauge }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        (self.gauge)(&self.metrics).fetch_sub(1, Ordering::Relaxed);
    }
}

impl Metrics {
    /// Counts a listener.
    pub fn listener(self: &Arc<Self>) -> Counted {
        Counted::begin(self, |metrics| &metrics.listeners)
    }
}

/// Counts the requests and their responses.
pub async fn count<S: ShopStore>(State(service): Shared<S>, request: Request, next: Next) -> Response {
    let _at_work = Counted::begin(&service.metrics, |metrics| &metrics.requests);
    let response = next.run(request).await;
    if let Some(count) = service.metrics.responses.get(usize::from(response.status().as_u16() / 100)) {
        count.fetch_add(1, Ordering::Relaxed);
    }
    response
}

/// The state of all open tenants; 503 if a follower has ended by an error, or the program stops.
pub async fn health<S: ShopStore>(State(service): Shared<S>) -> Result<Response, Problem> {
    let shops = Arc::clone(&service.shops);
    let tenants = blocking(move || Ok(shops.health())).await?;
    let is_well = |state: &FollowerState| !matches!(state.activity, Activity::Stopped { .. });
    let all_well = tenants.iter().all(|(_, followers)| followers.iter().all(is_well));
    let is_stopping = *service.stopping.borrow();
    let tenants = tenants.iter().map(|(tenant, followers)| {
        let followers = followers.iter().map(|state| (state.follower.to_owned(), shown(state)));
        (tenant.clone(), Value::Object(followers.collect()))
    });
    let status = if all_well && !is_stopping { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body =
        json!({ "well": all_well, "stopping": is_stopping, "tenants": Value::Object(tenants.collect()) });
    Ok((status, Json(body)).into_response())
}

fn shown(state: &FollowerState) -> Value {
    let (activity, error) = match &state.activity {
        Activity::Starting => ("starting", None),
        Activity::Running => ("running", None),
        Activity::WaitingForLease { .. } => ("waiting for the lease", None),
        Activity::Retrying { error, .. } => ("retrying", Some(error)),
        Activity::Rebuilding { .. } => ("rebuilding", None),
        Activity::Stopped { error, .. } => ("stopped", error.as_ref()),
        _ => ("unknown", None),
    };
    let lag = state.lag.map(|lag| lag.events);
    json!({ "position": state.position, "behind": lag, "activity": activity, "error": error })
}

/// The text form of Prometheus.
pub async fn metrics<S: ShopStore>(State(service): Shared<S>) -> Result<Response, Problem> {
    let shops = Arc::clone(&service.shops);
    let (tenants, open) = blocking(move || Ok((shops.health(), shops.statistics()))).await?;
    let mut text = prometheus(&statistics());
    let metrics = &service.metrics;
    let mut write = |line: std::fmt::Arguments<'_>| {
        // A `String` takes any text.
        let _ = text.write_fmt(line).and_then(|()| text.write_char('\n'));
    };

    write(format_args!("# HELP shop_responses_total Responses, by the class of their status."));
    write(format_args!("# TYPE shop_responses_total counter"));
    for (class, count) in metrics.responses.iter().enumerate().skip(1) {
        write(format_args!("shop_responses_total{{class=\"{class}xx\"}} {}", count.load(Ordering::Relaxed)));
    }

    write(format_args!("# HELP shop_requests_at_work Requests without a response, this one among them."));
    write(format_args!("# TYPE shop_requests_at_work gauge"));
    write(format_args!("shop_requests_at_work {}", metrics.requests.load(Ordering::Relaxed)));
    write(format_args!("# HELP shop_listeners Listeners to events."));
    write(format_args!("# TYPE shop_listeners gauge"));
    write(format_args!("shop_listeners {}", metrics.listeners.load(Ordering::Relaxed)));
    write(format_args!("# HELP shop_tenants_open Tenants whose stores are open."));
    write(format_args!("# TYPE shop_tenants_open gauge"));
    write(format_args!("shop_tenants_open {}", open.open));
    // The names of tenants and followers have no characters that need an escape.
    let all = || tenants.iter().flat_map(|(tenant, states)| states.iter().map(move |state| (tenant, state)));
    write(format_args!("# HELP shop_follower_position The position that a follower has reached."));
    write(format_args!("# TYPE shop_follower_position gauge"));
    for (tenant, FollowerState { follower, position, .. }) in all() {
        write(format_args!(
            "shop_follower_position{{tenant=\"{tenant}\",follower=\"{follower}\"}} {position}"
        ));
    }
    write(format_args!(
        "# HELP shop_follower_lag_seconds The age of the oldest event that a follower has not seen."
    ));
    write(format_args!("# TYPE shop_follower_lag_seconds gauge"));
    for (tenant, FollowerState { follower, lag, .. }) in all() {
        if let Some(lag) = lag {
            let seconds = lag.time.as_secs_f64();
            write(format_args!(
                "shop_follower_lag_seconds{{tenant=\"{tenant}\",follower=\"{follower}\"}} {seconds}"
            ));
        }
    }
    Ok(([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response())
}
