//! Applications: one struct says which aggregates, views, reactions and processes run.
//!
//! [`Application`] explains it.

pub(crate) mod answer;
pub(crate) mod by_name;
pub(crate) mod command;
pub(crate) mod error;
pub(crate) mod hook;
pub(crate) mod hooks;
pub(crate) mod model;
pub(crate) mod parts;
pub(crate) mod refusals;
pub(crate) mod running;
pub(crate) mod seen;
pub(crate) mod start;
pub(crate) mod tenants;
pub(crate) mod timers;
pub(crate) mod untyped;
pub(crate) mod way;
pub(crate) mod whole;

pub use factum_macros::Application;

pub use self::answer::{Answer, ByNameError};
#[doc(hidden)]
pub use self::by_name::{execute_later_on, execute_on};
#[doc(hidden)]
pub use self::command::{
    AllWritten, CommandsOf, LentCommand, WritesAll, deserialize_command, serialize_command, writes_all,
};
pub use self::command::{ApplicationCommand, CommandInTasks};
pub use self::error::{SeenError, StartError, StopError};
pub use self::hook::{CarriedOut, CommandFailure, CommandOrigin, FailureKind, Hook, HookState, Incoming};
pub use self::model::{FollowerModel, Model};
#[doc(hidden)]
pub use self::parts::{AreOwn, OwnCommands};
pub use self::parts::{Has, RoutedTo, Routes, Runs};
#[doc(hidden)]
pub use self::refusals::{Refusals, ShownRefusal, ShowsNothing};
pub use self::running::{ApplicationExt, Running};
pub use self::seen::Seen;
pub use self::start::RunsOn;
#[doc(hidden)]
pub use self::start::{DecidesAlone, DecidesWith, LacksServices, OwnServices, Start, decides_alone};
pub use self::tenants::{StopTenantsError, Tenant, TenantError, Tenants, TenantsStatistics};
#[doc(hidden)]
pub use self::timers::scheduled;
pub use self::timers::{HasTimers, ScheduledBy, Schedules};
#[doc(hidden)]
pub use self::untyped::{AnyOptions, LaterAnswer};
#[doc(hidden)]
pub use self::way::{SharedWay, Way};
pub use self::whole::{Application, TakesNames};
pub use crate::follow::SentOn;
pub use crate::follow::definition::FollowerKind;
pub use crate::follow::event_hooks::FollowerEvent;
pub use crate::follow::{FollowerOptions, Keeps, KeepsProcesses, KeepsReactions, KeepsTables, KeepsTimers};
pub use crate::repository::execute_options::{RetriesAny, SeenBy};
#[doc(hidden)]
pub use crate::repository::in_tasks::InTasks;
pub use crate::repository::timer_options::{CancelledTimer, Scheduled};
#[doc(hidden)]
pub use crate::repository::waits::Waits;
