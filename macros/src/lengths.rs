//! Types with array lengths that syn does not parse without its feature `full`: those with `if`, `match` or a block.
//!
//! syn gets a text in place of each length. A type that has one becomes [`Type::Verbatim`], with the length in its place.

use proc_macro2::{Delimiter, Group, Literal, TokenStream, TokenTree};
use quote::{ToTokens as _, quote};
use syn::{Data, DeriveInput, Type, Variant};

/// The item of a derive.
pub(crate) fn parse_item(item: TokenStream) -> syn::Result<DeriveInput> {
    without_lengths(item, syn::parse2, |item: &mut DeriveInput| match &mut item.data {
        Data::Struct(data) => data.fields.iter_mut().map(|field| &mut field.ty).collect(),
        Data::Enum(data) => data
            .variants
            .iter_mut()
            .flat_map(|variant| &mut variant.fields)
            .map(|field| &mut field.ty)
            .collect(),
        Data::Union(data) => data.fields.named.iter_mut().map(|field| &mut field.ty).collect(),
    })
}

/// What `parse` makes of the tokens, or else of the tokens without array lengths. The lengths return into its `types`.
pub(crate) fn without_lengths<T>(
    tokens: TokenStream,
    parse: impl Fn(TokenStream) -> syn::Result<T>,
    types: impl FnOnce(&mut T) -> Vec<&mut Type>,
) -> syn::Result<T> {
    let error = match parse(tokens.clone()) {
        Ok(parsed) => return Ok(parsed),
        Err(error) => error,
    };
    let mut lengths = Lengths(Vec::new());
    let simple = lengths.take_out(tokens);
    if lengths.0.is_empty() {
        return Err(error);
    }
    let mut parsed = parse(simple)?;
    for ty in types(&mut parsed) {
        let (tokens, has_length) = lengths.put_back(ty.to_token_stream());
        if has_length {
            *ty = Type::Verbatim(tokens);
        }
    }
    Ok(parsed)
}

/// Whether the tokens are an expression of any kind.
pub(crate) fn is_expression(tokens: &TokenStream) -> syn::Result<()> {
    // Without its feature `full`, syn still knows where the discriminant of a variant ends. Of `1..2`, it would take the
    // simple expression `1`. It does not look for one behind an attribute.
    syn::parse2::<Variant>(quote!(Value = #tokens))
        .or_else(|_| syn::parse2::<Variant>(quote!(Value = #[value] #tokens)))
        .map(drop)
}

/// The lengths, each by the text that stands in its place.
struct Lengths(Vec<(String, TokenStream)>);

impl Lengths {
    /// The tokens with a text in place of each length, as in `[T; "length 0"]`.
    fn take_out(&mut self, tokens: TokenStream) -> TokenStream {
        let mut is_attribute = false;
        let trees = tokens.into_iter().map(|tree| {
            let after_pound = std::mem::replace(&mut is_attribute, is_punct(&tree, '#'));
            match tree {
                TokenTree::Group(group) if !after_pound => {
                    let mut inner: Vec<_> = group.stream().into_iter().collect();
                    let end = inner.iter().position(|tree| is_punct(tree, ';'));
                    if let (Delimiter::Bracket, Some(end)) = (group.delimiter(), end) {
                        let length = inner.split_off(end + 1).into_iter().collect();
                        if is_expression(&length).is_ok() {
                            let text = Literal::string(&format!("length {}", self.0.len()));
                            self.0.push((text.to_string(), length));
                            inner.push(text.into());
                        } else {
                            inner.extend(length);
                        }
                    }
                    let mut simple =
                        Group::new(group.delimiter(), self.take_out(inner.into_iter().collect()));
                    simple.set_span(group.span());
                    simple.into()
                }
                tree => tree,
            }
        });
        trees.collect()
    }

    /// The tokens with their lengths, and whether they have one.
    fn put_back(&self, tokens: TokenStream) -> (TokenStream, bool) {
        let mut has_length = false;
        let mut whole = TokenStream::new();
        for tree in tokens {
            match tree {
                TokenTree::Group(group) => {
                    let (inner, has) = self.put_back(group.stream());
                    has_length |= has;
                    let mut restored = Group::new(group.delimiter(), inner);
                    restored.set_span(group.span());
                    whole.extend([TokenTree::from(restored)]);
                }
                TokenTree::Literal(literal) => {
                    let text = literal.to_string();
                    match self.0.iter().find(|(place, _)| *place == text) {
                        Some((_, length)) => {
                            has_length = true;
                            whole.extend(length.clone());
                        }
                        None => whole.extend([TokenTree::from(literal)]),
                    }
                }
                tree => whole.extend([tree]),
            }
        }
        (whole, has_length)
    }
}

fn is_punct(tree: &TokenTree, char: char) -> bool {
    matches!(tree, TokenTree::Punct(punct) if punct.as_char() == char)
}
