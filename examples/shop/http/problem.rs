//! What fails becomes a response: a status, and a body of `application/problem+json` (RFC 9457).
//!
//! | status | type | when |
//! |---|---|---|
//! | 400 | `bad-request` | a header, a body or a query is not what the service reads |
//! | 403 | `internal-command`, `denied` | only the program itself sends the command; a hook does not let it pass |
//! | 404 | `not-found`, `unknown-command` | no such tenant, path, view or order; no command of this name |
//! | 405, 415 | `method-not-allowed`, `not-json` | another method; a command that does not come as JSON |
//! | 409 | `refused`, `conflict` | the domain refuses the command; another writer was faster |
//! | 412 | `precondition-failed` | the aggregate is not at the version of `If-Match` |
//! | 413 | `too-large` | the body has more than 2 MiB |
//! | 422 | `malformed`, `invalid`, `key-reused` | the JSON does not fit the command; its checks fail; the key belongs to another command |
//! | 429 | `too-many` | the tenant has too many commands at work |
//! | 503 | `busy`, `late`, `closed` | the store is held, full or out of reach; a view is late; the service stops, too many tenants are open, or one takes long to open |
//! | 500 | `internal` | anything else. The reason is on standard error |

use std::error::Error;
use std::iter::successors;

use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::response::{IntoResponse, Response};
use factum::application::{ByNameError, TenantError};
use factum::follow::{FollowError, SqlError, WaitError};
use factum::store::StoreError;
use factum::{LoadError, ReadCommandError, ReadError, with_causes};
use serde_json::{Map, Value, json};

/// A response to what failed.
#[derive(Debug)]
pub struct Problem {
    status: StatusCode,
    kind: &'static str,
    /// The text of the typed error.
    detail: String,
    /// More about the error, by name.
    more: Map<String, Value>,
}

impl Problem {
    fn new(status: StatusCode, kind: &'static str, detail: impl Into<String>) -> Self {
        Self { status, kind, detail: detail.into(), more: Map::new() }
    }

    fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.more.insert(name.to_owned(), value.into());
        self
    }

    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad-request", detail)
    }

    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", detail)
    }

    pub fn method_not_allowed() -> Self {
        let detail = "the path does not take this method";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", detail)
    }

    pub fn not_json() -> Self {
        let detail = "a command comes as JSON: send `Content-Type: application/json`";
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not-json", detail)
    }

    /// A body that can't be read, or has more than 2 MiB.
    pub fn of_body(status: StatusCode, detail: String) -> Self {
        Self::new(
            status,
            if status == StatusCode::PAYLOAD_TOO_LARGE { "too-large" } else { "bad-request" },
            detail,
        )
    }

    pub fn too_many() -> Self {
        let detail = "the tenant has too many commands at work: send the command again later";
        Self::new(StatusCode::TOO_MANY_REQUESTS, "too-many", detail)
    }

    /// An error that is no fault of the caller. The reason is for the operator: it may have the path of a file.
    pub fn internal(error: &(dyn Error + 'static)) -> Self {
        eprintln!("shop: {}", with_causes(error));
        let detail = "the service failed, and has reported the reason to its operator";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail)
    }

    /// The store failed, somewhere in this error.
    fn of_store(error: &(dyn Error + 'static)) -> Self {
        let mut causes = successors(Some(error), |&error| error.source());
        Self::of_store_error(causes.find_map(|cause| cause.downcast_ref()), error)
    }

    /// The store's error in `error`, if there is one.
    fn of_store_error(store: Option<&StoreError>, error: &(dyn Error + 'static)) -> Self {
        match store {
            // Their texts say what to do, as to send the command again with its idempotency key.
            Some(
                store @ (StoreError::Busy
                | StoreError::Full
                | StoreError::Unreachable(_)
                | StoreError::CommitUnknown(_)),
            ) => Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", store.to_string()),
            _ => Self::internal(error),
        }
    }

    /// This problem, of a request with `If-Match` or `If-None-Match`.
    pub fn of_precondition(self) -> Self {
        match self.kind {
            "conflict" => {
                Self { status: StatusCode::PRECONDITION_FAILED, kind: "precondition-failed", ..self }
            }
            _ => self,
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let Self { status, kind, detail, more } = self;
        let mut body = more;
        body.insert("type".to_owned(), format!("/problems/{kind}").into());
        body.insert("title".to_owned(), status.canonical_reason().unwrap_or(kind).into());
        body.insert("status".to_owned(), status.as_u16().into());
        body.insert("detail".to_owned(), detail.into());
        let body = Value::Object(body).to_string();
        let response = (status, [(CONTENT_TYPE, "application/problem+json")], body);
        match status {
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                ([(RETRY_AFTER, "1")], response).into_response()
            }
            _ => response.into_response(),
        }
    }
}

impl From<ByNameError> for Problem {
    fn from(error: ByNameError) -> Self {
        let detail = with_causes(&error);
        match error {
            ByNameError::Read(ReadCommandError::UnknownName { meant, .. }) => {
                Self::new(StatusCode::NOT_FOUND, "unknown-command", detail).with("meant", meant)
            }
            ByNameError::Read(ReadCommandError::Malformed { path, .. }) => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "malformed", detail).with("path", path)
            }
            ByNameError::Invalid(invalid) => {
                let failures = invalid.failures.iter();
                let failures =
                    failures.map(|failure| json!({ "path": failure.field, "detail": failure.to_string() }));
                let failures: Value = failures.collect();
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", detail).with("failures", failures)
            }
            ByNameError::Denied(_) => Self::new(StatusCode::FORBIDDEN, "denied", detail),
            ByNameError::Internal { .. } => Self::new(StatusCode::FORBIDDEN, "internal-command", detail),
            ByNameError::Refused { aggregate, .. } => {
                Self::new(StatusCode::CONFLICT, "refused", detail).with("aggregate", aggregate)
            }
            ByNameError::Conflict(conflict) => {
                Self::new(StatusCode::CONFLICT, "conflict", detail).with("version", conflict.actual)
            }
            ByNameError::KeyReused(_) => Self::new(StatusCode::UNPROCESSABLE_ENTITY, "key-reused", detail),
            other => Self::of_store(&other),
        }
    }
}

impl From<WaitError> for Problem {
    fn from(error: WaitError) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "late", error.to_string())
    }
}

impl From<TenantError> for Problem {
    fn from(error: TenantError) -> Self {
        match error {
            TenantError::Full { .. } | TenantError::Changing { .. } | TenantError::Stopped { .. } => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "closed", error.to_string())
            }
            other => Self::of_store_error(other.store_error(), &other),
        }
    }
}

impl From<LoadError> for Problem {
    fn from(error: LoadError) -> Self {
        match error {
            LoadError::NotFound { .. } | LoadError::NotYet { .. } | LoadError::Before { .. } => {
                Self::not_found(error.to_string())
            }
            other => Self::of_store(&other),
        }
    }
}

impl From<ReadError> for Problem {
    fn from(error: ReadError) -> Self {
        Self::of_store(&error)
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        Self::of_store(&error)
    }
}

impl From<SqlError> for Problem {
    fn from(error: SqlError) -> Self {
        Self::of_store(&error)
    }
}

impl From<FollowError> for Problem {
    fn from(error: FollowError) -> Self {
        Self::of_store(&error)
    }
}

impl From<serde_json::Error> for Problem {
    fn from(error: serde_json::Error) -> Self {
        Self::internal(&error)
    }
}
