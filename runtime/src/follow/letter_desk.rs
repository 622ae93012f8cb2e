//! Dead letters of a follower that runs.

use crate::domain::position::Position;
use crate::follow::background::{Follower, RunningFollower};
use crate::follow::dead_letter::{DeadLetter, LISTED, RetriedLetters};
use crate::follow::discarded_letter::DiscardedLetter;
use crate::follow::redelivery::LetterRequest;

/// Dead letters, while the follower runs.
///
/// The lists are read at once. A retry or a discard is done by the runner, between two steps: the caller waits
/// for a handler that is busy, and for a rebuild. If the runner ends before that, the call fails with
/// [`FollowError::RunnerEnded`](crate::follow::FollowError::RunnerEnded).
impl<F: Follower> RunningFollower<F> {
    /// The first 1,000 events that the follower has skipped, in order of position.
    pub fn dead_letters(&self) -> Result<Vec<DeadLetter>, F::Error> {
        self.dead_letters_after(Position::START, LISTED)
    }

    /// The events after `position` that the follower has skipped, in order of position, at most `limit`.
    pub fn dead_letters_after(&self, position: Position, limit: usize) -> Result<Vec<DeadLetter>, F::Error> {
        Ok(self.letters.list(position, limit)?)
    }

    /// The dead letter at a position, with the event's payload; `None` if there is none.
    pub fn dead_letter(&self, position: Position) -> Result<Option<DeadLetter>, F::Error> {
        Ok(self.letters.find(position)?)
    }

    /// The dead letters after `position` that were discarded, in order of position, at most `limit`.
    pub fn discarded_dead_letters(
        &self,
        position: Position,
        limit: usize,
    ) -> Result<Vec<DiscardedLetter>, F::Error> {
        Ok(self.letters.discarded(position, limit)?)
    }

    /// Handles all dead letters again, in order of position, except for those that still wait behind another
    /// one.
    ///
    /// ```
    /// # use std::sync::atomic::{AtomicBool, Ordering};
    /// # use std::time::Duration;
    /// # use factum::prelude::*;
    /// # mod bank { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/bank.rs")); }
    /// # use bank::*;
    /// # static IS_UP: AtomicBool = AtomicBool::new(false);
    /// # #[derive(Reaction)]
    /// # #[reaction(name = "mails", from(BankAccount), events(MoneyDeposited))]
    /// # struct Mails;
    /// # #[handlers]
    /// # impl Mails {
    /// #     #[react]
    /// #     fn deposited(&self, _: &MoneyDeposited) -> Result<(), BoxError> {
    /// #         if IS_UP.load(Ordering::SeqCst) { Ok(()) } else { Err("no mail server".into()) }
    /// #     }
    /// # }
    /// # let store = SqliteStore::in_memory()?;
    /// # let accounts = store.repository::<BankAccount>();
    /// # let done = accounts.execute(DepositMoney { account: AccountId("a".into()), cents: 5 })?;
    /// let mails = SqliteReaction::new(&store, Mails)?.follow().on_failure(OnFailure::DeadLetter);
    /// # let mails = mails.on_change(|_| {});
    /// let mails = mails.start()?;
    /// # mails.wait_for(done.position().unwrap(), Duration::from_secs(60))?;
    /// for letter in mails.dead_letters()? {
    ///     println!("{}: {}", letter.position, letter.error);
    /// }
    /// # IS_UP.store(true, Ordering::SeqCst);
    /// let retried = mails.retry_dead_letters()?;
    /// assert_eq!((retried.succeeded, retried.failed), (1, 0));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn retry_dead_letters(&self) -> Result<RetriedLetters, F::Error> {
        self.request(LetterRequest::RetryAll)
    }

    /// Handles one dead letter again, and the letters that wait behind it.
    ///
    /// Fails with [`FollowError::NoDeadLetter`](crate::follow::FollowError::NoDeadLetter) if there is none, and
    /// with [`FollowError::WaitsBehind`](crate::follow::FollowError::WaitsBehind) if it waits itself.
    pub fn retry_dead_letter(&self, position: Position) -> Result<RetriedLetters, F::Error> {
        self.request(LetterRequest::Retry(position))
    }

    /// Discards a dead letter: its event is never handled. The reason is kept, and
    /// [`discarded_dead_letters`](Self::discarded_dead_letters) lists it.
    ///
    /// The letters that wait behind it are handled; the result counts these.
    ///
    /// Fails with [`FollowError::NoDeadLetter`](crate::follow::FollowError::NoDeadLetter) if there is none.
    pub fn discard_dead_letter(
        &self,
        position: Position,
        reason: impl Into<String>,
    ) -> Result<RetriedLetters, F::Error> {
        self.request(LetterRequest::Discard { position, reason: reason.into() })
    }

    fn request(&self, request: LetterRequest) -> Result<RetriedLetters, F::Error> {
        self.check_process()?;
        Ok(self.control.request(request)?)
    }
}
