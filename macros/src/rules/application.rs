//! What an application must be like: each field is one thing, and what fields name is there.

use proc_macro2::TokenStream;
use syn::{GenericArgument, LitInt, Path, PathArguments, Type};

use super::{handlers, items, list, underived};
use crate::errors::{Errors, shown};
use crate::syntax::{self, ApplicationSyntax, FollowerSyntax, GeneratedEnum, PartSyntax, RoleSyntax};

pub(crate) struct Application<'s> {
    pub(crate) syntax: &'s ApplicationSyntax<'s>,
    pub(crate) aggregates: Vec<Member<'s>>,
    pub(crate) followers: Vec<Follower<'s>>,
    /// The fields that are hooks, in their order.
    pub(crate) hooks: Vec<&'s PartSyntax<'s>>,
    /// The commands that timers send.
    pub(crate) schedules: Vec<&'s Path>,
}

/// An aggregate of an application.
pub(crate) struct Member<'s> {
    pub(crate) path: &'s Path,
    /// The variant of the command enum that holds its commands.
    pub(crate) variant: syn::Ident,
    /// The field with its services.
    pub(crate) services: Option<&'s PartSyntax<'s>>,
}

/// A view, a reaction or a process of an application.
pub(crate) struct Follower<'s> {
    pub(crate) field: &'s PartSyntax<'s>,
    pub(crate) kind: Kind,
    pub(crate) is_inline: bool,
    pub(crate) workers: Option<&'s TokenStream>,
    pub(crate) senders: Option<&'s TokenStream>,
    pub(crate) retry: Option<&'s LitInt>,
    pub(crate) delay: Option<&'s TokenStream>,
    pub(crate) letters: Letters,
    /// The field with the store that it is kept in, if that is not the store of the events.
    pub(crate) store: Option<&'s PartSyntax<'s>>,
}

/// What a follower is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    View,
    Reaction,
    Process,
}

/// What happens to an event that still fails.
#[derive(Clone, Copy)]
pub(crate) enum Letters {
    None,
    Any,
    Sequenced,
}

/// The model; `None` if something is wrong with the application.
pub(crate) fn application<'s>(
    syntax: &'s ApplicationSyntax<'s>,
    errors: &mut Errors,
) -> Option<Application<'s>> {
    items::plain_struct(syntax.input, "application", errors);
    items::name(&syntax.name, errors);
    list::required(syntax.input, "application", &syntax.aggregates, "aggregates(Order, ..)", errors);
    let listed = list::listed(&syntax.aggregates, "Order", errors).into_iter();
    let mut aggregates: Vec<_> =
        listed.map(|list::Listed { path, variant }| Member { path, variant, services: None }).collect();
    if syntax.takes_names {
        serde_twice(&syntax.command_enum, errors);
    }
    let schedules = list::distinct(&syntax.schedules, "CancelOrder", |command| &command.0, errors);
    let schedules = schedules.into_iter().map(|command| &command.0).collect();
    let (mut followers, mut hooks): (Vec<Follower<'_>>, Vec<_>) = Default::default();
    for field in &syntax.fields {
        match &*field.roles {
            [] if !field.is_doubtful => errors.at(&field.ty, what_is(field)),
            [_, (second, _), ..] => {
                errors.at(
                    second,
                    "a field is one thing: leave one of its attributes, and make a field of the other",
                );
            }
            // Of a list that is missing or has a mistake, it is not known what it should have.
            [(_, RoleSyntax::Services(_))] if syntax.aggregates.value().is_none() => {}
            [(_, RoleSyntax::Services(of))] => add_services(&mut aggregates, field, of, errors),
            [(key, RoleSyntax::Follower(role))] => {
                if let Some(earlier) =
                    followers.iter().find(|earlier| shown(earlier.field.ty) == shown(field.ty))
                {
                    let message = format!(
                        "`{}` is the follower in `{}` already: an application runs it once",
                        shown(field.ty),
                        shown(&earlier.field.member),
                    );
                    errors.at(field.ty, message);
                }
                is_follower(syntax, field, key, role.workers.as_ref(), errors);
                let store = role.store.as_ref().and_then(|store| the_store(syntax, store, errors));
                followers.push(follower(field, kind(key), role, store, errors));
            }
            [(_, RoleSyntax::Hook)] => hooks.push(field),
            [(_, RoleSyntax::Store)] | [] => {}
        }
    }
    (!errors.any()).then_some(Application { syntax, aggregates, followers, hooks, schedules })
}

/// Reports serde's derives on an enum that `json` makes readable by names.
fn serde_twice(generated: &GeneratedEnum, errors: &mut Errors) {
    for path in &generated.derives {
        if path.segments.last().is_some_and(|last| last.ident == "Serialize" || last.ident == "Deserialize") {
            let message =
                "`json` writes this impl, with the names of commands: leave the derive out, or `json`";
            errors.at(path, message);
        }
    }
}

fn kind(role: &syn::Ident) -> Kind {
    match role {
        _ if role == "projection" => Kind::View,
        _ if role == "reaction" => Kind::Reaction,
        _ => Kind::Process,
    }
}

/// Reports a field whose type is no such follower, as far as its name and its derives tell. What else it is, rustc finds out.
fn is_follower(
    syntax: &ApplicationSyntax<'_>,
    field: &PartSyntax<'_>,
    role: &syn::Ident,
    workers: Option<&TokenStream>,
    errors: &mut Errors,
) {
    let kinds = [("Projection", "projection"), ("Reaction", "reaction"), ("Process", "process")];
    let Some((derive, wanted)) = kinds.iter().find(|(_, wanted)| role == wanted) else { return };
    let ty = shown(field.ty);
    // A struct may have the name of a type of std, but not that of a number.
    let is_primitive = handlers::is_no_struct(field.ty) && ty.starts_with(char::is_lowercase);
    let message = if let Some(inner) = wrapped(field.ty) {
        format!("write the type itself, `{}`", shown(inner))
    } else if is_primitive {
        format!("`{ty}` is not a {wanted}: a {wanted} is a struct of its own, with `#[derive({derive})]`")
    } else if let Some(underived) = syntax::underived_field(&syntax.input.ident, field.ty, derive) {
        match kinds.iter().find(|(other, _)| underived.derives.iter().any(|derive| derive == other)) {
            Some((_, other)) => format!("`{ty}` is not a {wanted}, but a {other}: write `#[{other}]`"),
            None => format!("`{ty}` is not {}", underived::what_to_write(derive)),
        }
    } else if workers.is_some() && syntax::lacks_key(&syntax.input.ident, field.ty, wanted, "partition_by") {
        format!(
            "`{ty}` does not say that several workers can share it: add `partition_by = stream` to its `#[{wanted}(..)]`, \
             if events of different streams may come in any order"
        )
    } else if workers.is_some() && syntax::underived_field(&syntax.input.ident, field.ty, "Clone").is_some() {
        format!("each worker has a copy of `{ty}`: derive `Clone` for it")
    } else {
        return;
    };
    errors.at(field.ty, message);
}

/// The type in a box, a list or the like, of which none is a follower.
fn wrapped(ty: &Type) -> Option<&Type> {
    let Type::Path(path) = ty else { return None };
    let last = path.path.segments.last()?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
    match arguments.args.first()? {
        GenericArgument::Type(inner) => {
            let wrappers = ["Box", "Rc", "Arc", "Vec", "Option", "Mutex", "RwLock", "RefCell"];
            wrappers.iter().any(|wrapper| last.ident == wrapper).then(|| wrapped(inner).unwrap_or(inner))
        }
        _ => None,
    }
}

fn what_is(field: &PartSyntax<'_>) -> String {
    let member = match &field.member {
        syn::Member::Named(name) => name.to_string(),
        syn::Member::Unnamed(index) => index.index.to_string(),
    };
    format!(
        "nothing says what `{member}` is in the application: mark it with `#[projection]`, `#[reaction]`, \
         `#[process]`, `#[hook]`, `#[services(..)]` or `#[store]`"
    )
}

/// Gives aggregates their services.
fn add_services<'s>(
    aggregates: &mut [Member<'s>],
    field: &'s PartSyntax<'s>,
    of: &'s [Path],
    errors: &mut Errors,
) {
    for path in of {
        match aggregates.iter_mut().find(|aggregate| shown(aggregate.path) == shown(path)) {
            None => {
                errors.at(path, format!("`{}` is not in `aggregates(..)` of the application", shown(path)));
            }
            Some(Member { services: Some(_), .. }) => {
                errors.at(path, format!("`{}` has its services in a field before this one", shown(path)));
            }
            Some(aggregate) => aggregate.services = Some(field),
        }
    }
}

/// The field that `store = ..` names.
fn the_store<'s>(
    syntax: &'s ApplicationSyntax<'s>,
    name: &syn::Member,
    errors: &mut Errors,
) -> Option<&'s PartSyntax<'s>> {
    let is_store = |field: &&PartSyntax<'_>| {
        field.member == *name && field.roles.iter().any(|(_, role)| matches!(role, RoleSyntax::Store))
    };
    let store = syntax.fields.iter().find(is_store);
    if store.is_none() {
        errors.at(
            name,
            match name {
                syn::Member::Named(name) => {
                    format!(
                        "no field of the application is a store with this name: add `#[store] {name}: ..`"
                    )
                }
                syn::Member::Unnamed(_) => {
                    "no field with this number is a store: add `#[store]` to the one that is".to_owned()
                }
            },
        );
    }
    store
}

fn follower<'s>(
    field: &'s PartSyntax<'s>,
    kind: Kind,
    role: &'s FollowerSyntax,
    store: Option<&'s PartSyntax<'s>>,
    errors: &mut Errors,
) -> Follower<'s> {
    let FollowerSyntax { inline, workers, senders, retry, delay, dead_letters, sequenced, store: store_name } =
        role;
    if let Some(inline) = *inline {
        let others = [
            ("workers", workers.is_some()),
            ("retry", !retry.is_missing()),
            ("delay", delay.is_some()),
            ("dead_letters", dead_letters.is_some()),
            ("sequenced", sequenced.is_some()),
            ("store", store_name.is_some()),
        ];
        if let Some((other, _)) = others.into_iter().find(|(_, is_given)| *is_given) {
            let message = format!("an `inline` view is part of each append: it has no `{other}`");
            errors.at_span(inline, message);
        }
    }
    let times = match retry.value().map(|retry| (&retry.key, &*retry.items)) {
        None => None,
        Some((_, [times])) => Some(&times.0),
        Some((key, _)) => {
            errors.at(key, "write how often an event is tried again, as `retry(5)`");
            None
        }
    };
    if let Some(delay) = delay.as_ref().filter(|_| retry.is_missing()) {
        errors.at(delay, "a delay is one before a retry: add `retry(5)`");
    }
    let letters = match (dead_letters, sequenced) {
        (_, Some(_)) => Letters::Sequenced,
        (Some(_), None) => Letters::Any,
        (None, None) => Letters::None,
    };
    Follower {
        field,
        kind,
        is_inline: inline.is_some(),
        workers: workers.as_ref(),
        senders: senders.as_ref(),
        retry: times,
        delay: delay.as_ref(),
        letters,
        store,
    }
}
