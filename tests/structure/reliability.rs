//! The tests that `runtime/doc/RELIABILITY.md` names: each is there.

use std::fs;
use std::path::{Path, PathBuf};

/// The text between backticks in the second column of each table.
fn named_tests(page: &str) -> Vec<&str> {
    let rows = page.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| promise"));
    let cells = rows.filter_map(|row| row.split(" | ").nth(1));
    cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).filter(|text| text.contains("::")).collect()
}

/// The file of a module of the suite, and the function in it, if the name goes on to one.
fn find(name: &str) -> Option<(PathBuf, Option<&str>)> {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let file = |module: &str| {
        let path = tests.join(module.replace("::", "/"));
        [path.with_extension("rs"), path.join("mod.rs"), path.join("main.rs")]
            .into_iter()
            .find(|path| path.exists())
    };
    if let Some(file) = file(name) {
        return Some((file, None));
    }
    let (module, function) = name.rsplit_once("::")?;
    Some((file(module)?, Some(function)))
}

#[test]
fn each_test_of_a_promise_is_there() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../runtime/doc/RELIABILITY.md");
    let page = fs::read_to_string(page).expect("the page");
    let names = named_tests(&page);
    assert!(names.len() > 30, "{names:?}");
    for name in names {
        let (file, function) = find(name).unwrap_or_else(|| panic!("there is no {name}"));
        let text = fs::read_to_string(&file).expect("a test's file");
        let wanted = function.map_or("#[test]".to_owned(), |function| format!("fn {function}("));
        let is_folder = file.ends_with("mod.rs") && function.is_none();
        assert!(
            is_folder || text.contains(&wanted),
            "{} has no `{wanted}`, which the page names",
            file.display()
        );
    }
}
