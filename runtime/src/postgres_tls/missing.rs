//! Without the feature `postgres-tls`, no connection is encrypted.

use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{NoTls, Socket};

use crate::domain::error::BoxError;

/// There is none.
#[derive(Clone)]
pub(crate) enum Tls {}

impl Tls {
    /// `None`: there is no way to encrypt.
    pub(crate) fn new(_: Option<&str>, _: bool) -> Result<Option<Self>, BoxError> {
        Ok(None)
    }
}

impl MakeTlsConnect<Socket> for Tls {
    type Stream = <NoTls as MakeTlsConnect<Socket>>::Stream;
    type TlsConnect = <NoTls as MakeTlsConnect<Socket>>::TlsConnect;
    type Error = <NoTls as MakeTlsConnect<Socket>>::Error;

    fn make_tls_connect(&mut self, _: &str) -> Result<Self::TlsConnect, Self::Error> {
        match *self {}
    }
}
