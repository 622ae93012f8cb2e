//! Without the feature `tokio`: there is no runtime. The functions are those of `of_tokio.rs`.

use std::future::Future;

/// No runtime.
#[derive(Debug, Clone)]
pub(crate) enum Runtime {}

impl Runtime {
    pub(crate) fn current() -> Option<Self> {
        None
    }

    pub(crate) fn enter(&self) {
        match *self {}
    }

    pub(crate) fn has_ended(&self) -> bool {
        match *self {}
    }

    pub(crate) fn block_on<T>(&self, _: impl Future<Output = T>) -> T {
        match *self {}
    }
}

/// The feature is on.
#[diagnostic::on_unimplemented(
    message = "an `async fn` with `#[react]` needs the feature `tokio` of factum",
    label = "runs on a runtime of tokio",
    note = "switch it on in `Cargo.toml`: `factum = {{ version = \"..\", features = [\"tokio\"] }}`; or write a `fn` that blocks"
)]
pub trait FeatureTokio {}

/// What `async` handlers run on.
#[derive(Debug)]
pub enum OnTokio {}
