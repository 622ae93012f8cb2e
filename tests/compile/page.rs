//! Compares the page of all messages with the messages of the cases, in both directions.

use std::fs;
use std::path::Path;

/// The character that matches any text on the page.
const ANYTHING: char = '…';

/// The messages on the page: the first cell of each row of its tables.
fn on_the_page() -> Vec<String> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../runtime/doc/messages.md");
    let page = fs::read_to_string(page).expect("the page");
    let row = |line: &str| Some(line.strip_prefix("| `` ")?.split_once(" `` |")?.0.to_owned());
    page.lines().filter_map(row).collect()
}

/// The messages of all cases, each with its file.
fn in_the_cases() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("compile/fail");
    let mut messages = Vec::new();
    for topic in fs::read_dir(folder).expect("a folder of topics") {
        for case in fs::read_dir(topic.expect("a topic").path()).expect("a folder of cases") {
            let path = case.expect("a case").path();
            if path.extension().is_none_or(|extension| extension != "stderr") {
                continue;
            }
            for line in fs::read_to_string(&path).expect("the case's messages").lines() {
                let Some(rest) = line.strip_prefix("error") else { continue };
                // `error[E0277]: `, and rustc's prefix for a constant that panics.
                let (_, message) = rest.split_once(": ").expect("a message");
                let message = message.strip_prefix("evaluation panicked: ").unwrap_or(message);
                messages.push((message.to_owned(), path.display().to_string()));
            }
        }
    }
    messages
}

fn fits(message: &str, pattern: &str) -> bool {
    let Some((first, rest)) = pattern.split_once(ANYTHING) else { return message == pattern };
    let Some(mut left) = message.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = rest.split(ANYTHING).collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        match left.find(part) {
            Some(at) => left = &left[at + part.len()..],
            None => return false,
        }
    }
    left.ends_with(last)
}

#[test]
fn every_message_is_on_the_page_and_the_page_has_no_other() {
    let (page, cases) = (on_the_page(), in_the_cases());
    assert!(page.len() > 70 && cases.len() > 100, "{} and {}", page.len(), cases.len());
    let missing: Vec<_> =
        cases.iter().filter(|(message, _)| !page.iter().any(|pattern| fits(message, pattern))).collect();
    assert!(missing.is_empty(), "not in runtime/doc/messages.md: {missing:#?}");
    let stale: Vec<_> =
        page.iter().filter(|pattern| !cases.iter().any(|(message, _)| fits(message, pattern))).collect();
    assert!(stale.is_empty(), "in runtime/doc/messages.md, but in no case: {stale:#?}");
}

#[test]
fn patterns_fit_what_they_should() {
    assert!(fits("`a` is `b`", "`…` is `…`"));
    assert!(fits("write `x`", "write `…`"));
    assert!(fits("same", "same"));
    assert!(!fits("same as", "same"));
    assert!(!fits("`a` is c", "`…` is `…`"));
}
