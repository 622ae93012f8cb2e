//! What a command is, and which aggregate takes it.

use std::fmt::Debug;

use crate::aggregate::Aggregate;

/// A request to an aggregate, in the imperative: it may be refused.
///
/// Derive it and mark the field that says which aggregate is meant:
///
/// ```
/// use factum::prelude::*;
///
/// #[derive(Debug, Command)]
/// struct DepositMoney {
///     #[command(id)]
///     account: String,
///     cents: u64,
/// }
///
/// let command = DepositMoney { account: "alice".into(), cents: 50 };
/// assert_eq!(command.aggregate_id(), "alice");
/// ```
///
/// A tuple struct with one field needs no mark: `struct CloseAccount(AccountId);`. A command without fields
/// (`struct Tick;`) has the id `()` and goes to an aggregate of which there is just one.
///
/// The enum of an aggregate's commands that `derive(Aggregate)` generates is a command as well.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a command",
    label = "this type does not derive `Command`",
    note = "annotate `{Self}` with `#[derive(Debug, Command)]` and mark its id field with `#[command(id)]`"
)]
pub trait Command: Debug {
    /// The id type of the aggregate that takes the command.
    type Id;

    /// Which aggregate is meant.
    fn aggregate_id(&self) -> &Self::Id;
}

/// The aggregate takes commands of type `C`: `C` is in its `commands(..)`, or is the generated command enum.
///
/// What a repository's `execute` asks for, and what an [`Execute`](crate::Execute) has to be about. It follows from a
/// `From<C>` of the command enum, of which `derive(Aggregate)` generates one for each command listed.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not take the command `{C}`",
    label = "`{C}` is not among the commands of `{Self}`",
    note = "add it: `#[aggregate(commands({C}, ..))]` on `{Self}`, and an `#[execute]` method for it"
)]
pub trait Accepts<C>: Aggregate {
    /// The command as a variant of the aggregate's command enum.
    fn command(command: C) -> Self::Command;
}

// One impl for all of them: rustc takes longer for one more than for finding out that this one fits. What it rests on is
// nobody's business who has forgotten to list a command.
#[diagnostic::do_not_recommend]
impl<A: Aggregate<Command: From<C>>, C> Accepts<C> for A {
    #[inline]
    fn command(command: C) -> Self::Command {
        command.into()
    }
}
