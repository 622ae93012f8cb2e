//! `#[handlers]`: the block, and the signatures of its marked methods.

use proc_macro2::TokenStream;
use syn::{Attribute, Generics, Ident, Path, Token, Type};

use super::impl_block::Method;
use super::signature::{Receiver, Signature};
use super::{ImplBlock, allowed_lints};
use crate::attributes::Options;
use crate::errors::Errors;
use crate::markers::Marker;

pub(crate) struct HandlersSyntax {
    pub(crate) krate: Path,
    pub(crate) block: ImplBlock,
    /// The marked methods.
    pub(crate) methods: Vec<MethodSyntax>,
}

/// A marked method.
pub(crate) struct MethodSyntax {
    pub(crate) marker: &'static Marker,
    /// The marker as it stands.
    pub(crate) attribute: Attribute,
    /// A second marker, which should not be there.
    pub(crate) second_marker: Option<Attribute>,
    pub(crate) cfgs: Vec<Attribute>,
    /// `#[allow(..)]` for each lint that the method allows.
    pub(crate) allowed: TokenStream,
    pub(crate) name: Ident,
    pub(crate) asyncness: Option<Token![async]>,
    pub(crate) unsafety: Option<Token![unsafe]>,
    pub(crate) generics: Generics,
    pub(crate) receiver: Receiver,
    /// The types of the arguments after the receiver.
    pub(crate) arguments: Vec<Type>,
    /// The first `#[cfg(..)]` of an argument, which rustc has not taken away yet.
    pub(crate) argument_cfg: Option<Attribute>,
    /// The type that it returns, if one is written and it is not `()`.
    pub(crate) output: Option<Type>,
}

impl HandlersSyntax {
    pub(crate) fn parse(arguments: TokenStream, item: TokenStream, errors: &mut Errors) -> Option<Self> {
        let mut options = Options::nested("handlers", &["crate"], arguments, errors);
        let krate = options.krate(errors);
        options.finish();
        let (block, methods) = errors.ok(ImplBlock::parse(item, &krate))?;
        for (marker, attribute) in
            block.misplaced.iter().filter_map(|marker| Some((Marker::of(marker, &krate)?, marker)))
        {
            errors.at(attribute, format!("`#[{}]` goes on a method", marker.name));
        }
        let methods = methods.into_iter();
        let methods = methods
            .filter_map(|method| MethodSyntax::parse(method, &krate, &block.self_ty, errors))
            .collect();
        Some(Self { krate, block, methods })
    }
}

impl MethodSyntax {
    /// The method with its signature; `None` if it has no marker, or a signature that can't be read.
    fn parse(method: Method, krate: &Path, self_ty: &Type, errors: &mut Errors) -> Option<Self> {
        for (marker, attribute) in method.markers(krate) {
            if let Some(mistake) = marker.mistake(attribute, krate) {
                errors.at(attribute, mistake);
            }
        }
        let mut markers = method.markers(krate);
        let first = markers.next();
        let meant = || {
            let mut attributes = method.attributes.iter();
            attributes.find_map(|attribute| Some((Marker::meant(attribute, krate)?, attribute)))
        };
        // With the impl of a misspelled marker, rustc's error about it is the only one.
        let (marker, attribute) = first.or_else(meant)?;
        let attribute = attribute.clone();
        let second_marker = markers.next().map(|(_, attribute)| attribute.clone());
        drop(markers);
        let Signature { receiver, arguments, output, cfg: argument_cfg } =
            errors.ok(Signature::parse(&method.name, self_ty, method.arguments, method.output))?;
        Some(Self {
            marker,
            attribute,
            second_marker,
            allowed: allowed_lints(&method.attributes),
            cfgs: method
                .attributes
                .into_iter()
                .filter(|attribute| attribute.path().is_ident("cfg"))
                .collect(),
            name: method.name,
            asyncness: method.asyncness,
            unsafety: method.unsafety,
            generics: errors.ok(syn::parse2(method.generics))?,
            receiver,
            arguments,
            argument_cfg,
            output,
        })
    }
}
