//! What is done with dead letters: each is tried again, or discarded, and the letters behind it follow.

use crate::domain::error::with_causes;
use crate::domain::panic::discard;
use crate::domain::position::Position;
use crate::domain::time::Timestamp;
use crate::follow::checkpoint;
use crate::follow::control::Control;
use crate::follow::dead_letter;
use crate::follow::dead_letter::RetriedLetters;
use crate::follow::definition::FollowerDefinition;
use crate::follow::error::FollowError;
use crate::follow::handler::EventHandler;
use crate::follow::progress_store::{ProgressHome, ProgressStore, StoredLetter};
use crate::follow::state::FollowerChange;
use crate::follow::worker::StepTarget;

/// How many letters are read at once.
const PAGE: usize = 100;

/// What a caller wants to be done with dead letters.
#[derive(Debug, Clone)]
pub(crate) enum LetterRequest {
    RetryAll,
    Retry(Position),
    Discard { position: Position, reason: String },
}

/// A follower whose dead letters are handled again.
pub(crate) struct Redelivery<'r, H, P> {
    pub(crate) home: &'r ProgressHome<P>,
    pub(crate) definition: &'r FollowerDefinition,
    pub(crate) handlers: &'r mut H,
    /// What hears of letters that fail for the first time.
    pub(crate) control: Option<&'r Control>,
}

impl<H: EventHandler, P: ProgressStore> Redelivery<'_, H, P>
where
    H::Target: StepTarget<P>,
{
    pub(crate) fn carry_out(&mut self, request: &LetterRequest) -> Result<RetriedLetters, FollowError> {
        let mut retried = RetriedLetters::default();
        self.check()?;
        match request {
            LetterRequest::RetryAll => self.retry_all(&mut retried)?,
            LetterRequest::Retry(position) => {
                let letter = self.require(*position)?;
                if let Some(behind) = letter.behind {
                    let (follower, position) = (self.definition.name, letter.position);
                    return Err(FollowError::WaitsBehind { follower, position, behind });
                }
                if self.retry(&letter, &mut retried)? {
                    self.retry_behind(&letter, &mut retried)?;
                }
            }
            LetterRequest::Discard { position, reason } => {
                let letter = self.require(*position)?;
                self.home.in_transaction(self.definition.name, |transaction| {
                    P::discard_letter(transaction, self.definition.name, &letter, reason, Timestamp::now())
                        .map_err(FollowError::store(self.definition.name))
                })?;
                if letter.behind.is_none() {
                    self.retry_behind(&letter, &mut retried)?;
                }
            }
        }
        Ok(retried)
    }

    /// Checks that the view is of this version, and that the store still has the events of the letters.
    fn check(&self) -> Result<(), FollowError> {
        let positions = checkpoint::require(&self.home.progress, self.definition)?;
        positions.check(self.home.events(), self.definition.name)
    }

    /// Whether the run has to end, however many letters are left.
    fn is_stopping(&self) -> bool {
        self.control.is_some_and(Control::is_stopping)
    }

    /// Tries the letters that have only waited, and wait no longer. Another run has left them so.
    pub(crate) fn retry_ready(&mut self) -> Result<(), FollowError> {
        let mut retried = RetriedLetters::default();
        let failed = FollowError::store(self.definition.name);
        while !self.is_stopping()
            && let Some(letter) = self.home.progress.ready_letter(self.definition.name).map_err(failed)?
        {
            self.retry(&letter, &mut retried)?;
        }
        Ok(())
    }

    /// Tries all letters in order of position, except for those that still wait behind another one.
    fn retry_all(&mut self, retried: &mut RetriedLetters) -> Result<(), FollowError> {
        // Letters that are added in the meantime are left alone.
        let newest = self.home.newest(self.definition.name)?;
        let mut after = Position::START;
        loop {
            let page = self.home.progress.letters(self.definition.name, after, PAGE);
            let page = page.map_err(FollowError::store(self.definition.name))?;
            for StoredLetter { position, .. } in &page {
                after = *position;
                if after > newest || self.is_stopping() {
                    return Ok(());
                }
                match self.find(after)? {
                    Some(letter) if letter.behind.is_none() => drop(self.retry(&letter, retried)?),
                    _ => {}
                }
            }
            if page.len() < PAGE {
                return Ok(());
            }
        }
    }

    /// Tries the letters that have waited behind one that is gone, in order, until one fails.
    fn retry_behind(
        &mut self,
        letter: &StoredLetter,
        retried: &mut RetriedLetters,
    ) -> Result<(), FollowError> {
        let Some(stream) = &letter.stream else { return Ok(()) };
        let failed = FollowError::store(self.definition.name);
        while !self.is_stopping()
            && let Some(next) =
                self.home.progress.first_letter(self.definition.name, stream).map_err(failed)?
        {
            if !self.retry(&next, retried)? {
                break;
            }
        }
        Ok(())
    }

    /// Tries a letter again; `false` if it has failed again.
    fn retry(&mut self, letter: &StoredLetter, retried: &mut RetriedLetters) -> Result<bool, FollowError> {
        self.check()?;
        let (home, follower, position) = (self.home, self.definition.name, letter.position);
        let event = dead_letter::event_at(home, follower, position)?;
        match H::Target::retry_letter(self.handlers, home, follower, letter, &event) {
            Ok(is_handled) => {
                // Another process may have been faster.
                retried.succeeded += usize::from(is_handled);
                Ok(true)
            }
            Err(error) if error.position().is_some() => {
                retried.failed += 1;
                let (text, attempts) = (with_causes(&error), letter.attempts.saturating_add(1));
                discard(error);
                let failed = StoredLetter {
                    error: text.clone(),
                    attempts,
                    failed_at: Timestamp::now(),
                    ..letter.clone()
                };
                home.in_transaction(follower, |transaction| {
                    P::update_letter(transaction, follower, &failed).map_err(FollowError::store(follower))
                })?;
                if let (Some(control), 0) = (self.control, letter.attempts) {
                    let error = text;
                    control.say([FollowerChange::DeadLetter { follower, position, error, attempts }]);
                }
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    fn find(&self, position: Position) -> Result<Option<StoredLetter>, FollowError> {
        self.home
            .progress
            .letter(self.definition.name, position)
            .map_err(FollowError::store(self.definition.name))
    }

    fn require(&self, position: Position) -> Result<StoredLetter, FollowError> {
        let follower = self.definition.name;
        self.find(position)?.ok_or(FollowError::NoDeadLetter { follower, position })
    }
}
