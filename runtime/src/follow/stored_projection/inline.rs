//! Views that are part of each append.

use crate::follow::engine::Engine;
use crate::follow::error::ProjectionError;
use crate::follow::inline_view::{InlineState, OnNewerVersion};
use crate::follow::projection::Projection;
use crate::follow::stored_projection::StoredProjection;
use crate::follow::view_store::{TableTarget, ViewStore};

#[expect(private_bounds, reason = "which stores keep which views is said by `Keeps`")]
impl<P: Projection<Target: TableTarget<S>>, S: ViewStore> StoredProjection<P, S> {
    /// Updates the view in the transaction of every append to the store, so that the view is always current.
    ///
    /// If a handler fails at an event of the append, the append fails with
    /// [`AppendError::Hook`](crate::store::AppendError::Hook), whose source is a
    /// [`FollowError`](crate::follow::FollowError), and so does the command: nothing is stored. While the handlers run,
    /// appends of all programs wait: keep them short. Events that are already in the store are projected first, in
    /// transactions of many events.
    ///
    /// This holds for this store and its clones, as long as they are open. If another program appends without the view, the
    /// next append here brings the view up to date. A view that is far behind catches up in transactions of its own first,
    /// and other writers get their turn in between: in SQLite if it takes longer than 10 milliseconds, in PostgreSQL if
    /// more than 500 events are left. In SQLite, each transaction takes twice as long as the one before, while other writers
    /// are faster than the handlers.
    ///
    /// Other trouble of the view stops no append that has nothing to do with it:
    ///
    /// | trouble | what an append does |
    /// |---|---|
    /// | An event that *another* program has written can't be read, projected or committed. | It is stored without the view, which stays before that event. Later appends try the event again: each in SQLite, and one a second in PostgreSQL. |
    /// | A newer program has made the view, by a newer version of the projection. | It is stored without the view; see [`inline_with`](Self::inline_with). |
    /// | The view's checkpoint is gone, or is another one. | It fails if it has events that the view reads. Otherwise it is stored. |
    ///
    /// An append that is stored without the view writes a line to standard error, once for each reason. The store's method
    /// `inline_views` returns the reason too.
    ///
    /// Fails with [`ProjectionError::AlreadyInline`] if the store has an inline projection of this name, and
    /// with [`ProjectionError::OtherFile`] if the view is in another database.
    pub fn inline(self) -> Result<(), ProjectionError>
    where
        P: Send + 'static,
    {
        self.inline_with(OnNewerVersion::default())
    }

    /// Updates the view as [`inline`](Self::inline) does, and says what appends do after a newer program has
    /// made the view.
    ///
    /// Fails as [`inline`](Self::inline) does.
    pub fn inline_with(mut self, on_newer: OnNewerVersion) -> Result<(), ProjectionError>
    where
        P: Send + 'static,
    {
        if self.engine.home.source.is_some() {
            return Err(ProjectionError::OtherFile { projection: P::NAME });
        }
        if !self.engine.is_caught_up()? {
            self.catch_up()?;
        }
        let Engine { home, handlers, .. } = self.engine;
        let state = InlineState::new::<P>(on_newer, home.hooks.clone());
        match handlers.into_iter().next() {
            Some(projection) => P::Target::run_inline(&home.progress, projection, state),
            None => Ok(()),
        }
    }
}
