//! The results of loads and commands.

use std::fmt;
use std::sync::Arc;

use crate::domain::aggregate::Aggregate;
use crate::domain::metadata::Recorded;
use crate::domain::position::Position;
use crate::domain::stream_name::StreamName;
use crate::repository::replay::Replay;

/// An aggregate as it is, or was, at some version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded<A> {
    state: Arc<A>,
    version: u64,
    stream: StreamName,
}

/// The result of a command, or of a batch of commands.
pub struct Executed<A: Aggregate> {
    state: Arc<A>,
    version: u64,
    events: Vec<Recorded<A::Event>>,
    repeated: bool,
}

impl<A> Loaded<A> {
    pub(crate) fn new(replay: Replay<A>, stream: StreamName) -> Self {
        Self { state: replay.state, version: replay.version, stream }
    }

    /// The state.
    #[must_use]
    pub fn state(&self) -> &A {
        &self.state
    }

    /// The state, owned; a copy if the repository caches it.
    #[must_use]
    pub fn into_state(self) -> A
    where
        A: Aggregate,
    {
        Arc::try_unwrap(self.state).unwrap_or_else(|shared| shared.duplicate())
    }

    /// The version that the state is at: how many events led to it.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The aggregate's stream.
    #[must_use]
    pub fn stream(&self) -> &StreamName {
        &self.stream
    }
}

impl<A: Aggregate> Executed<A> {
    /// The state of `replay`, and the events that were appended.
    pub(crate) fn new(replay: &Replay<A>, events: Vec<Recorded<A::Event>>) -> Self {
        Self { state: Arc::clone(&replay.state), version: replay.version, events, repeated: false }
    }

    /// The outcome of an earlier command with the same idempotency key.
    pub(crate) fn repeated(state: Arc<A>, version: u64, events: Vec<Recorded<A::Event>>) -> Self {
        Self { state, version, events, repeated: true }
    }

    /// The state after the command.
    #[must_use]
    pub fn state(&self) -> &A {
        &self.state
    }

    /// The state after the command, owned; a copy if the repository caches it.
    #[must_use]
    pub fn into_state(self) -> A {
        Arc::try_unwrap(self.state).unwrap_or_else(|shared| shared.duplicate())
    }

    /// The version that the aggregate is at after the command.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The recorded events, as the store has them.
    #[must_use]
    pub fn events(&self) -> &[Recorded<A::Event>] {
        &self.events
    }

    /// The position of the newest of these events; `None` if there are none.
    ///
    /// A projection shows the events once it has reached this position.
    #[must_use]
    pub fn position(&self) -> Option<Position> {
        self.events.last().map(|event| event.position)
    }

    /// Whether the command led to no events.
    #[must_use]
    pub fn is_unchanged(&self) -> bool {
        self.events.is_empty()
    }

    /// Whether this is the outcome of an earlier command with the same idempotency key. Then nothing was
    /// stored now.
    #[must_use]
    pub fn is_repeated(&self) -> bool {
        self.repeated
    }
}

impl<A: Aggregate + fmt::Debug> fmt::Debug for Executed<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Executed")
            .field("state", &self.state)
            .field("version", &self.version)
            .field("events", &self.events)
            .field("repeated", &self.repeated)
            .finish()
    }
}
