//! A whole application in both complete arms: `src/app.rs`, beside the aggregates.
//!
//! Ten views in tables, of five events each; one process of three aggregates with a time-out; every command by its type, and by
//! its name from JSON. By hand, the process is a view whose tables are its state, its outbox and its time-outs, and a thread
//! that sends what is in them (`app/process.rs`).

mod process;

use std::fmt::Write as _;

use crate::arms::Arm;
use crate::domain::{Area, command, command_name, event};

/// How many events of its aggregate a view reads.
const READ: usize = 5;

/// The commands that the process sends, in aggregates one and two.
pub(super) const SENT: [usize; 2] = [20, 40];

pub(super) fn app(arm: Arm, areas: &[Area]) -> String {
    let mut text = String::from("//! What runs.\n\n");
    text += if arm == Arm::Factum { FACTUM } else { HAND };
    text += "use crate::{Id, Refused};\n";
    for area in areas {
        let _ = writeln!(text, "use crate::{}::*;", area.module());
    }
    text += COUNT;
    for area in areas {
        view(arm, area, &mut text);
    }
    process::process(arm, &mut text);
    if arm == Arm::Factum {
        by_factum(areas, &mut text);
    } else {
        by_hand(areas, &mut text);
    }
    text
}

const FACTUM: &str = "\
use std::time::Duration;

use factum::ExecuteError;
use factum::application::{Answer, ByNameError, Running, StartError, StopError};
use factum::prelude::*;
use factum::sqlite::rusqlite::{self, Transaction};
use serde::{Deserialize, Serialize};

";

const HAND: &str = "\
use std::any::Any;
use std::error::Error;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use factum::follow::{Context, EventHandler, HandlerError, RunningFollower};
use factum::prelude::*;
use factum::sqlite::rusqlite::{self, Connection, OptionalExtension, Transaction};
use factum::store::StoredEvent;
use factum::{EventKind, Executed, ExecuteError, StreamName};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

";

/// What a handler of a view does.
const COUNT: &str = r"
fn count(transaction: &Transaction<'_>, insert: &str, key: &str) -> rusqlite::Result<()> {
    transaction.prepare_cached(insert)?.execute([key])?;
    Ok(())
}

";

fn view(arm: Arm, area: &Area, text: &mut String) {
    let (index, state, module) = (area.index, area.state(), area.module());
    let parts = || area.parts.clone().take(READ);
    let init =
        format!("CREATE TABLE view{index:03} (id TEXT PRIMARY KEY, changes INTEGER NOT NULL) WITHOUT ROWID");
    let insert =
        format!("INSERT INTO view{index:03} VALUES (?1, 1) ON CONFLICT DO UPDATE SET changes = changes + 1");
    if arm == Arm::Factum {
        let events = parts().map(event).collect::<Vec<_>>().join(", ");
        let _ = write!(
            text,
            "\
#[derive(Projection)]
#[projection(events({events}), from({state}), into = Sqlite, init = \"{init}\")]
pub struct View{index:03};

#[handlers]
impl View{index:03} {{
"
        );
    } else {
        let kinds =
            parts().map(|part| format!("EventKind::of::<{}>()", event(part))).collect::<Vec<_>>().join(", ");
        let arms = |arm: fn(usize) -> String| parts().map(arm).collect::<String>();
        let stored = arms(|part| {
            format!(
                "            {0}::NAME => self.part{part:03}(&{0}::decode(event.event_version, event.payload)?, key, transaction),\n",
                event(part)
            )
        });
        let typed = arms(|part| {
            format!(
                "        if let Some(event) = event.downcast_ref::<{}>() {{\n            return self.part{part:03}(event, key, transaction).map_err(failed);\n        }}\n",
                event(part)
            )
        });
        let _ = write!(
            text,
            "\
pub struct View{index:03};

impl EventHandler for View{index:03} {{
    const NAME: &'static str = \"view{index:03}\";
    const EVENTS: &'static [EventKind] = &[{kinds}];
    const FROM: &'static [&'static str] = &[\"{module}\"];
    const WANTS_METADATA: bool = false;
    type Target = Sqlite;

    fn handle_stored(
        &mut self,
        name: &str,
        event: &StoredEvent<'_>,
        transaction: &Context<'_, Self>,
    ) -> Result<(), HandlerError> {{
        let key = event.envelope.key;
        match name {{
{stored}            _ => Ok(()),
        }}
        .map_err(failed)
    }}

    fn handle_typed(
        &mut self,
        event: &dyn Any,
        envelope: &Envelope<'_>,
        transaction: &Context<'_, Self>,
    ) -> Result<(), HandlerError> {{
        let key = envelope.key;
{typed}        Ok(())
    }}
}}

impl Projection for View{index:03} {{
    const VERSION: u32 = 1;
    const INIT: &'static str = \"{init}\";
}}

impl View{index:03} {{
"
        );
    }
    for part in parts() {
        let marker = if arm == Arm::Factum { "    #[project]\n" } else { "" };
        let _ = write!(
            text,
            "\
{marker}    fn part{part:03}(&self, _: &{}, key: &str, transaction: &Transaction<'_>) -> rusqlite::Result<()> {{
        count(transaction, \"{insert}\", key)
    }}

",
            event(part)
        );
    }
    *text += "}\n\n";
}

fn by_factum(areas: &[Area], text: &mut String) {
    let list = |item: &dyn Fn(&Area) -> String| areas.iter().map(item).collect::<Vec<_>>().join(", ");
    let _ = write!(
        text,
        "\
#[derive(Application)]
#[application(aggregates({}), json)]
pub struct App {{
{}    #[process]
    chain: Chain,
}}

pub fn start(store: &SqliteStore) -> Result<Running<App, SqliteStore>, StartError> {{
    App {{ {}, chain: Chain::default() }}.start(store)
}}

pub fn by_name(app: &Running<App, SqliteStore>, name: &str, json: &str) -> Result<Answer, ByNameError> {{
    app.execute_json(name, json)
}}

pub fn stop(app: Running<App, SqliteStore>) -> Result<(), StopError> {{
    app.stop(Duration::from_secs(10))
}}

",
        list(&|area| area.state()),
        lines(areas, &|area| format!(
            "    #[projection]
    view{0:03}: View{0:03},
",
            area.index
        )),
        list(&|area| format!("view{0:03}: View{0:03}", area.index)),
    );
    for part in areas.iter().flat_map(|area| area.parts.clone()) {
        let _ = write!(
            text,
            "\
pub fn run{part:03}(app: &Running<App, SqliteStore>, command: {}) -> Result<u64, ExecuteError<Refused>> {{
    Ok(app.execute(command)?.version())
}}

",
            command(part)
        );
    }
}

fn lines(areas: &[Area], line: &dyn Fn(&Area) -> String) -> String {
    areas.iter().map(line).collect()
}

fn by_hand(areas: &[Area], text: &mut String) {
    let lines = |line: &dyn Fn(&Area) -> String| lines(areas, line);
    *text += ANSWERS;
    let _ = write!(
        text,
        "\
pub struct App {{
{}{}    chain: RunningFollower<SqliteProjection<Chain>>,
    sender: Sender,
}}

impl App {{
    pub fn start(store: &SqliteStore, file: &Path) -> Result<Self, Box<dyn Error + Send + Sync>> {{
        Ok(Self {{
{}{}            chain: SqliteProjection::new(store, Chain)?.follow().start()?,
            sender: Sender::start(store, file)?,
        }})
    }}

    pub fn stop(self, within: Duration) -> Result<(), Box<dyn Error + Send + Sync>> {{
        let begun = Instant::now();
        let left = || within.saturating_sub(begun.elapsed());
{}        self.chain.begin_stop();
        self.sender.stop();
{}        self.chain.stop_within(left())?;
        Ok(())
    }}

    pub fn by_name(&self, name: &str, json: &str) -> Result<Done, ByNameError> {{
        match name {{
",
        lines(&|area| format!("    pub {}: Repository<{}, SqliteStore>,\n", area.module(), area.state())),
        lines(&|area| format!(
            "    view{0:03}: RunningFollower<SqliteProjection<View{0:03}>>,\n",
            area.index
        )),
        lines(&|area| format!("            {}: store.repository(),\n", area.module())),
        lines(&|area| format!(
            "            view{0:03}: SqliteProjection::new(store, View{0:03})?.follow().start()?,\n",
            area.index
        )),
        lines(&|area| format!("        self.view{:03}.begin_stop();\n", area.index)),
        lines(&|area| format!("        self.view{:03}.stop_within(left())?;\n", area.index)),
    );
    for area in areas {
        for part in area.parts.clone() {
            let _ = writeln!(
                text,
                "            \"{}\" => done(\"{module}\", read::<{command}>(name, json)?, {state}Command::from, &self.{module}),",
                command_name(part),
                module = area.module(),
                state = area.state(),
                command = command(part),
            );
        }
    }
    *text += "            _ => Err(ByNameError::Unknown(name.to_owned())),\n        }\n    }\n}\n\n";
    for area in areas {
        for part in area.parts.clone() {
            let _ = write!(
                text,
                "\
pub fn run{part:03}(app: &App, command: {}) -> Result<u64, ExecuteError<Refused>> {{
    Ok(app.{}.execute({}Command::from(command))?.version())
}}

",
                command(part),
                area.module(),
                area.state(),
            );
        }
    }
}

/// By hand: what a command by its name leads to, and what stops a follower.
const ANSWERS: &str = r#"
fn failed(error: rusqlite::Error) -> HandlerError {
    HandlerError::Handler(error.into())
}

#[derive(Debug)]
pub struct Done {
    pub stream: StreamName,
    pub version: u64,
    pub events: Vec<&'static str>,
}

#[derive(Debug)]
pub enum ByNameError {
    Unknown(String),
    Malformed { name: String, source: serde_json::Error },
    Refused(Refused),
    Failed(Box<dyn Error + Send + Sync>),
}

impl fmt::Display for ByNameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(name) => write!(f, "no command has the name `{name}`"),
            Self::Malformed { name, .. } => write!(f, "the JSON does not fit the command `{name}`"),
            Self::Refused(refused) => refused.fmt(f),
            Self::Failed(_) => f.write_str("the command failed"),
        }
    }
}

impl Error for ByNameError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Malformed { source, .. } => Some(source),
            Self::Failed(source) => Some(&**source),
            _ => None,
        }
    }
}

fn read<C: DeserializeOwned>(name: &str, json: &str) -> Result<C, ByNameError> {
    serde_json::from_str(json).map_err(|source| ByNameError::Malformed { name: name.to_owned(), source })
}

fn done<A: Aggregate<Id = Id, Error = Refused>, C: Command<Id = Id>>(
    category: &str,
    command: C,
    into: fn(C) -> A::Command,
    to: &Repository<A, SqliteStore>,
) -> Result<Done, ByNameError> {
    let stream = StreamName::new(category, &command.aggregate_id().0);
    let answer = |done: Executed<A>| {
        let events = done.events().iter().map(|event| factum::EventSet::name(&event.event)).collect();
        Done { stream, version: done.version(), events }
    };
    to.execute(into(command)).map(answer).map_err(|error| match error {
        ExecuteError::Refused(refused) => ByNameError::Refused(refused),
        other => ByNameError::Failed(other.into()),
    })
}

"#;
