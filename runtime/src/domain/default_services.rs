//! Services that need not be passed.

/// Services of the aggregate `A` that have a default, such as `()`.
///
/// A trait instead of a bound of `Default`, so that a diagnostic can name the method that takes the services.
#[diagnostic::on_unimplemented(
    message = "the services of `{A}` have no default: `{Self}` does not implement `Default`",
    label = "needs the services of `{A}`",
    note = "pass them: `store.repository_with::<{A}>(services)`, in a test `.when_with(command, &services)`",
    note = "or implement `Default` for `{Self}`"
)]
#[doc(hidden)]
pub trait DefaultServices<A> {
    /// The default.
    fn default_services() -> Self;
}

#[diagnostic::do_not_recommend]
impl<A, S: Default> DefaultServices<A> for S {
    fn default_services() -> S {
        S::default()
    }
}
