//! The markers of methods in a `#[handlers]` block, one row each.
//!
//! A further marker is a row here, a variant of [`HandlerTrait`] with its file in `expand/handlers/`, and an attribute
//! macro of its name in `lib.rs`.

use std::ops::RangeInclusive;

use syn::{Attribute, Ident, Meta, Path};

use crate::names::distance;

/// What a marker asks of its method, and which trait the method becomes.
pub(crate) struct Marker {
    pub(crate) name: &'static str,
    /// The marked method, as it stands in a sentence.
    pub(crate) method: &'static str,
    pub(crate) receivers: &'static [ReceiverKind],
    /// What the method takes as its receiver, and why.
    pub(crate) takes: &'static str,
    pub(crate) handles: Handles,
    /// How many arguments it takes after the receiver.
    pub(crate) arguments: RangeInclusive<usize>,
    /// Why it has no return value, if it may not have one.
    pub(crate) no_output: Option<&'static str>,
    /// Why it is not async, if it may not be.
    pub(crate) not_async: Option<&'static str>,
    /// A signature, with `{name}` for the method's name.
    pub(crate) example: &'static str,
    pub(crate) implements: HandlerTrait,
}

/// How a method takes `self`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReceiverKind {
    /// Not at all.
    None,
    /// `&self`
    Shared,
    /// `&mut self`
    Exclusive,
    /// In any other form.
    Other,
}

/// How a method takes the thing that it handles.
#[derive(Clone, Copy)]
pub(crate) enum Handles {
    /// By value; the text says what it is.
    Owned(&'static str),
    /// By reference; the text says what it is.
    Borrowed(&'static str),
}

impl Handles {
    /// What it is, in a sentence.
    pub(crate) fn what(self) -> &'static str {
        match self {
            Self::Owned(what) | Self::Borrowed(what) => what,
        }
    }
}

/// The trait that a marked method implements.
#[derive(Clone, Copy)]
pub(crate) enum HandlerTrait {
    Execute,
    Apply,
    Upcast,
    Project,
    React,
    Refused,
}

pub(crate) static MARKERS: [Marker; 6] = [
    Marker {
        name: "execute",
        method: "an `#[execute]` method",
        receivers: &[ReceiverKind::Shared],
        takes: "takes `&self`: it decides; what changes the state is an `#[apply]` method",
        handles: Handles::Owned("command"),
        arguments: 1..=2,
        no_output: None,
        not_async: NO_WAITING,
        example: "fn {name}(&self, command: C) -> Result<Event, Error>`, with services `fn {name}(&self, command: C, services: &S) -> ..",
        implements: HandlerTrait::Execute,
    },
    Marker {
        name: "apply",
        method: "an `#[apply]` method",
        receivers: &[ReceiverKind::Exclusive],
        takes: "takes `&mut self`: it changes the state as the event says",
        handles: Handles::Borrowed("event"),
        arguments: 1..=1,
        no_output: Some("returns nothing: the event has happened, and can't be refused any more"),
        not_async: NO_WAITING,
        example: "fn {name}(&mut self, event: &E)",
        implements: HandlerTrait::Apply,
    },
    Marker {
        name: "upcast",
        method: "an `#[upcast]` function",
        receivers: &[ReceiverKind::None],
        takes: "takes no `self`: what an event has become does not depend on the state",
        handles: Handles::Owned("event"),
        arguments: 1..=1,
        no_output: None,
        not_async: NO_WAITING,
        example: "fn {name}(event: E) -> (One, Other)",
        implements: HandlerTrait::Upcast,
    },
    Marker {
        name: "project",
        method: "a `#[project]` method",
        receivers: &[ReceiverKind::Exclusive, ReceiverKind::Shared],
        takes: "takes `&mut self` or `&self`",
        handles: Handles::Borrowed("event"),
        arguments: 1..=4,
        no_output: None,
        not_async: Some("it writes in the transaction that it is given, and waits for nothing"),
        example: "fn {name}(&mut self, event: &E, envelope: &Envelope<'_>, transaction: &Transaction<'_>)",
        implements: HandlerTrait::Project,
    },
    Marker {
        name: "react",
        method: "a `#[react]` method",
        receivers: &[ReceiverKind::Exclusive, ReceiverKind::Shared],
        takes: "takes `&mut self` or `&self`",
        handles: Handles::Borrowed("event"),
        arguments: 1..=4,
        no_output: None,
        not_async: None,
        example: "fn {name}(&self, event: &E, envelope: &Envelope<'_>, delivery: &Delivery)",
        implements: HandlerTrait::React,
    },
    Marker {
        name: "refused",
        method: "a `#[refused]` method",
        receivers: &[ReceiverKind::Shared],
        takes: "takes `&self`: it decides; what changes the state is an `#[apply]` method",
        handles: Handles::Borrowed("command"),
        arguments: 2..=3,
        no_output: None,
        not_async: NO_WAITING,
        example: "fn {name}(&self, command: &C, refusal: &Error, id: &Id) -> ..",
        implements: HandlerTrait::Refused,
    },
];

const NO_WAITING: Option<&str> = Some("it decides on what it has, and waits for nothing");

impl Marker {
    /// The marker that an attribute is, if it is one of ours: another crate's `apply` is not. A crate may have factum as
    /// `krate`.
    pub(crate) fn of(attribute: &Attribute, krate: &Path) -> Option<&'static Self> {
        let (name, modules) = name_and_modules(attribute.path())?;
        let is_ours = modules.is_empty()
            || modules.first()? == "factum"
            || modules_of(krate, &modules).is_some_and(|inner| inner.iter().all(is_module));
        MARKERS.iter().find(|marker| is_ours && marker.name == name)
    }

    /// The marker that an attribute is meant to be, which rustc does not know under the name that is written.
    pub(crate) fn meant(attribute: &Attribute, krate: &Path) -> Option<&'static Self> {
        let (name, modules) = name_and_modules(attribute.path())?;
        let is_of_factum = modules.first().is_none_or(|first| first == "factum" || first == "handlers")
            || modules_of(krate, &modules).is_some();
        if !is_of_factum || !matches!(attribute.meta, Meta::Path(_)) {
            return None;
        }
        let name = name.to_lowercase();
        // Other attributes have names that are farther away.
        MARKERS.iter().find(|marker| distance(&name, marker.name) <= marker.name.len() / 6 + 1)
    }

    /// What is wrong with the attribute itself.
    pub(crate) fn mistake(&self, attribute: &Attribute, krate: &Path) -> Option<String> {
        let (name, (_, modules)) = (self.name, name_and_modules(attribute.path())?);
        let inner = modules_of(krate, &modules).or(modules.get(1..)).unwrap_or_default();
        if !inner.iter().all(is_module) {
            return Some(format!("there is no marker `{}::{name}`: write `#[{name}]`", modules.join("::")));
        }
        let is_plain = matches!(attribute.meta, Meta::Path(_));
        (!is_plain).then(|| format!("write `#[{name}]` alone: the method's signature says what it handles"))
    }

    /// How to write the method `name` that handles the type `handled`, if that is known.
    pub(crate) fn example(&self, name: &Ident, handled: Option<&str>) -> String {
        let example = self.example.replace("{name}", &name.to_string());
        let Some(handled) = handled else { return example };
        [
            ("command: C", "command: "),
            ("command: &C", "command: &"),
            ("event: &E", "event: &"),
            ("event: E", "event: "),
        ]
        .into_iter()
        .fold(example, |text, (unknown, known)| text.replace(unknown, &format!("{known}{handled}")))
    }
}

/// The last name of a path, and those before it.
fn name_and_modules(path: &Path) -> Option<(String, Vec<String>)> {
    let mut names: Vec<_> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
    Some((names.pop()?, names))
}

/// The modules of a path after those of `krate`, if it begins with them.
fn modules_of<'m>(krate: &Path, modules: &'m [String]) -> Option<&'m [String]> {
    let (name, mut outer) = name_and_modules(krate)?;
    outer.push(name);
    modules.strip_prefix(&*outer)
}

/// Whether factum has markers in a module of that name.
fn is_module(name: &String) -> bool {
    name == "prelude" || name == "follow"
}
