//! The statements of reads, with the name of the store's schema.

use std::sync::Arc;

use crate::postgres::store::keys;
use crate::store::read::Filter;

/// The columns of an event, in the order in which `rows.rs` reads them.
const EVENT: &str = "position, version, name, event_version, payload";

/// The columns of metadata, which follow.
const METADATA: &str = "id, recorded_at, correlation, causation, custom";

/// The texts of the statements that do not depend on a filter.
pub(super) struct Statements {
    schema: String,
    pub(super) stream: Arc<str>,
    pub(super) replay: Arc<str>,
    pub(super) stream_version: Arc<str>,
    pub(super) position: Arc<str>,
    pub(super) next_position: Arc<str>,
    pub(super) event_id: Arc<str>,
    pub(super) names: Arc<str>,
    pub(super) categories: Arc<str>,
    pub(super) outcome: Arc<str>,
    pub(super) forget_keys: Arc<str>,
    pub(super) all_keys: Arc<str>,
    pub(super) import_keys: Arc<str>,
    pub(super) snapshot: Arc<str>,
    pub(super) save_snapshot: Arc<str>,
    pub(super) drop_snapshots: Arc<str>,
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
            stream: stream(&format!("{EVENT}, {METADATA}")).into(),
            replay: stream(&format!("{EVENT}, id")).into(),
            stream_version: format!(
                "SELECT version FROM {schema}.events WHERE stream = {number} ORDER BY version DESC LIMIT 1"
            )
            .into(),
            position: format!("SELECT position FROM {schema}.counter").into(),
            next_position: format!(
                "SELECT position FROM {schema}.events WHERE position > $1 ORDER BY position LIMIT 1"
            )
            .into(),
            event_id: format!("SELECT id FROM {schema}.events WHERE position = $1").into(),
            names: format!("SELECT id, category, key FROM {schema}.streams WHERE id = ANY ($1)").into(),
            // One look at the index for each category, however many streams it has.
            categories: format!(
                "WITH RECURSIVE found AS (
                   (SELECT category FROM {schema}.streams ORDER BY category LIMIT 1)
                   UNION ALL
                   SELECT (SELECT s.category FROM {schema}.streams AS s WHERE s.category > found.category
                           ORDER BY s.category LIMIT 1)
                   FROM found WHERE found.category IS NOT NULL
                 )
                 SELECT category FROM found WHERE category IS NOT NULL"
            )
            .into(),
            outcome: format!(
                "SELECT {} FROM {schema}.keys AS k WHERE k.stream = {number} AND k.key = $3",
                keys::COLUMNS
            )
            .into(),
            forget_keys: counted(&format!("DELETE FROM {schema}.keys WHERE recorded_at < $1")),
            all_keys: format!(
                "SELECT {}, k.stream, s.category, s.key FROM {schema}.keys AS k JOIN {schema}.streams AS s ON s.id = k.stream
                 WHERE (k.stream, k.key) > ($1, $2) ORDER BY k.stream, k.key LIMIT $3",
                keys::COLUMNS
            )
            .into(),
            import_keys: format!(
                "SELECT n_key, n_before, n_version, n_at, n_command, n_shape, n_content, n_structs, place
                 FROM {schema}.import_keys($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"
            )
            .into(),
            snapshot: format!(
                "SELECT version, position, event, taken_at, fingerprint, checksum, state FROM {schema}.snapshots
                 WHERE stream = {number}"
            )
            .into(),
            save_snapshot: format!("SELECT {schema}.save_snapshot($1, $2, $3, $4, $5, $6, $7, $8, $9)").into(),
            drop_snapshots: counted(&format!(
                "DELETE FROM {schema}.snapshots AS t WHERE $1::text IS NULL
                 OR EXISTS (SELECT FROM {schema}.streams AS s WHERE s.id = t.stream AND s.category = $1)"
            )),
            schema: schema.to_owned(),
        }
    }

    /// The statement for events of all streams. Its values are the position before, the last position, the number of rows,
    /// and then those of the filter: names, categories, and the index and the number of partitions.
    pub(super) fn all(&self, filter: &Filter<'_>) -> Arc<str> {
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
        format!(
            "SELECT {EVENT}, stream{metadata} FROM {schema}.events AS e WHERE {conditions} ORDER BY position LIMIT $3"
        )
        .into()
    }
}

/// The statement, with the number of rows that it has changed as its result.
fn counted(sql: &str) -> Arc<str> {
    format!("WITH changed AS ({sql} RETURNING 1) SELECT count(*) FROM changed").into()
}
