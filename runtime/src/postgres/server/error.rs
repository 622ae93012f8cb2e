//! What the server's errors mean: for a connection, for an append, and for a read.

use std::io;

use tokio_postgres::Error;
use tokio_postgres::error::{Severity, SqlState};
use tokio_postgres::types::WrongType;

use crate::domain::error::BoxError;
use crate::store::error::StoreError;

/// Why a store was not opened. Nothing in the database has changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The URL can't be read.
    #[error("the URL of the database can't be read")]
    Url(#[source] BoxError),
    /// The URL asks for encryption, and factum was built without it.
    #[error(
        "the URL asks for an encrypted connection: build factum with the feature `postgres-tls`, or set `sslmode=disable`"
    )]
    NoTls,
    /// The file of `sslrootcert` can't be used.
    #[error("the root certificates of `sslrootcert` can't be read")]
    RootCertificates(#[source] BoxError),
    /// The schema's name has other characters than ASCII letters, digits and `_`, begins with a digit, or has more than 63.
    #[error(
        "`{schema}` can't be the schema of a store: use at most 63 ASCII letters, digits and `_`, and a letter or `_` first"
    )]
    #[non_exhaustive]
    SchemaName {
        /// The name.
        schema: String,
    },
    /// The schema has tables or functions of another program.
    #[error(
        "the schema `{schema}` is another program's: it has `{object}` and no factum store; give the store another schema"
    )]
    #[non_exhaustive]
    Foreign {
        /// The schema.
        schema: String,
        /// A table, view or function in it.
        object: String,
    },
    /// A newer factum has written the store.
    #[error("the store in the schema `{schema}` has version {found}; this factum knows {known} at most")]
    #[non_exhaustive]
    Newer {
        /// The schema.
        schema: String,
        /// The version of the store's tables.
        found: u32,
        /// The newest version that this factum knows.
        known: u32,
    },
    /// The server is older than PostgreSQL 14.
    #[error("the server is PostgreSQL {version}; a store needs 14 or newer")]
    #[non_exhaustive]
    ServerTooOld {
        /// The server's version.
        version: String,
    },
    /// The database does not keep text as UTF-8.
    #[error("the database keeps text as {encoding}; a store needs one that was made with the encoding UTF8")]
    #[non_exhaustive]
    Encoding {
        /// The database's encoding.
        encoding: String,
    },
    /// The thread that talks to the server could not be started.
    #[error("can't start the thread that talks to the server")]
    Thread(#[source] io::Error),
    /// A dependency turns on the feature `arbitrary_precision` of `serde_json`.
    ///
    /// Numbers of stored events would be read in another way than they were written.
    #[error(
        "the feature `arbitrary_precision` of serde_json changes what stored events are read as; \
         find the dependency that turns it on with `cargo tree -e features -i serde_json`"
    )]
    ArbitraryPrecision,
    /// The server can't be reached, refuses the user, or failed.
    #[error("can't open the store")]
    Store(#[source] StoreError),
}

impl From<Error> for ConnectError {
    fn from(error: Error) -> Self {
        Self::Store(Failure::of(error).into_store_error())
    }
}

/// What to do after a statement, or an attempt to connect, has failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The connection is gone, and with it the answer: whether the statement was carried out is not known.
    Broken(BoxError),
    /// The server has undone the transaction, and another try may succeed at once.
    Again,
    /// The server accepts no writes, as a standby does, or this session is no longer with the store. Nothing was done, and a
    /// new session may be with a better server.
    ReadOnly,
    /// The server has undone the transaction, or not begun it, and a second try would most likely fail too.
    Final(StoreError),
}

/// The error of our functions for a session that has not begun with the store's token.
const NO_TOKEN: &str = "FA001";

/// Their error if the schema has another store. A new session finds out which.
const OTHER_STORE: &str = "FA003";

/// How an error in the begin of an encrypted connection is shown.
const TLS_ERROR: &str = "error performing TLS handshake";

impl Failure {
    pub(crate) fn of(error: Error) -> Self {
        let Some(server) = error.as_db_error() else {
            return Self::of_client(error);
        };
        let ends = matches!(server.parsed_severity(), Some(Severity::Fatal | Severity::Panic));
        let code = server.code();
        match code.code() {
            NO_TOKEN => return Self::Final(StoreError::Pooled),
            OTHER_STORE => return Self::ReadOnly,
            code if code.starts_with("08") => return Self::Broken(error.into()),
            _ => {}
        }
        match *code {
            SqlState::ADMIN_SHUTDOWN
            | SqlState::CRASH_SHUTDOWN
            | SqlState::CANNOT_CONNECT_NOW
            | SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT
            | SqlState::TOO_MANY_CONNECTIONS => Self::Broken(error.into()),
            SqlState::T_R_SERIALIZATION_FAILURE | SqlState::T_R_DEADLOCK_DETECTED => Self::Again,
            SqlState::READ_ONLY_SQL_TRANSACTION => Self::ReadOnly,
            SqlState::DISK_FULL => Self::Final(StoreError::Full),
            SqlState::LOCK_NOT_AVAILABLE | SqlState::QUERY_CANCELED => Self::Final(StoreError::Busy),
            SqlState::DATA_CORRUPTED | SqlState::INDEX_CORRUPTED => {
                Self::Final(StoreError::Damaged { message: server.message().to_owned() })
            }
            SqlState::CHARACTER_NOT_IN_REPERTOIRE
            | SqlState::UNTRANSLATABLE_CHARACTER
            | SqlState::PROGRAM_LIMIT_EXCEEDED => {
                Self::Final(StoreError::NotStorable { problem: server.message().to_owned() })
            }
            // A server that ends refuses statements with errors of several codes.
            _ if ends && !is_refusal(code) => Self::Broken(error.into()),
            // A prepared statement that is gone was prepared in another session.
            SqlState::INVALID_SQL_STATEMENT_NAME => Self::Final(StoreError::Pooled),
            _ => Self::Final(StoreError::Other(error.into())),
        }
    }

    /// An error that the server has not sent.
    fn of_client(error: Error) -> Self {
        let source = std::error::Error::source(&error);
        // A mistake in a statement of ours, which another session would not undo.
        if source.is_some_and(<dyn std::error::Error>::is::<WrongType>) {
            return Self::Final(StoreError::Other(error.into()));
        }
        let io_error = source.and_then(|source| source.downcast_ref::<io::Error>());
        match io_error.map(io::Error::kind) {
            // Of the certificate, or of a server without encryption; not of a connection that broke.
            None | Some(io::ErrorKind::InvalidData) if error.to_string().starts_with(TLS_ERROR) => {
                Self::Final(StoreError::Untrusted(error.into()))
            }
            // Of `target_session_attrs`, after the connection was made.
            Some(io::ErrorKind::PermissionDenied) if !error.is_closed() => Self::ReadOnly,
            // The statement was too large to be sent.
            Some(io::ErrorKind::InvalidInput) if !error.is_closed() => {
                Self::Final(StoreError::NotStorable { problem: "it is too large to be sent".to_owned() })
            }
            _ => Self::Broken(error.into()),
        }
    }

    /// The error for a caller that does not wait for another try.
    pub(crate) fn into_store_error(self) -> StoreError {
        match self {
            Self::Broken(error) => StoreError::Unreachable(error),
            Self::Again => StoreError::Busy,
            Self::ReadOnly => StoreError::ReadOnly,
            Self::Final(error) => error,
        }
    }
}

/// Whether a fatal error refuses this user or database, so that another try would be refused too.
fn is_refusal(code: &SqlState) -> bool {
    // Class 28: the user or the password. Class 3D and 42: what the URL names is missing, or not for this user.
    ["28", "3D", "42"].iter().any(|class| code.code().starts_with(class))
}
