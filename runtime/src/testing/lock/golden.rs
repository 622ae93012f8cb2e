//! Stored examples of events, and whether they can still be read.

use std::collections::BTreeSet;
use std::fmt;

use crate::aggregate::Aggregate;
use crate::event::{DecodeError, Decoded, EventKind, EventSet};

/// What a stored event is read as: names, and JSON.
type Became = Vec<(&'static str, String)>;

/// The events of one aggregate.
pub(super) struct Golden {
    pub(super) aggregate: &'static str,
    /// Those that it lists and those that it has retired.
    pub(super) kinds: Vec<EventKind>,
    listed: &'static [EventKind],
    /// The examples given: the name of each, and its JSON if that comes back as it was; or why it does not.
    examples: Vec<(&'static str, Result<String, String>)>,
    /// Reads an event and writes what became of it, each with its name.
    read: fn(&str, u32, &str) -> Result<Became, String>,
}

impl fmt::Debug for Golden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Golden").field("aggregate", &self.aggregate).finish_non_exhaustive()
    }
}

impl Golden {
    pub(super) fn new<A: Aggregate>(examples: &[A::Event]) -> Self {
        Self {
            aggregate: A::NAME,
            kinds: A::Event::KINDS.iter().chain(A::Event::RETIRED).copied().collect(),
            listed: A::Event::KINDS,
            examples: examples.iter().map(|event| (event.name(), there_and_back(event))).collect(),
            read: read::<A::Event>,
        }
    }

    /// Every kept example of this aggregate can be read; one of the present version is written again as it is kept.
    pub(super) fn check(&self, kept: &BTreeSet<String>) -> Result<(), String> {
        for (name, version, json) in kept.iter().filter_map(|line| self.parse(line)) {
            let example = format!("the kept example of `{name}` version {version}, {json}");
            let became = (self.read)(name, version, json)
                .map_err(|error| format!("{example}, can't be read any more: {error}"))?;
            let is_present = self.listed.iter().any(|kind| kind.name == name && kind.version == version);
            if let (true, [(_, again)]) = (is_present, &*became)
                && !same_json(again, json)
            {
                return Err(format!(
                    "{example}, is read and then written as {again}: what is stored now would not be what was stored \
                     before; give the event a new version"
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

    /// `<aggregate> <event> <version> <json>`, if it is of this aggregate and the event is known by more than its name.
    fn parse<'l>(&self, line: &'l str) -> Option<(&'l str, u32, &'l str)> {
        let mut parts = line.splitn(4, ' ');
        let (aggregate, name) = (parts.next()?, parts.next()?);
        let (version, json) = (parts.next()?.parse().ok()?, parts.next()?);
        (aggregate == self.aggregate).then_some((name, version, json))
    }
}

fn written<E: EventSet>(event: &E) -> Result<String, String> {
    let mut json = Vec::new();
    event.encode(&mut json).map_err(|error| error.to_string())?;
    String::from_utf8(json).map_err(|error| format!("`{}` is not written as text: {error}", event.name()))
}

fn read<E: EventSet>(name: &str, version: u32, json: &str) -> Result<Became, String> {
    let told = |error: DecodeError| error.to_string();
    let events = match E::decode(name, version, json).map_err(told)? {
        Decoded::One(event) => vec![event],
        Decoded::Several(events) => events,
    };
    events.iter().map(|event| Ok((event.name(), written(event)?))).collect()
}

/// The event as JSON, if it is read back as it was: what the live state has seen and what a loaded one sees are equal.
fn there_and_back<E: EventSet>(event: &E) -> Result<String, String> {
    let json = written(event)?;
    let name = event.name();
    match E::decode(name, event.version(), &json) {
        Ok(Decoded::One(again)) => {
            // `Debug` shows what serde skips.
            let (before, after) = (format!("{event:?}"), format!("{again:?}"));
            if before == after && written(&again).is_ok_and(|again| same_json(&again, &json)) {
                return Ok(json);
            }
            Err(format!(
                "the example of `{name}` is written as {json}, and read as something else:\n  {before}\n  {after}"
            ))
        }
        Ok(Decoded::Several(_)) => Err(format!("`{name}` is listed, and read as a retired event")),
        Err(error) => {
            Err(format!("the example of `{name}` is written as {json}, and can't be read: {error}"))
        }
    }
}

/// Whether two texts are the same JSON: the order of a map's keys says nothing.
fn same_json(left: &str, right: &str) -> bool {
    let value = |text| serde_json::from_str::<serde_json::Value>(text).ok();
    left == right || value(left).is_some_and(|left| Some(left) == value(right))
}
