//! Makes long streams in a short time: appends large batches, without aggregates and commands.

use std::error::Error;
use std::ops::Range;

use factum::prelude::*;
use factum::store::{Append, NewEvent};
use factum::{Metadata, StreamName, Uuid};

use crate::account::MoneyDeposited;

/// Appends deposits to the account of this name, from one version of its stream to another.
pub(crate) fn fill(
    store: &impl EventStore,
    account: &str,
    versions: Range<u64>,
    batch: u64,
) -> Result<(), Box<dyn Error>> {
    let stream = StreamName::new("account", account);
    let mut version = versions.start;
    while version < versions.end {
        let until = versions.end.min(version + batch);
        let payloads = (version..until).map(payload).collect::<Result<Vec<_>, _>>()?;
        let metadata = Metadata::default();
        let recorded_at = Timestamp::now();
        let events: Vec<_> = payloads.iter().map(|payload| event(payload, recorded_at, &metadata)).collect();
        store.append(&[Append::new(&stream, version, &events)])?;
        version = until;
    }
    Ok(())
}

fn payload(version: u64) -> Result<String, Box<dyn Error>> {
    let mut payload = Vec::new();
    MoneyDeposited::new(1 + version % 9_000).encode(&mut payload)?;
    Ok(String::from_utf8(payload)?)
}

fn event<'e>(payload: &'e str, recorded_at: Timestamp, metadata: &'e Metadata) -> NewEvent<'e> {
    let (name, event_version) = (MoneyDeposited::NAME, MoneyDeposited::VERSION);
    NewEvent::new(name, event_version, payload, Uuid::now_v7(), recorded_at, metadata)
}
