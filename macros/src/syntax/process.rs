//! What `derive(Process)` has besides the keys of all followers.

use proc_macro2::TokenStream;
use syn::parse::discouraged::Speculative as _;
use syn::parse::{Parse, ParseStream};
use syn::{Ident, Member, Path, Token, Type};

use crate::attributes::{Given, List, Options, TypePath};
use crate::errors::{Errors, shown};

pub(crate) struct ProcessSyntax {
    pub(crate) id: Given<Type>,
    /// The events that start an instance.
    pub(crate) starts: Given<List<RoutedSyntax>>,
    /// The events that an instance gets once it has started.
    pub(crate) events: Given<List<RoutedSyntax>>,
    pub(crate) commands: Given<List<SentSyntax>>,
    pub(crate) timeouts: Given<List<TypePath>>,
}

/// `Event by stream`, or `Event by field`.
pub(crate) struct RoutedSyntax {
    pub(crate) path: Path,
    pub(crate) by: Route,
}

/// Which instance an event is for.
pub(crate) enum Route {
    /// The one of the aggregate's id; the word `stream`, as it stands.
    Stream(Ident),
    /// The one whose id the event has in a field.
    Field(Member),
}

/// `Command`, `Command for Aggregate`, `Command unrefused`.
pub(crate) struct SentSyntax {
    pub(crate) path: Path,
    pub(crate) aggregate: Option<Path>,
    pub(crate) unrefused: Option<Ident>,
}

impl ProcessSyntax {
    pub(super) fn parse(options: &mut Options, errors: &mut Errors) -> Self {
        let id = options.ty("id", errors);
        let starts = options.list("starts", "OrderPlaced by stream, ..", errors);
        let events = options.list("events", "PaymentTaken by order, ..", errors);
        let commands = options.list("commands", "ShipOrder, ..", errors);
        let timeouts = options.list("timeouts", "PaymentOverdue, ..", errors);
        Self {
            id: options.given("id", id),
            starts: options.given("starts", starts),
            events: options.given("events", events),
            commands: options.given("commands", commands),
            timeouts: options.given("timeouts", timeouts),
        }
    }
}

impl Parse for RoutedSyntax {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let path = leading_path(input)?;
        let by: Option<Ident> = input.parse()?;
        let shown = shown(&path);
        if by.is_none_or(|by| by != "by") || input.is_empty() {
            return Err(syn::Error::new_spanned(
                path,
                format!(
                    "say whose instance the event is for: `{shown} by stream`, if the aggregate that it happens to has the \
                     process's id, or `{shown} by field`, with the field that has it"
                ),
            ));
        }
        let rest: TokenStream = input.parse()?;
        match syn::parse2(rest.clone()) {
            Ok(Member::Named(word)) if word == "stream" => Ok(Self { path, by: Route::Stream(word) }),
            Ok(field) => Ok(Self { path, by: Route::Field(field) }),
            Err(_) => {
                let message =
                    format!("write `{shown} by field`, with the name of a field, or `{shown} by stream`");
                Err(syn::Error::new_spanned(rest, message))
            }
        }
    }
}

impl Parse for SentSyntax {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let path = leading_path(input)?;
        if path.is_ident("unrefused") {
            input.parse::<TokenStream>()?;
            let message = "write `unrefused` behind its command, as `ShipOrder unrefused`";
            return Err(syn::Error::new_spanned(path, message));
        }
        let aggregate = match input.parse::<Option<Token![for]>>()? {
            Some(word) if input.is_empty() => {
                let message = format!("write the aggregate after it, as `{} for Order`", shown(&path));
                return Err(syn::Error::new_spanned(word, message));
            }
            Some(_) => Some(leading_path(input)?),
            None => None,
        };
        let rest: TokenStream = input.parse()?;
        match syn::parse2::<Option<Ident>>(rest.clone()) {
            Ok(word) if word.as_ref().is_none_or(|word| word == "unrefused") => {
                Ok(Self { path, aggregate, unrefused: word })
            }
            _ => {
                let shown = shown(&path);
                let message =
                    format!("write `{shown}`, `{shown} unrefused`, or `{shown} for Aggregate unrefused`");
                Err(syn::Error::new_spanned(rest, message))
            }
        }
    }
}

/// A path before further words of an item. What is no path has the message of other lists.
fn leading_path(input: ParseStream<'_>) -> syn::Result<Path> {
    let ahead = input.fork();
    match Path::parse_mod_style(&ahead) {
        Ok(path) if path.segments.first().is_some_and(|first| first.ident != "Self") => {
            input.advance_to(&ahead);
            Ok(path)
        }
        _ => input.parse().map(|TypePath(path)| path),
    }
}
