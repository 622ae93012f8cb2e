//! Timers that are set and cancelled together with the events of a command.

use crate::domain::time::Timestamp;
use crate::repository::execute_options::ExecuteOptions;

impl<'a, Services, Retrying, Seen> ExecuteOptions<'a, Services, Retrying, Seen> {
    /// Lets an application send another command at a time, as
    /// [`Running::schedule`](crate::application::Running::schedule) does. The timer is stored together with the events of
    /// this command, or not at all.
    ///
    /// * A timer with the same key that waits is replaced.
    /// * A command that leads to no events sets its timers too. One that fails sets none.
    /// * A command whose idempotency key is known has set its timers before: they are not set again.
    ///
    /// [`Running::execute_with`](crate::application::Running::execute_with) takes these options; a repository does not.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use factum::ExecuteOptions;
    /// use factum::prelude::*;
    /// use serde::{Deserialize, Serialize};
    /// # #[derive(Debug, Serialize, Deserialize, Event)] struct Placed;
    /// # #[derive(Debug, Serialize, Deserialize, Event)] struct Cancelled;
    /// # #[derive(Debug, Command)] struct PlaceOrder(String);
    /// # #[derive(Debug, Default, Clone, Aggregate)]
    /// # #[aggregate(id = String, commands(PlaceOrder, CancelOrder), events(Placed, Cancelled))]
    /// # struct Order;
    /// # #[handlers] impl Order {
    /// #     #[execute] fn place(&self, _: PlaceOrder) -> Placed { Placed }
    /// #     #[execute] fn cancel(&self, _: CancelOrder) -> Cancelled { Cancelled }
    /// #     #[apply] fn placed(&mut self, _: &Placed) {}
    /// #     #[apply] fn cancelled(&mut self, _: &Cancelled) {}
    /// # }
    ///
    /// #[derive(Debug, Serialize, Deserialize, Command)]
    /// struct CancelOrder(String);
    ///
    /// #[derive(Application)]
    /// #[application(aggregates(Order), schedules(CancelOrder))]
    /// struct Shop {}
    ///
    /// let shop = Shop {}.start(&SqliteStore::in_memory()?)?;
    /// let at = Timestamp::now().after(Duration::from_secs(900));
    /// let options = ExecuteOptions::new().schedule(at, CancelOrder("7".into()), "order-7/expiry");
    /// shop.execute_with(PlaceOrder("7".into()), &options)?;
    /// assert_eq!(shop.scheduled()?[0].key, "order-7/expiry");
    /// # Ok::<(), BoxError>(())
    /// ```
    pub fn schedule<C>(
        self,
        at: impl Into<Timestamp>,
        command: C,
        key: impl Into<String>,
    ) -> ExecuteOptions<'a, Services, Retrying, Scheduled<C, Seen>> {
        let Self { command: options, retrying, seen } = self;
        let seen = Scheduled { at: at.into(), command, key: key.into(), others: seen };
        ExecuteOptions { command: options, retrying, seen }
    }

    /// Lets an application cancel the timer with this key, as
    /// [`Running::cancel`](crate::application::Running::cancel) does, together with the events of the command.
    ///
    /// Nothing happens if no such timer waits. [`schedule`](Self::schedule) says what holds for commands without events, and
    /// for those that are repeated.
    pub fn cancel(
        self,
        key: impl Into<String>,
    ) -> ExecuteOptions<'a, Services, Retrying, CancelledTimer<Seen>> {
        let Self { command, retrying, seen } = self;
        ExecuteOptions { command, retrying, seen: CancelledTimer { key: key.into(), others: seen } }
    }
}

/// A timer that is set with a command. [`ExecuteOptions::schedule`] makes it.
#[derive(Debug, Clone)]
pub struct Scheduled<C, Others = ()> {
    pub(crate) at: Timestamp,
    pub(crate) command: C,
    pub(crate) key: String,
    pub(crate) others: Others,
}

/// A timer that is cancelled with a command. [`ExecuteOptions::cancel`] makes it.
#[derive(Debug, Clone)]
pub struct CancelledTimer<Others = ()> {
    pub(crate) key: String,
    pub(crate) others: Others,
}
