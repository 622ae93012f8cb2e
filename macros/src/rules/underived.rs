//! Listed types that lack their derive: one error for each, at the first list that has it.

use syn::{Ident, Path};

use crate::errors::{Errors, shown};
use crate::markers::HandlerTrait;
use crate::syntax::{self, HandlersSyntax, Lacking, Underived};

/// The types that the item lists first, of all items of its module. Each gets a stub of its impl.
pub(super) fn underived<'s>(
    item: &Ident,
    listed: &[(&'s Path, &'static str)],
    has_commands: bool,
    errors: &mut Errors,
) -> Vec<Lacking<'s>> {
    let underived = syntax::underived(item, listed);
    for Lacking { path, derive, underived } in &underived {
        let shown = shown(path);
        if let Some((other, list)) = wrong_list(derive, underived) {
            let meant = match list {
                "commands" if !has_commands => "list the events that it leads to".to_owned(),
                _ => format!("list it in `{list}({shown}, ..)`"),
            };
            errors.at(path, format!("`{shown}` is {other}: {meant}"));
        } else if underived.attribute.is_none() {
            errors.at(path, format!("`{shown}` is not {}", what_to_write(derive)));
        }
    }
    underived
}

/// What a type is that stands in the list of another kind, and the list that it belongs to.
pub(super) fn wrong_list(derive: &str, underived: &Underived) -> Option<(&'static str, &'static str)> {
    let kinds = [
        ("Command", "a command", "commands"),
        ("Event", "an event", "events"),
        ("Timeout", "a time-out", "timeouts"),
    ];
    let is_derived = |kind: &str| kind != derive && underived.derives.iter().any(|derived| derived == kind);
    let (_, what, list) = kinds.into_iter().find(|(kind, ..)| is_derived(kind))?;
    Some((what, list))
}

/// The type of a block of handlers without its derive.
pub(crate) struct Forgotten {
    pub(crate) derive: &'static str,
    pub(crate) underived: Underived,
    /// The error about it. rustc reports an error once, wherever the derive repeats it.
    pub(crate) reported: Errors,
}

/// The derive that the type of a block lacks, if the block is the first one of the type.
pub(crate) fn forgotten(syntax: &HandlersSyntax, errors: &mut Errors) -> Option<Forgotten> {
    const DERIVES: [(&str, &str); 4] = [
        ("Aggregate", "aggregate"),
        ("Projection", "projection"),
        ("Reaction", "reaction"),
        ("Process", "process"),
    ];
    let first = syntax.methods.first()?;
    let self_ty = &syntax.block.self_ty;
    let underived = syntax::underived_self(self_ty, &first.name, &DERIVES.map(|(derive, _)| derive))?;
    let meant =
        |attribute: &String| DERIVES.iter().find(|(_, name)| name == attribute).map(|(derive, _)| *derive);
    let derive = underived.attribute.as_ref().and_then(meant).unwrap_or_else(|| of_markers(syntax));
    let mut reported = Errors::default();
    if underived.attribute.is_none() {
        let message = format!("`{}` is not {}", shown(self_ty), what_to_write(derive));
        reported.at(self_ty, &message);
        errors.at(self_ty, &message);
    }
    Some(Forgotten { derive, underived, reported })
}

/// The derive that goes with the markers of a block.
fn of_markers(syntax: &HandlersSyntax) -> &'static str {
    let is_used =
        |is_it: fn(HandlerTrait) -> bool| syntax.methods.iter().any(|method| is_it(method.marker.implements));
    let reacts = is_used(|of| matches!(of, HandlerTrait::React));
    if is_used(|of| matches!(of, HandlerTrait::Project)) {
        "Projection"
    } else if is_used(|of| matches!(of, HandlerTrait::Refused))
        || reacts && is_used(|of| matches!(of, HandlerTrait::Apply))
    {
        "Process"
    } else if reacts {
        "Reaction"
    } else {
        "Aggregate"
    }
}

/// What a type without a derive is not, and how it becomes that.
pub(super) fn what_to_write(derive: &str) -> &'static str {
    match derive {
        "Event" => "an event: annotate it with `#[derive(Debug, Serialize, Deserialize, Event)]`",
        "Command" => {
            "a command: annotate it with `#[derive(Debug, Command)]`, and mark its id field with `#[command(id)]`"
        }
        "Timeout" => "a time-out: annotate it with `#[derive(Debug, Serialize, Deserialize, Timeout)]`",
        "AggregateId" => "the id of an aggregate: annotate it with `#[derive(Debug, Clone, AggregateId)]`",
        "Projection" => {
            "a projection: annotate it with `#[derive(Projection)]` and `#[projection(events(..), from(..))]`"
        }
        "Reaction" => {
            "a reaction: annotate it with `#[derive(Reaction)]` and `#[reaction(events(..), from(..))]`"
        }
        "Process" => {
            "a process: annotate it with `#[derive(Debug, Default, Clone, Serialize, Deserialize, Process)]` and \
             `#[process(id = .., starts(..), from(..), commands(..))]`"
        }
        _ => {
            "an aggregate: annotate it with `#[derive(Debug, Default, Clone, Aggregate)]` and \
             `#[aggregate(id = .., commands(..), events(..))]`"
        }
    }
}
