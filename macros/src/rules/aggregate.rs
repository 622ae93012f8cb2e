//! What an aggregate must be like.

use syn::Data;

use super::list::{self, Listed};
use super::{Snapshot, items, snapshot};
use crate::errors::Errors;
use crate::lock::{self, LockFile};
use crate::syntax::AggregateSyntax;

pub(crate) struct Aggregate<'s> {
    pub(crate) syntax: &'s AggregateSyntax<'s>,
    /// Empty if the list is missing or has an error, which is reported.
    pub(crate) commands: Vec<Listed<'s>>,
    /// Empty if the list is missing or has an error, which is reported.
    pub(crate) events: Vec<Listed<'s>>,
    pub(crate) snapshot: Option<Snapshot<'s>>,
    /// The crate's `events.lock`, if it has one.
    pub(crate) lock: Option<LockFile>,
    /// Whether its impls can be made.
    pub(crate) is_valid: bool,
}

pub(crate) fn aggregate<'s>(syntax: &'s AggregateSyntax<'s>, errors: &mut Errors) -> Aggregate<'s> {
    let input = syntax.input;
    list::required(input, "aggregate", &syntax.id, "id = AccountId", errors);
    list::required(input, "aggregate", &syntax.commands, "commands(OpenAccount, ..)", errors);
    list::required(input, "aggregate", &syntax.events, "events(AccountOpened, ..)", errors);
    Aggregate {
        syntax,
        commands: list::listed(&syntax.commands, "OpenAccount", errors),
        events: list::listed(&syntax.events, "AccountOpened", errors),
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
