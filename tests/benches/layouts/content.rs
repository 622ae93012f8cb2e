//! What is stored. Made before the clock starts: ids and texts cost the same in every layout, and would hide what does
//! not.

use std::rc::Rc;
use std::time::{SystemTime, UNIX_EPOCH};

use uuid::Uuid;

pub(crate) const CATEGORY: &str = "bank-account";

pub(crate) struct Stream {
    pub(crate) key: String,
    /// Category and key in one, for a layout that knows no other name of a stream.
    pub(crate) text: String,
}

impl Stream {
    pub(crate) fn new() -> Rc<Self> {
        let key = Uuid::now_v7().to_string();
        let text = format!("{CATEGORY}/{key}");
        Rc::new(Self { key, text })
    }
}

pub(crate) struct Event {
    pub(crate) id: Uuid,
    pub(crate) recorded_at: i64,
    pub(crate) payload: String,
    pub(crate) correlation: Uuid,
    pub(crate) causation: Uuid,
}

impl Event {
    fn new(stream: &Stream, number: i64) -> Self {
        let recorded_at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
        let amount = 1_000_000 + number % 9_000_000;
        let reference = number % 10_000_000;
        let payload = format!(
            r#"{{"account":"{}","amount":{amount},"currency":"EUR","reference":"invoice {reference:07}"}}"#,
            stream.key,
        );
        assert_eq!(payload.len(), 114);
        Self {
            id: Uuid::now_v7(),
            recorded_at: i64::try_from(recorded_at).unwrap_or(i64::MAX),
            payload,
            correlation: Uuid::now_v7(),
            causation: Uuid::now_v7(),
        }
    }
}

/// Events for one stream, which has to be at a version.
pub(crate) struct Append {
    pub(crate) stream: Rc<Stream>,
    pub(crate) expected: i64,
    pub(crate) events: Vec<Event>,
}

impl Append {
    pub(crate) fn new(stream: &Rc<Stream>, expected: i64, events: i64) -> Self {
        let events = (1..=events).map(|number| Event::new(stream, expected + number)).collect();
        Self { stream: Rc::clone(stream), expected, events }
    }

    /// One event, the first of its stream.
    pub(crate) fn fresh() -> Self {
        Self::new(&Stream::new(), 0, 1)
    }
}
