//! Runs the dashboard as a user does: the numbers of the page are those of the log.

/// The program as a module, for the tests inside its files.
#[path = "../dashboard/main.rs"]
#[allow(dead_code, reason = "what only `main` uses is tested by running the program")]
mod dashboard;
mod program;

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::PathBuf;

/// Runs the program on a log, and returns the page that it writes.
fn page(log: &str) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).to_str().expect("a path in Unicode").to_owned();
    fs::write(path("log.csv"), log).expect("written");
    let run = program::run("dashboard", &[&path("log.csv"), &path("out.html")]);
    assert_eq!((run.code, run.err.as_str()), (Some(0), ""));
    let page = fs::read_to_string(path("out.html")).expect("a page");
    assert_well_formed(&page);
    // The style is left out, because its names may contain these texts.
    let drawn = page.split_once("</style>").expect("a style").1;
    assert!(!drawn.contains("NaN") && !drawn.contains("\"inf"), "{drawn}");
    page
}

/// Checks that all elements end in the right order, and that all special characters are escaped.
fn assert_well_formed(page: &str) {
    let body = page.strip_prefix("<!DOCTYPE html>").expect("an HTML page");
    let mut open = Vec::new();
    let mut rest = body;
    while let Some((text, after)) = rest.split_once('<') {
        for entity in text.split('&').skip(1) {
            let known = ["amp;", "lt;", "gt;", "quot;"];
            assert!(known.iter().any(|known| entity.starts_with(known)), "`&{entity}`");
        }
        let (tag, after) = after.split_once('>').expect("a tag ends");
        match tag.strip_prefix('/') {
            Some(name) => assert_eq!(open.pop(), Some(name), "in {text}"),
            None if tag.ends_with('/') => {}
            None => open.push(tag.split(' ').next().expect("a name")),
        }
        assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
        rest = after;
    }
    assert_eq!(open, Vec::<&str>::new());
}

/// The rows of the table under a heading.
fn table(page: &str, title: &str) -> Vec<Vec<String>> {
    let section = page.split_once(&format!("<h2>{title}</h2>")).expect("a section").1;
    let body =
        section.split_once("<tbody>").and_then(|(_, rest)| rest.split_once("</tbody>")).expect("a table").0;
    let cells = |row: &str| {
        row.split("<td>").skip(1).map(|cell| cell.split('<').next().unwrap_or("").to_owned()).collect()
    };
    body.split("<tr>").skip(1).map(cells).collect()
}

fn row(cells: &[&str]) -> Vec<String> {
    cells.iter().map(|cell| (*cell).to_owned()).collect()
}

const HEADER: &str =
    "amount,case:concept:name,concept:name,dismissal,expense,paymentAmount,time:timestamp,totalPaymentAmount";

#[test]
fn a_page_has_the_numbers_of_its_log() {
    let log = format!(
        "{HEADER}
35.0,B1,Create Fine,NIL,,,2006-01-01 00:00:00+01:00,0.0
,B1,Send Fine,,11.5,,2006-03-01 00:00:00+01:00,
,B1,Insert Fine Notification,,,,2006-03-10 00:00:00+01:00,
,B1,Payment,,,20.0,2006-04-01 00:00:00+02:00,20.0
,B1,Payment,,,20.0,2006-04-01 00:00:00+02:00,40.0
70.25,B1,Add penalty,,,,2006-05-09 00:00:00+02:00,
,B1,Send for Credit Collection,,,,2008-01-10 00:00:00+01:00,
20.0,B2,Create Fine,NIL,,,2006-01-02 00:00:00+01:00,0.0
,B2,Payment,,,20.0,2006-01-04 00:00:00+01:00,20.0
20.0,B<3>,Create Fine,#,,,2008-01-02 00:00:00+01:00,0.0
"
    );
    let page = page(&log);
    assert_eq!(
        table(&page, "How fines end"),
        [row(&["dismissed", "1"]), row(&["in credit collection", "1"]), row(&["paid in full", "1"])]
    );
    assert_eq!(
        table(&page, "Fines and payments by year"),
        [row(&["2006", "2", "3"]), row(&["2007", "0", "0"]), row(&["2008", "1", "0"])]
    );
    let money = table(&page, "Asked for and paid, in euros");
    assert_eq!(money.first(), Some(&row(&["2006-01-01", "35.00", "0.00"])));
    // Asked for: 35 and 11.50, raised by 35.25, and twice 20.
    assert_eq!(money.last(), Some(&row(&["2008-01-02", "121.75", "60.00"])));
    let delays: Vec<_> =
        table(&page, "Until the first payment").into_iter().map(|row| row[1].clone()).collect();
    assert_eq!(delays, ["1", "0", "0", "1", "0", "0", "1"], "after 2 days, after 90, never");
    let steps: Vec<_> = table(&page, "How far fines go").into_iter().map(|row| row[1].clone()).collect();
    assert_eq!(steps, ["3", "1", "1", "1", "0", "1"]);
}

#[test]
fn a_log_of_nothing_or_of_one_fine_is_drawn_too() {
    let empty = page(&format!("{HEADER}\n"));
    assert_eq!(table(&empty, "Fines and payments by year"), Vec::<Vec<String>>::new());
    let one = page(&format!("{HEADER}\n35.0,B1,Create Fine,NIL,,,2006-01-01 00:00:00+01:00,0.0\n"));
    assert_eq!(table(&one, "How fines end"), [row(&["unpaid", "1"])]);
}

#[test]
fn without_a_log_it_says_what_it_wants() {
    let run = program::run("dashboard", &[] as &[&str]);
    assert_eq!((run.code, run.out.as_str()), (Some(2), ""));
    assert!(run.err.starts_with("usage: dashboard FILE.csv [OUT.html]\n"), "{}", run.err);
    let run = program::run("dashboard", &["/nowhere/log.csv", "/nowhere/out.html"]);
    assert_eq!(run.code, Some(2));
    assert!(run.err.starts_with("dashboard: can't read /nowhere/log.csv: "), "{}", run.err);
}

/// The log of an Italian police force, which is not in the repository; `None` skips the test.
fn real_log() -> Option<PathBuf> {
    let Some(directory) = std::env::var_os("FACTUM_DATA_DIR") else {
        eprintln!("skipped: FACTUM_DATA_DIR names no directory with road-traffic-fines.csv");
        return None;
    };
    Some(PathBuf::from(directory).join("road-traffic-fines.csv"))
}

/// The expected numbers are counted from the cells of the log, without the program's code.
#[test]
fn the_page_of_the_real_log_has_its_numbers() {
    let Some(path) = real_log() else { return };
    let log = fs::read_to_string(path).expect("the log");
    let mut rows = log.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let header = rows.next().expect("a header");
    let column = |name: &str| header.iter().position(|column| *column == name).expect("a column");
    let (case, activity, time, payment) = (
        column("case:concept:name"),
        column("concept:name"),
        column("time:timestamp"),
        column("paymentAmount"),
    );
    let mut years = BTreeMap::<String, [u64; 2]>::new();
    let mut collected = 0;
    let mut paid = 0.0;
    let mut cases = HashMap::<_, bool>::new();
    for row in rows {
        let year = years.entry(row[time][..4].to_owned());
        let has_paid = cases.entry(row[case].to_owned()).or_default();
        match row[activity] {
            "Create Fine" => year.or_default()[0] += 1,
            "Payment" => {
                year.or_default()[1] += 1;
                paid += row[payment].parse::<f64>().expect("an amount");
                *has_paid = true;
            }
            "Send for Credit Collection" => collected += 1,
            _ => {}
        }
    }
    let page = page(&log);
    let expected: Vec<_> = years
        .into_iter()
        .map(|(year, [created, paid])| vec![year, created.to_string(), paid.to_string()])
        .collect();
    assert_eq!(table(&page, "Fines and payments by year"), expected);
    let money = table(&page, "Asked for and paid, in euros");
    assert_eq!(money.last().map(|row| row[2].clone()), Some(format!("{paid:.2}")));
    let unpaid = cases.values().filter(|has_paid| !**has_paid).count();
    assert_eq!(
        table(&page, "Until the first payment").last(),
        Some(&row(&["not at all", &unpaid.to_string()]))
    );
    let steps = table(&page, "How far fines go");
    assert_eq!(steps[0], row(&["created", &cases.len().to_string()]));
    assert_eq!(steps[5], row(&["credit collection", &collected.to_string()]));
}
