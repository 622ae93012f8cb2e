//! Chapters on whole subjects, where the pages of single items are too small a view.

#[doc = include_str!("../doc/messages.md")]
pub mod messages {}

#[doc = include_str!("../doc/versions.md")]
pub mod versions {}
