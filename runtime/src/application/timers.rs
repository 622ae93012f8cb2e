//! The timers of an application: commands that it sends at a time.

use std::sync::Arc;

use crate::application::running::Running;
use crate::application::whole::Application;
use crate::domain::codec_error::EncodeError;
use crate::domain::event_schema::Shape;
use crate::domain::new_id::new_id;
use crate::domain::time::Timestamp;
use crate::follow::process::CommandCodec;
use crate::follow::timers::ScheduledCommand;
use crate::follow::timers::keeps_timers::KeepsTimers;
use crate::follow::timers::timer::{Timer, TimerError, Timers};
use crate::store::event_store::EventStore;
use crate::store::timer::{NewTimer, TimerChange};

/// The application has timers: it lists commands in `schedules(..)`.
#[diagnostic::on_unimplemented(
    message = "the application `{Self}` has no timers",
    label = "it schedules no commands",
    note = "list the commands that timers send: `#[application(schedules(CancelOrder, ..))]` on `{Self}`"
)]
pub trait HasTimers: Application {
    /// The commands that timers may send.
    #[doc(hidden)]
    const SCHEDULED: &'static [ScheduledCommand];
}

/// Timers of the application may send the command `C`.
///
/// `derive(Application)` implements it for each command in `schedules(..)`.
#[diagnostic::on_unimplemented(
    message = "the application `{Self}` does not schedule `{C}`",
    label = "`{C}` is not in its `schedules(..)`",
    note = "add it to the list on `{Self}`: `#[application(schedules({C}, ..))]`"
)]
pub trait Schedules<C>: HasTimers {
    /// How the command is stored until it is sent.
    #[doc(hidden)]
    const CODEC: CommandCodec<C>;
}

/// Timers of the application `App` may send the command.
///
/// One question about the command, so that rustc knows it before it asks the application: with one command listed, it would
/// take each for that one.
pub trait ScheduledBy<App>: Sized {
    /// How the command is stored until it is sent.
    #[doc(hidden)]
    const CODEC: CommandCodec<Self>;
}

impl<App: Schedules<C>, C> ScheduledBy<App> for C {
    const CODEC: CommandCodec<C> = <App as Schedules<C>>::CODEC;
}

/// A command that timers of the application send, without its type.
#[must_use]
pub const fn scheduled<App: Schedules<C>, C>(shapes: fn(&mut Vec<Shape>)) -> ScheduledCommand {
    ScheduledCommand {
        name: App::CODEC.name,
        has_name: |name| App::CODEC.has_name(name),
        upgraded: |version, content| App::CODEC.upgraded(version, content),
        shapes,
    }
}

/// The change that sets a timer of the application.
pub(crate) fn set<App, C: ScheduledBy<App>>(
    at: Timestamp,
    command: &C,
    key: String,
) -> Result<TimerChange, EncodeError> {
    let CommandCodec { name, version, write, .. } = C::CODEC;
    let content = write(command).map_err(|source| EncodeError::Command { name, source })?;
    Ok(TimerChange::Set(NewTimer::new(new_id(), key, at, name, version, content)))
}

impl<App: Application, S: EventStore + Clone + 'static> Running<App, S> {
    /// Sends a command at a time: sets a durable timer. Returns whether it replaces one with the same key that waits.
    ///
    /// ```
    /// # use factum::prelude::*;
    /// # use serde::{Deserialize, Serialize};
    /// # use std::time::Duration;
    /// # #[derive(Debug, Serialize, Deserialize, Event)] struct Cancelled;
    /// # #[derive(Debug, Serialize, Deserialize, Command)] struct CancelOrder(String);
    /// # #[derive(Debug, Default, Clone, Aggregate)]
    /// # #[aggregate(id = String, commands(CancelOrder), events(Cancelled))]
    /// # struct Order;
    /// # #[handlers] impl Order {
    /// #     #[execute] fn cancel(&self, _: CancelOrder) -> Cancelled { Cancelled }
    /// #     #[apply] fn cancelled(&mut self, _: &Cancelled) {}
    /// # }
    /// #[derive(Application)]
    /// #[application(aggregates(Order), schedules(CancelOrder))]
    /// struct Shop {}
    ///
    /// let shop = Shop {}.start(&SqliteStore::in_memory()?)?;
    /// let at = Timestamp::now().after(Duration::from_secs(900));
    /// shop.schedule(at, CancelOrder("7".into()), "order-7/expiry")?;
    /// assert_eq!(shop.scheduled()?[0].due, at);
    /// assert!(shop.cancel("order-7/expiry")?);
    /// assert!(!shop.cancel("order-7/expiry")?, "it is gone");
    /// # Ok::<(), BoxError>(())
    /// ```
    ///
    /// * The command is sent once, when the application's clock has reached the time: late rather than never, in order of
    ///   the times, by one of the programs that run the application on the store. It has an idempotency key of its own, so
    ///   a crash does not repeat it. A timer that is set again has another key.
    /// * Commands to one aggregate instance are sent one after the other. Those to others are sent side by side, 8 at a time: a
    ///   command whose handler blocks delays those to its own instance alone, until 8 of them block.
    /// * A command that is neither executed nor refused, as with a store that fails or an aggregate that panics, is sent
    ///   again until it is. Later ones do not wait for it.
    /// * A command that its aggregate refuses, that a [hook](crate::application::Hook) denies, that is invalid, or that can't be
    ///   read, becomes a dead letter: see [`timers`](Self::timers). It is checked when it is sent.
    /// * A command that has changed since it was stored derives `Event` beside `Command`, and declares its changes by
    ///   `#[event(..)]`, as for [processes](crate::follow::Process).
    ///
    /// A command's events have the timer's id as their causation id, or the id of the event with which the timer was set.
    /// To set a timer together with events, see [`ExecuteOptions::schedule`](crate::ExecuteOptions::schedule).
    #[doc(alias = "timer")]
    #[doc(alias = "delay")]
    #[expect(
        clippy::needless_pass_by_value,
        reason = "the timer has the command, as an aggregate that executes it"
    )]
    pub fn schedule<C>(
        &self,
        at: impl Into<Timestamp>,
        command: C,
        key: impl Into<String>,
    ) -> Result<bool, TimerError>
    where
        App: HasTimers,
        C: ScheduledBy<App>,
        S: KeepsTimers,
    {
        Ok(self.store().change(&set::<App, C>(at.into(), &command, key.into())?)?)
    }

    /// Takes the timer with this key away. Returns whether one was waiting: its command is not sent.
    ///
    /// A timer whose command is being sent can't be cancelled any more, nor can a dead letter.
    pub fn cancel(&self, key: &str) -> Result<bool, TimerError>
    where
        App: HasTimers,
        S: KeepsTimers,
    {
        Ok(self.store().change(&TimerChange::Cancel(key.to_owned()))?)
    }

    /// The first 1,000 timers whose commands are not sent yet, in order of their times.
    pub fn scheduled(&self) -> Result<Vec<Timer>, TimerError>
    where
        App: HasTimers,
        S: KeepsTimers,
    {
        self.timers().waiting()
    }

    /// The timers: those that wait, and the dead letters, which can be retried and discarded.
    #[must_use]
    pub fn timers(&self) -> Timers
    where
        App: HasTimers,
        S: KeepsTimers,
    {
        KeepsTimers::timers(self.store(), Arc::clone(self.clock()))
    }
}
