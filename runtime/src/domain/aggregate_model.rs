//! What an aggregate takes, emits and reads, as data.

use crate::domain::aggregate::Aggregate;
use crate::domain::command_set::{CommandKind, CommandSet};
use crate::domain::emitted::{Count, Emitted};
use crate::domain::event::EventKind;
use crate::domain::event_schema::Shape;
use crate::domain::event_set::EventSet;

/// The commands and events of an aggregate, and which command leads to which events.
///
/// [`Aggregate::MODEL`] is that of an aggregate.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct AggregateModel {
    /// The category of its streams.
    pub name: &'static str,
    /// Its commands.
    pub commands: &'static [CommandKind],
    emits: &'static [fn() -> Emitted],
    /// Its events.
    pub events: &'static [EventKind],
    /// The events that it has retired, and still reads.
    pub retired: &'static [EventKind],
    shapes: fn() -> Vec<Shape>,
}

impl AggregateModel {
    pub(crate) const fn of<A: Aggregate>() -> Self {
        Self {
            name: A::CATEGORY,
            commands: A::Command::KINDS,
            emits: A::Command::EMITS,
            events: A::Event::KINDS,
            retired: A::Event::RETIRED,
            shapes: A::Event::shapes,
        }
    }

    /// Which events each command leads to, if it is not refused, and how many.
    pub fn emits(&self) -> impl Iterator<Item = (&'static CommandKind, Vec<(&'static str, Count)>)> + use<> {
        let names: Vec<_> = self.events.iter().map(|event| event.name).collect();
        let emits = self.emits.iter().map(|emits| emits()).chain(std::iter::repeat(Emitted::Any));
        self.commands.iter().zip(emits).map(move |(command, emitted)| (command, emitted.events(&names)))
    }

    /// The shape of every version of its events, also of the retired ones. Each has a
    /// [JSON Schema](Shape::json_schema).
    #[must_use]
    pub fn shapes(&self) -> Vec<Shape> {
        (self.shapes)()
    }
}
