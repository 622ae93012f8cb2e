//! Holds the direction of the pipeline: which module of the crate may import which.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Each module and those that it may import. `lib.rs` is the recipe and may import all.
const MAY_IMPORT: [(&str, &[&str]); 10] = [
    ("errors", &[]),
    ("names", &[]),
    ("markers", &["names"]),
    ("lengths", &[]),
    ("lock", &["errors"]),
    ("manifest", &[]),
    ("attributes", &["errors", "lengths", "manifest", "names"]),
    ("syntax", &["attributes", "errors", "lengths", "manifest", "names", "markers"]),
    ("rules", &["syntax", "lock", "errors", "names", "markers"]),
    ("expand", &["rules", "syntax", "lock", "manifest", "names", "markers"]),
];

#[test]
fn imports_go_one_way() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut wrong = String::new();
    for (module, may_import) in MAY_IMPORT {
        let mut files = vec![root.join(module).with_extension("rs")];
        add_files(&root.join(module), &mut files);
        for file in files {
            let text = std::fs::read_to_string(&file).expect("the file of a module");
            for (number, line) in (1..).zip(text.lines()) {
                let shown = file.strip_prefix(&root).expect("a file of the crate").display();
                for imported in imported(line) {
                    if imported != module && !may_import.contains(&imported) {
                        let _ = writeln!(
                            wrong,
                            "macros/src/{shown}:{number}: `{module}` may not import `{imported}`; move `{}`",
                            line.trim()
                        );
                    }
                }
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "the pipeline is attributes -> syntax -> rules -> expand, and nothing imports a later stage:\n{wrong}"
    );
}

#[test]
fn every_module_has_its_place() {
    let lib = include_str!("lib.rs");
    let modules = lib.lines().filter_map(|line| line.strip_prefix("mod ")?.strip_suffix(';'));
    for module in modules.filter(|module| !["fuzz", "golden", "layers"].contains(module)) {
        assert!(
            MAY_IMPORT.iter().any(|(known, _)| *known == module),
            "`{module}` is new: say in layers.rs which modules it may import"
        );
    }
}

#[test]
fn imports_are_found() {
    assert_eq!(imported("use crate::errors::Errors;"), ["errors"]);
    assert_eq!(imported("let name = crate::names::kebab(crate::rules::name());"), ["names", "rules"]);
    assert_eq!(imported("use crate::{names, errors::Errors};"), ["{names, errors::Errors};"]);
    assert_eq!(imported("use super::super::rules::Event;"), ["rules"]);
    assert_eq!(imported("use super::history::History;"), [""; 0]);
    assert_eq!(imported("let text = \"crate::rules\"; // crate::rules"), [""; 0]);
}

/// The modules of the crate that a line of code names, outside of its comments and texts.
fn imported(line: &str) -> Vec<&str> {
    let code = line.split("//").next().unwrap_or_default().split('"').step_by(2);
    let after = |separator| code.clone().flat_map(move |code| code.split(separator).skip(1)).map(first_name);
    // `super` may lead out of a module as well.
    let is_module = |name: &&str| MAY_IMPORT.iter().any(|(module, _)| module == name);
    after("crate::").chain(after("super::").filter(is_module)).collect()
}

/// The name that a path begins with. A group of imports has none and is refused as a whole: each module has a line of
/// its own.
fn first_name(path: &str) -> &str {
    let end = path.find(|char: char| !char.is_alphanumeric() && char != '_').unwrap_or(path.len());
    if end == 0 { path } else { &path[..end] }
}

fn add_files(folder: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries {
        let path = entry.expect("an entry of the folder").path();
        if path.is_dir() {
            add_files(&path, files);
        } else {
            files.push(path);
        }
    }
}
