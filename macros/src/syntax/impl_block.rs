//! An `impl` block, read token by token rather than by syn's parser of whole items.
//!
//! Bodies stay as they are, even half-typed, so that completion works in them, and syn need not be built with its
//! grammar of expressions.

use proc_macro2::{Delimiter, Group, Span, TokenStream, TokenTree};
use quote::{ToTokens as _, quote};
use syn::parse::{ParseStream, Parser as _};
use syn::{Attribute, Generics, Ident, Path, Token, Type, Visibility};

use crate::markers::Marker;

/// The block, ready to be written again.
pub(crate) struct ImplBlock {
    pub(crate) attributes: Vec<Attribute>,
    /// Those at the beginning of the body, as `#![allow(..)]`. They are part of it.
    pub(crate) inner_attributes: Vec<Attribute>,
    pub(crate) unsafety: Option<Token![unsafe]>,
    pub(crate) keyword: Token![impl],
    pub(crate) generics: Generics,
    pub(crate) of_trait: Option<TokenStream>,
    pub(crate) self_ty: Type,
    /// The tokens of the body, cut wherever a marker stood.
    pub(crate) body: Vec<Vec<TokenTree>>,
    pub(crate) body_span: Span,
    pub(crate) is_each_method_marked: bool,
    /// Attributes of items that are no methods. None of them should be a marker.
    pub(super) misplaced: Vec<Attribute>,
}

/// A method, up to its body. Only a marked one is read further: any other may be as odd as Rust allows.
pub(super) struct Method {
    pub(super) attributes: Vec<Attribute>,
    pub(super) asyncness: Option<Token![async]>,
    pub(super) unsafety: Option<Token![unsafe]>,
    pub(super) name: Ident,
    pub(super) generics: TokenStream,
    pub(super) arguments: TokenStream,
    /// What stands after `->`.
    pub(super) output: TokenStream,
}

impl ImplBlock {
    /// The block, in a crate that has factum as `krate`.
    pub(super) fn parse(item: TokenStream, krate: &Path) -> syn::Result<(Self, Vec<Method>)> {
        let mut head: Vec<TokenTree> = item.into_iter().collect();
        let body = head.pop_if(|last| is_braces(last));
        (|input: ParseStream<'_>| Self::parse_head(input, body, krate)).parse2(head.into_iter().collect())
    }

    fn parse_head(
        input: ParseStream<'_>,
        body: Option<TokenTree>,
        krate: &Path,
    ) -> syn::Result<(Self, Vec<Method>)> {
        let attributes = input.call(Attribute::parse_outer)?;
        if !input.peek(Token![impl]) && !input.peek(Token![unsafe]) {
            return Err(input.error("`#[handlers]` goes on an `impl` block"));
        }
        let unsafety = input.parse()?;
        let keyword = input.parse()?;
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
        let self_ty = syn::parse2(head)?;
        let Some(TokenTree::Group(body)) = body else {
            return Err(input.error("expected the body of the `impl` block"));
        };
        let BlockBody { inner_attributes, methods, misplaced } =
            parse_body.parse2(without_bodies(body.stream()))?;
        let block = Self {
            attributes,
            inner_attributes,
            unsafety,
            keyword,
            generics,
            of_trait,
            self_ty,
            body: cut_at_markers(body.stream(), krate),
            body_span: body.span(),
            misplaced,
            is_each_method_marked: methods.iter().all(|method| method.markers(krate).next().is_some()),
        };
        Ok((block, methods))
    }
}

impl Method {
    /// Its markers, each with its attribute.
    pub(super) fn markers(&self, krate: &Path) -> impl Iterator<Item = (&'static Marker, &Attribute)> {
        self.attributes.iter().filter_map(|attribute| Some((Marker::of(attribute, krate)?, attribute)))
    }
}

fn is_braces(tree: &TokenTree) -> bool {
    matches!(tree, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace)
}

/// The body of the block with empty bodies of its methods, so that syn has less to look through.
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

/// What a body has beside the bodies of its methods.
struct BlockBody {
    inner_attributes: Vec<Attribute>,
    methods: Vec<Method>,
    /// The attributes of all other items.
    misplaced: Vec<Attribute>,
}

fn parse_body(input: ParseStream<'_>) -> syn::Result<BlockBody> {
    let inner_attributes = input.call(Attribute::parse_inner)?;
    let mut methods = Vec::new();
    let mut misplaced = Vec::new();
    while !input.is_empty() {
        let attributes = input.call(Attribute::parse_outer)?;
        if input.is_empty() {
            // rustc reports attributes without an item.
            break;
        }
        input.parse::<Visibility>()?;
        let (mut asyncness, mut unsafety) = (None, None);
        if input.peek(Token![const]) && !is_function_qualifier(input) || input.peek(Token![type]) {
            misplaced.extend(attributes);
            // The type and the value of the item may have `fn` and braces in them; the item ends with a semicolon.
            while !input.is_empty() && input.parse::<Option<Token![;]>>()?.is_none() {
                input.parse::<TokenTree>()?;
            }
            continue;
        }
        // The qualifiers before `fn`, as in `const fn`, `async fn` and `extern "C" fn`.
        while !input.peek(Token![fn]) && !input.is_empty() {
            if input.peek(Token![async]) {
                asyncness = Some(input.parse()?);
                continue;
            }
            if input.peek(Token![unsafe]) {
                unsafety = Some(input.parse()?);
                continue;
            }
            // An item that is no method ends here: `helper! { .. }`, `helper!(..);`.
            let ends = input.peek(Token![;]) || input.peek(syn::token::Brace);
            input.parse::<TokenTree>()?;
            if ends {
                break;
            }
        }
        if !input.peek(Token![fn]) {
            misplaced.extend(attributes);
            continue;
        }
        input.parse::<Token![fn]>()?;
        let name = input.parse()?;
        let generics = angles(input)?;
        let arguments = match input.parse()? {
            TokenTree::Group(group) if group.delimiter() == Delimiter::Parenthesis => group.stream(),
            other => return Err(syn::Error::new_spanned(other, "expected the arguments of a method")),
        };
        let has_output = input.parse::<Option<Token![->]>>()?.is_some();
        let ends = |input: ParseStream<'_>| !has_output || input.peek(Token![where]) || is_body(input);
        let output = until(input, ends)?;
        until(input, is_body)?;
        input.parse::<TokenTree>()?;
        methods.push(Method { attributes, asyncness, unsafety, name, generics, arguments, output });
    }
    Ok(BlockBody { inner_attributes, methods, misplaced })
}

/// The tokens up to where `ends` holds.
fn until(input: ParseStream<'_>, ends: impl Fn(ParseStream<'_>) -> bool) -> syn::Result<TokenStream> {
    let mut tokens = TokenStream::new();
    while !input.is_empty() && !ends(input) {
        tokens.extend([input.parse::<TokenTree>()?]);
    }
    Ok(tokens)
}

/// Whether the body of a method comes next, or the semicolon of one without.
fn is_body(input: ParseStream<'_>) -> bool {
    let goes_on = input.peek2(Token![>]) || input.peek2(Token![,]);
    input.peek(Token![;]) || input.peek(syn::token::Brace) && !goes_on
}

/// `<'a, F: Fn(u8) -> u8>`, if that comes next.
fn angles(input: ParseStream<'_>) -> syn::Result<TokenStream> {
    let mut tokens = TokenStream::new();
    let mut depth = 0_usize;
    while depth > 0 || tokens.is_empty() && input.peek(Token![<]) {
        if let Some(arrow) = input.parse::<Option<Token![->]>>()? {
            arrow.to_tokens(&mut tokens);
            continue;
        }
        let tree: TokenTree = input.parse()?;
        match &tree {
            TokenTree::Punct(punct) if punct.as_char() == '<' => depth += 1,
            TokenTree::Punct(punct) if punct.as_char() == '>' => depth -= 1,
            _ => {}
        }
        tokens.extend([tree]);
    }
    Ok(tokens)
}

/// Whether `const` begins a function, as in `const fn`, and not `const NAME: T = ..`.
fn is_function_qualifier(input: ParseStream<'_>) -> bool {
    input.peek2(Token![fn])
        || input.peek2(Token![unsafe])
        || input.peek2(Token![async])
        || input.peek2(Token![extern])
}

/// The tokens of the body without its markers, cut where each stood.
fn cut_at_markers(body: TokenStream, krate: &Path) -> Vec<Vec<TokenTree>> {
    let mut trees = body.into_iter().peekable();
    let mut parts = Vec::new();
    let mut part = Vec::new();
    while let Some(tree) = trees.next() {
        let is_pound = matches!(&tree, TokenTree::Punct(punct) if punct.as_char() == '#');
        if is_pound && trees.next_if(|group| is_marker(&tree, group, krate)).is_some() {
            parts.push(std::mem::take(&mut part));
        } else {
            part.push(tree);
        }
    }
    parts.push(part);
    parts
}

/// Whether these two are `#[execute]`, or another of our markers.
fn is_marker(pound: &TokenTree, group: &TokenTree, krate: &Path) -> bool {
    let parsed = Attribute::parse_outer.parse2(quote!(#pound #group)).ok();
    parsed.iter().flatten().any(|attribute| Marker::of(attribute, krate).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn braces_in_a_signature_are_no_body() {
        let block = quote! {
            impl Game {
                #[execute]
                fn play(&self, command: Play<{ 1 + 2 }>) -> Played<{ 3 }, { 4 }> { Played {} }
                fn helper() {}
                #[apply]
                fn played(&mut self, event: &Played<{ 3 }, { 4 }>) { self.count += 1; }
            }
        };
        let krate = syn::parse_quote!(::factum);
        let (block, methods) = ImplBlock::parse(block, &krate).expect("a block");
        let names = methods.iter().map(|method| method.name.to_string());
        assert_eq!(names.collect::<Vec<_>>(), ["play", "helper", "played"]);
        assert_eq!(methods[0].output.to_string(), quote!(Played<{ 3 }, { 4 }>).to_string());
        // The block keeps the bodies as they were.
        let body: TokenStream = block.body.into_iter().flatten().collect();
        assert!(body.to_string().contains("self . count += 1"), "{body}");
    }
}
