//! Projections: views made from events.

use crate::domain::error::BoxError;
use crate::domain::metadata::Envelope;
use crate::follow::definition::{FollowerDefinition, FollowerKind};
use crate::follow::handler::{Context, EventHandler, Lists};

/// A read model: a view made from the events of any number of aggregates, for one kind of question.
///
/// Derive it, list the events, and write a `#[project]` method for each. The derive takes `#[projection(..)]`
/// with
///
/// | key | meaning |
/// |---|---|
/// | `events(AccountOpened, ..)` | the events that the view is made from; required |
/// | `from(BankAccount, ..)` | the aggregates that have these events; required. See [below](#the-aggregates-of-the-events) |
/// | `name = "balances"` | the name under which the progress is stored; by default, the type's name in kebab case |
/// | `version = 2` | the view's version; raise it when the view would come out different; 1 by default |
/// | `into = Sqlite` | where the view is: [`Memory`](crate::memory::Memory), which is the default, `Sqlite`, `Postgres`, or [`Sql`](crate::follow::Sql) for whichever of the two the store has |
/// | `partition_by = stream` | events of different streams may be taken in any order, so several workers can share the projection |
/// | `init = "CREATE TABLE .."` | for a view in tables: the statements that create them |
/// | `crate = path` | the path of `factum`, if it is re-exported; a name that `Cargo.toml` gives it is found |
///
/// In memory the view is the struct itself:
///
/// ```
/// use factum::prelude::*;
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Debug, Serialize, Deserialize, Event)] struct Incremented;
/// # #[derive(Debug, Command)] struct Increment(String);
/// # #[derive(Debug, Default, Clone, Aggregate)]
/// # #[aggregate(id = String, commands(Increment), events(Incremented))]
/// # struct Counter { count: u64 }
/// # #[handlers] impl Counter {
/// #     #[execute] fn increment(&self, _: Increment) -> Incremented { Incremented }
/// #     #[apply] fn incremented(&mut self, _: &Incremented) { self.count += 1; }
/// # }
/// #[derive(Default, Projection)]
/// #[projection(events(Incremented), from(Counter))]
/// struct Total {
///     count: u64,
/// }
///
/// #[handlers]
/// impl Total {
///     #[project]
///     fn incremented(&mut self, _: &Incremented) {
///         self.count += 1;
///     }
/// }
///
/// let store = MemoryStore::new();
/// let counters = store.repository::<Counter>();
/// counters.execute(Increment("a".into()))?;
/// counters.execute(Increment("b".into()))?;
///
/// let mut total = MemoryProjection::new(&store, Total::default());
/// total.catch_up()?;
/// assert_eq!(total.view().count, 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// For a view in SQLite, see [`SqliteProjection`](crate::sqlite::SqliteProjection); for one that runs on SQLite and on PostgreSQL,
/// [`Sql`](crate::follow::Sql).
///
/// # The aggregates of the events
///
/// A follower gets events of the aggregates in `from(..)` only. Two aggregates may each have an event of one
/// name: a stored event is known by its aggregate and its name. Where the type of an aggregate can't be named,
/// as in another crate, its name stands there as text: `from(BankAccount, "order")`.
///
/// | | an aggregate given by its type | given by its name |
/// |---|---|---|
/// | a listed event that the aggregate does not have, or has [retired](crate::Upcast) | does not compile | is not noticed: the event never comes |
/// | a stored event that is not listed | is passed over | is passed over |
/// | a stored event that the aggregate does not know, as one of a newer program | is an error | is passed over |
/// | a retired event that is read as a listed one | comes as that one | is passed over |
/// | a misspelled name | does not compile | is [`FollowError::UnknownCategory`](crate::follow::FollowError::UnknownCategory), if the store has streams of a category with nearly that name |
///
/// The last check is made when the follower is opened; for a view in memory, by the first catch-up. If one of
/// the types in `from(..)` has a listed event, the event counts for the aggregates with that type only. All
/// other listed events are those of the aggregates given by name.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a projection",
    label = "this type does not derive `Projection`",
    note = "annotate `{Self}` with `#[derive(Projection)]` and `#[projection(events(..), from(..))]`"
)]
#[doc(alias = "read model")]
pub trait Projection: EventHandler {
    /// The version of the view that this code makes.
    const VERSION: u32;

    /// SQL that creates the view's tables, for a target that has tables.
    const INIT: &'static str = "";
}

/// How an event of type `E` changes a view: what a `#[project]` method becomes.
#[diagnostic::on_unimplemented(
    message = "`{Self}` lists the event `{E}` and does not project it",
    label = "no `#[project]` method takes `&{E}`",
    note = "write one in a `#[handlers]` block: `#[project] fn name(&mut self, event: &{E})`",
    note = "or take `{E}` out of `events(..)`"
)]
pub trait Project<E>: Projection + Lists<E> {
    /// Whether the handler uses more of the envelope than the stream, the version and the position.
    const WANTS_METADATA: bool = true;

    /// Applies `event` to the view.
    ///
    /// After an error, the event counts as not seen.
    fn project(
        &mut self,
        event: &E,
        envelope: &Envelope<'_>,
        context: &Context<'_, Self>,
    ) -> Result<(), BoxError>;
}

impl FollowerDefinition {
    /// The definition of the projection `P`.
    pub(crate) const fn of_projection<P: Projection>() -> Self {
        let mut definition = Self::new::<P>(FollowerKind::Projection);
        (definition.version, definition.init) = (P::VERSION, P::INIT);
        definition
    }
}
