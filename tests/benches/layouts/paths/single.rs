//! One event a commit: how statements are kept, how a transaction is begun and ended, who looks for conflicts.

use std::error::Error;
use std::time::Instant;

use rusqlite::config::DbConfig;

use crate::content::{Append, Stream};
use crate::database::{Database, Durability};
use crate::layout::LAYOUTS;
use crate::sizes::Sizes;
use crate::statements::{Cached, Held};
use crate::table::Table;
use crate::turns::{Figures, Turns};
use crate::write::{Check, Control, Writer};

#[derive(Clone, Copy, PartialEq)]
enum Kept {
    Cached,
    /// And without the setting that keeps SQLite from compiling it at each use.
    CachedWithoutQpsg,
    Held,
}

struct Path {
    name: &'static str,
    kept: Kept,
    control: Control,
    check: Check,
}

const PATHS: [Path; 7] = [
    Path {
        name: "cached, `execute_batch`",
        kept: Kept::Cached,
        control: Control::Batch,
        check: Check::Before,
    },
    Path { name: "again", kept: Kept::Cached, control: Control::Batch, check: Check::Before },
    Path {
        name: "cached, QPSG off",
        kept: Kept::CachedWithoutQpsg,
        control: Control::Batch,
        check: Check::Before,
    },
    Path {
        name: "cached, BEGIN and COMMIT too",
        kept: Kept::Cached,
        control: Control::Prepared,
        check: Check::Before,
    },
    Path { name: "held, `execute_batch`", kept: Kept::Held, control: Control::Batch, check: Check::Before },
    Path {
        name: "held, BEGIN and COMMIT too",
        kept: Kept::Held,
        control: Control::Prepared,
        check: Check::Before,
    },
    Path {
        name: "held, and no look-up: number known, conflicts from the index",
        kept: Kept::Held,
        control: Control::Prepared,
        check: Check::Index,
    },
];

const COLUMNS: [(&str, bool, Durability); 4] = [
    ("fresh, FULL", true, Durability::Full),
    ("fresh, NORMAL", true, Durability::Normal),
    ("one stream, FULL", false, Durability::Full),
    ("one stream, NORMAL", false, Durability::Normal),
];

pub(super) fn compare(sizes: &Sizes) -> Result<(), Box<dyn Error>> {
    let databases =
        PATHS.iter().map(|_| Database::create(&LAYOUTS[0])).collect::<rusqlite::Result<Vec<_>>>()?;
    let mut figures = vec![vec![Figures::default(); COLUMNS.len()]; PATHS.len()];
    let mut turns = Turns::new(PATHS.len());
    for round in 0..=sizes.rounds {
        for (column, (_, is_fresh, durability)) in COLUMNS.into_iter().enumerate() {
            let commits = match durability {
                Durability::Full => sizes.full,
                Durability::Normal => sizes.normal,
            };
            let stream = Stream::new();
            let appends: Vec<_> = (0..commits)
                .map(|number| if is_fresh { Append::fresh() } else { Append::new(&stream, number.into(), 1) })
                .collect();
            for &arm in turns.next() {
                let seconds = run(&PATHS[arm], &databases[arm], durability, &appends)?;
                if round > 0 {
                    figures[arm][column].push(f64::from(commits) / seconds);
                }
            }
        }
    }
    let rows = PATHS.iter().zip(&figures).map(|(path, figures)| (path.name, &**figures)).collect();
    let table = Table { columns: &COLUMNS.map(|(name, ..)| name), rows };
    table.print_medians("## One event a commit, commits a second");
    table.print_ratios("## The same, of the first", &[]);
    Ok(())
}

fn run(
    path: &Path,
    database: &Database,
    durability: Durability,
    appends: &[Append],
) -> rusqlite::Result<f64> {
    let connection = &database.connection;
    database.set_durability(durability)?;
    database.checkpoint()?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, path.kept != Kept::CachedWithoutQpsg)?;
    let start = Instant::now();
    if path.kept == Kept::Held {
        let mut writer = Writer::new(database, Held::new(connection), path.control, path.check);
        appends.iter().try_for_each(|append| writer.commit([append]))?;
    } else {
        let mut writer = Writer::new(database, Cached(connection), path.control, path.check);
        appends.iter().try_for_each(|append| writer.commit([append]))?;
    }
    Ok(start.elapsed().as_secs_f64())
}
