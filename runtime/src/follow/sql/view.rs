//! Queries on the tables of a view.

use std::fmt;
use std::marker::PhantomData;

use crate::follow::keeps::KeepsSql;
use crate::follow::projection::Projection;
use crate::follow::sql::Sql;
use crate::follow::sql::error::SqlError;
use crate::follow::sql::parameter::SqlParameter;
use crate::follow::sql::row::SqlRow;
use crate::follow::sql::transaction::SqlTransaction;

/// The tables of the view `P` in a store, for queries; see [`sql_view`](crate::EventStoreExt::sql_view).
pub struct SqlView<'s, S, P> {
    store: &'s S,
    view: PhantomData<fn() -> P>,
}

impl<'s, S: KeepsSql, P: Projection<Target = Sql>> SqlView<'s, S, P> {
    pub(crate) fn of(store: &'s S) -> Self {
        Self { store, view: PhantomData }
    }

    /// The rows of a query.
    ///
    /// Fails with [`SqlError::NoView`] if no program has made the view in this store.
    pub fn query(&self, sql: &str, values: &[&dyn SqlParameter]) -> Result<Vec<SqlRow>, SqlError> {
        self.read(|view| view.query(sql, values))
    }

    /// The first row of a query, if it has one.
    ///
    /// Fails as [`query`](Self::query) does.
    pub fn query_opt(&self, sql: &str, values: &[&dyn SqlParameter]) -> Result<Option<SqlRow>, SqlError> {
        self.read(|view| view.query_opt(sql, values))
    }

    /// Several queries that see one state of the view, in a transaction that can't write.
    ///
    /// Fails as [`query`](Self::query) does.
    pub fn read<T>(
        &self,
        read: impl FnOnce(&mut dyn SqlTransaction) -> Result<T, SqlError>,
    ) -> Result<T, SqlError> {
        self.store.read_sql(P::NAME, read)
    }
}

impl<S, P> fmt::Debug for SqlView<'_, S, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqlView").finish_non_exhaustive()
    }
}
