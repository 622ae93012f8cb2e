//! The definition of a follower as a value, without its Rust type.

use crate::domain::event::EventKind;
use crate::domain::hash::{FNV_OFFSET, hashed};
use crate::domain::misspelling::nearest;
use crate::follow::error::FollowError;
use crate::follow::handler::EventHandler;
use crate::store::event_store::EventStore;
use crate::store::partition::Partition;
use crate::store::read::Filter;

/// The kind of a follower.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FollowerKind {
    /// Makes a view, which has to be rebuilt when its events or tables change.
    Projection,
    /// Has effects outside of the store. When its events change, it continues at its position.
    Reaction,
    /// Has instances, and sends commands. When its events change, it continues at its position.
    Process,
}

impl FollowerKind {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Projection => "projection",
            Self::Reaction => "reaction",
            Self::Process => "process",
        }
    }
}

/// The name and version of a follower, and the events that it reads.
///
/// A value, so that the code for progress, leases and dead letters needs no type parameter.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FollowerDefinition {
    /// The name that its progress is stored under.
    pub(crate) name: &'static str,
    pub(crate) version: u32,
    pub(crate) kind: FollowerKind,
    events: &'static [EventKind],
    from: &'static [&'static str],
    from_by_name: &'static [&'static str],
    pub(crate) wants_metadata: bool,
    /// SQL that makes the view's tables.
    pub(crate) init: &'static str,
}

impl FollowerDefinition {
    /// The definition of a follower of version 1, without tables.
    pub(crate) const fn new<H: EventHandler>(kind: FollowerKind) -> Self {
        Self {
            name: H::NAME,
            version: 1,
            kind,
            events: H::EVENTS,
            from: H::FROM,
            from_by_name: H::FROM_BY_NAME,
            wants_metadata: H::WANTS_METADATA,
            init: "",
        }
    }

    /// This follower, with its progress under another name.
    pub(crate) const fn named(self, name: &'static str) -> Self {
        Self { name, ..self }
    }

    /// The fingerprint of a view's events, aggregates and tables. All reactions share one, and so do all processes.
    pub(crate) fn fingerprint(&self) -> i64 {
        let hash = match self.kind {
            FollowerKind::Reaction => hashed(FNV_OFFSET, "no view"),
            FollowerKind::Process => hashed(FNV_OFFSET, "a process"),
            FollowerKind::Projection => {
                let events = self.events.iter().map(|kind| kind.name);
                let parts = events.chain([""]).chain(self.from.iter().copied()).chain(["", self.init]);
                parts.fold(FNV_OFFSET, hashed)
            }
        };
        hash.cast_signed()
    }

    /// All names under which the follower's events may be stored.
    ///
    /// Empty, which passes all names, if the follower knows the type of one of its aggregates: it must not skip
    /// in silence an event that a newer program has added or renamed.
    pub(crate) fn stored_names(&self) -> Vec<&'static str> {
        if self.reads_by_name() {
            self.events.iter().flat_map(EventKind::names).collect()
        } else {
            Vec::new()
        }
    }

    /// Whether the follower reads events of this name in a stream of this category.
    pub(crate) fn reads(&self, category: &str, name: &str) -> bool {
        let is_from = self.from.is_empty() || self.from.contains(&category);
        is_from
            && (!self.reads_by_name()
                || self.events.iter().flat_map(EventKind::names).any(|known| known == name))
    }

    /// Whether it knows the type of none of its aggregates, and so reads the names that it lists.
    const fn reads_by_name(&self) -> bool {
        self.from.len() == self.from_by_name.len()
    }

    /// Checks the aggregates that are given by name, as text.
    ///
    /// A name that the store has no stream of, beside one that is nearly the same, is a misspelling. The follower
    /// would read nothing, and report that it is up to date.
    pub(crate) fn check_categories(&self, events: &dyn EventStore) -> Result<(), FollowError> {
        if self.from_by_name.is_empty() {
            return Ok(());
        }
        let known = events.categories().map_err(FollowError::store(self.name))?;
        let unknown = self.from_by_name.iter().filter(|name| known.iter().all(|known| known != *name));
        for &category in unknown {
            if let Some(meant) = nearest(category, known.iter().map(String::as_str)) {
                let (follower, meant) = (self.name, meant.to_owned());
                return Err(FollowError::UnknownCategory { follower, category, meant });
            }
        }
        Ok(())
    }

    /// The filter for the follower's events in a partition; `names` are its
    /// [`stored_names`](Self::stored_names).
    pub(crate) fn filter<'f>(&self, names: &'f [&'f str], partition: Partition) -> Filter<'f> {
        let filter = Filter::new().names(names).categories(self.from).partition(partition);
        if self.wants_metadata { filter } else { filter.without_metadata() }
    }
}
