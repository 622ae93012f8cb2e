//! Without the feature `tokio`, every thread may block.

#[inline]
pub(crate) fn blocks(_: &'static str, _: &'static str) {}
