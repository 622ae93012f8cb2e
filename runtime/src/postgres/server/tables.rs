//! The store's tables and functions: made, brought to this version, or refused.

use uuid::Uuid;

use crate::domain::new_id::new_id;
use crate::postgres::server::address::Address;
use crate::postgres::server::error::{ConnectError, Failure};
use crate::postgres::server::session::Session;
use crate::store::error::StoreError;

/// What leads from each version of the tables to the next one. A released step is never changed.
const STEPS: [&str; 3] = [
    include_str!("tables.sql"),
    include_str!("followers.sql"),
    // Functions of other forms, which programs of the earlier version can't call.
    "",
];

/// The functions of this version, which take the place of those of an earlier one.
const FUNCTIONS: [&str; 3] =
    [include_str!("drop_functions.sql"), include_str!("append.sql"), include_str!("keys.sql")];

/// The oldest server that has all that the functions use.
const OLDEST_SERVER: i32 = 140_000;

/// The version of the tables that this factum writes.
fn version() -> u32 {
    u32::try_from(STEPS.len()).unwrap_or(u32::MAX)
}

/// Makes the tables of the store, or brings them to this version. Returns the store's id.
pub(crate) async fn prepare(session: &Session, address: &Address) -> Result<Uuid, ConnectError> {
    check_server(session).await?;
    if let Some((found, id)) = find(session, address).await?
        && found == version()
    {
        return Ok(id);
    }
    let made = make(session, address).await;
    if made.is_err() {
        // The error matters, not whether the transaction could be ended: the session is dropped.
        let _ = session.run("ROLLBACK").await;
    }
    made
}

async fn check_server(session: &Session) -> Result<(), ConnectError> {
    let sql = "SELECT current_setting('server_version_num')::int, current_setting('server_version'),
               current_setting('server_encoding')";
    let rows = session.query(sql, &[]).await?;
    let Some(row) = rows.first() else { return Err(no_answer()) };
    if row.try_get::<_, i32>(0)? < OLDEST_SERVER {
        return Err(ConnectError::ServerTooOld { version: row.try_get(1)? });
    }
    match row.try_get(2)? {
        "UTF8" => Ok(()),
        encoding => Err(ConnectError::Encoding { encoding: encoding.to_owned() }),
    }
}

async fn make(session: &Session, address: &Address) -> Result<Uuid, ConnectError> {
    session.run("BEGIN").await?;
    // Another program may be making the tables. The next statement sees what it has made.
    session
        .query(
            "SELECT pg_advisory_xact_lock(hashtextextended('factum schema ' || $1, 0))",
            &[&address.options.schema],
        )
        .await?;
    let schema = &address.schema;
    let (found, id) = match find(session, address).await? {
        Some(found) => found,
        None => {
            let id = new_id();
            let exists = "SELECT FROM pg_namespace WHERE nspname = $1";
            if session.query(exists, &[&address.options.schema]).await?.is_empty() {
                session.run(&format!("CREATE SCHEMA {schema}")).await?;
            }
            (0, id)
        }
    };
    for sql in STEPS.iter().skip(found as usize).chain(&FUNCTIONS) {
        session.run(&sql.replace("{schema}", schema).replace("{id}", &id.to_string())).await?;
    }
    let version = i32::try_from(version()).unwrap_or(i32::MAX);
    let mark = format!(
        "INSERT INTO {schema}.store (mark, version, id) VALUES ('factum', $1, $2)
         ON CONFLICT (one) DO UPDATE SET version = excluded.version"
    );
    session.query(&mark, &[&version, &id]).await?;
    session.run("COMMIT").await?;
    Ok(id)
}

/// The version and the id of the store in the schema; `None` if the schema is missing or empty.
async fn find(session: &Session, address: &Address) -> Result<Option<(u32, Uuid)>, ConnectError> {
    let name = &address.options.schema;
    let objects = "SELECT relname::text FROM pg_class WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = $1)
        UNION ALL SELECT proname::text FROM pg_proc WHERE pronamespace = (SELECT oid FROM pg_namespace WHERE nspname = $1)
        ORDER BY 1 LIMIT 1";
    let rows = session.query(objects, &[name]).await?;
    let Some(object) = rows.first() else { return Ok(None) };
    let foreign = || -> Result<ConnectError, tokio_postgres::Error> {
        Ok(ConnectError::Foreign { schema: name.clone(), object: object.try_get(0)? })
    };
    let columns = "SELECT FROM pg_attribute JOIN pg_class ON attrelid = pg_class.oid
        WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = $1) AND relname = 'store'
        AND (attname, atttypid) IN (('mark', 'text'::regtype), ('version', 'int'::regtype), ('id', 'uuid'::regtype))";
    if session.query(columns, &[name]).await?.len() != 3 {
        return Err(foreign()?);
    }
    let store = format!("SELECT version, id FROM {}.store WHERE mark = 'factum'", address.schema);
    let rows = session.query(&store, &[]).await?;
    let Some(row) = rows.first() else { return Err(foreign()?) };
    match u32::try_from(row.try_get::<_, i32>(0)?) {
        Ok(found) if (1..=version()).contains(&found) => Ok(Some((found, row.try_get(1)?))),
        Ok(found) if found > version() => {
            Err(ConnectError::Newer { schema: name.clone(), found, known: version() })
        }
        _ => Err(foreign()?),
    }
}

fn no_answer() -> ConnectError {
    ConnectError::Store(StoreError::Other("the server has returned no row".into()))
}

impl From<Failure> for ConnectError {
    fn from(failure: Failure) -> Self {
        Self::Store(failure.into_store_error())
    }
}
