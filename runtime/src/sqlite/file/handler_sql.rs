//! What SQL a view's handlers may run in the transaction of their step.
//!
//! The transaction, the connection's settings and the tables of the store are factum's. SQLite asks for
//! permission when it compiles a statement, and gets none for these while a handler runs.
//!
//! A cached statement is not compiled again. So the texts of factum's own statements that write have a mark,
//! and no handler's text finds them in the cache.

use std::cell::{Cell, RefCell};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use rusqlite::ffi::{SQLITE_ATTACH, SQLITE_DETACH};
use rusqlite::hooks::{AuthAction, AuthContext, Authorization, TransactionOperation};
use rusqlite::{Connection, Transaction};

use crate::domain::error::BoxError;
use crate::store::lock::lock;

/// The text of a statement of factum's own that is cached and writes.
macro_rules! own_sql {
    ($sql:literal) => {
        concat!("/* factum's own */ ", $sql)
    };
}
pub(crate) use own_sql;

thread_local! {
    /// Whether this thread runs a handler, on the transaction of the writer that it locked last.
    static HANDLER_RUNS: Cell<bool> = const { Cell::new(false) };

    /// The first thing that the handler was refused.
    static REFUSED: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// The names of the savepoints that handlers of this process begin. A statement that is cached is not compiled again, so
/// a name stays.
static SAVEPOINTS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Whether there are such names.
static HAS_SAVEPOINTS: AtomicBool = AtomicBool::new(false);

/// How many such names there are at most. After each event, each of them costs a look.
const MOST_SAVEPOINTS: usize = 32;

/// Pragmas that only read, also with an argument. The last one is undone by the end of the transaction.
const HARMLESS: &[&str] = &[
    "table_info",
    "table_xinfo",
    "table_list",
    "index_list",
    "index_info",
    "index_xinfo",
    "foreign_key_list",
    "foreign_key_check",
    "integrity_check",
    "quick_check",
    "defer_foreign_keys",
];

/// Pragmas that do something without an argument.
const COMMANDS: &[&str] = &["incremental_vacuum", "optimize", "shrink_memory", "wal_checkpoint"];

/// Lets a connection that writes ask for permission. An authorizer of the program is replaced.
pub(crate) fn guard(connection: &mut Connection) -> rusqlite::Result<()> {
    connection.authorizer(Some(|context: AuthContext<'_>| {
        if HANDLER_RUNS.get()
            && let Some(reason) = refusal(&context.action)
        {
            REFUSED.with_borrow_mut(|refused| {
                refused.get_or_insert(reason);
            });
            return Authorization::Deny;
        }
        Authorization::Allow
    }))
}

/// The savepoint of a handler that is open, if there is one. It is released.
///
/// The handler of a later event could go back to it, and undo the writes of events that count as seen.
pub(crate) fn release_savepoint(transaction: &Transaction<'_>) -> Option<String> {
    if !HAS_SAVEPOINTS.load(Ordering::Relaxed) {
        return None;
    }
    let release = |name: &String| {
        let name = name.replace('"', "\"\"");
        // It fails if there is no such savepoint, and changes nothing then.
        transaction.execute_batch(&format!("RELEASE \"{name}\"")).is_ok()
    };
    lock(&SAVEPOINTS).iter().find(|name| release(name)).cloned()
}

/// Notes the name of a savepoint that a handler begins; `false` if there are too many.
fn note_savepoint(name: &str) -> bool {
    let mut names = lock(&SAVEPOINTS);
    let is_known = names.iter().any(|known| known.eq_ignore_ascii_case(name));
    if !is_known && names.len() < MOST_SAVEPOINTS {
        names.push(name.to_owned());
        HAS_SAVEPOINTS.store(true, Ordering::Relaxed);
        return true;
    }
    is_known
}

/// Runs a handler, and returns with its result what it was refused.
pub(crate) fn run_handler<T>(handler: impl FnOnce() -> T) -> (T, Option<String>) {
    REFUSED.set(None);
    let runs = Switched::to(true);
    let result = handler();
    drop(runs);
    (result, REFUSED.take())
}

/// Runs a view's SQL outside of its handlers: its `init`, or the removal of its tables.
pub(crate) fn run_definition<E: Into<BoxError>>(
    transaction: &Transaction<'_>,
    work: impl FnOnce() -> Result<(), E>,
) -> Result<(), BoxError> {
    let (result, refused) = run_handler(work);
    match (result, refused) {
        (Err(_), Some(reason)) => Err(format!("SQL was refused. {reason}").into()),
        (Err(error), None) => Err(error.into()),
        // Later writes would be outside of any transaction.
        (Ok(()), _) if transaction.is_autocommit() => Err("the SQL has rolled the transaction back".into()),
        (Ok(()), _) => Ok(()),
    }
}

/// The state of this thread, changed for as long as this lives. A handler that uses another store makes
/// factum's own SQL run there.
#[derive(Debug)]
pub(crate) struct Switched {
    before: bool,
}

impl Switched {
    pub(crate) fn to_own_sql() -> Self {
        Self::to(false)
    }

    fn to(handler_runs: bool) -> Self {
        Self { before: HANDLER_RUNS.replace(handler_runs) }
    }
}

impl Drop for Switched {
    fn drop(&mut self) {
        HANDLER_RUNS.set(self.before);
    }
}

/// Why a handler must not do this; `None` if it may.
fn refusal(action: &AuthAction<'_>) -> Option<String> {
    use AuthAction as A;
    match action {
        A::Transaction { operation } => Some(format!(
            "{}: the transaction is factum's, which commits it with the follower's position; a handler that \
             has to undo its own writes uses SAVEPOINT and ROLLBACK TO",
            match operation {
                TransactionOperation::Begin => "BEGIN",
                TransactionOperation::Rollback => "ROLLBACK",
                _ => "COMMIT",
            }
        )),
        A::Attach { .. } | A::Unknown { code: SQLITE_ATTACH, .. } => Some(databases("ATTACH")),
        A::Detach { .. } | A::Unknown { code: SQLITE_DETACH, .. } => Some(databases("DETACH")),
        A::Pragma { pragma_name, pragma_value } => {
            let is = |names: &[&str]| names.iter().any(|name| pragma_name.eq_ignore_ascii_case(name));
            let may = is(HARMLESS) || (pragma_value.is_none() && !is(COMMANDS));
            (!may).then(|| {
                format!(
                    "PRAGMA {pragma_name}: the settings of the connection are factum's; a handler may only \
                     read them"
                )
            })
        }
        A::Savepoint { savepoint_name: name, .. } if own(name) => Some(format!(
            "the savepoint {name}: names that begin with `factum_` are factum's; give it another name"
        )),
        A::Savepoint { operation: TransactionOperation::Begin, savepoint_name: name } => {
            (!note_savepoint(name)).then(|| {
                format!(
                    "the savepoint {name}: the handlers of this process have savepoints of {MOST_SAVEPOINTS} other \
                     names; use one name again"
                )
            })
        }
        A::Insert { table_name: table }
        | A::Update { table_name: table, .. }
        | A::Delete { table_name: table } => own(table).then(|| tables("a write to", table)),
        A::CreateTable { table_name: table }
        | A::CreateTempTable { table_name: table }
        | A::CreateVtable { table_name: table, .. }
        | A::CreateView { view_name: table }
        | A::CreateTempView { view_name: table } => own(table).then(|| tables("the creation of", table)),
        A::DropTable { table_name: table }
        | A::DropTempTable { table_name: table }
        | A::DropVtable { table_name: table, .. }
        | A::DropView { view_name: table }
        | A::DropTempView { view_name: table } => own(table).then(|| tables("the removal of", table)),
        A::AlterTable { table_name: table, .. } => own(table).then(|| tables("a change of", table)),
        A::CreateIndex { index_name: name, table_name: table }
        | A::CreateTempIndex { index_name: name, table_name: table }
        | A::DropIndex { index_name: name, table_name: table }
        | A::DropTempIndex { index_name: name, table_name: table } => {
            (own(name) || own(table)).then(|| tables("the index", name))
        }
        A::CreateTrigger { trigger_name: name, table_name: table }
        | A::CreateTempTrigger { trigger_name: name, table_name: table }
        | A::DropTrigger { trigger_name: name, table_name: table }
        | A::DropTempTrigger { trigger_name: name, table_name: table } => {
            (own(name) || own(table)).then(|| tables("the trigger", name))
        }
        _ => None,
    }
}

/// Whether a name is reserved for factum.
fn own(name: &str) -> bool {
    name.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("factum_"))
}

fn tables(what: &str, name: &str) -> String {
    format!("{what} {name}: the tables of the store are factum's; a handler writes to tables of its own")
}

fn databases(statement: &str) -> String {
    format!(
        "{statement}: a handler writes to the file of its view; use a connection of its own for another file"
    )
}
