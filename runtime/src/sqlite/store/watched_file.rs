//! A file that other processes may append to, and how often to look at it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::domain::position::Position;
use crate::sqlite::file::log_index;
use crate::sqlite::file::log_index::{Header, LogIndex};
use crate::store::error::StoreError;
use crate::store::lock::lock;

/// The time between two looks right after an event of another process.
const SHORTEST_LOOK: Duration = Duration::from_millis(2);

/// The time between two looks is this part of the time since the last event of another process.
const PART: u32 = 100;

/// The time between two looks at a store that is idle. To wake for them takes more time than to look.
const IDLE_LOOK: Duration = Duration::from_millis(8);

/// How much longer that time is for each further store, unless that makes the looks too rare.
const FURTHER_STORE: Duration = Duration::from_micros(375);

/// How long the index alone is trusted: a read of the position also notices a file that was moved. So does a renewal of leases,
/// which comes each 5 seconds.
const LONGEST_TRUST: Duration = Duration::from_secs(6);

/// Reads the position of the newest event.
pub(super) type ReadPosition = Box<dyn Fn() -> Result<Position, StoreError> + Send>;

/// The file of a store.
pub(super) struct WatchedFile {
    path: PathBuf,
    /// The longest time between two looks.
    longest: Duration,
    looks: Mutex<Looks>,
}

struct Looks {
    /// `None` once the store is closed.
    position: Option<ReadPosition>,
    index: Option<LogIndex>,
    /// The index's header at the last look.
    header: Option<Header>,
    /// When the position was read last, or a commit of this process was seen in the index.
    trusted_at: Instant,
    /// When another process appended last, as far as the looks know.
    foreign_at: Option<Instant>,
}

/// The result of a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// The store is closed.
    Closed,
    /// No other process has appended.
    Nothing,
    /// The newest event is at this position, which is another one than before.
    Foreign(Position),
    /// The store can't be read.
    Failed,
}

impl WatchedFile {
    pub(super) fn new(path: &Path, longest: Duration, position: ReadPosition) -> Self {
        let looks = Looks {
            position: Some(position),
            index: None,
            header: None,
            trusted_at: Instant::now(),
            foreign_at: None,
        };
        Self { path: path.to_owned(), longest, looks: Mutex::new(looks) }
    }

    /// Begins to look: later looks find what comes from now on.
    pub(super) fn begin(&self) {
        let mut looks = lock(&self.looks);
        if looks.index.is_none() {
            looks.index = Some(LogIndex::of(&self.path));
        }
        looks.header = looks.index.as_ref().and_then(LogIndex::header);
    }

    /// Runs `commit`, which commits once without events. The looks pass over that commit, and over no other one.
    ///
    /// The caller has the file's write lock, so no other process commits before.
    pub(super) fn pass_over<T>(&self, commit: impl FnOnce() -> rusqlite::Result<T>) -> rusqlite::Result<T> {
        let header = |looks: &Looks| looks.index.as_ref().and_then(LogIndex::header);
        let before = header(&lock(&self.looks));
        let result = commit()?;
        let mut looks = lock(&self.looks);
        let after = header(&looks);
        let number = |header: Option<Header>| header.as_ref().and_then(log_index::commit);
        let is_the_only_one = number(before).map(|number| number.wrapping_add(1)) == number(after);
        if before.is_some() && before == looks.header && is_the_only_one {
            (looks.header, looks.trusted_at) = (after, Instant::now());
        }
        Ok(result)
    }

    /// Ends all looks, and waits for one that is under way.
    pub(super) fn close(&self) {
        lock(&self.looks).position = None;
    }

    /// Looks for events beyond `newest`. Returns also the time until the next look of a watcher of so many stores.
    ///
    /// The file's own process changes the index too. So the position decides.
    pub(super) fn look(
        &self,
        now: Instant,
        newest: impl FnOnce() -> Position,
        stores: usize,
    ) -> (Look, Duration) {
        let mut looks = lock(&self.looks);
        let Some(position) = &looks.position else { return (Look::Closed, self.longest) };
        let header = looks.index.as_ref().and_then(LogIndex::header);
        if header.is_some()
            && header == looks.header
            && now.saturating_duration_since(looks.trusted_at) < LONGEST_TRUST
        {
            return (Look::Nothing, self.until_next_look(now, looks.foreign_at, stores));
        }
        let position = position();
        looks.trusted_at = now;
        looks.header = header;
        let look = match position {
            Ok(position) if position == newest() => Look::Nothing,
            Ok(position) => {
                looks.foreign_at = Some(now);
                Look::Foreign(position)
            }
            Err(_) => Look::Failed,
        };
        (look, self.until_next_look(now, looks.foreign_at, stores))
    }

    /// Soon after an event of another process, the next one is likely.
    fn until_next_look(&self, now: Instant, foreign_at: Option<Instant>, stores: usize) -> Duration {
        let further = u32::try_from(stores).unwrap_or(u32::MAX).saturating_sub(1);
        let idle = IDLE_LOOK.saturating_add(FURTHER_STORE.saturating_mul(further));
        let active = foreign_at.map(|at| (now.saturating_duration_since(at) / PART).max(SHORTEST_LOOK));
        active.map_or(idle, |active| active.min(idle)).min(self.longest)
    }
}

impl fmt::Debug for WatchedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WatchedFile").field("longest", &self.longest).finish_non_exhaustive()
    }
}
