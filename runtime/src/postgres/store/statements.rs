//! The statements of reads, with the name of the store's schema.

use std::sync::Arc;

use crate::postgres::store::keys;
use crate::store::read::Filter;

/// The columns of an event, in the order in which `rows.rs` reads them.
const EVENT: &str = "position, version, name, event_version, payload";

/// The columns of metadata, which follow.
const METADATA: &str = "id, recorded_at, correlation, causation, custom";

/// A statement.
#[derive(Clone)]
pub(crate) struct Sql {
    pub(crate) text: Arc<str>,
    /// Whether a standby may carry it out.
    pub(super) may_lag: bool,
}

impl Sql {
    /// A read, which a standby may carry out.
    fn read(text: impl Into<Arc<str>>) -> Self {
        Self { text: text.into(), may_lag: true }
    }

    /// One that writes, or asks for what is newest.
    pub(super) fn of_primary(text: impl Into<Arc<str>>) -> Self {
        Self { text: text.into(), may_lag: false }
    }
}

/// The statements that do not depend on a filter.
pub(super) struct Statements {
    schema: String,
    pub(super) stream: Sql,
    pub(super) replay: Sql,
    pub(super) stream_version: Sql,
    pub(super) position: Sql,
    pub(super) next_position: Sql,
    pub(super) event_id: Sql,
    pub(super) names: Sql,
    pub(super) categories: Sql,
    pub(super) outcome: Sql,
    pub(super) forget_keys: Sql,
    pub(super) all_keys: Sql,
    pub(super) import_keys: Sql,
    pub(super) snapshot: Sql,
    pub(super) save_snapshot: Sql,
    pub(super) drop_snapshots: Sql,
}

impl Statements {
    pub(super) fn new(schema: &str) -> Self {
        let number = format!("(SELECT id FROM {schema}.streams WHERE category = $1 AND key = $2)");
        let stream = |columns: &str| {
            format!(
                "SELECT {columns} FROM {schema}.events WHERE stream = {number} AND version > $3
                 ORDER BY version LIMIT $4"
            )
        };
        Self {
            stream: Sql::read(stream(&format!("{EVENT}, {METADATA}"))),
            replay: Sql::read(stream(&format!("{EVENT}, id"))),
            stream_version: Sql::read(format!(
                "SELECT version FROM {schema}.events WHERE stream = {number} ORDER BY version DESC LIMIT 1"
            )),
            position: Sql::of_primary(position(schema)),
            next_position: Sql::read(format!(
                "SELECT position FROM {schema}.events WHERE position > $1 ORDER BY position LIMIT 1"
            )),
            event_id: Sql::read(format!("SELECT id FROM {schema}.events WHERE position = $1")),
            names: Sql::read(format!("SELECT id, category, key FROM {schema}.streams WHERE id = ANY ($1)")),
            // One look at the index for each category, however many streams it has.
            categories: Sql::read(format!(
                "WITH RECURSIVE found AS (
                   (SELECT category FROM {schema}.streams ORDER BY category LIMIT 1)
                   UNION ALL
                   SELECT (SELECT s.category FROM {schema}.streams AS s WHERE s.category > found.category
                           ORDER BY s.category LIMIT 1)
                   FROM found WHERE found.category IS NOT NULL
                 )
                 SELECT category FROM found WHERE category IS NOT NULL"
            )),
            outcome: Sql::read(format!(
                "SELECT {} FROM {schema}.keys AS k WHERE k.stream = {number} AND k.key = $3",
                keys::COLUMNS
            )),
            forget_keys: counted(&format!("DELETE FROM {schema}.keys WHERE recorded_at < $1")),
            all_keys: Sql::read(format!(
                "SELECT {}, k.stream, s.category, s.key FROM {schema}.keys AS k JOIN {schema}.streams AS s ON s.id = k.stream
                 WHERE (k.stream, k.key) > ($1, $2) ORDER BY k.stream, k.key LIMIT $3",
                keys::COLUMNS
            )),
            import_keys: Sql::of_primary(format!(
                "SELECT n_key, n_before, n_version, n_at, n_command, n_shape, n_content, n_structs, place
                 FROM {schema}.import_keys($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"
            )),
            snapshot: Sql::read(format!(
                "SELECT version, position, event, taken_at, fingerprint, checksum, state FROM {schema}.snapshots
                 WHERE stream = {number}"
            )),
            save_snapshot: Sql::of_primary(format!(
                "SELECT {schema}.save_snapshot($1, $2, $3, $4, $5, $6, $7, $8, $9)"
            )),
            drop_snapshots: counted(&format!(
                "DELETE FROM {schema}.snapshots AS t WHERE $1::text IS NULL
                 OR EXISTS (SELECT FROM {schema}.streams AS s WHERE s.id = t.stream AND s.category = $1)"
            )),
            schema: schema.to_owned(),
        }
    }

    /// The quoted name of the store's schema.
    pub(super) fn schema(&self) -> &str {
        &self.schema
    }

    /// The statement for events of all streams. Its values are the position before, the last position, the number of rows,
    /// and then those of the filter: names, categories, and the index and the number of partitions.
    pub(super) fn all(&self, filter: &Filter<'_>) -> Sql {
        let schema = &self.schema;
        let metadata = if filter.wants_metadata { format!(", {METADATA}") } else { String::new() };
        let mut conditions = vec!["position > $1".to_owned(), "position <= $2".to_owned()];
        let mut next = 4..;
        let mut value = || next.next().unwrap_or_default();
        if !filter.names.is_empty() {
            conditions.push(format!("name = ANY (${})", value()));
        }
        if !filter.categories.is_empty() {
            conditions.push(format!(
                "EXISTS (SELECT FROM {schema}.streams AS s WHERE s.id = e.stream AND s.category = ANY (${}))",
                value()
            ));
        }
        if filter.partition.of() > 1 {
            conditions.push(format!("stream % ${} = ${}", value(), value()));
        }
        let conditions = conditions.join(" AND ");
        Sql::read(format!(
            "SELECT {EVENT}, stream{metadata} FROM {schema}.events AS e WHERE {conditions} ORDER BY position LIMIT $3"
        ))
    }
}

/// The statement for the position of the newest event.
pub(super) fn position(schema: &str) -> String {
    format!("SELECT position FROM {schema}.counter")
}

/// The statement, with the number of rows that it has changed as its result.
fn counted(sql: &str) -> Sql {
    Sql::of_primary(format!("WITH changed AS ({sql} RETURNING 1) SELECT count(*) FROM changed"))
}
