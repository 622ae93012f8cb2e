//! Guides: chapters on subjects that concern several items.

#[doc = include_str!("../doc/cluster.md")]
pub mod cluster {}

#[doc = include_str!("../doc/commanded.md")]
pub mod commanded {}

#[doc = include_str!("../doc/deployment.md")]
pub mod deployment {}

#[doc = include_str!("../doc/messages.md")]
pub mod messages {}

#[doc = include_str!("../doc/RELIABILITY.md")]
pub mod reliability {}

#[doc = include_str!("../doc/services.md")]
pub mod services {}

#[doc = include_str!("../doc/telemetry.md")]
pub mod telemetry {}

#[doc = include_str!("../doc/versions.md")]
pub mod versions {}
