//! What marked methods must be like.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use quote::ToTokens;
use syn::{Ident, Type};

use crate::errors::Errors;
use crate::model::{Handler, Marker, Receiver};

/// Whether a marked method has the signature that its marker asks for.
pub(crate) fn handler(handler: &Handler, errors: &mut Errors) -> bool {
    let Handler { marker, name, arguments, .. } = handler;
    let method = marker.with_article();
    let mut right = true;
    let mut wrong = |tokens: &dyn ToTokens, message: String| {
        errors.at(&tokens.to_token_stream(), message);
        right = false;
    };
    if let Some(asyncness) = &handler.asyncness {
        let why = match marker {
            Marker::Execute | Marker::Apply | Marker::Upcast => {
                "it decides on what it has, and waits for nothing"
            }
            Marker::Project => "it writes in the transaction that it is given, and waits for nothing",
            Marker::React => {
                "it runs in a thread of its own, and may block: hand the future to your runtime's `block_on`"
            }
        };
        wrong(asyncness, format!("{method} is not async: {why}"));
    }
    if let Some(generics) = &handler.generics {
        wrong(generics, format!("{method} has no generic parameters: one method, one type"));
    }
    let demand = match (marker, &handler.receiver) {
        (Marker::Execute | Marker::Project | Marker::React, Receiver::Shared(_))
        | (Marker::Apply | Marker::Project | Marker::React, Receiver::Exclusive(_))
        | (Marker::Upcast, Receiver::None(_)) => None,
        (Marker::Execute, _) => {
            Some("takes `&self`: it decides; what changes the state is an `#[apply]` method")
        }
        (Marker::Apply, _) => Some("takes `&mut self`: it changes the state as the event says"),
        (Marker::Project | Marker::React, _) => Some("takes `&mut self` or `&self`"),
        (Marker::Upcast, _) => Some("takes no `self`: what an event has become does not depend on the state"),
    };
    if let Some(demand) = demand {
        wrong(handler.receiver.tokens(), format!("{method} {demand}"));
    }
    let (fewest, most) = marker.arguments();
    if arguments.len() < fewest {
        wrong(name, format!("write it as `{}`", marker.example(name)));
    } else if let Some(extra) = arguments.get(most) {
        wrong(extra, format!("write it as `{}`", marker.example(name)));
    }
    match arguments.first() {
        Some(first @ Type::Reference(_)) if matches!(marker, Marker::Execute | Marker::Upcast) => {
            let what = if *marker == Marker::Execute { "command" } else { "event" };
            wrong(first, format!("{method} takes its {what} by value: leave out the `&`"));
        }
        Some(event)
            if matches!(marker, Marker::Apply | Marker::Project | Marker::React)
                && !matches!(event, Type::Reference(_)) =>
        {
            wrong(event, format!("{method} borrows its event: write `&{}`", event.to_token_stream()));
        }
        _ => {}
    }
    if let (Marker::Apply, Some(output)) = (marker, &handler.output) {
        wrong(
            output,
            format!("{method} returns nothing: the event has happened, and can't be refused any more"),
        );
    }
    right
}

/// No two methods of a block handle one thing; `earlier` are the names of those that do, by what that is.
pub(crate) fn handled_once(
    handler: &Handler,
    earlier: &mut BTreeMap<(Marker, String), Ident>,
    errors: &mut Errors,
) -> bool {
    // One of two with `cfg` on them may not be there.
    let Some(ty) = handler.handles().filter(|_| handler.cfgs.is_empty()) else { return true };
    match earlier.entry((handler.marker, ty.to_token_stream().to_string())) {
        Entry::Occupied(other) => {
            errors.at(ty, format!("`{}` handles `{}` already", other.get(), other.key().1));
            false
        }
        Entry::Vacant(first) => {
            first.insert(handler.name.clone());
            true
        }
    }
}
