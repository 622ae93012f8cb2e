//! The source of the crates. Common code is written once, so that it is equal in all arms.

mod app;
mod hand;
mod whole;

use std::fmt::Write as _;

use crate::arms::Arm;
use crate::domain::{Area, Shape, command, event, fields};

pub(crate) use self::whole::same;

/// The limit at which a command is refused, in the first method of a crate. An edit replaces it by a number
/// of as many digits.
pub(crate) const FIRST_LIMIT: u32 = 100_000;

/// `src/lib.rs`: the code that all aggregates share.
pub(crate) fn lib(arm: Arm, shape: Shape, areas: &[Area]) -> String {
    let mut text = String::new();
    for area in areas {
        let _ = writeln!(text, "pub mod {};", area.module());
    }
    if shape == Shape::App && arm.is_whole() {
        text += "pub mod app;\n";
    }
    let serde = derives(arm, Arm::has_serde, "serde::Serialize, serde::Deserialize");
    let id = derives(arm, |arm| arm == Arm::Factum, "factum::AggregateId");
    let id_serde = if shape == Shape::App { &serde } else { "" };
    let _ = write!(
        text,
        "
#[derive(Debug, Clone, PartialEq{id}{id_serde})]
pub struct Id(pub String);

#[derive(Debug, Default, Clone, PartialEq{serde})]
pub struct Place {{
    pub street: String,
    pub zip: u32,
}}

#[derive(Debug)]
pub enum Refused {{
    Empty,
    Full(u64),
}}

impl std::fmt::Display for Refused {{
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {{
        match self {{
            Self::Empty => f.write_str(\"there is nothing to set\"),
            Self::Full(cents) => write!(f, \"{{cents}} cents are enough\"),
        }}
    }}
}}

impl std::error::Error for Refused {{}}
"
    );
    if arm == Arm::Hand {
        text += hand::LIB;
    }
    text
}

/// `src/app.rs`: the application, in the arms that have it.
pub(crate) fn app(arm: Arm, areas: &[Area]) -> String {
    app::app(arm, areas)
}

/// One aggregate. `limit` is the limit of its first command.
pub(crate) fn area(arm: Arm, shape: Shape, area: &Area, limit: u32) -> String {
    let mut text = String::new();
    match arm {
        Arm::Plain => {}
        Arm::Serde => text += "use serde::{Deserialize, Serialize};\n\n",
        Arm::Hand => text += hand::IMPORTS,
        Arm::Factum => {
            text += "use factum::prelude::*;\nuse factum::ExecuteError;\nuse serde::{Deserialize, Serialize};\n\n";
        }
    }
    text += "use crate::{Id, Place, Refused};\n\n";
    for part in area.parts.clone() {
        structs(arm, shape, part, &mut text);
    }
    state(arm, area, &mut text);
    methods(arm, area, limit, &mut text);
    if arm == Arm::Hand {
        hand::area(area, &mut text);
    }
    if arm.is_whole() {
        whole::service(arm, area, &mut text);
    }
    text
}

fn structs(arm: Arm, shape: Shape, part: usize, text: &mut String) {
    let serde = derives(arm, Arm::has_serde, "Serialize, Deserialize");
    let [of_event, of_command] =
        ["Event", "Command"].map(|derive| derives(arm, |arm| arm == Arm::Factum, derive));
    // A command comes by name, and some are sent by the process.
    let read = match shape {
        Shape::App if arm.is_whole() && app::SENT.contains(&part) => ", Serialize, Deserialize",
        Shape::App if arm.is_whole() => ", Deserialize",
        _ => "",
    };
    let marker = if arm == Arm::Factum { "    #[command(id)]\n" } else { "" };
    let mut members = String::new();
    for field in fields(part) {
        let _ = writeln!(members, "    pub {}: {},", field.name, field.ty);
    }
    let (event, command) = (event(part), command(part));
    let _ = write!(
        text,
        "\
#[derive(Debug{serde}{of_event})]
pub struct {event} {{
{members}}}

#[derive(Debug{read}{of_command})]
pub struct {command} {{
{marker}    pub id: Id,
{members}}}

"
    );
}

fn state(arm: Arm, area: &Area, text: &mut String) {
    let derive = derives(arm, |arm| arm == Arm::Factum, "Aggregate");
    let _ = writeln!(text, "#[derive(Debug, Default, Clone{derive})]");
    if arm == Arm::Factum {
        let list = |name: fn(usize) -> String| area.parts.clone().map(name).collect::<Vec<_>>().join(", ");
        let _ = writeln!(
            text,
            "#[aggregate(id = Id, error = Refused, commands({}), events({}))]",
            list(command),
            list(event)
        );
    }
    let _ = write!(
        text,
        "\
pub struct {} {{
    pub title: String,
    pub cents: u64,
    pub note: Option<String>,
    pub urgent: bool,
    pub pages: Vec<u32>,
    pub level: i32,
    pub place: Place,
}}

",
        area.state()
    );
}

/// For each part, a method that decides and one that applies.
fn methods(arm: Arm, area: &Area, limit: u32, text: &mut String) {
    let is_factum = arm == Arm::Factum;
    let marker = |name: &str| if is_factum { format!("    #[{name}]\n") } else { String::new() };
    let (execute, apply) = (marker("execute"), marker("apply"));
    let handlers = if is_factum { "#[handlers]\n" } else { "" };
    let _ = writeln!(text, "{handlers}impl {} {{", area.state());
    for (index, part) in area.parts.clone().enumerate() {
        let limit = limit + u32::try_from(index).unwrap_or_default() * 1_000_000;
        let (event, command) = (event(part), command(part));
        let moved = fields(part).map(|field| format!("{0}: command.{0}", field.name)).collect::<Vec<_>>();
        let moved = moved.join(", ");
        let applied = fields(part).map(|field| field.applied).collect::<Vec<_>>().join("\n        ");
        let _ = write!(
            text,
            "\
{execute}    pub fn set_part{part:03}(&self, command: {command}) -> Result<{event}, Refused> {{
        if self.cents > {limit} {{
            return Err(Refused::Full(self.cents));
        }}
        Ok({event} {{ {moved} }})
    }}

{apply}    pub fn part{part:03}_set(&mut self, event: &{event}) {{
        {applied}
    }}

"
        );
    }
    *text += "}\n\n";
}

/// `, These, Derives`, in the arms that have them.
fn derives(arm: Arm, has: impl Fn(Arm) -> bool, derives: &str) -> String {
    if has(arm) { format!(", {derives}") } else { String::new() }
}
