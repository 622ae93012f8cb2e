//! What a transaction has written, for what runs in each append.

use crate::domain::metadata::Envelope;
use crate::domain::position::Position;
use crate::domain::stream_name::StreamName;
use crate::store::append::{Appended, NewEvent};
use crate::store::group_commit::{Answer, Request};
use crate::store::read::StoredEvent;

/// What a transaction has written when its hooks run.
pub(crate) struct Written<'a> {
    pub(crate) requests: &'a [Request<'a>],
    pub(crate) answers: &'a [Answer],
}

impl Written<'_> {
    /// The position of the first event; `None` if there is none.
    pub(crate) fn first_position(&self) -> Option<Position> {
        self.answers.iter().flatten().filter_map(|appended| appended.first_position).min()
    }

    /// Calls `visit` with each event, in order of position, until it fails.
    pub(crate) fn try_for_each<E>(
        &self,
        mut visit: impl FnMut(&StoredEvent<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        for (request, answer) in self.requests.iter().zip(self.answers) {
            let Ok(Appended { first_position: Some(first), versions }) = answer else { continue };
            let mut position = *first;
            for (append, after) in request.appends.iter().zip(versions) {
                let mut version = after - append.events.len() as u64;
                for event in append.events {
                    version += 1;
                    visit(&stored(event, append.stream, position, version))?;
                    position = position.next();
                }
            }
        }
        Ok(())
    }

    /// Whether an event that was written has a stream and a name for which `is_wanted` holds.
    pub(crate) fn has(&self, is_wanted: impl Fn(&StreamName, &str) -> bool) -> bool {
        let written = self.requests.iter().zip(self.answers).filter(|(_, answer)| answer.is_ok());
        written
            .flat_map(|(request, _)| request.appends)
            .any(|append| append.events.iter().any(|event| is_wanted(append.stream, event.name)))
    }
}

fn stored<'a>(
    event: &NewEvent<'a>,
    stream: &'a StreamName,
    position: Position,
    version: u64,
) -> StoredEvent<'a> {
    let NewEvent { name, event_version, id, recorded_at, metadata, payload } = *event;
    let envelope = Envelope {
        id,
        recorded_at,
        correlation: metadata.correlation,
        causation: metadata.causation,
        custom: metadata.custom_json(),
        ..Envelope::new(position, stream.category(), stream.key(), version)
    };
    StoredEvent { envelope, name, event_version, payload }
}
