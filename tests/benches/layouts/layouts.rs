//! The comparison of layouts.

use std::error::Error;

use crate::database::Database;
use crate::history::History;
use crate::layout::{LAYOUTS, Layout, Metadata};
use crate::sizes::Sizes;
use crate::table::Table;
use crate::turns::{Figures, Random, Turns};
use crate::work::{MEASURES, Planner, Subject, Sums};

/// Events of each stream in the file that is weighed and then written to.
const WRITTEN: u32 = 100;

pub(crate) fn compare(sizes: &Sizes) -> Result<(), Box<dyn Error>> {
    let mut random = Random::new();
    let written = History::new(&[(WRITTEN, sizes.written_streams)], &mut random);
    let groups = sizes.read_streams.each_ref().map(|group| (group.events, group.streams));
    let read = History::new(&groups, &mut random);
    println!(
        "written to: {} events beforehand, {WRITTEN} a stream; read: {} events",
        written.events(),
        read.events(),
    );

    let mut subjects = Vec::new();
    let mut figures = Vec::new();
    for layout in &LAYOUTS {
        let subject = subject(layout, &written, &read)?;
        let mut bytes = Figures::default();
        let weighed = u32::try_from(subject.written.bytes()?)?;
        bytes.push(f64::from(weighed) / f64::from(u32::try_from(written.events())?));
        figures.push(vec![Figures::default(); MEASURES.len()]);
        figures.last_mut().expect("it was pushed").push(bytes);
        subjects.push(subject);
    }
    take_turns(sizes, Planner::new(sizes, &written, i64::from(WRITTEN), &read), &subjects, &mut figures)?;
    check_events(&subjects)?;
    print(&figures);
    Ok(())
}

fn subject(layout: &'static Layout, written: &History, read: &History) -> rusqlite::Result<Subject> {
    let subject = Subject { written: Database::create(layout)?, read: Database::create(layout)? };
    written.store(&subject.written)?;
    read.store(&subject.read)?;
    // Nothing in the log: a reader would look there first.
    subject.read.bytes()?;
    Ok(subject)
}

fn take_turns(
    sizes: &Sizes,
    mut planner: Planner<'_>,
    subjects: &[Subject],
    figures: &mut [Vec<Figures>],
) -> rusqlite::Result<()> {
    let mut turns = Turns::new(subjects.len());
    // The first round fills caches and counts for nothing.
    for round in 0..=sizes.rounds {
        for (column, (_, measure)) in MEASURES.into_iter().enumerate() {
            let work = planner.plan(measure);
            let mut expected: [Option<Sums>; 2] = [None; 2];
            for &arm in turns.next() {
                let (rate, sums) = work.run(&subjects[arm])?;
                let has_metadata = usize::from(has_metadata(subjects[arm].read.layout));
                assert_eq!(*expected[has_metadata].get_or_insert(sums), sums, "{}", LAYOUTS[arm].name);
                if round > 0 {
                    figures[arm][column].push(rate);
                }
            }
        }
    }
    Ok(())
}

fn has_metadata(layout: &Layout) -> bool {
    matches!(layout.metadata, Metadata::Columns { set: true } | Metadata::Json { set: true })
}

/// All have been given the same.
fn check_events(subjects: &[Subject]) -> rusqlite::Result<()> {
    let expected = subjects[0].written.events()?;
    for subject in subjects {
        assert_eq!(subject.written.events()?, expected, "{}", subject.written.layout.name);
    }
    Ok(())
}

fn print(figures: &[Vec<Figures>]) {
    let mut columns = MEASURES.map(|(name, _)| name).to_vec();
    columns.push("bytes an event");
    let rows = LAYOUTS.iter().zip(figures).map(|(layout, figures)| (layout.name, &**figures)).collect();
    let table = Table { columns: &columns, rows };
    table.print_medians("## Layouts, a second");
    let row = |name| LAYOUTS.iter().position(|layout| layout.name.starts_with(name)).expect("it has a row");
    let json_of_blobs = (row("6 metadata as JSON, set"), row("1 with two BLOBs"));
    table.print_ratios("## Layouts, of today's (more is better, but for bytes)", &[json_of_blobs]);
}
