//! `derive(Application)`.

use proc_macro2::{Span, TokenStream};
use quote::ToTokens as _;
use syn::{Attribute, Data, DeriveInput, Ident, LitInt, LitStr, Member, Path, Type};

use super::{GeneratedEnum, ListedSyntax};
use crate::attributes::{Given, List, Options, TypePath};
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
#[derive(Default)]
pub(crate) struct FollowerSyntax {
    pub(crate) inline: Option<Span>,
    pub(crate) workers: Option<TokenStream>,
    /// How many commands a process sends at a time.
    pub(crate) senders: Option<TokenStream>,
    pub(crate) retry: Option<List<LitInt>>,
    pub(crate) delay: Option<TokenStream>,
    pub(crate) dead_letters: Option<Span>,
    pub(crate) sequenced: Option<Span>,
    /// The field that has the store.
    pub(crate) store: Option<Member>,
}

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
        let is_role = |attribute: &&Attribute| ROLES.iter().any(|role| attribute.path().is_ident(role));
        let metas = attributes.iter().filter(is_role).map(|attribute| attribute.meta.to_token_stream());
        let tokens = metas.flat_map(|meta| quote::quote!(#meta,)).collect();
        let mut options = Options::nested("field", &ROLES, tokens, errors);
        let mut roles = Vec::new();
        if let Some(List { key, items }) = options.list("services", "Payment, ..", errors) {
            let aggregates = items.into_iter().map(|TypePath(path)| path).collect();
            roles.push((key, RoleSyntax::Services(aggregates)));
        }
        let of_view = &["inline", "workers", "retry", "delay", "dead_letters", "sequenced", "store"];
        if let Some((key, mut nested)) = options.maybe_options("projection", of_view, errors) {
            let inline = nested.flag("inline", errors);
            let follower = FollowerSyntax { inline, ..FollowerSyntax::parse(nested, errors) };
            roles.push((key, RoleSyntax::Follower(follower)));
        }
        let of_reaction = &["workers", "retry", "delay", "dead_letters", "sequenced", "store"];
        if let Some((key, nested)) = options.maybe_options("reaction", of_reaction, errors) {
            roles.push((key, RoleSyntax::Follower(FollowerSyntax::parse(nested, errors))));
        }
        if let Some((key, mut nested)) =
            options.maybe_options("process", &["senders", "retry", "delay"], errors)
        {
            let follower = FollowerSyntax {
                senders: nested.expression("senders", errors),
                retry: nested.list("retry", "5", errors),
                delay: nested.expression("delay", errors),
                ..FollowerSyntax::default()
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
            retry: options.list("retry", "5", errors),
            delay: options.expression("delay", errors),
            dead_letters: options.flag("dead_letters", errors),
            sequenced: options.flag("sequenced", errors),
            store: options.assigned("store", "field", errors),
        };
        options.finish();
        follower
    }
}
