//! Jars that are filled drop by drop, and what follows from it.

use std::cell::Cell;
use std::thread;
use std::time::Duration;

use factum::prelude::*;
use rusqlite::Transaction;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, AggregateId)]
pub(crate) struct JarId(pub(crate) String);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
pub(crate) struct Filled {
    pub(crate) drops: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Command)]
pub(crate) struct Fill {
    #[command(id)]
    pub(crate) jar: JarId,
    pub(crate) drops: u64,
}

#[derive(Debug, PartialEq, thiserror::Error)]
#[error("the jar is full")]
pub(crate) struct Full;

#[derive(Debug, Default, Clone, Serialize, Deserialize, Aggregate)]
#[aggregate(id = JarId, error = Full, commands(Fill), events(Filled), snapshot(every = 4))]
pub(crate) struct Jar {
    drops: u64,
}

thread_local! {
    /// What happens before the next decision of this thread.
    pub(crate) static BEFORE_DECISION: Cell<Option<Box<dyn FnOnce()>>> = const { Cell::new(None) };
}

/// This many drops are refused, skipped, slow, or make a handler fail.
pub(crate) const TOO_MANY: u64 = 1_000;
pub(crate) const NONE: u64 = 0;
pub(crate) const SLOW: u64 = 99;
pub(crate) const UNLUCKY: u64 = 13;

/// Longer than a handler may run.
pub(crate) const LONG_WORK: Duration = Duration::from_millis(101);

#[handlers]
impl Jar {
    #[execute]
    fn fill(&self, command: Fill) -> Result<Option<Filled>, Full> {
        if let Some(work) = BEFORE_DECISION.take() {
            work();
        }
        match command.drops {
            TOO_MANY => Err(Full),
            NONE => Ok(None),
            drops => Ok(Some(Filled { drops })),
        }
    }

    #[apply]
    fn filled(&mut self, event: &Filled) {
        self.drops += event.drops;
    }
}

pub(crate) fn fill(jar: &str, drops: u64) -> Fill {
    Fill { jar: JarId(jar.to_owned()), drops }
}

fn project(event: &Filled) -> Result<(), BoxError> {
    match event.drops {
        UNLUCKY => Err("an unlucky number".into()),
        SLOW => {
            thread::sleep(LONG_WORK);
            Ok(())
        }
        _ => Ok(()),
    }
}

#[derive(Debug, Clone, Projection)]
#[projection(
    name = "levels",
    events(Filled),
    from(Jar),
    into = Sqlite,
    init = "CREATE TABLE levels (drops INTEGER)"
)]
pub(crate) struct Levels;

#[handlers]
impl Levels {
    #[project]
    fn filled(&self, event: &Filled, _: &Transaction<'_>) -> Result<(), BoxError> {
        project(event)
    }
}

/// `Levels` as a newer program has it.
#[derive(Debug, Clone, Projection)]
#[projection(
    name = "levels",
    version = 2,
    events(Filled),
    from(Jar),
    into = Sqlite,
    init = "CREATE TABLE levels (drops INTEGER)"
)]
pub(crate) struct NewLevels;

#[handlers]
impl NewLevels {
    #[project]
    fn filled(&self, event: &Filled, _: &Transaction<'_>) -> Result<(), BoxError> {
        project(event)
    }
}

#[derive(Debug, Clone, Default, Projection)]
#[projection(name = "drops", events(Filled), from(Jar))]
pub(crate) struct Drops {
    pub(crate) drops: u64,
}

#[handlers]
impl Drops {
    #[project]
    fn filled(&mut self, event: &Filled) {
        self.drops += event.drops;
    }
}

#[derive(Debug, Clone, Reaction)]
#[reaction(name = "bells", events(Filled), from(Jar), partition_by = stream)]
pub(crate) struct Bells;

#[handlers]
impl Bells {
    #[react]
    fn filled(&self, _: &Filled) {}
}

/// One drop fills another jar.
#[derive(Debug, Default, Clone, Serialize, Deserialize, Process)]
#[process(name = "refills", id = JarId, starts(Filled by stream), from(Jar), commands(Fill unrefused))]
pub(crate) struct Refills;

#[handlers]
impl Refills {
    #[react]
    fn filled(&self, event: &Filled, id: &JarId) -> Result<Option<Fill>, BoxError> {
        project(event)?;
        Ok((event.drops == 1).then(|| fill(&format!("beside {}", id.0), 5)))
    }
}
