//! Queries on the tables of a view.

use std::fmt;
use std::marker::PhantomData;

use crate::follow::keeps::KeepsSql;
use crate::follow::projection::Projection;
use crate::follow::serving::ServingView;
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
        self.store.read_sql(P::NAME, |view, _| read(view))
    }

    /// Several queries as [`read`](Self::read) runs them, which know the version of the view that they read.
    ///
    /// While a new version of the view is rebuilt, the tables of the old one serve. A program that knows both can query
    /// either:
    ///
    /// ```
    /// # use factum::follow::{KeepsSql, Sql};
    /// # use factum::prelude::*;
    /// # fn total<Deposits: Projection<Target = Sql>>(store: &impl KeepsSql) -> Result<Option<i64>, SqlError> {
    /// let row = store.sql_view::<Deposits>().read_serving(|serving, view| {
    ///     let column = if serving.version < 2 { "amount" } else { "cents" };
    ///     view.query_opt(&format!("SELECT CAST(sum({column}) AS BIGINT) AS total FROM deposits"), &[])
    /// })?;
    /// row.map(|row| row.get("total")).transpose()
    /// # }
    /// ```
    ///
    /// Fails as [`query`](Self::query) does.
    pub fn read_serving<T>(
        &self,
        read: impl FnOnce(ServingView, &mut dyn SqlTransaction) -> Result<T, SqlError>,
    ) -> Result<T, SqlError> {
        self.store.read_sql(P::NAME, |view, serving| read(serving()?, view))
    }

    /// Which version of the view serves; `None` if no program has made the view in this store.
    pub fn serving(&self) -> Result<Option<ServingView>, SqlError> {
        match self.read_serving(|serving, _| Ok(serving)) {
            Err(SqlError::NoView { .. }) => Ok(None),
            serving => serving.map(Some),
        }
    }
}

impl<S, P> fmt::Debug for SqlView<'_, S, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqlView").finish_non_exhaustive()
    }
}
