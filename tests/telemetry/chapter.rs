//! The tables of `guide::telemetry`, beside what is emitted.

use std::collections::{BTreeMap, BTreeSet};

use crate::recorder::{emitted, record};
use crate::scenes;

const CHAPTER: &str = include_str!("../../runtime/doc/telemetry.md");

type Names = BTreeMap<String, BTreeSet<String>>;

/// The rows of the tables below a heading: the names in the first cell, and those in the last.
fn rows(heading: &str) -> impl Iterator<Item = (BTreeSet<String>, BTreeSet<String>)> {
    let (_, below) = CHAPTER.split_once(&format!("\n{heading}\n")).unwrap();
    let table = below.split("\n#").next().unwrap();
    table.lines().filter(|line| line.starts_with("| `")).map(|line| {
        let cells: Vec<_> = line.trim_matches('|').split('|').collect();
        (names(cells[0]), names(cells[cells.len() - 1]))
    })
}

/// What is between backticks.
fn names(cell: &str) -> BTreeSet<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn the_chapter_has_every_name_and_no_other() {
    record();
    scenes::commands();
    scenes::blocking_call();
    scenes::views();
    scenes::rebuild();
    scenes::leases();
    scenes::partitions();
    scenes::others();
    let (mut found, mut recorded) = ([Names::new(), Names::new()], BTreeSet::new());
    for emitted in emitted().iter().filter(|emitted| emitted.metadata.target() == "factum") {
        let fields = emitted.metadata.fields().iter().map(|field| field.name().to_owned());
        let of_name = found[usize::from(emitted.metadata.is_event())].entry(emitted.name().to_owned());
        of_name.or_default().extend(fields.filter(|field| field != "message"));
        recorded.extend(emitted.fields.keys().map(|field| (*field).to_owned()));
    }
    for (heading, found) in ["## Spans", "## Events"].into_iter().zip(found) {
        let listed: Names =
            rows(heading).map(|(names, fields)| (names.into_iter().next().unwrap(), fields)).collect();
        assert_eq!(listed, found, "{heading} of runtime/doc/telemetry.md");
    }
    // Each field has a value somewhere.
    recorded.remove("message");
    let listed: BTreeSet<_> = rows("## Fields").flat_map(|(names, _)| names).collect();
    assert_eq!(listed, recorded, "the fields of runtime/doc/telemetry.md");
}
