//! What several threads use at a time.

/// A type that is `Send` and `Sync`: the state of an aggregate, and its services.
///
/// `derive(Aggregate)` asks for it. As supertraits of [`Aggregate`](crate::Aggregate), `Send` and `Sync` would be errors
/// of each impl that is generated.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be used by several threads",
    label = "not `Send`, or not `Sync`",
    note = "threads share the state of an aggregate and its services: instead of `Rc`, write `Arc`; instead of `Cell` and `RefCell`, write `Mutex` or an atomic"
)]
pub trait ThreadSafe: Send + Sync {}

#[diagnostic::do_not_recommend]
impl<T: Send + Sync> ThreadSafe for T {}

/// Asserts that a state is [`ThreadSafe`].
pub const fn is_thread_safe<T: ThreadSafe>() {}
