//! What `impl Apply<E>` needs of an `#[apply]` method.

use proc_macro2::TokenStream;
use syn::{Ident, Path};

use super::handled;
use crate::rules::Handler;

/// The handler as a row of the runtime's macro `apply!`, which makes the impl. Without a method, the impl does nothing.
pub(super) fn apply(
    krate: &Path,
    self_ty: &Ident,
    handler: &Handler<'_>,
    attributes: &TokenStream,
) -> TokenStream {
    let event = handled(krate, handler);
    let method = handler.is_valid.then_some(&handler.method.name);
    quote!({ #attributes } #self_ty: #event, #method;)
}
