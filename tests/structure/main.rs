//! The structure of `runtime/src`, held to what ARCHITECTURE.md says of it: storeys whose arrows run one way, small knots
//! inside them, and each feature behind one switch.

mod graph;
mod reliability;
mod source;

use std::collections::BTreeSet;
use std::fmt::Write as _;

use self::source::SourceFile;

/// From the ground up. A module imports from its own storey and those below it.
const STOREYS: [&str; 20] = [
    "domain",
    "trace",
    "telemetry",
    "store",
    "misuse",
    "runtime",
    "repository",
    "follow",
    "event_store_ext",
    "copy",
    "macro_support",
    "memory",
    "sqlite",
    "postgres_tls",
    "postgres",
    "application",
    "tasks",
    "tasks_sqlite",
    "testing",
    "testing_sqlite",
];

/// How many files of one storey may import each other in a circle.
const LARGEST_KNOT: usize = 3;

fn storey(module: &str) -> Option<usize> {
    let first = module.split("::").next().unwrap_or_default();
    STOREYS.iter().position(|storey| *storey == first)
}

#[test]
fn every_module_stands_on_a_storey() {
    for file in source::runtime() {
        assert!(
            storey(&file.module).is_some() || ["", "guide"].contains(&&*file.module),
            "{} is on no storey: move it into one of {STOREYS:?}, or add its storey to this test and to ARCHITECTURE.md",
            file.path
        );
    }
}

#[test]
fn no_import_climbs() {
    let files = source::runtime();
    let mut climbs = String::new();
    for file in &files {
        let Some(own) = storey(&file.module) else { continue };
        for import in &file.imports {
            if let Some(other) = storey(&import.path).filter(|other| *other > own) {
                let _ = writeln!(
                    climbs,
                    "{}:{}: `{}` imports `crate::{}`, from `{}` above it: move the item down, or the line up",
                    file.path, import.line, STOREYS[own], import.path, STOREYS[other]
                );
            }
        }
    }
    assert!(climbs.is_empty(), "\n{climbs}");
}

#[test]
fn no_knot_is_larger_than_three_files() {
    let files = source::runtime();
    let knots: Vec<_> =
        graph::knots(&edges(&files)).into_iter().filter(|knot| knot.len() > LARGEST_KNOT).collect();
    let mut text = String::new();
    for knot in &knots {
        let paths: Vec<_> = knot.iter().map(|&index| &*files[index].path).collect();
        let _ = writeln!(text, "these files import each other:\n  {}", paths.join("\n  "));
    }
    assert!(
        knots.is_empty(),
        "\n{text}take one import out of the circle, so that no more than {LARGEST_KNOT} are left"
    );
}

/// Prints what a reader of a change wants to know: `cargo test -p factum-tests --test structure -- --nocapture`.
#[test]
fn knots_are_listed() {
    let files = source::runtime();
    let knots = graph::knots(&edges(&files));
    println!("{} files, {} knots of more than one file", files.len(), knots.len());
    for knot in &knots {
        println!("  {:?}", knot.iter().map(|&index| &*files[index].module).collect::<Vec<_>>());
    }
    assert!(files.len() > 50, "the source was found");
}

#[test]
fn each_feature_has_one_switch() {
    for file in source::runtime() {
        let has_switch = file.text.contains("feature = \"");
        assert!(
            !has_switch || file.module.is_empty(),
            "{} asks for a feature: only `lib.rs` does, for a whole wing",
            file.path
        );
    }
}

/// Each database can be left out, so none needs the other.
#[test]
fn databases_do_not_import_each_other() {
    for file in source::runtime() {
        for (own, other) in [("sqlite", "postgres"), ("postgres", "sqlite")] {
            let is_in = |module: &str, storey: &str| module.split("::").next() == Some(storey);
            let import = file.imports.iter().find(|import| is_in(&import.path, other));
            assert!(
                !is_in(&file.module, own) || import.is_none(),
                "{} imports from `{other}`: move what both need below them",
                file.path
            );
        }
    }
}

/// For each file the files that it imports from.
fn edges(files: &[SourceFile]) -> Vec<BTreeSet<usize>> {
    let file_of = |path: &str| {
        let mut module = path;
        loop {
            if let Some(index) = files.iter().position(|file| file.module == module) {
                return Some(index);
            }
            module = module.rsplit_once("::")?.0;
        }
    };
    files
        .iter()
        .enumerate()
        .map(|(own, file)| {
            let targets = file.imports.iter().filter_map(|import| file_of(&import.path));
            targets.filter(|target| *target != own && !files[*target].module.is_empty()).collect()
        })
        .collect()
}
