//! The macros of factum.
