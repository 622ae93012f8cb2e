//! The commands of processes that wait to be sent, as appends meet them.

use rusqlite::Connection;

use crate::follow::process::instances::HappeningKind;
use crate::sqlite::file::handler_sql::own_sql;
use crate::store::append::WaitingCommand;

/// The kinds of entries of a history, as they are stored: each by its place here, from 1.
const KINDS: [HappeningKind; 7] = [
    HappeningKind::Received,
    HappeningKind::TimedOut,
    HappeningKind::Sent,
    HappeningKind::Refused,
    HappeningKind::Failed,
    HappeningKind::Discarded,
    HappeningKind::Done,
];

/// A kind as it is stored.
pub(crate) fn kind_number(kind: HappeningKind) -> usize {
    KINDS.iter().position(|known| *known == kind).map_or(0, |index| index + 1)
}

/// A kind from its number.
pub(crate) fn kind_of_number(number: usize) -> Option<HappeningKind> {
    number.checked_sub(1).and_then(|index| KINDS.get(index)).copied()
}

/// Takes a command out of those that wait, and records in the history of its instance that it was sent. Returns whether it has
/// waited.
pub(crate) fn take(connection: &Connection, waiting: WaitingCommand) -> rusqlite::Result<bool> {
    let WaitingCommand { id, sent_at } = waiting;
    let recorded = connection
        .prepare_cached(own_sql!(
            "INSERT INTO factum_process_history (process, instance, kind, name, at, cause, version, detail)
             SELECT process, instance, ?2, name, ?3, cause, 0, key FROM factum_process_commands
             WHERE id = ?1 AND held = 0"
        ))?
        .execute((id, kind_number(HappeningKind::Sent), sent_at.as_micros()))?;
    if recorded == 0 {
        return Ok(false);
    }
    connection
        .prepare_cached(own_sql!("DELETE FROM factum_process_commands WHERE id = ?1"))?
        .execute([id])
        .map(|removed| removed > 0)
}
