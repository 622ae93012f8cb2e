//! Rebuilds of views, in tasks.

use crate::follow::error::ProjectionError;
use crate::follow::progress::CaughtUp;
use crate::follow::projection::Projection;
use crate::follow::stored_projection::StoredProjection;
use crate::follow::view_store::{TableTarget, ViewStore};
use crate::tasks::blocking;

/// In tasks of tokio, with the feature `tokio`: see [`factum::tasks`](crate::tasks).
#[expect(private_bounds, reason = "which stores keep which views is said by `Keeps`")]
impl<P: Projection<Target: TableTarget<S>> + Send + 'static, S: ViewStore> StoredProjection<P, S>
where
    Self: Send,
{
    /// Rebuilds the view, as [`rebuild`](Self::rebuild) does, and returns it.
    pub async fn rebuild_async(self) -> (Self, Result<CaughtUp, ProjectionError>) {
        let mut view = self;
        blocking(move || {
            let rebuilt = view.rebuild();
            (view, rebuilt)
        })
        .await
    }
}
