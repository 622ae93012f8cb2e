//! Snapshots: rows of the table `snapshots`, one for each stream.

use tokio_postgres::{Error, Row};

use crate::domain::position::Position;
use crate::domain::stream_name::StreamName;
use crate::domain::time::Timestamp;
use crate::postgres::server::session::Value;
use crate::postgres::store::{Shared, name_values, signed, unreadable};
use crate::store::error::StoreError;
use crate::store::snapshot::{StoredSnapshot, VisitSnapshot};

impl Shared {
    pub(super) fn read_snapshot(
        &self,
        stream: &StreamName,
        visit: &mut VisitSnapshot<'_>,
    ) -> Result<(), StoreError> {
        let rows = self.ask(&self.statements.snapshot, name_values(stream))?.wait()?;
        if let Some(row) = rows.first() {
            visit(&snapshot(row).map_err(unreadable)?);
        }
        Ok(())
    }

    pub(super) fn save_snapshot(
        &self,
        stream: &StreamName,
        snapshot: &StoredSnapshot<'_>,
    ) -> Result<(), StoreError> {
        let mut values = name_values(stream);
        let columns: [Value; 7] = [
            Box::new(signed(snapshot.version)),
            Box::new(signed(snapshot.position.get())),
            Box::new(snapshot.event),
            Box::new(snapshot.taken_at.as_micros()),
            Box::new(snapshot.fingerprint.cast_signed()),
            Box::new(snapshot.checksum.cast_signed()),
            Box::new(snapshot.state.to_vec()),
        ];
        values.extend(columns);
        self.ask(&self.statements.save_snapshot, values)?.wait().map(drop)
    }
}

/// Reads a row. Whether the snapshot is right is for its reader to check.
pub(super) fn snapshot(row: &Row) -> Result<StoredSnapshot<'_>, Error> {
    let mut snapshot = StoredSnapshot::new(
        row.try_get::<_, i64>(0)?.unsigned_abs(),
        Position::new(row.try_get::<_, i64>(1)?.unsigned_abs()),
        Timestamp::from_micros(row.try_get(3)?),
        row.try_get::<_, i64>(4)?.cast_unsigned(),
        row.try_get::<_, i64>(5)?.cast_unsigned(),
        row.try_get(6)?,
    );
    snapshot.event = row.try_get(2)?;
    Ok(snapshot)
}
