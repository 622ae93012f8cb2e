//! Which aggregate takes which commands.

use crate::domain::aggregate::Aggregate;

/// The command is in the `commands(..)` of the aggregate `A`, or is its command enum.
///
/// `derive(Aggregate)` writes an empty impl for each. From it, rustc infers the aggregate of a command.
#[diagnostic::on_unimplemented(
    message = "no aggregate takes the command `{Self}`",
    label = "not among the commands of any aggregate",
    note = "add it to the list of the aggregate that takes it: `#[aggregate(commands({Self}, ..))]`"
)]
pub trait CommandFor<A: Aggregate>: Into<A::Command> {}

/// The aggregate takes commands of type `C`: `C` is in its `commands(..)`, or is the generated command enum.
///
/// A repository's `execute` and the trait [`Execute`](crate::Execute) require it. Every aggregate whose
/// command enum is `From<C>` implements it; `derive(Aggregate)` generates a `From` for each listed command.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not take the command `{C}`",
    label = "`{C}` is not among the commands of `{Self}`",
    note = "add it: `#[aggregate(commands({C}, ..))]` on `{Self}`, and an `#[execute]` method for it"
)]
pub trait Accepts<C>: Aggregate {
    /// The command as a variant of the aggregate's command enum.
    fn command(command: C) -> Self::Command;
}

// One impl for all commands: rustc compiles it faster than an impl for each command. Error messages name the
// missing `Accepts`, not the missing `From`.
#[diagnostic::do_not_recommend]
impl<A: Aggregate<Command: From<C>>, C> Accepts<C> for A {
    #[inline]
    fn command(command: C) -> Self::Command {
        command.into()
    }
}
