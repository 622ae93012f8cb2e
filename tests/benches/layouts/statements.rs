//! Two ways to have a statement ready.

use rusqlite::{Connection, Statement};

pub(crate) trait Statements {
    fn with<T>(
        &mut self,
        sql: &'static str,
        run: impl FnOnce(&mut Statement<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T>;
}

/// Taken from the connection's cache, and given back.
pub(crate) struct Cached<'c>(pub(crate) &'c Connection);

impl Statements for Cached<'_> {
    fn with<T>(
        &mut self,
        sql: &'static str,
        run: impl FnOnce(&mut Statement<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        run(&mut *self.0.prepare_cached(sql)?)
    }
}

/// Prepared once and kept; borrows the connection for as long.
pub(crate) struct Held<'c> {
    connection: &'c Connection,
    held: Vec<(&'static str, Statement<'c>)>,
}

impl<'c> Held<'c> {
    pub(crate) fn new(connection: &'c Connection) -> Self {
        Self { connection, held: Vec::new() }
    }
}

impl Statements for Held<'_> {
    fn with<T>(
        &mut self,
        sql: &'static str,
        run: impl FnOnce(&mut Statement<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        // Fields of a struct, in a store. Looking through a handful of them takes nanoseconds.
        let at = match self.held.iter().position(|(held, _)| std::ptr::eq(*held, sql)) {
            Some(at) => at,
            None => {
                self.held.push((sql, self.connection.prepare(sql)?));
                self.held.len() - 1
            }
        };
        run(&mut self.held[at].1)
    }
}
