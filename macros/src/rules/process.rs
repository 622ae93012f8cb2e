//! What a process must be like, beside what holds for all followers.

use std::collections::HashSet;

use syn::{Path, Type};

use super::{items, list};
use crate::errors::{Errors, shown};
use crate::syntax::{Given, ProcessSyntax, ProjectionSyntax, Route, RoutedSyntax, SentSyntax};

pub(crate) struct Process<'s> {
    /// The type of the instances' ids; `None` if it is missing or wrong, which is reported.
    pub(crate) id: Option<&'s Type>,
    /// The events: those that start an instance first.
    pub(crate) events: Vec<RoutedEvent<'s>>,
    pub(crate) commands: Vec<&'s SentSyntax>,
    pub(crate) timeouts: Vec<&'s Path>,
}

pub(crate) struct RoutedEvent<'s> {
    pub(crate) path: &'s Path,
    pub(crate) by: &'s Route,
    pub(crate) starts: bool,
}

pub(super) fn process<'s>(
    syntax: &'s ProjectionSyntax<'s>,
    process: &'s ProcessSyntax,
    errors: &mut Errors,
) -> Process<'s> {
    let ProcessSyntax { id, starts, events, commands, timeouts } = process;
    are_there(syntax, process, errors);
    let id = match items::with_lifetimes("id", id, errors) {
        Given::Value(id) => Some(id),
        Given::Missing | Given::Invalid => None,
    };
    let mut routed = Vec::new();
    let mut names = HashSet::new();
    for (list, starts) in [(starts, true), (events, false)] {
        for RoutedSyntax { path, by } in
            list::distinct(list, "OrderPlaced by stream", |event| &event.path, errors)
        {
            if names.insert(shown(path)) {
                routed.push(RoutedEvent { path, by, starts });
            } else {
                let shown = shown(path);
                errors.at(
                    path,
                    format!(
                        "`{shown}` is in `starts(..)` already: an event that starts an instance is one that it gets, too"
                    ),
                );
            }
        }
    }
    let commands = list::distinct(commands, "ShipOrder", |command| &command.path, errors);
    let timeouts_listed = list::distinct(timeouts, "PaymentOverdue", |timeout| &timeout.0, errors);
    let mut timeouts_listed: Vec<_> = timeouts_listed.into_iter().map(|timeout| &timeout.0).collect();
    // Of a list with a mistake, it is not known what it should have. A handler may be for any of the three.
    let is_doubtful =
        starts.value().is_none() || matches!(events, Given::Invalid) || matches!(timeouts, Given::Invalid);
    if is_doubtful {
        routed.clear();
        timeouts_listed.clear();
    }
    Process { id, events: routed, commands, timeouts: timeouts_listed }
}

/// The keys that must be there: one error for all.
fn are_there(syntax: &ProjectionSyntax<'_>, process: &ProcessSyntax, errors: &mut Errors) {
    let missing: Vec<_> = [
        (process.id.is_missing(), "id = OrderId"),
        (process.starts.is_missing(), "starts(OrderPlaced by stream)"),
        (syntax.from.is_missing(), "from(Order, ..)"),
        (process.commands.is_missing(), "commands(ShipOrder, ..)"),
    ]
    .into_iter()
    .filter_map(|(is_missing, key)| is_missing.then_some(key))
    .collect();
    list::required_keys(syntax.input, "process", &missing, errors);
}
