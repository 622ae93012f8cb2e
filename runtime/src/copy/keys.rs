//! The idempotency keys of a copy, after its events: their outcomes name versions of the target.

use std::ops::ControlFlow;

use crate::copy::copied_event::{Change, CopiedEvent};
use crate::copy::error::CopyError;
use crate::copy::events::Pass;
use crate::copy::store_copy::{Changes, StoreCopy};
use crate::domain::stream_name::StreamName;
use crate::store::append::Outcome;
use crate::store::error::AppendError;
use crate::store::event_store::EventStore;
use crate::store::stored_key::StoredKey;

/// How many keys a copy has dealt with.
#[derive(Default)]
pub(super) struct CopiedKeys {
    pub(super) copied: u64,
    pub(super) left_out: u64,
}

/// What the target has of a stream.
struct StreamCopy {
    stream: StreamName,
    /// The version in the source of the last event that the copy has dealt with.
    until: u64,
    /// The versions in the source that were left out, as ranges from the first one to the one after the last.
    left_out: Vec<(u64, u64)>,
}

impl StreamCopy {
    /// How many of the first `version` events of the source the target has.
    fn version(&self, version: u64) -> u64 {
        let before = self.left_out.iter().map(|&(first, end)| end.min(version + 1).saturating_sub(first));
        version.saturating_sub(before.sum())
    }

    /// Whether all events were left out.
    fn is_empty(&self) -> bool {
        self.until > 0 && self.version(self.until) == 0
    }

    fn leave_out(&mut self, version: u64) {
        match self.left_out.last_mut() {
            Some((_, end)) if *end == version => *end += 1,
            _ => self.left_out.push((version, version + 1)),
        }
    }
}

/// A key with its outcome in the target.
struct OwnedKey {
    stream: StreamName,
    key: String,
    outcome: Outcome,
}

/// Copies all keys whose commands' events are copied.
pub(super) fn copy<F: EventStore, T: EventStore>(
    copy: &mut StoreCopy<'_, F, T>,
    pass: &Pass,
) -> Result<CopiedKeys, CopyError> {
    let StoreCopy { from, to, changes, batch, .. } = copy;
    let mut keys = CopiedKeys::default();
    let mut stream: Option<StreamCopy> = None;
    let mut waiting: Vec<OwnedKey> = Vec::new();
    let mut take = |key: &StoredKey<'_>| {
        let of = match stream.take().filter(|of| of.stream == *key.stream) {
            Some(of) => of,
            None => stream_copy(from, to, changes, key.stream, pass)?,
        };
        let outcome = key.outcome;
        if of.is_empty() && outcome.version <= of.until {
            keys.left_out += 1;
        } else if outcome.version <= of.until {
            let (before, version) = (of.version(outcome.before), of.version(outcome.version));
            let outcome = Outcome { before, version, ..outcome.clone() };
            waiting.push(OwnedKey { stream: key.stream.clone(), key: key.key.to_owned(), outcome });
            keys.copied += 1;
        }
        stream = Some(of);
        if waiting.len() >= *batch { import(to, &mut waiting) } else { Ok(()) }
    };
    let mut taken = Ok(());
    from.read_keys(&mut |key| {
        taken = take(key);
        if taken.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })
    .map_err(CopyError::Source)?;
    taken?;
    import(to, &mut waiting)?;
    Ok(keys)
}

fn import(to: &impl EventStore, waiting: &mut Vec<OwnedKey>) -> Result<(), CopyError> {
    let keys: Vec<_> =
        waiting.iter().map(|waits| StoredKey::new(&waits.stream, &waits.key, &waits.outcome)).collect();
    let imported = to.import_keys(&keys);
    waiting.clear();
    imported.map_err(|error| match error {
        AppendError::KnownKey { stream, key, .. } => CopyError::OtherKey { stream, key },
        error => CopyError::Append(error),
    })
}

/// Finds out which events of a stream the target has.
fn stream_copy(
    from: &impl EventStore,
    to: &impl EventStore,
    changes: &mut Changes<'_>,
    stream: &StreamName,
    pass: &Pass,
) -> Result<StreamCopy, CopyError> {
    let target = to.stream_version(stream).map_err(CopyError::Target)?;
    let mut copy = StreamCopy { stream: stream.clone(), until: target, left_out: Vec::new() };
    // Events that were appended since the copy began are not in the target, nor are those that were left out.
    if pass.left_out == 0 || from.stream_version(stream).map_err(CopyError::Source)? == target {
        return Ok(copy);
    }
    copy.until = 0;
    let mut result = Ok(());
    from.read_stream(stream, 0, usize::MAX, &mut |event| {
        if event.envelope.position > pass.end {
            return ControlFlow::Break(());
        }
        copy.until = event.envelope.version;
        match changes.change(&mut CopiedEvent::of(event)) {
            Ok(Change::Keep) => {}
            Ok(Change::LeaveOut) => copy.leave_out(event.envelope.version),
            Err(error) => {
                result = Err(error);
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    })
    .map_err(CopyError::Source)?;
    result.map(|()| copy)
}
