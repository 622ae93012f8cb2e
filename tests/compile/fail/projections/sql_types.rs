use factum::follow::{KeepsSql, SqlRow};
use factum::prelude::*;
use factum::sqlite::rusqlite::Transaction;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize, Event)]
struct Opened;

#[derive(Debug, Serialize, Deserialize, Event)]
struct Closed;

// In memory, where there is no SQL.
#[derive(Debug, Default, Projection)]
#[projection(events(Opened), from("account"))]
struct Owners;

#[handlers]
impl Owners {
    #[project]
    fn opened(&mut self, _: &Opened, _: &mut dyn SqlTransaction) {}
}

#[derive(Debug, Default, Projection)]
#[projection(events(Opened, Closed), from("account"), into = Sql)]
struct Totals;

#[handlers]
impl Totals {
    // Only in SQLite.
    #[project]
    fn opened(&self, _: &Opened, _: &Transaction<'_>) {}

    #[project]
    fn closed(&self, _: &Closed, sql: &mut dyn SqlTransaction) -> Result<(), SqlError> {
        sql.execute("DELETE FROM totals WHERE name = $1", &[&'c']).map(drop)
    }
}

fn name(row: &SqlRow) -> Result<char, SqlError> {
    row.get("name")
}

fn keeps<S: KeepsSql>(_: &S) {}

fn main() {
    keeps(&MemoryStore::new());
    let _ = name;
}

// errors: 5
