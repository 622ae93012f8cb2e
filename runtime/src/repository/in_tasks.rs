//! What an aggregate needs so that a future that carries out its command can go from thread to thread.

use crate::domain::aggregate::Aggregate;

/// An aggregate whose commands can be carried out in tasks: all that it is made of can go from thread to thread.
pub trait InTasks:
    Aggregate<Id: Clone + Send, Command: Send, Event: Send + Sync, Error: Send, Services: Clone> + Send + Sync
{
}

impl<A> InTasks for A where
    A: Aggregate<Id: Clone + Send, Command: Send, Event: Send + Sync, Error: Send, Services: Clone>
        + Send
        + Sync
{
}
