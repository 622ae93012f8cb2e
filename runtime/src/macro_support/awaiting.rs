//! How generated code calls an `async` handler.

use std::future::Future;

use crate::domain::error::BoxError;
use crate::follow::error::FollowError;
use crate::follow::handler::EventHandler;
use crate::follow::reaction::SideEffects;
use crate::follow::runs::unless_given_up;
use crate::runtime::{FeatureTokio, OnTokio, Runtime};

/// A target whose handlers may be `async`.
#[diagnostic::on_unimplemented(
    message = "a `#[react]` method is async in a reaction only: a process decides on what it has, and waits for nothing",
    label = "not async in a process",
    note = "write `fn`, and wait in a reaction: `#[derive(Reaction)]`. It can give the process its result by a command, whose event the \
            process lists"
)]
pub trait AwaitsHandlers {
    /// What they run on.
    type On;
}

impl AwaitsHandlers for SideEffects {
    type On = OnTokio;
}

/// The result of an `async` method of `H`, which this thread waits for.
///
/// The future borrows from the call, and need not be `Send`: so this thread polls it, and not a worker of the runtime.
pub fn awaited<H, F>(method: F) -> Result<F::Output, BoxError>
where
    H: EventHandler<Target: AwaitsHandlers<On: FeatureTokio>>,
    F: Future,
{
    let runtime = Runtime::current().ok_or(FollowError::NoRuntime { follower: H::NAME })?;
    Ok(runtime.block_on(unless_given_up(method))?)
}
