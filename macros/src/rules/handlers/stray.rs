//! Markers that stand where another one was meant.

use std::cell::LazyCell;

use syn::Type;

use crate::errors::{Errors, shown};
use crate::markers::{HandlerTrait, ReceiverKind};
use crate::syntax::{HandlersSyntax, MethodSyntax, derives_of, type_name, ungrouped};

/// What the type of a block is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Aggregate,
    View,
    Reaction,
    Process,
}

impl Kind {
    const ALL: [(&'static str, Self); 4] = [
        ("Aggregate", Self::Aggregate),
        ("Projection", Self::View),
        ("Reaction", Self::Reaction),
        ("Process", Self::Process),
    ];

    fn shown(self) -> &'static str {
        match self {
            Self::Aggregate => "an aggregate",
            Self::View => "a view",
            Self::Reaction => "a reaction",
            Self::Process => "a process",
        }
    }
}

/// The kinds that have methods with a marker, and their name.
fn kinds_with(marker: HandlerTrait) -> (&'static [Kind], &'static str) {
    match marker {
        HandlerTrait::Execute | HandlerTrait::Upcast => (&[Kind::Aggregate], "aggregates"),
        HandlerTrait::Apply => (&[Kind::Aggregate, Kind::Process], "aggregates and processes"),
        HandlerTrait::Project => (&[Kind::View], "views"),
        HandlerTrait::React => (&[Kind::Reaction, Kind::Process], "reactions and processes"),
        HandlerTrait::Refused => (&[Kind::Process], "processes"),
    }
}

/// The markers of a block, compared with what its type derives.
pub(super) struct Strays<F: FnOnce() -> Vec<Kind>> {
    /// What the type is, as far as that is known: reading it costs time, so only a suspicion asks for it.
    derived: LazyCell<Vec<Kind>, F>,
    /// Whether the markers of the block are not all those of one kind.
    is_mixed: bool,
}

pub(super) fn strays(syntax: &HandlersSyntax) -> Strays<impl FnOnce() -> Vec<Kind>> {
    let used = |method: &MethodSyntax| kinds_with(method.marker.implements).0;
    let is_of_all = |kind: &Kind| syntax.methods.iter().all(|method| used(method).contains(kind));
    let self_ty = &syntax.block.self_ty;
    Strays {
        derived: LazyCell::new(|| {
            let derives = type_name(self_ty).and_then(derives_of).unwrap_or_default();
            let is_derived = |name: &str| derives.iter().any(|derive| derive == name);
            Kind::ALL.into_iter().filter(|(name, _)| is_derived(name)).map(|(_, kind)| kind).collect()
        }),
        is_mixed: !Kind::ALL.iter().any(|(_, kind)| is_of_all(kind)),
    }
}

impl<F: FnOnce() -> Vec<Kind>> Strays<F> {
    /// Reports a marker that is for another kind of type, or for a method with another signature. Returns what was meant.
    pub(super) fn meant(
        &self,
        syntax: &HandlersSyntax,
        method: &MethodSyntax,
        errors: &mut Errors,
    ) -> Option<HandlerTrait> {
        let (name, implements) = (method.marker.name, method.marker.implements);
        let (kinds, users) = kinds_with(implements);
        let is_suspicious = self.is_mixed
            || !method.marker.receivers.contains(&method.receiver.kind)
            || method.asyncness.is_some() && method.marker.not_async.is_some();
        if is_suspicious
            && let Some(kind) = self.derived.first()
            && !self.derived.iter().any(|kind| kinds.contains(kind))
        {
            let (write, meant) = match kind {
                Kind::Aggregate if is_by_value(method) => ("execute", HandlerTrait::Execute),
                Kind::Aggregate => ("apply", HandlerTrait::Apply),
                Kind::View => ("project", HandlerTrait::Project),
                Kind::Process
                    if method.arguments.len() > 1 && matches!(implements, HandlerTrait::Execute) =>
                {
                    ("refused", HandlerTrait::Refused)
                }
                Kind::Reaction | Kind::Process => ("react", HandlerTrait::React),
            };
            let (kind, self_ty) = (kind.shown(), shown(&syntax.block.self_ty));
            let message =
                format!("`#[{name}]` is for {users}, and `{self_ty}` is {kind}: write `#[{write}]`");
            errors.at(&method.attribute, message);
            return Some(meant);
        }
        let (write, meant) = match (implements, method.receiver.kind) {
            (HandlerTrait::Execute, ReceiverKind::Exclusive) if is_borrowing(method) => {
                ("an `#[apply]` method: write `#[apply]`", HandlerTrait::Apply)
            }
            (HandlerTrait::Apply, ReceiverKind::Shared) if is_by_value(method) && method.output.is_some() => {
                ("an `#[execute]` method: write `#[execute]`", HandlerTrait::Execute)
            }
            _ => return None,
        };
        errors.at(&method.attribute, format!("this is the signature of {write}"));
        Some(meant)
    }
}

fn is_borrowing(method: &MethodSyntax) -> bool {
    method.arguments.first().is_some_and(|first| matches!(ungrouped(first), Type::Reference(_)))
}

fn is_by_value(method: &MethodSyntax) -> bool {
    !method.arguments.is_empty() && !is_borrowing(method)
}
