//! The model: what an application is made of, as data that its types say.

mod json;
mod markdown;
mod mermaid;

use crate::domain::aggregate_model::AggregateModel;
use crate::domain::event::EventKind;
use crate::follow::definition::FollowerKind;
use crate::follow::handler::EventHandler;
use crate::follow::keeps::Followed;
use crate::follow::process::sent_on::SentOn;
use crate::follow::projection::Projection;
use crate::follow::reaction::Reaction;

/// What an application is made of: its aggregates with their commands and events, and its followers.
///
/// It is a constant that the types make: which events a command leads to is read from the return type of its handler.
/// [`mermaid`](Self::mermaid) draws it, [`json`](Self::json) hands it to other programs, and
/// [`markdown`](Self::markdown) is a page for people. `testing::model!` keeps that page up to date.
///
/// ```
/// # use factum::prelude::*;
/// # mod bank { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/bank.rs")); }
/// # use bank::*;
/// use factum::application::{FollowerModel, Model};
///
/// #[derive(Default, Projection)]
/// #[projection(events(MoneyDeposited), from(BankAccount))]
/// struct Total(u64);
///
/// #[handlers]
/// impl Total {
///     #[project]
///     fn deposited(&mut self, event: &MoneyDeposited) {
///         self.0 += event.cents;
///     }
/// }
///
/// const BANK: Model =
///     Model::new("bank", &[BankAccount::MODEL], &[FollowerModel::of_projection::<Total>()]);
///
/// assert_eq!(
///     BANK.mermaid(),
///     r#"flowchart LR
///   subgraph a0["bank-account"]
///     a0c0["open-account"]
///     a0c1["deposit-money"]
///     a0c2["withdraw-money"]
///     a0e0(["account-opened"])
///     a0e1(["money-deposited"])
///     a0e2(["money-withdrawn"])
///   end
///   a0c0 --> a0e0
///   a0c1 -->|"?"| a0e1
///   a0c2 --> a0e2
///   f0[["total"]]
///   a0e1 -.-> f0
/// "#
/// );
/// ```
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Model {
    /// The application's name.
    pub name: &'static str,
    /// The aggregates.
    pub aggregates: &'static [AggregateModel],
    /// The views, reactions and processes.
    pub followers: &'static [FollowerModel],
    /// The names of the commands that timers send.
    pub schedules: &'static [&'static str],
}

impl Model {
    /// The model of an application with these parts.
    #[must_use]
    pub const fn new(
        name: &'static str,
        aggregates: &'static [AggregateModel],
        followers: &'static [FollowerModel],
    ) -> Self {
        Self { name, aggregates, followers, schedules: &[] }
    }

    /// Adds the names of the commands that timers send.
    #[must_use]
    pub const fn with_schedules(self, schedules: &'static [&'static str]) -> Self {
        Self { schedules, ..self }
    }
}

/// A view, a reaction or a process, and what it reads and sends.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct FollowerModel {
    /// The name that its progress is stored under.
    pub name: &'static str,
    /// What it is.
    pub kind: FollowerKind,
    /// The events that it lists.
    pub events: &'static [EventKind],
    /// The categories of the aggregates that these events come from.
    pub from: &'static [&'static str],
    /// For each event, which of `from` it comes from; empty if all events come from all.
    sources: &'static [&'static [bool]],
    /// The names of the commands that a process or a reaction may send.
    pub sends: &'static [&'static str],
    /// What a process sends on an event, a time-out or a refused command.
    pub steps: &'static [SentOn],
}

impl FollowerModel {
    /// The model of a projection.
    #[must_use]
    pub const fn of_projection<P: Projection>() -> Self {
        Self::of::<P>(FollowerKind::Projection)
    }

    /// The model of a reaction.
    #[must_use]
    pub const fn of_reaction<R: Reaction>() -> Self {
        Self::followed(&Followed::of_reaction::<R>())
    }

    /// The model of a follower of this kind.
    #[must_use]
    pub const fn of<H: EventHandler>(kind: FollowerKind) -> Self {
        Self::followed(&Followed::of::<H>(kind))
    }

    /// The model of a follower that says this of itself.
    #[doc(hidden)]
    #[must_use]
    pub const fn followed(followed: &Followed) -> Self {
        let Followed { kind, name, events, from, sources, sends, steps, .. } = *followed;
        Self { name, kind, events, from, sources, sends, steps }
    }

    /// Adds what a process sends.
    #[must_use]
    pub const fn with_steps(mut self, steps: &'static [SentOn]) -> Self {
        self.steps = steps;
        self
    }

    /// Each event that it reads, with the category that the event comes from.
    pub fn reads(&self) -> impl Iterator<Item = (&'static str, &'static EventKind)> + use<> {
        let Self { events, from, sources, .. } = *self;
        events.iter().enumerate().flat_map(move |(index, event)| {
            let is_from = move |source: usize| {
                sources.get(index).is_none_or(|row| row.get(source).copied().unwrap_or_default())
            };
            from.iter()
                .enumerate()
                .filter(move |(source, _)| is_from(*source))
                .map(move |(_, from)| (*from, event))
        })
    }
}
