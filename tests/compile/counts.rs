//! One mistake is one error: holds the number of errors of each case to the number that the case declares.
//!
//! A case ends with `// errors: 2`, the number of its mistakes. One in `one_mistake/` needs no such line. Where rustc reports a
//! mistake more than once, the line says why, after a comma.

use std::fs;
use std::path::{Path, PathBuf};

const LINE: &str = "// errors: ";

/// The number that a case declares, or what to write instead.
fn declared(case: &Path, source: &str) -> Result<usize, String> {
    let is_one = case.parent().is_some_and(|topic| topic.ends_with("one_mistake"));
    let Some(line) = source.lines().last().and_then(|line| line.strip_prefix(LINE)) else {
        return is_one.then_some(1).ok_or_else(|| {
            format!("end the file with `{LINE}2`, with the number of mistakes in it: each is to be one error")
        });
    };
    let (number, reason) = line.split_once(", ").unwrap_or((line, ""));
    let number =
        number.parse().map_err(|_| format!("write a number after `{LINE}`, instead of `{number}`"))?;
    if is_one && reason.is_empty() {
        return Err(format!(
            "remove `{LINE}{line}`, or write after a comma why one mistake is not one error"
        ));
    }
    Ok(number)
}

/// How many errors rustc reports for a case.
fn reported(case: &Path) -> usize {
    let messages = fs::read_to_string(case.with_extension("stderr")).unwrap_or_default();
    messages.lines().filter(|line| line.starts_with("error")).count()
}

fn cases() -> Vec<PathBuf> {
    let topics =
        fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("compile/fail")).expect("the topics");
    let mut cases: Vec<_> = topics
        .flat_map(|topic| fs::read_dir(topic.expect("a topic").path()).expect("a folder of cases"))
        .map(|case| case.expect("a case").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect();
    cases.sort();
    cases
}

#[test]
fn one_mistake_is_one_error() {
    let cases = cases();
    assert!(cases.len() > 100, "{}", cases.len());
    let mut wrong = Vec::new();
    for case in cases {
        let source = fs::read_to_string(&case).expect("the case");
        match (declared(&case, &source), reported(&case)) {
            (Ok(declared), reported) if declared == reported => {}
            (Ok(declared), reported) => wrong.push(format!(
                "{}: it declares {declared} errors and has {reported}: a mistake that is not one error needs a stub, or \
                 the number is wrong",
                case.display()
            )),
            (Err(what_to_write), _) => wrong.push(format!("{}: {what_to_write}", case.display())),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_case_without_its_number_is_told_what_to_write() {
    let in_topic =
        |line: &str| declared(Path::new("fail/events/names.rs"), &format!("fn main() {{}}\n{line}\n"));
    assert_eq!(in_topic("// errors: 4"), Ok(4));
    assert_eq!(in_topic("// errors: 4, two of them at one field"), Ok(4));
    assert!(in_topic("").is_err_and(|message| message.contains("end the file with `// errors: 2`")));
    assert!(in_topic("// errors: four").is_err_and(|message| message.contains("write a number")));
    let one =
        |line: &str| declared(Path::new("fail/one_mistake/name.rs"), &format!("fn main() {{}}\n{line}\n"));
    assert_eq!(one(""), Ok(1));
    assert_eq!(one("// errors: 3, one at each list"), Ok(3));
    assert!(one("// errors: 3").is_err_and(|message| message.contains("why one mistake")));
}
