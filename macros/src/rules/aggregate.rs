//! What an aggregate must be like.

use syn::{Data, Path, Type};

use super::list::{self, Listed};
use super::underived;
use super::{Snapshot, items, snapshot};
use crate::errors::{Errors, shown};
use crate::lock::{self, LockFile};
use crate::syntax::{AggregateSyntax, Given, Lacking, Retired};

pub(crate) struct Aggregate<'s> {
    pub(crate) syntax: &'s AggregateSyntax<'s>,
    pub(crate) id: Given<&'s Type>,
    pub(crate) error: Given<&'s Type>,
    pub(crate) services: Given<&'s Type>,
    /// Empty if the list is missing or has an error, which is reported.
    pub(crate) commands: Vec<Listed<'s>>,
    /// Empty if the list is missing or has an error, which is reported.
    pub(crate) events: Vec<Listed<'s>>,
    pub(crate) retired: Vec<&'s Retired>,
    pub(crate) snapshot: Option<Snapshot<'s>>,
    /// The listed types that lack their derive, which is reported.
    pub(crate) underived: Vec<Lacking<'s>>,
    /// The crate's `events.lock`, if it has one.
    pub(crate) lock: Option<LockFile>,
    /// Whether its impls can be made.
    pub(crate) is_valid: bool,
}

pub(crate) fn aggregate<'s>(syntax: &'s AggregateSyntax<'s>, errors: &mut Errors) -> Aggregate<'s> {
    let input = syntax.input;
    let missing: Vec<_> = [
        (syntax.id.is_missing(), "id = AccountId"),
        (syntax.commands.is_missing(), "commands(OpenAccount, ..)"),
        (syntax.events.is_missing(), "events(AccountOpened, ..)"),
    ]
    .into_iter()
    .filter_map(|(is_missing, key)| is_missing.then_some(key))
    .collect();
    list::required_keys(input, "aggregate", &missing, errors);
    // Without any key, the optional ones are unknown too.
    let known = |given: &'s Given<Type>| if missing.len() == 3 { &Given::Invalid } else { given };
    let mut commands = list::listed(&syntax.commands, "OpenAccount", errors);
    let mut events = list::listed(&syntax.events, "AccountOpened", errors);
    let retired = list::distinct(&syntax.retired, "OldEvent", |retired| retired, errors);
    let is_listed = |path: &Path| events.iter().any(|listed| shown(listed.path) == shown(path));
    let (twice, retired): (Vec<_>, Vec<_>) = retired.into_iter().partition(|retired| match retired {
        Retired::Type(path) => is_listed(path),
        Retired::Name(_) => false,
    });
    for twice in twice {
        errors.at(twice, format!("`{}` is in `events(..)` as well: take it out of one list", shown(twice)));
    }
    // Beside a generated enum, the other types of a list are unknown.
    let enums = [&syntax.command_enum.ident, &syntax.event_enum.ident].map(ToString::to_string);
    let mut has_enum = |listed: &[Listed<'_>]| {
        list::has_generated_enum(listed.iter().map(|listed| listed.path), &enums, errors)
    };
    if has_enum(&commands) {
        commands.clear();
    }
    // Without the retired events, the listed ones look wrong as well.
    if has_enum(&events) || matches!(syntax.retired, Given::Invalid) {
        events.clear();
    }
    let mut listed: Vec<_> = commands.iter().map(|listed| (listed.path, "Command")).collect();
    listed.extend(events.iter().map(|listed| (listed.path, "Event")));
    listed.extend(retired.iter().filter_map(|retired| retired.event()).map(|event| (event, "Event")));
    if let Some(Type::Path(id)) = syntax.id.value() {
        listed.push((&id.path, "AggregateId"));
    }
    let underived = underived::underived(&input.ident, &listed, true, errors);
    // What is in the wrong list is missing in the other one.
    if underived.iter().any(|lacking| underived::wrong_list(lacking.derive, &lacking.underived).is_some()) {
        commands.clear();
        events.clear();
    }
    Aggregate {
        underived,
        syntax,
        id: items::with_lifetimes("id", &syntax.id, errors),
        error: items::with_lifetimes("error", known(&syntax.error), errors),
        services: items::with_lifetimes("services", known(&syntax.services), errors),
        commands,
        events,
        retired,
        snapshot: syntax.snapshot.as_ref().and_then(|syntax| snapshot::snapshot(syntax, errors)),
        lock: lock::of_this_crate(&input.ident, errors),
        is_valid: is_valid(syntax, errors),
    }
}

fn is_valid(syntax: &AggregateSyntax<'_>, errors: &mut Errors) -> bool {
    items::name(&syntax.name, errors);
    if let Data::Union(data) = &syntax.input.data {
        errors.at(&data.union_token, "the state of an aggregate is a struct or an enum, not a union");
        return false;
    }
    items::no_generics(syntax.input, "aggregate", errors)
}
