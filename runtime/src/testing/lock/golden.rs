//! Recorded examples of events, and the check that they can still be read.

use std::collections::BTreeSet;
use std::fmt;

use crate::domain::aggregate::Aggregate;
use crate::domain::codec_error::DecodeError;
use crate::domain::error::with_causes;
use crate::domain::event::EventKind;
use crate::domain::event_set::{Decoded, EventSet};

/// The events that a stored event is read as: their names and their JSON.
type ReadBack = Vec<(&'static str, String)>;

/// The events of one aggregate.
pub(super) struct Golden {
    pub(super) aggregate: &'static str,
    /// The aggregate's type, as rustc calls it.
    pub(super) type_name: &'static str,
    /// The events that the aggregate lists, and those that it has retired.
    pub(super) kinds: Vec<EventKind>,
    listed: &'static [EventKind],
    /// The given examples: the name of each, and its JSON, or why the JSON is not read back as the same
    /// event.
    examples: Vec<(&'static str, Result<String, String>)>,
    /// Reads a stored event, and writes each event that it is read as, with its name.
    read: fn(&str, u32, &str) -> Result<ReadBack, String>,
}

impl fmt::Debug for Golden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Golden").field("aggregate", &self.aggregate).finish_non_exhaustive()
    }
}

impl Golden {
    pub(super) fn new<A: Aggregate>(examples: &[A::Event]) -> Self {
        Self {
            aggregate: A::CATEGORY,
            type_name: std::any::type_name::<A>(),
            kinds: A::Event::KINDS.iter().chain(A::Event::RETIRED).copied().collect(),
            listed: A::Event::KINDS,
            examples: examples.iter().map(|event| (event.name(), round_trip(event))).collect(),
            read: read::<A::Event>,
        }
    }

    /// Fails if a kept example of this aggregate can't be read, if one of the present version is written
    /// differently, or if a lock has lost its version. `has_shape` knows the events that a lock records.
    pub(super) fn check(
        &self,
        kept: &BTreeSet<String>,
        has_shape: impl Fn(&str) -> bool,
        is_recorded: impl Fn(&str, u32) -> bool,
    ) -> Result<(), String> {
        for (name, version, json) in kept.iter().filter_map(|line| self.parse(line)) {
            let example = format!("the kept example of `{name}` version {version}, {json}");
            let mut kinds = self.kinds.iter().filter(|kind| kind.names().any(|known| known == name));
            if kinds.any(|kind| has_shape(kind.name)) && !is_recorded(name, version) {
                return Err(format!(
                    "{example}, is of a version that `events.lock` has lost: bring that file back as it was committed; if \
                     no such event was ever stored, take the example out of `events.golden` too"
                ));
            }
            let read_back = (self.read)(name, version, json)
                .map_err(|error| format!("{example}, can't be read any more: {error}"))?;
            let is_present = self.listed.iter().any(|kind| kind.name == name && kind.version == version);
            if let (true, [(_, again)]) = (is_present, &*read_back)
                && !same_json(again, json)
            {
                return Err(format!(
                    "{example}, is read and then written as {again}: new events would be stored in another shape \
                     than old ones; give the event a new version"
                ));
            }
        }
        Ok(())
    }

    /// The lines for versions that have no example yet.
    pub(super) fn new_lines(&self, kept: &BTreeSet<String>) -> Result<Vec<String>, String> {
        for (_, example) in &self.examples {
            example.as_ref().map_err(String::clone)?;
        }
        let mut lines = Vec::new();
        for kind in self.listed {
            let Some((_, Ok(example))) = self.examples.iter().find(|(name, _)| *name == kind.name) else {
                return Err(format!(
                    "`{}` has no example: give `lock!` one for every event of `{}`",
                    kind.name, self.aggregate
                ));
            };
            let head = format!("{} {} {} ", self.aggregate, kind.name, kind.version);
            if !kept.iter().any(|line| line.starts_with(&head)) {
                lines.push(format!("{head}{example}"));
            }
        }
        Ok(lines)
    }

    /// Splits a line `<aggregate> <event> <version> <json>`; `None` if it is of another aggregate.
    fn parse<'l>(&self, line: &'l str) -> Option<(&'l str, u32, &'l str)> {
        let mut parts = line.splitn(4, ' ');
        let (aggregate, name) = (parts.next()?, parts.next()?);
        let (version, json) = (parts.next()?.parse().ok()?, parts.next()?);
        (aggregate == self.aggregate).then_some((name, version, json))
    }
}

fn written<E: EventSet>(event: &E) -> Result<String, String> {
    let mut json = Vec::new();
    event.encode(&mut json).map_err(|error| with_causes(&error))?;
    String::from_utf8(json).map_err(|error| format!("`{}` is not written as text: {error}", event.name()))
}

fn read<E: EventSet>(name: &str, version: u32, json: &str) -> Result<ReadBack, String> {
    let decode_failed = |error: DecodeError| with_causes(&error);
    let events = match E::decode(name, version, json).map_err(decode_failed)? {
        Decoded::One(event) => vec![event],
        Decoded::Several(events) => events,
    };
    events.iter().map(|event| Ok((event.name(), written(event)?))).collect()
}

/// The event as JSON, if it is read back as the same event: a live state and a loaded state then see the
/// same.
fn round_trip<E: EventSet>(event: &E) -> Result<String, String> {
    let json = written(event)?;
    let name = event.name();
    match E::decode(name, event.event_version(), &json) {
        Ok(Decoded::One(again)) => {
            // `Debug` shows also the fields that serde skips.
            let (before, after) = (format!("{event:?}"), format!("{again:?}"));
            if before == after && written(&again).is_ok_and(|again| same_json(&again, &json)) {
                return Ok(json);
            }
            Err(format!(
                "the example of `{name}` is written as {json}, and read as something else:\n  {before}\n  {after}"
            ))
        }
        Ok(Decoded::Several(_)) => Err(format!("`{name}` is listed, and read as a retired event")),
        Err(error) => Err(format!(
            "the example of `{name}` is written as {json}, and can't be read: {}",
            with_causes(&error)
        )),
    }
}

/// Whether two texts are the same JSON. The order of a map's keys does not count.
fn same_json(left: &str, right: &str) -> bool {
    let value = |text| serde_json::from_str::<serde_json::Value>(text).ok();
    left == right || value(left).is_some_and(|left| Some(left) == value(right))
}
