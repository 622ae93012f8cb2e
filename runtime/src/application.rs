//! The whole: what an application is made of.

pub(crate) mod model;

pub use self::model::{FollowerModel, Model, ProcessStep};
pub use crate::follow::definition::FollowerKind;
