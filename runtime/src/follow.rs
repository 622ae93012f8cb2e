//! Events out: projections, reactions and subscriptions.
//!
//! A *follower* reads the events of a store and remembers how far it is. [`Projection`] explains views,
//! [`Reaction`] effects outside of the store, and [`Subscription`] a read of all events as they come.

pub(crate) mod background;
pub(crate) mod batch;
pub(crate) mod checkpoint;
pub(crate) mod control;
pub(crate) mod dead_letter;
pub(crate) mod definition;
pub(crate) mod deliver;
pub(crate) mod discarded_letter;
pub(crate) mod dyn_follower;
pub(crate) mod engine;
pub(crate) mod error;
pub(crate) mod event_hooks;
pub(crate) mod given_commands;
pub(crate) mod handler;
pub(crate) mod inline;
pub(crate) mod inline_view;
pub(crate) mod keeps;
pub(crate) mod lease;
pub(crate) mod lease_keeper;
pub(crate) mod letter_desk;
pub(crate) mod next_run;
pub(crate) mod os_process;
pub(crate) mod outcome;
pub(crate) mod partition_leases;
pub(crate) mod partitions;
pub(crate) mod patience;
pub(crate) mod policy;
pub(crate) mod pool;
pub(crate) mod process;
pub(crate) mod progress;
pub(crate) mod progress_store;
pub(crate) mod projection;
pub(crate) mod reaction;
pub(crate) mod rebuild;
pub(crate) mod redelivery;
pub(crate) mod runner;
pub(crate) mod runs;
pub(crate) mod seen;
pub(crate) mod serving;
pub(crate) mod session;
pub(crate) mod sql;
pub(crate) mod state;
pub(crate) mod step;
pub(crate) mod stored_process;
pub(crate) mod stored_projection;
pub(crate) mod stored_reaction;
pub(crate) mod subscription;
pub(crate) mod timers;
pub(crate) mod view_store;
pub(crate) mod worker;

pub use factum_macros::{Process, Projection, Reaction, Timeout, project, react, refused};

pub use self::background::{Follower, FollowerBuilder, RunningFollower, WaitError};
pub use self::dead_letter::{DeadLetter, RetriedLetters};
pub use self::discarded_letter::DiscardedLetter;
pub use self::dyn_follower::DynFollower;
pub use self::error::{FollowError, HandlerError, ProcessError, ProjectionError, ReactionError};
pub use self::given_commands::{GiveError, GivenBy, Gives, NoReaction};
pub use self::handler::{Context, EventHandler, Lists, PartitionedByStream, Target};
#[doc(hidden)]
pub use self::handler::{KnowsNoId, LendsMut, LendsTo, Prepared};
pub use self::inline_view::{InlineView, OnNewerVersion};
#[doc(hidden)]
pub use self::keeps::{
    AsProcess, AsReaction, AsView, BackgroundReaction, BackgroundView, Followed, RunsAs, RunsProcess,
    SharedReaction, SharedView, ViewInAppends,
};
pub use self::keeps::{
    FollowerOptions, Keeps, KeepsProcesses, KeepsReactions, KeepsSql, KeepsTables, Started,
};
pub use self::lease::LeaseInfo;
pub use self::next_run::NextRun;
pub use self::policy::OnFailure;
pub use self::process::actions::{Action, Actions, After, At, Cancel, Done, Due, IntoActions};
pub use self::process::clock::{Clock, SystemClock};
pub use self::process::commands::{Commands, SendError, SentCommand};
pub use self::process::instances::{
    Happening, HappeningKind, InstanceState, Instances, ProcessLetter, Undelivered,
};
pub use self::process::routes::CommandRoutes;
pub use self::process::sent_on::SentOn;
pub use self::process::turn::{Instance, Turn};
pub use self::process::{
    CommandCodec, Commanding, Process, Receives, Refused, Sends, Sets, StateCodec, Timeout,
};
pub use self::progress::{CaughtUp, Progress};
pub use self::projection::{Project, Projection};
pub use self::reaction::{Delivery, Outcome, React, ReactContext, ReactingTarget, Reaction, SideEffects};
pub use self::serving::ServingView;
pub use self::sql::column::SqlColumn;
pub use self::sql::error::SqlError;
pub use self::sql::parameter::{NotForSql, SqlParameter};
pub use self::sql::row::{ColumnName, SqlRow};
pub use self::sql::transaction::SqlTransaction;
pub use self::sql::value::SqlValue;
pub use self::sql::view::SqlView;
pub use self::sql::{Sql, SqlContext};
pub use self::state::{Activity, FollowerChange, FollowerState, Lag, PartitionPlace, PartitionState};
pub use self::stored_process::StoredProcess;
pub use self::stored_projection::StoredProjection;
pub use self::stored_reaction::StoredReaction;
pub use self::subscription::event::SubscribedEvent;
pub use self::subscription::options::SubscriptionOptions;
pub use self::subscription::{Stopper, Subscription};
#[doc(hidden)]
pub use self::timers::ScheduledCommand;
pub use self::timers::keeps_timers::KeepsTimers;
pub use self::timers::timer::{DiscardedTimer, Timer, TimerError, TimerFailure, Timers};
pub use crate::domain::panic::HandlerPanicked;
