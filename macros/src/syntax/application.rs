//! `derive(Application)`.

use proc_macro2::{Span, TokenStream};
use quote::ToTokens as _;
use syn::parse::{Parse, ParseStream};
use syn::spanned::Spanned as _;
use syn::{Attribute, Data, DeriveInput, Ident, LitInt, LitStr, Member, Meta, Path, Type};

use super::{GeneratedEnum, ListedSyntax, has_word};
use crate::attributes::{Given, Keys, List, Options, TypePath, is_misspelled};
use crate::errors::Errors;

/// The attributes that say what a field is.
const ROLES: [&str; 6] = ["services", "projection", "reaction", "process", "store", "hook"];

pub(crate) struct ApplicationSyntax<'i> {
    pub(crate) input: &'i DeriveInput,
    pub(crate) krate: Path,
    pub(crate) name: LitStr,
    pub(crate) aggregates: Given<List<ListedSyntax>>,
    /// The commands that timers send.
    pub(crate) schedules: Given<List<TypePath>>,
    /// Whether commands come by name too.
    pub(crate) takes_names: bool,
    pub(crate) command_enum: GeneratedEnum,
    /// The fields of the struct; none, if it is no struct.
    pub(crate) fields: Vec<PartSyntax<'i>>,
}

/// A field of an application.
pub(crate) struct PartSyntax<'i> {
    pub(crate) member: Member,
    pub(crate) ty: &'i Type,
    /// What the field is, each with its attribute's name.
    pub(crate) roles: Vec<(Ident, RoleSyntax)>,
    /// Whether an attribute has a mistake that may hide a role.
    pub(crate) is_doubtful: bool,
}

pub(crate) enum RoleSyntax {
    Services(Vec<Path>),
    Follower(FollowerSyntax),
    Store,
    Hook,
}

/// How a view, a reaction or a process runs.
pub(crate) struct FollowerSyntax {
    pub(crate) inline: Option<Span>,
    pub(crate) workers: Option<TokenStream>,
    /// How many commands a process sends at a time.
    pub(crate) senders: Option<TokenStream>,
    pub(crate) retry: Given<List<Times>>,
    pub(crate) delay: Option<TokenStream>,
    pub(crate) dead_letters: Option<Span>,
    pub(crate) sequenced: Option<Span>,
    /// The field that has the store.
    pub(crate) store: Option<Member>,
}

/// How often an event is tried again.
pub(crate) struct Times(pub(crate) LitInt);

impl<'i> ApplicationSyntax<'i> {
    pub(crate) fn parse(input: &'i DeriveInput, errors: &mut Errors) -> Self {
        let mut options = Options::parse(
            &input.attrs,
            "application",
            &["name", "aggregates", "schedules", "json", "command", "crate"],
            errors,
        );
        let aggregates = options.list("aggregates", "Order, ..", errors);
        let schedules = options.list("schedules", "CancelOrder, ..", errors);
        let application = Self {
            input,
            krate: options.krate(errors),
            name: options.stored_name(&input.ident, errors),
            aggregates: options.given("aggregates", aggregates),
            schedules: options.given("schedules", schedules),
            takes_names: options.flag("json", errors).is_some(),
            command_enum: GeneratedEnum::parse(&mut options, "command", &input.ident, errors),
            fields: match &input.data {
                Data::Struct(data) => data
                    .fields
                    .members()
                    .zip(&data.fields)
                    .map(|(member, field)| PartSyntax::parse(member, &field.ty, &field.attrs, errors))
                    .collect(),
                _ => Vec::new(),
            },
        };
        options.finish();
        application
    }
}

impl<'i> PartSyntax<'i> {
    fn parse(member: Member, ty: &'i Type, attributes: &[Attribute], errors: &mut Errors) -> Self {
        let earlier = errors.count();
        let tokens = attributes.iter().filter_map(role).flat_map(|role| quote::quote!(#role,)).collect();
        let mut options = Options::nested("field", &ROLES, tokens, errors);
        let mut roles = Vec::new();
        if let Some(List { key, items }) = options.list("services", "Payment, ..", errors) {
            let aggregates = items.into_iter().map(|TypePath(path)| path).collect();
            roles.push((key, RoleSyntax::Services(aggregates)));
        }
        let of_view =
            keys(&["inline", "workers", "retry", "delay", "dead_letters", "sequenced", "store"], OF_VIEW);
        if let Some((key, mut nested)) = options.maybe_options("projection", of_view, errors) {
            let inline = nested.flag("inline", errors);
            let follower = FollowerSyntax { inline, ..FollowerSyntax::parse(nested, errors) };
            roles.push((key, RoleSyntax::Follower(follower)));
        }
        let of_reaction =
            keys(&["workers", "retry", "delay", "dead_letters", "sequenced", "store"], OF_REACTION);
        if let Some((key, nested)) = options.maybe_options("reaction", of_reaction, errors) {
            roles.push((key, RoleSyntax::Follower(FollowerSyntax::parse(nested, errors))));
        }
        let of_process = keys(&["senders", "retry", "delay"], OF_PROCESS);
        if let Some((key, mut nested)) = options.maybe_options("process", of_process, errors) {
            let follower = FollowerSyntax {
                senders: nested.expression("senders", errors),
                retry: retry(&mut nested, errors),
                delay: nested.expression("delay", errors),
                inline: None,
                workers: None,
                dead_letters: None,
                sequenced: None,
                store: None,
            };
            nested.finish();
            roles.push((key, RoleSyntax::Follower(follower)));
        }
        if let Some(span) = options.flag("store", errors) {
            roles.push((Ident::new("store", span), RoleSyntax::Store));
        }
        if let Some(span) = options.flag("hook", errors) {
            roles.push((Ident::new("hook", span), RoleSyntax::Hook));
        }
        options.finish();
        Self { member, ty, roles, is_doubtful: errors.count() > earlier }
    }
}

impl FollowerSyntax {
    fn parse(mut options: Options, errors: &mut Errors) -> Self {
        let follower = Self {
            inline: None,
            senders: None,
            workers: options.expression("workers", errors),
            retry: retry(&mut options, errors),
            delay: options.expression("delay", errors),
            dead_letters: options.flag("dead_letters", errors),
            sequenced: options.flag("sequenced", errors),
            store: options.assigned("store", "field", errors),
        };
        options.finish();
        follower
    }
}

/// The keys of a field, and those of the follower's own attribute, which has the same name.
const fn keys(known: &'static [&'static str], elsewhere: Elsewhere) -> Keys {
    Keys { known, repeating: &[], elsewhere }
}

type Elsewhere = &'static [(&'static [&'static str], &'static str)];

const OF_VIEW: Elsewhere = &[(
    &["name", "version", "events", "from", "into", "partition_by", "init"],
    "on the view's struct, in its own `#[projection(..)]`",
)];
const OF_REACTION: Elsewhere = &[(
    &["name", "events", "from", "commands", "partition_by"],
    "on the reaction's struct, in its own `#[reaction(..)]`",
)];
const OF_PROCESS: Elsewhere = &[(
    &["name", "id", "starts", "events", "from", "commands", "timeouts"],
    "on the process's struct, in its own `#[process(..)]`",
)];

/// What an attribute says of a field. rustc reports one that is misspelled.
fn role(attribute: &Attribute) -> Option<TokenStream> {
    let name = ROLES.iter().find(|name| attribute.path().is_ident(name));
    if name.is_some() {
        return Some(attribute.meta.to_token_stream());
    }
    let name = ROLES.iter().find(|name| is_misspelled(attribute, name))?;
    let mut key = Ident::new(name, attribute.path().span()).into_token_stream();
    if let Meta::List(list) = &attribute.meta {
        let tokens = &list.tokens;
        key.extend(quote::quote!((#tokens)));
    }
    Some(key)
}

fn retry(options: &mut Options, errors: &mut Errors) -> Given<List<Times>> {
    let retry = options.list("retry", "5", errors);
    options.given("retry", retry)
}

impl Parse for Times {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        if input.peek(LitInt) {
            return input.parse().map(Self);
        }
        let tokens: TokenStream = input.parse()?;
        let is_delay = has_word(tokens.clone(), "delay");
        let beside = if is_delay { ", with `delay = ..` beside it" } else { "" };
        let message = format!("write how often an event is tried again, as `retry(5)`{beside}");
        Err(syn::Error::new_spanned(tokens, message))
    }
}
