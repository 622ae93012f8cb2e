//! An `impl` block with marked methods.
//!
//! Read token by token rather than by syn's parser of whole items: bodies are none of our business, stay as they are
//! (even half-typed, so that completion works in them), and syn need not be built with its grammar of expressions.

use std::collections::BTreeMap;

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use quote::ToTokens as _;
use syn::parse::{ParseStream, Parser as _};
use syn::{Attribute, Generics, Ident, Path, ReturnType, Token, Type, Visibility, WhereClause};

use crate::check;
use crate::errors::Errors;
use crate::options::{Options, default_crate};

pub(crate) struct Handlers {
    pub(crate) krate: Path,
    pub(crate) self_ty: Type,
    /// The block, its markers replaced by what keeps clippy quiet.
    pub(crate) item: TokenStream,
    pub(crate) methods: Vec<Handler>,
}

/// A marked method.
pub(crate) struct Handler {
    pub(crate) marker: Marker,
    pub(crate) cfgs: Vec<Attribute>,
    pub(crate) name: Ident,
    pub(crate) asyncness: Option<Token![async]>,
    /// Its generic parameters, if it has any.
    pub(crate) generics: Option<TokenStream>,
    pub(crate) receiver: Receiver,
    /// The types of the arguments after the receiver.
    pub(crate) arguments: Vec<Type>,
    /// What it returns, if that is written and not `()`.
    pub(crate) output: Option<Type>,
    /// It breaks a rule, as has been told. Its impl is there all the same, so that nobody misses it as well.
    pub(crate) wrong: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Marker {
    Execute,
    Apply,
    Project,
    React,
    Upcast,
}

/// How a method takes `self`, and the tokens that say so.
pub(crate) enum Receiver {
    /// `&self`
    Shared(TokenStream),
    /// `&mut self`
    Exclusive(TokenStream),
    /// Any other way.
    Other(TokenStream),
    /// Not at all; the tokens are the method's name.
    None(TokenStream),
}

impl Receiver {
    pub(crate) fn tokens(&self) -> &TokenStream {
        match self {
            Self::Shared(tokens) | Self::Exclusive(tokens) | Self::Other(tokens) | Self::None(tokens) => {
                tokens
            }
        }
    }
}

impl Handler {
    /// The type of the command or event that it handles.
    pub(crate) fn handles(&self) -> Option<&Type> {
        match self.arguments.first()? {
            Type::Reference(reference) => Some(&reference.elem),
            ty => Some(ty),
        }
    }
}

impl Marker {
    fn of(attribute: &Attribute) -> Option<Self> {
        let path = attribute.path();
        // Another crate's `apply` is none of ours.
        if path.segments.len() > 1 && path.segments.first()?.ident != "factum" {
            return None;
        }
        let name = path.segments.last()?.ident.to_string();
        [Self::Execute, Self::Apply, Self::Project, Self::React, Self::Upcast]
            .into_iter()
            .find(|marker| marker.name() == name)
    }

    /// As it stands in a sentence.
    pub(crate) fn with_article(self) -> &'static str {
        match self {
            Self::Execute => "an `#[execute]` method",
            Self::Apply => "an `#[apply]` method",
            Self::Project => "a `#[project]` method",
            Self::React => "a `#[react]` method",
            Self::Upcast => "an `#[upcast]` function",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Execute => "execute",
            Self::Apply => "apply",
            Self::Project => "project",
            Self::React => "react",
            Self::Upcast => "upcast",
        }
    }

    /// How many arguments it takes after `self`, at least and at most.
    pub(crate) fn arguments(self) -> (usize, usize) {
        match self {
            Self::Execute => (1, 2),
            Self::Apply | Self::Upcast => (1, 1),
            Self::Project | Self::React => (1, 3),
        }
    }

    pub(crate) fn example(self, name: &Ident) -> String {
        match self {
            Self::Execute => {
                format!(
                    "fn {name}(&self, command: C) -> Result<Event, Error>`, with services `fn {name}(&self, command: C, services: &S) -> .."
                )
            }
            Self::Apply => format!("fn {name}(&mut self, event: &E)"),
            Self::Upcast => format!("fn {name}(event: E) -> (One, Other)"),
            Self::Project => {
                format!(
                    "fn {name}(&mut self, event: &E, envelope: &Envelope<'_>, transaction: &Transaction<'_>)"
                )
            }
            Self::React => {
                format!("fn {name}(&self, event: &E, envelope: &Envelope<'_>, delivery: &Delivery)")
            }
        }
    }
}

impl Handlers {
    pub(crate) fn parse(arguments: TokenStream, item: TokenStream, errors: &mut Errors) -> Option<Self> {
        let mut options = Options::nested("handlers", &["crate"], arguments, errors);
        let krate = if options.mentions("crate") { options.krate(errors) } else { default_crate() };
        options.finish();
        let block = errors.ok(Block::parse(item))?;
        // Without its markers, none of which is then told to be outside of `#[handlers]`.
        let without_handlers = |block: Block| {
            Some(Self {
                krate: default_crate(),
                self_ty: block.self_ty,
                item: block.item,
                methods: Vec::new(),
            })
        };
        if let Some(of_trait) = &block.of_trait {
            errors.at(
                of_trait,
                "`#[handlers]` goes on an `impl` block of the type itself; an `impl` of a trait stays as it is",
            );
            return without_handlers(block);
        }
        if !block.generics.params.is_empty() {
            errors.at(&block.generics, "`#[handlers]` goes on an `impl` without generic parameters");
            return without_handlers(block);
        }
        let (mut methods, mut handled) = (Vec::new(), BTreeMap::new());
        for method in block.methods {
            let Some((marker, second)) = method.markers() else { continue };
            if let Some(second) = second {
                let message =
                    "a method has one of `#[execute]`, `#[apply]`, `#[upcast]`, `#[project]` and `#[react]`";
                errors.at(second, message);
            }
            let Some(mut method) = errors.ok(method.signature(marker)) else { continue };
            method.wrong = !check::handler(&method, errors);
            if check::handled_once(&method, &mut handled, errors) && !method.arguments.is_empty() {
                methods.push(method);
            }
        }
        Some(Self { krate, self_ty: block.self_ty, item: block.item, methods })
    }
}

/// The block, its methods not yet looked into.
struct Block {
    generics: Generics,
    of_trait: Option<TokenStream>,
    self_ty: Type,
    methods: Vec<Method>,
    item: TokenStream,
}

/// A method as it stands, up to its body.
struct Method {
    attributes: Vec<Attribute>,
    asyncness: Option<Token![async]>,
    name: Ident,
    generics: Generics,
    arguments: TokenStream,
    output: ReturnType,
}

impl Block {
    fn parse(item: TokenStream) -> syn::Result<Self> {
        let mut head: Vec<TokenTree> = item.into_iter().collect();
        let body = head.pop_if(|last| is_braces(last));
        (|input: ParseStream<'_>| Self::parse_head(input, body)).parse2(head.into_iter().collect())
    }

    fn parse_head(input: ParseStream<'_>, body: Option<TokenTree>) -> syn::Result<Self> {
        let attributes = input.call(Attribute::parse_outer)?;
        if !input.peek(Token![impl]) && !input.peek(Token![unsafe]) {
            return Err(input.error("`#[handlers]` goes on an `impl` block"));
        }
        let unsafety: Option<Token![unsafe]> = input.parse()?;
        let keyword: Token![impl] = input.parse()?;
        let mut generics: Generics = input.parse()?;
        let mut head = TokenStream::new();
        let mut of_trait = None;
        while !input.is_empty() && !input.peek(Token![where]) {
            let tree: TokenTree = input.parse()?;
            if matches!(&tree, TokenTree::Ident(ident) if ident == "for") {
                of_trait = Some(std::mem::take(&mut head));
            } else {
                head.extend([tree]);
            }
        }
        generics.where_clause = input.parse()?;
        let self_ty: Type = syn::parse2(head)?;
        let Some(TokenTree::Group(body)) = body else {
            return Err(input.error("expected the body of the `impl` block"));
        };
        let methods = methods.parse2(without_bodies(body.stream()))?;
        // If all methods are handlers, it is said once: rustc looks at each attribute of each item.
        let all = methods.iter().all(|method| method.markers().is_some());
        let (of_all, of_each) = if all { (Some(allowed()), TokenStream::new()) } else { (None, allowed()) };
        let mut body_kept = Group::new(Delimiter::Brace, unmarked(body.stream(), of_each));
        body_kept.set_span(body.span());
        let where_clause = &generics.where_clause;
        let of = of_trait.as_ref().map(|of_trait| quote::quote!(#of_trait for));
        let item = quote::quote!(#of_all #(#attributes)* #unsafety #keyword #generics #of #self_ty #where_clause #body_kept);
        Ok(Self { generics, of_trait, self_ty, methods, item })
    }
}

fn is_braces(tree: &TokenTree) -> bool {
    matches!(tree, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace)
}

/// The body of the block, those of its methods empty: syn looks through all that it is given.
fn without_bodies(body: TokenStream) -> TokenStream {
    let mut trees = body.into_iter().peekable();
    let mut kept = Vec::new();
    while let Some(tree) = trees.next() {
        // Braces in a signature, as in `Matrix<{ N }>`, have something after them.
        let goes_on = |next: &TokenTree| matches!(next, TokenTree::Punct(punct) if ['>', ','].contains(&punct.as_char()));
        let is_body = is_braces(&tree) && !trees.peek().is_some_and(goes_on);
        kept.push(if is_body { Group::new(Delimiter::Brace, TokenStream::new()).into() } else { tree });
    }
    kept.into_iter().collect()
}

/// All methods of a block's body; whatever else it holds is passed over.
fn methods(input: ParseStream<'_>) -> syn::Result<Vec<Method>> {
    let mut methods = Vec::new();
    while !input.is_empty() {
        let attributes = input.call(Attribute::parse_outer)?;
        input.parse::<Visibility>()?;
        let mut asyncness = None;
        if input.peek(Token![const]) && !is_function_qualifier(input) || input.peek(Token![type]) {
            // Its type and value may have `fn` and braces in them; it ends with a semicolon.
            while !input.is_empty() && input.parse::<Option<Token![;]>>()?.is_none() {
                input.parse::<TokenTree>()?;
            }
            continue;
        }
        // `const fn`, `async fn`, `extern "C" fn` and the like: what may stand before `fn`.
        while !input.peek(Token![fn]) && !input.is_empty() {
            if input.peek(Token![async]) {
                asyncness = Some(input.parse()?);
                continue;
            }
            // The end of an item that is no method: `helper! { .. }`, `helper!(..);`.
            let ends = input.peek(Token![;]) || input.peek(syn::token::Brace);
            input.parse::<TokenTree>()?;
            if ends {
                break;
            }
        }
        if !input.peek(Token![fn]) {
            continue;
        }
        input.parse::<Token![fn]>()?;
        let name = input.parse()?;
        let mut generics: Generics = input.parse()?;
        let arguments = match input.parse()? {
            TokenTree::Group(group) if group.delimiter() == Delimiter::Parenthesis => group.stream(),
            other => return Err(syn::Error::new_spanned(other, "expected the arguments of a method")),
        };
        let output = input.parse()?;
        generics.where_clause = input.parse::<Option<WhereClause>>()?;
        // The body.
        input.parse::<TokenTree>()?;
        methods.push(Method { attributes, asyncness, name, generics, arguments, output });
    }
    Ok(methods)
}

/// Whether `const` begins a function, as in `const fn`, and not `const NAME: T = ..`.
fn is_function_qualifier(input: ParseStream<'_>) -> bool {
    input.peek2(Token![fn])
        || input.peek2(Token![unsafe])
        || input.peek2(Token![async])
        || input.peek2(Token![extern])
}

impl Method {
    /// Which of our markers the method has, and a second one if there is.
    fn markers(&self) -> Option<(Marker, Option<&Attribute>)> {
        let mut markers =
            self.attributes.iter().filter_map(|attribute| Some((Marker::of(attribute)?, attribute)));
        let (marker, _) = markers.next()?;
        Some((marker, markers.next().map(|(_, attribute)| attribute)))
    }

    fn signature(self, marker: Marker) -> syn::Result<Handler> {
        let nowhere = Receiver::None(self.name.to_token_stream());
        let (receiver, arguments) =
            (|input: ParseStream<'_>| arguments(input, nowhere)).parse2(self.arguments)?;
        let output = match self.output {
            ReturnType::Default => None,
            ReturnType::Type(_, ty) => match *ty {
                Type::Tuple(tuple) if tuple.elems.is_empty() => None,
                ty => Some(ty),
            },
        };
        Ok(Handler {
            marker,
            cfgs: self.attributes.into_iter().filter(|attribute| attribute.path().is_ident("cfg")).collect(),
            name: self.name,
            asyncness: self.asyncness,
            // A lifetime is as good as one that is left out.
            generics: (self.generics.type_params().next().is_some()
                || self.generics.const_params().next().is_some())
            .then(|| self.generics.to_token_stream()),
            wrong: false,
            receiver,
            arguments,
            output,
        })
    }
}

/// How `self` is taken, and the types of the other arguments.
fn arguments(input: ParseStream<'_>, nowhere: Receiver) -> syn::Result<(Receiver, Vec<Type>)> {
    let mut receiver = nowhere;
    let mut types = Vec::new();
    while !input.is_empty() {
        input.call(Attribute::parse_outer)?;
        if let Some(found) = self_argument(input)? {
            receiver = found;
        } else {
            // The pattern: everything up to the colon that begins the type.
            while !input.peek(Token![:]) || input.peek(Token![::]) {
                if input.parse::<Option<Token![::]>>()?.is_none() {
                    input.parse::<TokenTree>()?;
                }
            }
            input.parse::<Token![:]>()?;
            types.push(input.parse()?);
        }
        if input.parse::<Option<Token![,]>>()?.is_none() {
            break;
        }
    }
    Ok((receiver, types))
}

/// `self` in one of its forms, if that is what comes next.
fn self_argument(input: ParseStream<'_>) -> syn::Result<Option<Receiver>> {
    let ahead = input.fork();
    let mut form = TokenStream::new();
    let by_reference = ahead.parse::<Option<Token![&]>>()?;
    by_reference.to_tokens(&mut form);
    if by_reference.is_some() {
        ahead.parse::<Option<syn::Lifetime>>()?.to_tokens(&mut form);
    }
    let mutable = ahead.parse::<Option<Token![mut]>>()?;
    mutable.to_tokens(&mut form);
    // `self::Name` begins the pattern of some other argument.
    if !ahead.peek(Token![self]) || ahead.peek2(Token![::]) {
        return Ok(None);
    }
    ahead.parse::<Token![self]>()?.to_tokens(&mut form);
    let mut by_reference = by_reference.is_some().then(|| mutable.is_some());
    let mut typed = false;
    if ahead.parse::<Option<Token![:]>>()?.is_some() {
        let ty: Type = ahead.parse()?;
        // `self: &Self` is `&self`.
        by_reference = match &ty {
            Type::Reference(reference) if reference.elem.to_token_stream().to_string() == "Self" => {
                Some(reference.mutability.is_some())
            }
            _ => {
                typed = true;
                by_reference
            }
        };
        ty.to_tokens(&mut form);
    }
    syn::parse::discouraged::Speculative::advance_to(input, &ahead);
    Ok(Some(match by_reference {
        Some(false) if !typed => Receiver::Shared(form),
        Some(true) if !typed => Receiver::Exclusive(form),
        _ => Receiver::Other(form),
    }))
}

/// What keeps clippy from advice that a handler can't follow: its signature is not its own choice.
fn allowed() -> TokenStream {
    quote::quote! {
        #[allow(
            clippy::missing_const_for_fn,
            clippy::needless_pass_by_ref_mut,
            clippy::needless_pass_by_value,
            clippy::trivially_copy_pass_by_ref,
            clippy::unnecessary_wraps,
            clippy::unused_self
        )]
    }
}

/// The body with our markers taken off its methods, and `instead` in their place.
fn unmarked(body: TokenStream, instead: TokenStream) -> TokenStream {
    let instead: Vec<TokenTree> = instead.into_iter().collect();
    let mut trees = body.into_iter().peekable();
    // Not a stream: one that grows tree by tree is copied again and again.
    let mut kept = Vec::new();
    while let Some(tree) = trees.next() {
        let is_pound = matches!(&tree, TokenTree::Punct(punct) if punct.as_char() == '#');
        if is_pound && trees.next_if(|group| is_marker(&tree, group)).is_some() {
            kept.extend_from_slice(&instead);
        } else {
            kept.push(tree);
        }
    }
    kept.into_iter().collect()
}

/// Whether these two are `#[execute]`, or another of our markers.
fn is_marker(pound: &TokenTree, group: &TokenTree) -> bool {
    let attribute = quote::quote!(#pound #group);
    let parsed = Attribute::parse_outer.parse2(attribute).ok();
    parsed.iter().flatten().any(|attribute| Marker::of(attribute).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn braces_in_a_signature_are_no_body() {
        let block = quote::quote! {
            impl Game {
                #[execute]
                fn play(&self, command: Play<{ 1 + 2 }>) -> Played<{ 3 }, { 4 }> { Played {} }
                fn helper() {}
                #[apply]
                fn played(&mut self, event: &Played<{ 3 }, { 4 }>) { self.count += 1; }
            }
        };
        let block = Block::parse(block).expect("a block");
        let names = block.methods.iter().map(|method| method.name.to_string());
        assert_eq!(names.collect::<Vec<_>>(), ["play", "helper", "played"]);
        let output = block.methods[0].output.to_token_stream().to_string();
        assert_eq!(output, quote::quote!(-> Played<{ 3 }, { 4 }>).to_string());
        // And what is generated beside them has them all as they were.
        assert!(block.item.to_string().contains("self . count += 1"), "{}", block.item);
    }
}
