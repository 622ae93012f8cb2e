//! The entries of an attribute: keys, and what is written for them.
//!
//! A slip of syntax is reported once, at its token, and read as what was most likely meant. So nothing follows from it.

use proc_macro2::{Delimiter, Span, TokenStream, TokenTree};
use quote::ToTokens as _;
use syn::ext::IdentExt as _;
use syn::parse::discouraged::Speculative as _;
use syn::parse::{ParseStream, Parser as _};
use syn::{Ident, Lit, LitStr, Token};

use super::slips::{Slips, is_attribute};
use crate::errors::shown;
use crate::names::nearest;

pub(super) struct Entry {
    pub(super) key: Ident,
    pub(super) value: Value,
    pub(super) slip: Slip,
    /// Types that follow without a key. If the key has a list, they belong to it.
    pub(super) rest: Option<TokenStream>,
}

/// A slip in the form of an entry. The reader of the value knows the right form, and reports it.
pub(super) enum Slip {
    None,
    /// Of which kind, and where.
    At(&'static str, Span),
    /// It is reported.
    Reported,
}

pub(super) enum Value {
    /// `key`
    Alone,
    /// `key = tokens`
    Assigned(TokenStream),
    /// `key(tokens)`
    List(TokenStream),
}

/// All entries of `attribute(tokens)`; `known` are its keys.
pub(super) fn entries(
    tokens: TokenStream,
    attribute: &str,
    known: &[&str],
    slips: &mut Slips<'_>,
) -> Vec<Entry> {
    let read = |input: ParseStream<'_>| {
        let mut entries: Vec<Entry> = Vec::new();
        while !input.is_empty() {
            if slips.skip(input)? {
                continue;
            }
            let quoted = quoted_key(input, slips)?;
            if let Some(key) = quoted {
                entries.push(entry(input, key, known)?);
            } else if !input.peek(Ident::peek_any) || input.peek2(Token![::]) || is_type_alone(input, known) {
                let tokens = until_comma(input, known)?;
                match entries.last_mut() {
                    Some(Entry { key, value: Value::Alone | Value::Assigned(_), rest, .. })
                        if known.iter().any(|known| key == known) =>
                    {
                        let rest = rest.get_or_insert_default();
                        if !rest.is_empty() {
                            rest.extend(quote::quote!(,));
                        }
                        rest.extend(tokens);
                    }
                    _ => slips.without_key(&tokens, attribute, known),
                }
            } else {
                // `crate` is a key, and a keyword.
                let key = input.call(Ident::parse_any)?.unraw();
                entries.push(entry(input, key, known)?);
            }
            separator(input, known, slips)?;
        }
        Ok(entries)
    };
    let parsed = read.parse2(tokens);
    slips.errors.ok(parsed).unwrap_or_default()
}

/// The items of `key(tokens)`, each by its tokens.
pub(super) fn items(tokens: TokenStream, slips: &mut Slips<'_>) -> Vec<TokenStream> {
    let read = |input: ParseStream<'_>| {
        let mut items = Vec::new();
        while !input.is_empty() {
            if slips.skip(input)? {
                continue;
            }
            items.push(until(input, true, &begins_item)?.0);
            separator(input, &[], slips)?;
        }
        Ok(items)
    };
    let parsed = read.parse2(tokens);
    slips.errors.ok(parsed).unwrap_or_default()
}

fn entry(input: ParseStream<'_>, key: Ident, known: &[&str]) -> syn::Result<Entry> {
    let is_group =
        input.peek(syn::token::Paren) || input.peek(syn::token::Brace) || input.peek(syn::token::Bracket);
    if is_group && let TokenTree::Group(group) = input.parse()? {
        let is_right = group.delimiter() == Delimiter::Parenthesis;
        let slip = if is_right { Slip::None } else { Slip::At("brackets", group.span_open()) };
        return Ok(Entry { key, value: Value::List(group.stream()), slip, rest: None });
    }
    let is_sign = input.peek(Token![=]) || input.peek(Token![:]);
    let begins_value = input.peek(Lit) || input.peek(Ident::peek_any) && !begins_entry(input, known);
    if !is_sign && !begins_value {
        return Ok(Entry { key, value: Value::Alone, slip: Slip::None, rest: None });
    }
    let mut slip = Slip::None;
    if !input.peek(Token![=]) || input.peek(Token![==]) || input.peek(Token![=>]) {
        slip = Slip::At("=", input.span());
    }
    // `==`, `=>` and `:=` are two tokens.
    if is_sign {
        input.parse::<TokenTree>()?;
        if matches!(slip, Slip::At(..)) && (input.peek(Token![=]) || input.peek(Token![>])) {
            input.parse::<TokenTree>()?;
        }
    }
    Ok(Entry { key, value: Value::Assigned(until_comma(input, known)?), slip, rest: None })
}

/// A key that stands in quotes, as in `"name" = ..`.
fn quoted_key(input: ParseStream<'_>, slips: &mut Slips<'_>) -> syn::Result<Option<Ident>> {
    if !input.peek(LitStr) || !input.peek2(Token![=]) && !input.peek2(Token![:]) {
        return Ok(None);
    }
    let text: LitStr = input.fork().parse()?;
    let Ok(key) = text.parse_with(Ident::parse_any) else { return Ok(None) };
    input.parse::<LitStr>()?;
    slips.report("quotes", &text, format!("write `{key}`, without quotes"));
    Ok(Some(key))
}

/// Reads what stands between two entries or items: a comma.
fn separator(input: ParseStream<'_>, known: &[&str], slips: &mut Slips<'_>) -> syn::Result<()> {
    while is_attribute(input) {
        slips.skip(input)?;
    }
    if input.is_empty() || input.parse::<Option<Token![,]>>()?.is_some() {
        return Ok(());
    }
    let found = input.fork().parse::<TokenTree>()?;
    let shown = shown(&found);
    if matches!(found, TokenTree::Ident(_) | TokenTree::Literal(_)) {
        slips.report(",", &found, format!("expected `,` before `{shown}`"));
    } else {
        slips.report(",", &found, format!("expected `,`, found `{shown}`"));
        let is_semicolon = input.parse::<Option<Token![;]>>()?.is_some();
        if !is_semicolon {
            until_comma(input, known)?;
        }
        input.parse::<Option<Token![,]>>()?;
    }
    Ok(())
}

/// Whether a name comes next that can only be that of a type.
fn is_type_alone(input: ParseStream<'_>, known: &[&str]) -> bool {
    let ahead = input.fork();
    let Ok(name) = ahead.parse::<Ident>() else { return false };
    let name = name.to_string();
    name.starts_with(char::is_uppercase)
        && nearest(&name, known).is_none()
        && (ahead.is_empty() || ahead.peek(Token![,]))
}

/// Whether a key with its value comes next, before which a comma is missing.
fn begins_entry(input: ParseStream<'_>, known: &[&str]) -> bool {
    let ahead = input.fork();
    let Ok(key) = ahead.call(Ident::parse_any) else { return false };
    let is_assigned = ahead.peek(Token![=]) && !ahead.peek(Token![==]) && !ahead.peek(Token![=>]);
    let is_known = known.iter().any(|known| key == known);
    let ends = ahead.is_empty() || ahead.peek(Token![,]) || ahead.peek(Token![;]);
    is_assigned || is_known && (ends || ahead.peek(syn::token::Paren))
}

/// Whether an item of a list comes next, before which a comma is missing. A word that is no type belongs to the item before it.
fn begins_item(input: ParseStream<'_>) -> bool {
    let ahead = input.fork();
    let Ok(word) = ahead.call(Ident::parse_any) else { return input.peek(Lit) };
    let word = word.to_string();
    let continues = CONTINUES.contains(&word.to_lowercase().as_str());
    !continues && (ahead.peek(Token![::]) || word.starts_with(char::is_uppercase))
}

/// Words within an item of a list, as in `Opened as Begun`, `Opened by stream` and `Open for Account unrefused`.
const CONTINUES: [&str; 4] = ["as", "by", "for", "unrefused"];

/// Whether a type or an expression may end with a token: a literal, or a name that is no keyword.
fn is_operand(tree: &TokenTree) -> bool {
    let TokenTree::Ident(word) = tree else { return matches!(tree, TokenTree::Literal(_)) };
    // These are no keywords, and something follows them all the same.
    ["by", "unrefused"].iter().all(|other| word != other) && is_name_or_constant(word)
}

fn is_name_or_constant(word: &Ident) -> bool {
    ["crate", "self", "Self", "super", "true", "false"].iter().any(|keyword| word == keyword)
        || syn::parse2::<Ident>(word.to_token_stream()).is_ok()
}

/// The tokens before the next comma that is not inside angle brackets, as in `HashMap<A, B>`, or before the place where a
/// comma is missing. Angles that do not close are no brackets, as in `1 << 3`.
fn until_comma(input: ParseStream<'_>, known: &[&str]) -> syn::Result<TokenStream> {
    let ahead = input.fork();
    let stop = |input: ParseStream<'_>| begins_entry(input, known);
    let (tokens, is_closed) = until(&ahead, true, &stop)?;
    if is_closed {
        input.advance_to(&ahead);
        return Ok(tokens);
    }
    Ok(until(input, false, &stop)?.0)
}

/// The tokens before a comma, a semicolon, or a token behind a whole value at which `next` holds; whether all angles are
/// closed there.
fn until(
    input: ParseStream<'_>,
    angles: bool,
    next: &dyn Fn(ParseStream<'_>) -> bool,
) -> syn::Result<(TokenStream, bool)> {
    let mut tokens = TokenStream::new();
    let (mut depth, mut has_angles) = (0_usize, false);
    let mut is_whole = false;
    // The arguments of a closure, as in `|a, b| a` and `move |a, b| a`.
    let (mut is_beginning, mut is_in_pipes) = (angles, false);
    while !input.is_empty() && !input.peek(Token![;]) {
        let ends = |input: ParseStream<'_>| {
            input.peek(Token![,]) || is_whole && (next(input) || is_attribute(input))
        };
        if depth == 0 && !is_in_pipes && ends(input) {
            break;
        }
        if input.peek(Token![|]) && !input.peek(Token![||]) {
            is_in_pipes = is_beginning;
        }
        is_beginning &= input.peek(Token![move]);
        if input.peek(Token![->]) {
            input.parse::<Token![->]>()?.to_tokens(&mut tokens);
            is_whole = false;
            continue;
        }
        let tree: TokenTree = input.parse()?;
        is_whole = match &tree {
            TokenTree::Punct(punct) => {
                match punct.as_char() {
                    '<' if angles => (depth, has_angles) = (depth + 1, true),
                    '>' if angles && depth > 0 => depth -= 1,
                    _ => {}
                }
                // Without an opening one, `>` is an operator.
                punct.as_char() == '>' && depth == 0 && has_angles
            }
            TokenTree::Group(_) => true,
            TokenTree::Ident(_) | TokenTree::Literal(_) => is_operand(&tree),
        };
        tokens.extend([tree]);
    }
    Ok((tokens, depth == 0 && !is_in_pipes))
}
