//! An `impl` block with marked methods.
//!
//! Read token by token rather than by syn's parser of whole items: bodies are none of our business, stay as they are
//! (even half-typed, so that completion works in them), and syn need not be built with its grammar of expressions.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use quote::ToTokens as _;
use syn::parse::{Parse, ParseStream, Parser as _};
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

#[derive(Clone, Copy, PartialEq, Eq)]
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
        let block = errors.ok(Block::parse.parse2(item))?;
        if let Some(of_trait) = block.of_trait {
            errors.at(
                &of_trait,
                "`#[handlers]` goes on an `impl` block of the type itself; an `impl` of a trait stays as it is",
            );
            return None;
        }
        if !block.generics.params.is_empty() {
            errors.at(&block.generics, "`#[handlers]` goes on an `impl` without generic parameters");
            return None;
        }
        let mut methods: Vec<Handler> = Vec::new();
        for method in block.methods {
            let Some((marker, second)) = method.markers() else { continue };
            if let Some(second) = second {
                let message =
                    "a method has one of `#[execute]`, `#[apply]`, `#[upcast]`, `#[project]` and `#[react]`";
                errors.at(second, message);
                continue;
            }
            let Some(mut method) = errors.ok(method.signature(marker)) else { continue };
            method.wrong = !check::handler(&method, errors);
            if check::handled_once(&method, &methods, errors) && !method.arguments.is_empty() {
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

impl Parse for Block {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let attributes = input.call(Attribute::parse_outer)?;
        if !input.peek(Token![impl]) && !input.peek(Token![unsafe]) {
            return Err(input.error("`#[handlers]` goes on an `impl` block"));
        }
        let unsafety: Option<Token![unsafe]> = input.parse()?;
        let keyword: Token![impl] = input.parse()?;
        let mut generics: Generics = input.parse()?;
        let mut head = TokenStream::new();
        let mut of_trait = None;
        while !input.is_empty() && !input.peek(syn::token::Brace) && !input.peek(Token![where]) {
            let tree: TokenTree = input.parse()?;
            if matches!(&tree, TokenTree::Ident(ident) if ident == "for") {
                of_trait = Some(std::mem::take(&mut head));
            } else {
                head.extend([tree]);
            }
        }
        generics.where_clause = input.parse()?;
        let self_ty: Type = syn::parse2(head)?;
        let TokenTree::Group(body) = input.parse()? else {
            return Err(input.error("expected the body of the `impl` block"));
        };
        let methods = methods.parse2(body.stream())?;
        let mut body_kept = proc_macro2::Group::new(Delimiter::Brace, unmarked(body.stream()));
        body_kept.set_span(body.span());
        let where_clause = &generics.where_clause;
        let of = of_trait.as_ref().map(|of_trait| quote::quote!(#of_trait for));
        let item =
            quote::quote!(#(#attributes)* #unsafety #keyword #generics #of #self_ty #where_clause #body_kept);
        Ok(Self { generics, of_trait, self_ty, methods, item })
    }
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

/// The body with our markers taken off its methods.
///
/// In their place stands what keeps clippy from advice that a handler can't follow: its signature is not its own
/// choice.
fn unmarked(body: TokenStream) -> TokenStream {
    let allowed = quote::quote! {
        #[allow(
            clippy::missing_const_for_fn,
            clippy::needless_pass_by_ref_mut,
            clippy::needless_pass_by_value,
            clippy::trivially_copy_pass_by_ref,
            clippy::unnecessary_wraps,
            clippy::unused_self
        )]
    };
    let mut trees = body.into_iter().peekable();
    let mut kept = TokenStream::new();
    while let Some(tree) = trees.next() {
        let is_pound = matches!(&tree, TokenTree::Punct(punct) if punct.as_char() == '#');
        if is_pound && let Some(TokenTree::Group(group)) = trees.peek() {
            let attribute = quote::quote!(#tree #group);
            let parsed = Attribute::parse_outer.parse2(attribute).ok();
            if parsed.iter().flatten().any(|attribute| Marker::of(attribute).is_some()) {
                trees.next();
                kept.extend(allowed.clone());
                continue;
            }
        }
        kept.extend([tree]);
    }
    kept
}
