//! The commands of processes that wait to be sent, as appends meet them.

use rusqlite::Connection;

use crate::follow::process::instances::HappeningKind;
use crate::sqlite::file::handler_sql::own_sql;
use crate::store::append::WaitingCommand;

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
        .execute((id, HappeningKind::Sent.number(), sent_at.as_micros()))?;
    if recorded == 0 {
        return Ok(false);
    }
    connection
        .prepare_cached(own_sql!("DELETE FROM factum_process_commands WHERE id = ?1"))?
        .execute([id])
        .map(|removed| removed > 0)
}
