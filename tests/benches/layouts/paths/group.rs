//! Several appends a commit: what it costs that each can fail alone.

use std::error::Error;
use std::time::Instant;

use crate::content::{Append, Stream};
use crate::database::{Database, Durability};
use crate::layout::LAYOUTS;
use crate::sizes::Sizes;
use crate::statements::Cached;
use crate::table::Table;
use crate::turns::{Figures, Turns};
use crate::write::{Check, Control, Writer};

/// Appends a commit.
const GROUP: u32 = 32;

const WAYS: [(&str, Control, Check); 4] = [
    ("looks before it writes", Control::Prepared, Check::Before),
    ("again", Control::Prepared, Check::Before),
    ("and has a savepoint", Control::Prepared, Check::BeforeAndSavepoint),
    ("and has a savepoint, `execute_batch`", Control::Batch, Check::BeforeAndSavepoint),
];

const COLUMNS: [(&str, bool, Durability); 4] = [
    ("fresh, FULL", true, Durability::Full),
    ("fresh, NORMAL", true, Durability::Normal),
    ("32 streams, FULL", false, Durability::Full),
    ("32 streams, NORMAL", false, Durability::Normal),
];

pub(super) fn compare(sizes: &Sizes) -> Result<(), Box<dyn Error>> {
    let databases =
        WAYS.iter().map(|_| Database::create(&LAYOUTS[0])).collect::<rusqlite::Result<Vec<_>>>()?;
    let mut figures = vec![vec![Figures::default(); COLUMNS.len()]; WAYS.len()];
    let mut turns = Turns::new(WAYS.len());
    for round in 0..=sizes.rounds {
        for (column, (_, is_fresh, durability)) in COLUMNS.into_iter().enumerate() {
            let streams: Vec<_> = (0..GROUP).map(|_| Stream::new()).collect();
            let commits: Vec<Vec<_>> = (0..sizes.groups)
                .map(|group| {
                    let append = |stream| Append::new(stream, group.into(), 1);
                    if is_fresh {
                        (0..GROUP).map(|_| Append::fresh()).collect()
                    } else {
                        streams.iter().map(append).collect()
                    }
                })
                .collect();
            for &arm in turns.next() {
                let (_, control, check) = WAYS[arm];
                let database = &databases[arm];
                database.set_durability(durability)?;
                database.checkpoint()?;
                let mut writer = Writer::new(database, Cached(&database.connection), control, check);
                let start = Instant::now();
                commits.iter().try_for_each(|commit| writer.commit(commit))?;
                let seconds = start.elapsed().as_secs_f64();
                if round > 0 {
                    figures[arm][column].push(f64::from(sizes.groups * GROUP) / seconds);
                }
            }
        }
    }
    let rows = WAYS.iter().zip(&figures).map(|((name, ..), figures)| (*name, &**figures)).collect();
    let table = Table { columns: &COLUMNS.map(|(name, ..)| name), rows };
    table.print_medians("## Appends of one event, 32 a commit, appends a second");
    table.print_ratios("## The same, of the first", &[]);
    Ok(())
}
