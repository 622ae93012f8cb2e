//! What a store has: all events and idempotency keys, to be compared with those of a copy.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use factum::prelude::*;
use factum::store::{Append, CommandMark, ExpectedVersion, Filter, NewEvent, NewKey, Outcome};
use factum::{Metadata, Position, StreamName, Timestamp, Uuid};

/// An event with its place.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    pub(crate) position: Position,
    pub(crate) stream: StreamName,
    pub(crate) version: u64,
    pub(crate) id: Uuid,
    pub(crate) recorded_at: Timestamp,
    pub(crate) name: String,
    pub(crate) event_version: u32,
    pub(crate) metadata: Metadata,
    pub(crate) payload: String,
}

/// The events by position, and the keys by stream and text.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Contents {
    pub(crate) events: Vec<Row>,
    pub(crate) keys: BTreeMap<(String, String), Outcome>,
}

impl Contents {
    pub(crate) fn of(store: &impl EventStore) -> Self {
        let (mut events, mut keys) = (Vec::new(), BTreeMap::new());
        store
            .read_all(Filter::new(), Position::START, usize::MAX, &mut |event| {
                let envelope = &event.envelope;
                events.push(Row {
                    position: envelope.position,
                    stream: envelope.stream(),
                    version: envelope.version,
                    id: envelope.id,
                    recorded_at: envelope.recorded_at,
                    name: event.name.to_owned(),
                    event_version: event.event_version,
                    metadata: envelope.metadata(),
                    payload: event.payload.to_owned(),
                });
                ControlFlow::Continue(())
            })
            .unwrap();
        store
            .read_keys(&mut |key| {
                let name = (key.stream.as_str().to_owned(), key.key.to_owned());
                assert!(keys.insert(name, key.outcome.clone()).is_none(), "a key is listed twice");
                ControlFlow::Continue(())
            })
            .unwrap();
        Self { events, keys }
    }
}

/// Appends events to a hot stream and to others, in turns, with keys of all kinds. `round` tells calls apart.
pub(crate) fn fill(store: &impl EventStore, round: u32, appends: u32) {
    for number in 0..appends {
        let stream = match number % 4 {
            0 | 2 => StreamName::new("hot", "a/b"),
            1 => StreamName::new("warm", &format!("{}", number % 5)),
            _ => StreamName::new("new", &format!("{round}-{number}")),
        };
        let mut metadata = Metadata::default();
        if number % 3 == 0 {
            metadata.correlation = Some(Uuid::now_v7());
            metadata.causation = Some(Uuid::now_v7());
            metadata.set_custom(&format!("user \u{1f980} {number}")).unwrap();
        }
        // Older than the event before it, as after a clock was set back.
        let recorded_at = Timestamp::from_micros(1_700_000_000_000_000 - i64::from(number));
        let payloads = [format!("{{\"number\":  {number}}}"), "null".to_owned(), "1.50".to_owned()];
        let events: Vec<_> = payloads
            .iter()
            .take((number % 4) as usize)
            .map(|payload| {
                NewEvent::new("happened", number % 7, payload, Uuid::now_v7(), recorded_at, &metadata)
            })
            .collect();
        let texts = [format!("{round}/{number}/all"), format!("{round}/{number}/nothing")];
        let mark =
            CommandMark::new("Do", u64::MAX - u64::from(number), 1 << 63).with_structs(vec![7, u64::MAX]);
        let keys = [
            NewKey::new(&texts[0], 0..events.len(), recorded_at).with_command(mark),
            NewKey::new(&texts[1], 0..0, recorded_at),
        ];
        let keys = if number % 2 == 0 { &keys[..] } else { &[] };
        store.append(&[Append::new(&stream, ExpectedVersion::Any, &events).with_keys(keys)]).unwrap();
    }
}
