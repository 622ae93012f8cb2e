//! The headers of a command: what they say becomes options of factum, and goes back in headers of the answer.
//!
//! | header | option | back |
//! |---|---|---|
//! | `Idempotency-Key` | [`idempotency_key`](ExecuteOptions::idempotency_key): sent twice, the command happens once | `repeated` in the body |
//! | `If-Match: "3"` | [`expected_version`](ExecuteOptions::expected_version) | `ETag`, the version of the aggregate |
//! | `If-None-Match: *` | `expected_version(0)`: the aggregate must not exist | `ETag` |
//! | `traceparent` | [`correlation`](ExecuteOptions::correlation): the trace id, of all events that follow | `traceparent` |
//!
//! A key belongs to one aggregate: it tells commands to one order apart, not those to two.

use axum::http::HeaderMap;
use axum::http::header::{CONTENT_TYPE, IF_MATCH, IF_NONE_MATCH};
use factum::{ExecuteOptions, Uuid};

use super::problem::Problem;

/// The longest key that a caller may choose.
const LONGEST_KEY: usize = 200;

/// What the headers of a command say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandHeaders {
    pub key: Option<String>,
    pub expected: Option<u64>,
    pub trace: Trace,
}

/// A trace of requests over several programs (W3C Trace Context).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trace {
    pub id: Uuid,
    sampled: bool,
}

impl CommandHeaders {
    pub fn read(headers: &HeaderMap) -> Result<Self, Problem> {
        let text = |name: &str| match headers.get(name).map(|value| value.to_str()) {
            None => Ok(None),
            Some(Ok(text)) => Ok(Some(text)),
            Some(Err(_)) => Err(Problem::bad_request(format!("`{name}` has other characters than ASCII"))),
        };
        // A page of another origin can send other types without the browser's question (CORS).
        let kind = text(CONTENT_TYPE.as_str())?.unwrap_or_default();
        if !kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json") {
            return Err(Problem::not_json());
        }
        let key = text("idempotency-key")?.map(str::to_owned);
        if key.as_ref().is_some_and(|key| key.is_empty() || key.len() > LONGEST_KEY) {
            let detail = format!("an `Idempotency-Key` has 1 to {LONGEST_KEY} characters");
            return Err(Problem::bad_request(detail));
        }
        let expected = match (text(IF_MATCH.as_str())?, text(IF_NONE_MATCH.as_str())?) {
            (None, None) => None,
            (Some(tag), None) => Some(version(tag)?),
            (None, Some("*")) => Some(0),
            _ => {
                let detail = "a command takes `If-Match: \"3\"` or `If-None-Match: *`, and not both";
                return Err(Problem::bad_request(detail));
            }
        };
        // One that can't be read is replaced by a new one, as the standard says.
        let trace = text("traceparent").ok().flatten().and_then(Trace::read).unwrap_or_else(Trace::begin);
        Ok(Self { key, expected, trace })
    }

    pub fn options(&self) -> ExecuteOptions<'static> {
        let mut options = ExecuteOptions::new().correlation(self.trace.id);
        if let Some(key) = &self.key {
            options = options.idempotency_key(key);
        }
        if let Some(version) = self.expected {
            options = options.expected_version(version);
        }
        options
    }
}

/// The version of an aggregate as an entity tag.
pub fn tag(version: u64) -> String {
    format!("\"{version}\"")
}

/// Reads what [`tag`] writes.
fn version(tag: &str) -> Result<u64, Problem> {
    let inner = tag.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    inner.and_then(|digits| digits.parse().ok()).ok_or_else(|| {
        Problem::bad_request("`If-Match` takes one version in quotes, as `\"3\"`: the `ETag` of an answer")
    })
}

impl Trace {
    fn begin() -> Self {
        Self { id: Uuid::now_v7(), sampled: false }
    }

    /// Reads `00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01`.
    fn read(text: &str) -> Option<Self> {
        let mut parts = text.trim().split('-');
        let [version, trace, parent, flags] = [parts.next()?, parts.next()?, parts.next()?, parts.next()?];
        let is_hex = |part: &str, digits| {
            part.len() == digits && part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        };
        let fits = is_hex(version, 2) && is_hex(trace, 32) && is_hex(parent, 16) && is_hex(flags, 2);
        // Later versions may have more parts.
        let is_known = version != "ff" && (version != "00" || parts.next().is_none());
        let id = u128::from_str_radix(trace, 16).ok()?;
        let sampled = u8::from_str_radix(flags, 16).ok()? & 1 == 1;
        (fits && is_known && id != 0).then_some(Self { id: Uuid::from_u128(id), sampled })
    }

    /// The header for the answer, with an id for the work of this service.
    pub fn header(self) -> String {
        let (_, span) = Uuid::now_v7().as_u64_pair();
        format!("00-{:032x}-{span:016x}-{:02x}", self.id.as_u128(), u8::from(self.sampled))
    }
}
