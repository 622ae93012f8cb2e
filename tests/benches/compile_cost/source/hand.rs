//! The code that a user writes without factum's macros, for the same repository and store.
//!
//! The traits are factum's: the store needs some traits for its domain, and these are the ones. The impls
//! have what a user would write:
//! * enums, with `From` for each struct
//! * matches that call the methods
//! * a codec by name
//!
//! Everything else that factum generates counts against factum: traits in between, ways back from the enums,
//! checks for unique names, shapes for a lock. A command becomes the enum where it is sent.

use std::fmt::Write as _;

use crate::domain::{Area, command, event, stored_name};

/// The id, once for all aggregates.
pub(super) const LIB: &str = "
impl factum::AggregateId for Id {
    fn to_text(&self) -> std::borrow::Cow<'_, str> {
        std::borrow::Cow::Borrowed(&self.0)
    }

    fn from_text(text: &str) -> Result<Self, factum::InvalidId> {
        Ok(Self(text.to_owned()))
    }
}
";

pub(super) const IMPORTS: &str = "\
use std::any::Any;

use factum::sqlite::SqliteStore;
use factum::{Aggregate, Command, CommandKind, CommandSet, DecodeError, Decoded, EncodeError, Event, EventKind, EventSet, ExecuteError, Repository};
use serde::{Deserialize, Serialize};

";

pub(super) fn area(area: &Area, text: &mut String) {
    for part in area.parts.clone() {
        structs(area, part, text);
    }
    enums(area, text);
    aggregate(area, text);
    events(area, text);
}

/// The impls of each struct.
fn structs(area: &Area, part: usize, text: &mut String) {
    let (state, event, command, name) = (area.state(), event(part), command(part), stored_name(part));
    let _ = write!(
        text,
        "\
impl Event for {event} {{
    const NAME: &'static str = \"{name}\";
    const VERSION: u32 = 1;

    fn encode(&self, out: &mut Vec<u8>) -> Result<(), EncodeError> {{
        serde_json::to_writer(out, self).map_err(EncodeError::json::<Self>)
    }}

    fn decode(version: u32, payload: &str) -> Result<Self, DecodeError> {{
        match version {{
            1 => serde_json::from_str(payload).map_err(|source| DecodeError::payload::<Self>(version, source)),
            _ => Err(DecodeError::version::<Self>(version)),
        }}
    }}
}}

impl From<{event}> for {state}Event {{
    fn from(event: {event}) -> Self {{
        Self::{event}(event)
    }}
}}

impl Command for {command} {{
    const NAME: &'static str = \"set-part{part:03}\";
    type Id = Id;

    fn aggregate_id(&self) -> &Id {{
        &self.id
    }}
}}

impl From<{command}> for {state}Command {{
    fn from(command: {command}) -> Self {{
        Self::{command}(command)
    }}
}}

"
    );
}

fn enums(area: &Area, text: &mut String) {
    let state = area.state();
    let _ = write!(
        text,
        "\
#[derive(Debug)]
pub enum {state}Command {{
{}}}

#[derive(Debug)]
pub enum {state}Event {{
{}}}

impl CommandSet for {state}Command {{
    const KINDS: &'static [CommandKind] = &[
{}    ];

    type Id = Id;

    fn aggregate_id(&self) -> &Id {{
        match self {{
{}        }}
    }}

    fn name(&self) -> &'static str {{
        match self {{
{}        }}
    }}
}}

",
        lines(area, |part| format!("    {0}({0}),", command(part))),
        lines(area, |part| format!("    {0}({0}),", event(part))),
        lines(area, |part| format!("        CommandKind::of::<{}>(),", command(part))),
        lines(area, |part| format!("            Self::{}(command) => &command.id,", command(part))),
        lines(area, |part| format!("            Self::{0}(_) => {0}::NAME,", command(part))),
    );
}

fn aggregate(area: &Area, text: &mut String) {
    let (state, module) = (area.state(), area.module());
    let _ = write!(
        text,
        "\
impl Aggregate for {state} {{
    const CATEGORY: &'static str = \"{module}\";
    type Id = Id;
    type Command = {state}Command;
    type Event = {state}Event;
    type Error = Refused;
    type Services = ();

    fn initial() -> Self {{
        Self::default()
    }}

    fn duplicate(&self) -> Self {{
        self.clone()
    }}

    fn execute(&self, command: {state}Command, (): &()) -> Result<Vec<{state}Event>, Refused> {{
        Ok(match command {{
{}        }})
    }}

    fn apply(&mut self, event: &{state}Event) {{
        match event {{
{}        }}
    }}
}}

",
        lines(area, |part| {
            format!(
                "            {state}Command::{}(command) => vec![{state}Event::{}(self.set_part{part:03}(command)?)],",
                command(part),
                event(part)
            )
        }),
        lines(area, |part| {
            format!("            {state}Event::{}(event) => self.part{part:03}_set(event),", event(part))
        }),
    );
}

/// The codec.
fn events(area: &Area, text: &mut String) {
    let state = area.state();
    let _ = write!(
        text,
        "\
impl EventSet for {state}Event {{
    const KINDS: &'static [EventKind] = &[
{}    ];

    fn name(&self) -> &'static str {{
        match self {{
{}        }}
    }}

    fn event_version(&self) -> u32 {{
        match self {{
{}        }}
    }}

    fn encode(&self, out: &mut Vec<u8>) -> Result<(), EncodeError> {{
        match self {{
{}        }}
    }}

    fn decode(name: &str, version: u32, payload: &str) -> Result<Decoded<Self>, DecodeError> {{
        Ok(Decoded::One(match name {{
{}            _ => return factum::macro_support::decode_other(name, version, payload),
        }}))
    }}

    fn as_any(&self) -> &dyn Any {{
        match self {{
{}        }}
    }}
}}

",
        lines(area, |part| format!("        EventKind::of::<{}>(),", event(part))),
        lines(area, |part| format!("            Self::{0}(_) => {0}::NAME,", event(part))),
        lines(area, |part| format!("            Self::{0}(_) => {0}::VERSION,", event(part))),
        lines(area, |part| format!("            Self::{}(event) => event.encode(out),", event(part))),
        lines(area, |part| format!(
            "            {0}::NAME => Self::{0}({0}::decode(version, payload)?),",
            event(part)
        )),
        lines(area, |part| format!("            Self::{}(event) => event,", event(part))),
    );
}

fn lines(area: &Area, line: impl Fn(usize) -> String) -> String {
    area.parts.clone().map(|part| line(part) + "\n").collect()
}
