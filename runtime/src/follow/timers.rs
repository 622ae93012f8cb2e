//! Timers: commands that an application sends at a time, without a process.

mod dispatch;
pub(crate) mod keeps_timers;
pub(crate) mod runner;
pub(crate) mod timer;
pub(crate) mod timer_store;

use crate::domain::error::BoxError;
use crate::domain::event_schema::Shape;

/// A command that timers may send, without its type.
#[derive(Debug, Clone, Copy)]
#[doc(hidden)]
pub struct ScheduledCommand {
    /// The command's name.
    pub name: &'static str,
    /// Whether a command of this name is stored so: its own, or an earlier one.
    pub has_name: fn(&str) -> bool,
    /// The JSON of a stored command as it is now; `None` if it was stored so.
    pub upgraded: fn(u32, &str) -> Result<Option<String>, BoxError>,
    /// Adds the shapes of its versions.
    pub shapes: fn(&mut Vec<Shape>),
}
