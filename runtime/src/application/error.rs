//! Why an application does not start or stop, and why a follower has not seen a command.

use std::fmt;

use crate::domain::aggregate::Aggregate;
use crate::domain::error::BoxError;
use crate::follow::background::WaitError;
use crate::repository::error::ExecuteError;
use crate::repository::outcome::Executed;

/// A follower that could not be started.
#[derive(Debug, thiserror::Error)]
#[error("the application can't start `{follower}`")]
#[non_exhaustive]
pub struct StartError {
    /// The follower's name.
    pub follower: &'static str,
    /// Why.
    pub source: BoxError,
}

/// Followers that had failed before the application stopped, or have not stopped in time.
#[derive(Debug, thiserror::Error)]
#[error("not stopped as they should: {}", shown(.failed.iter().map(|(follower, error)| format!("`{follower}`: {error}"))))]
#[non_exhaustive]
pub struct StopError {
    /// Their names, each with the reason.
    pub failed: Vec<(&'static str, BoxError)>,
}

/// Why a command with [`seen_by`](crate::ExecuteOptions::seen_by) has no answer.
#[non_exhaustive]
pub enum SeenError<A: Aggregate> {
    /// The command was not carried out.
    Execute(ExecuteError<A::Error>),
    /// The command *was* carried out, and a follower has not seen its events in time.
    #[non_exhaustive]
    Unseen {
        /// The command's outcome.
        done: Box<Executed<A>>,
        /// The followers that were late, each with its position and the one that was waited for.
        late: Vec<WaitError>,
    },
}

impl<A: Aggregate> fmt::Display for SeenError<A>
where
    A::Error: fmt::Display,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Execute(error) => error.fmt(f),
            Self::Unseen { late, .. } => {
                write!(f, "the command was carried out, and not all followers have seen it: {}", shown(late))
            }
        }
    }
}

impl<A: Aggregate> fmt::Debug for SeenError<A>
where
    A::Error: fmt::Debug,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Execute(error) => f.debug_tuple("Execute").field(error).finish(),
            Self::Unseen { late, .. } => f.debug_struct("Unseen").field("late", late).finish_non_exhaustive(),
        }
    }
}

impl<A: Aggregate> std::error::Error for SeenError<A>
where
    A::Error: std::error::Error,
{
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Execute(error) => error.source(),
            Self::Unseen { .. } => None,
        }
    }
}

pub(super) fn shown(items: impl IntoIterator<Item = impl fmt::Display>) -> String {
    items.into_iter().map(|item| item.to_string()).collect::<Vec<_>>().join(", ")
}
