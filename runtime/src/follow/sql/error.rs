//! Why a statement failed.

use crate::domain::error::BoxError;
use crate::follow::sql::parameter::NotForSql;
use crate::store::error::StoreError;

/// Why a statement of a view failed.
///
/// The error of a follower, [`FollowError`](crate::follow::FollowError), names the view and the event.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SqlError {
    /// The database has refused the statement.
    #[error("`{statement}` failed")]
    #[non_exhaustive]
    Database {
        /// The statement.
        statement: String,
        /// The database's error.
        source: BoxError,
    },
    /// factum does not give the statement to the database.
    #[error("`{statement}` is refused: {reason}")]
    #[non_exhaustive]
    Refused {
        /// The statement.
        statement: String,
        /// Why, and what to do instead.
        reason: String,
    },
    /// The statement has another number of parameters than values.
    #[error("`{statement}` takes {wanted} values, and gets {given}")]
    #[non_exhaustive]
    Count {
        /// The statement.
        statement: String,
        /// How many values the statement takes.
        wanted: usize,
        /// How many values were given.
        given: usize,
    },
    /// A database can't keep a value.
    #[error("the value ${number} of `{statement}` {source}")]
    #[non_exhaustive]
    Value {
        /// The statement.
        statement: String,
        /// Which value, from 1.
        number: usize,
        /// Why.
        source: NotForSql,
    },
    /// A row has no such column, or its value is of another type.
    #[error("the column {column} of `{statement}` {problem}")]
    #[non_exhaustive]
    Column {
        /// The statement.
        statement: String,
        /// The column.
        column: String,
        /// What is wrong.
        problem: String,
    },
    /// An earlier statement of the handler has failed. PostgreSQL does nothing more in such a transaction, and so no database
    /// does.
    #[error(
        "an earlier statement of the handler has failed, `{statement}`: return its error, for nothing more can be done in \
         this transaction"
    )]
    #[non_exhaustive]
    FailedBefore {
        /// The earlier statement.
        statement: String,
    },
    /// No program has made the view in this store.
    #[error("the view `{view}` is not there: run it once, or start an application that has it")]
    #[non_exhaustive]
    NoView {
        /// The view's name.
        view: &'static str,
    },
    /// The store of the view could not be asked.
    #[error("the view `{view}` could not be read")]
    #[non_exhaustive]
    Store {
        /// The view's name.
        view: &'static str,
        /// The store's error.
        source: StoreError,
    },
}
