//! Runs the replay of a log of fines as a user does.

/// The program as a module, for the tests inside its files.
#[path = "../fines/main.rs"]
#[allow(dead_code, reason = "what only `main` uses is tested by running the program")]
mod fines;
mod program;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use factum::Position;
use factum::prelude::*;
use program::Run;

/// A folder for logs and stores of one test.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().expect("a path in Unicode").to_owned()
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.path(name);
        fs::write(&path, content).expect("written");
        path
    }

    /// Replays a log into a store in memory.
    fn replay(&self, log: impl AsRef<[u8]>) -> Run {
        program::run("fines", &[&self.write("log.csv", log)])
    }
}

/// One line of the summary: fines, appealed, payments, paid.
type Line = (u64, u64, u64, String);

/// The first line of the output, and the summary by outcome.
fn summary(run: &Run) -> (&str, BTreeMap<&str, Line>) {
    let mut lines = run.out.lines();
    let rows = lines.next().expect("a line about rows");
    let outcomes = lines.skip(2).map(|line| {
        let (outcome, numbers) = line.split_at(22);
        match numbers.split_whitespace().collect::<Vec<_>>()[..] {
            [fines, appealed, payments, paid] => {
                let number = |text: &str| text.parse().expect("a number");
                (outcome.trim(), (number(fines), number(appealed), number(payments), paid.to_owned()))
            }
            _ => panic!("an outcome, three counts and an amount: {line}"),
        }
    });
    (rows, outcomes.collect())
}

/// A small log of three fines, with a column that the program does not use.
const LOG: &str = "\
amount,case:concept:name,concept:name,dismissal,expense,paymentAmount,points,time:timestamp,totalPaymentAmount
35.0,B1,Create Fine,NIL,,,0.0,2006-01-01 00:00:00+01:00,0.0
,B1,Send Fine,,11.5,,,2006-03-01 00:00:00+01:00,
,B1,Insert Fine Notification,,,,,2006-03-10 00:00:00+01:00,
,B1,Payment,,,20.0,,2006-04-01 00:00:00+02:00,20.0
,B1,Payment,,,20.0,,2006-04-01 00:00:00+02:00,40.0
70.25,B1,Add penalty,,,,,2006-05-09 00:00:00+02:00,
,B1,Send for Credit Collection,,,,,2008-01-10 00:00:00+01:00,
20.0,B2,Create Fine,NIL,,,0.0,2006-01-02 00:00:00+01:00,0.0
,B2,Payment,,,20.0,,2006-01-04 00:00:00+01:00,20.0
20.0,B3,Create Fine,#,,,0.0,2006-01-02 00:00:00+01:00,0.0
";

const LOG_SUMMARY: &str = "
outcome                  fines  appealed  payments        paid
dismissed                    1         0         0        0.00
in credit collection         1         0         2       40.00
paid in full                 1         0         1       20.00
all                          3         0         3       60.00
";

fn accepted(rows: &str) -> String {
    format!("{rows}\n{LOG_SUMMARY}")
}

#[test]
fn a_log_is_replayed_and_summed_up() {
    let run = Folder::new().replay(LOG);
    assert_eq!((run.code, run.err.as_str()), (Some(0), ""));
    assert_eq!(run.out, accepted("10 rows accepted: 10 recorded, 0 already known; 0 skipped"));
}

#[test]
fn a_store_records_no_row_twice() {
    let folder = Folder::new();
    let (log, store) = (folder.write("log.csv", LOG), folder.path("fines.db"));
    let first = program::run("fines", &[&log, &store]);
    assert_eq!(first.out, accepted("10 rows accepted: 10 recorded, 0 already known; 0 skipped"));
    let second = program::run("fines", &[&log, &store]);
    assert_eq!((second.code, second.err.as_str()), (Some(0), ""));
    assert_eq!(second.out, accepted("10 rows accepted: 0 recorded, 10 already known; 0 skipped"));
    assert_eq!(SqliteStore::open(store).expect("a store").position().expect("a position"), Position::new(10));
}

#[test]
fn the_view_is_rebuilt_on_request() {
    let folder = Folder::new();
    let (log, store) = (folder.write("log.csv", LOG), folder.path("fines.db"));
    let run = program::run("fines", &["--rebuild", &store]);
    assert_eq!((run.code, run.err), (Some(2), format!("fines: there is no {store}\n")));
    program::run("fines", &[&log, &store]);
    let run = program::run("fines", &["--rebuild", &store]);
    assert_eq!((run.code, run.err.as_str()), (Some(0), ""));
    assert_eq!(run.out, LOG_SUMMARY.trim_start());
}

#[test]
fn another_run_goes_on_where_the_last_one_ended() {
    let folder = Folder::new();
    let (log, store) = (folder.path("log.csv"), folder.path("fines.db"));
    // At first the second row is malformed, and rows that depend on it are refused.
    fs::write(&log, LOG.replace("Send Fine", "Sned Fine")).expect("written");
    let first = program::run("fines", &[&log, &store]);
    assert_eq!(first.code, Some(1));
    assert_eq!(
        first.err,
        "line 3: unknown activity `Sned Fine`\n\
         line 4: the fine was not sent yet\n\
         line 7: nothing is owed any more\n\
         line 8: nothing is owed any more\n"
    );
    fs::write(&log, LOG).expect("written");
    let second = program::run("fines", &[&log, &store]);
    assert_eq!((second.code, second.err.as_str()), (Some(0), ""));
    assert_eq!(second.out, accepted("10 rows accepted: 4 recorded, 6 already known; 0 skipped"));
}

#[test]
fn rows_that_make_no_sense_are_reported_by_line_and_the_rest_goes_in() {
    let mut log = Vec::from(LOG);
    log.extend_from_slice(
        b"\n\
        ,B9,Payment\n\
        ,B9,Parade,,,,,2006-01-04 00:00:00+01:00,\n\
        12.345,B9,Create Fine,NIL,,,0.0,2006-01-04 00:00:00+01:00,0.0\n\
        ,B9,Create Fine,NIL,,,0.0,2006-01-04 00:00:00+01:00,0.0\n\
        12.0,B9,Create Fine,NIL,,,0.0,4 January,0.0\n\
        12.0,,Create Fine,NIL,,,0.0,2006-01-04 00:00:00+01:00,0.0\n\
        ,B9,Payment,,,20.0,,2006-01-04 00:00:00+01:00,20.0\n\
        \"12.0,B9,Create Fine,NIL,,,0.0,2006-01-04 00:00:00+01:00,0.0\n\
        12.0,B\xFF,Create Fine,NIL,,,0.0,2006-01-04 00:00:00+01:00,0.0\n\
        ,B3,Payment,,,5.0,,2006-01-04 00:00:00+01:00,25.0\n\
        \x20 \n\
        ,B1,Payment,,,5.0,,2009-01-04 00:00:00+01:00,45.0\n\
        \"20.0\",\"B4\",Create Fine,NIL,,,0.0,2006-01-02 00:00:00+01:00,0.0\n",
    );
    let run = Folder::new().replay(log);
    assert_eq!(run.code, Some(1));
    let reasons = [
        "line 13: it has 3 columns, the header has 9",
        "line 14: unknown activity `Parade`",
        "line 15: amount: `12.345` is not an amount in whole cents, like 36.0 or 49.25",
        "line 16: `amount` is empty",
        "line 17: time:timestamp: `4 January` is not a time like ",
        "line 18: `case:concept:name` is empty",
        "line 19: there is no such fine yet",
        "line 20: it has 1 columns, the header has 9",
        "line 21: it is not UTF-8 text",
        "line 22: the total paid would be 5.00, not 25.00",
        "line 24: the fine is in credit collection",
    ];
    assert_eq!(run.err.lines().count(), reasons.len(), "{}", run.err);
    for (line, reason) in run.err.lines().zip(reasons) {
        assert!(line.starts_with(reason), "{line}\nis not about\n{reason}");
    }
    let (rows, outcomes) = summary(&run);
    assert_eq!(rows, "11 rows accepted: 11 recorded, 0 already known; 11 skipped");
    assert_eq!(outcomes["all"], (4, 0, 3, "60.00".into()));
    assert_eq!(outcomes["unpaid"].0, 1);
}

#[test]
fn a_log_may_come_from_elsewhere() {
    let folder = Folder::new();
    let windows = format!("\u{feff}{}\r\n\r\n", LOG.replace('\n', "\r\n"));
    let run = folder.replay(windows);
    assert_eq!((run.code, run.err.as_str()), (Some(0), ""));
    assert_eq!(run.out, accepted("10 rows accepted: 10 recorded, 0 already known; 0 skipped"));

    // Lines are numbered as an editor numbers them, whatever they end with.
    let run = folder.replay(format!("{}\r\nB9\r\n", LOG.replace('\n', "\r\n")));
    assert_eq!(run.err, "line 13: it has 1 columns, the header has 9\n");

    let reversed = LOG.lines().map(|line| {
        let cells: Vec<_> = line.rsplit(',').chain(["\"more, of no use\""]).collect();
        cells.join(",")
    });
    let run = folder.replay(reversed.collect::<Vec<_>>().join("\n"));
    assert_eq!((run.code, run.err.as_str()), (Some(0), ""));
    assert_eq!(run.out, accepted("10 rows accepted: 10 recorded, 0 already known; 0 skipped"));
}

#[test]
fn an_appeal_is_pending_until_it_is_answered() {
    let outcome = |steps: &[(&str, &str)]| {
        let mut log = "case:concept:name,amount,expense,concept:name,dismissal,time:timestamp,\
                       paymentAmount,totalPaymentAmount\n"
            .to_owned();
        for (activity, dismissal) in
            [("Create Fine", ""), ("Send Fine", ""), ("Insert Fine Notification", "")].iter().chain(steps)
        {
            let _ = writeln!(log, "B1,20.0,5.0,{activity},{dismissal},2006-01-02 00:00:00+01:00,,");
        }
        let run = Folder::new().replay(log);
        assert_eq!((run.code, run.err.as_str()), (Some(0), ""));
        let (_, outcomes) = summary(&run);
        assert_eq!(outcomes["all"], (1, 1, 0, "0.00".into()));
        outcomes.keys().find(|name| **name != "all").expect("an outcome").to_string()
    };
    let lodged = ("Insert Date Appeal to Prefecture", "");
    let received = ("Receive Result Appeal from Prefecture", "");
    let notified = ("Notify Result Appeal to Offender", "");
    let forwarded = |dismissal| ("Send Appeal to Prefecture", dismissal);
    assert_eq!(outcome(&[lodged]), "appeal pending");
    assert_eq!(outcome(&[lodged, forwarded("NIL"), received]), "appeal pending");
    assert_eq!(outcome(&[lodged, forwarded("NIL"), received, notified]), "unpaid");
    assert_eq!(outcome(&[lodged, forwarded("#"), received, notified]), "dismissed");
    assert_eq!(outcome(&[("Appeal to Judge", "NIL")]), "appeal pending");
    assert_eq!(outcome(&[("Appeal to Judge", "G")]), "dismissed");
}

#[test]
fn without_arguments_it_says_what_it_wants() {
    for arguments in [&[][..], &["a.csv", "b.db", "c"]] {
        let run = program::run("fines", arguments);
        assert_eq!((run.code, run.out.as_str()), (Some(2), ""));
        assert!(run.err.starts_with("usage: fines FILE.csv [STORE.db]\n"), "{}", run.err);
        assert!(run.err.contains("in memory"), "{}", run.err);
    }
}

#[test]
fn a_file_that_is_no_log_is_refused_and_leaves_no_store() {
    let folder = Folder::new();
    let store = folder.path("fines.db");
    let missing = folder.path("missing.csv");
    let empty = folder.write("empty.csv", "\n\n");
    let other = folder.write("other.csv", LOG.replace("dismissal", "removal"));
    let twice = folder.write("twice.csv", LOG.replace("points", "amount"));
    let directory = folder.path("");
    for (file, reason) in [
        (&missing, "(os error 2)"),
        (&empty, "it is empty"),
        (&other, "it has no column `dismissal`"),
        (&twice, "it has more than one column `amount`"),
        (&directory, ""),
    ] {
        let run = program::run("fines", &[file, &store]);
        assert_eq!((run.code, run.out.as_str()), (Some(2), ""), "{file}");
        let expected = format!("fines: can't read {file}: ");
        assert!(run.err.starts_with(&expected) && run.err.contains(reason), "{}", run.err);
    }
    assert!(!fs::exists(&store).expect("looked up"));

    // A file that is not a store is not written to either.
    let log = folder.write("log.csv", LOG);
    let run = program::run("fines", &[&log, &log]);
    assert_eq!((run.code, run.err), (Some(2), format!("fines: {log} is not a SQLite database\n")));
    assert_eq!(fs::read_to_string(&log).expect("read"), LOG);
}

/// The log of an Italian police force, which is not in the repository; `None` skips the test.
fn real_log() -> Option<PathBuf> {
    let Some(directory) = std::env::var_os("FACTUM_DATA_DIR") else {
        eprintln!("skipped: FACTUM_DATA_DIR names no directory with road-traffic-fines.csv");
        return None;
    };
    Some(PathBuf::from(directory).join("road-traffic-fines.csv"))
}

/// The summary that the program should print, counted from the cells of the log without the program's code.
fn counted(log: &str) -> BTreeMap<&'static str, Line> {
    #[derive(Default)]
    struct Case {
        written: i64,
        postage: i64,
        penalised: Option<i64>,
        paid: i64,
        payments: u64,
        dismissed: bool,
        steps: HashSet<String>,
    }
    let euros = |cents: i64| format!("{}.{:02}", cents / 100, cents % 100);
    let mut rows = log.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let header = rows.next().expect("a header");
    let mut cases = HashMap::<_, Case>::new();
    for row in rows {
        let cell = |name| row[header.iter().position(|column| *column == name).expect("a column")];
        // Amounts are below a thousand, so the float is far closer to the exact amount than half a cent.
        #[allow(clippy::cast_possible_truncation, reason = "some thousands")]
        let cents = |name| (cell(name).parse::<f64>().expect("an amount") * 100.0).round() as i64;
        let case = cases.entry(cell("case:concept:name")).or_default();
        case.dismissed |= !matches!(cell("dismissal"), "" | "NIL");
        match cell("concept:name") {
            "Create Fine" => case.written = cents("amount"),
            "Send Fine" => case.postage = cents("expense"),
            "Add penalty" => case.penalised = Some(cents("amount")),
            "Payment" => {
                case.paid += cents("paymentAmount");
                case.payments += 1;
                assert_eq!(case.paid, cents("totalPaymentAmount"), "the log's own check");
            }
            _ => {}
        }
        case.steps.insert(cell("concept:name").to_owned());
    }
    let mut sums = BTreeMap::<_, (u64, u64, u64, i64)>::new();
    for case in cases.values() {
        let letter = case.written + case.postage;
        let due = case.penalised.unwrap_or(case.written) + case.postage;
        let took = |step| case.steps.contains(step);
        let to_judge = took("Appeal to Judge");
        let to_prefecture = took("Insert Date Appeal to Prefecture");
        let outcome = if case.dismissed {
            "dismissed"
        } else if took("Send for Credit Collection") {
            "in credit collection"
        } else if case.paid >= due {
            "paid in full"
        } else if case.paid >= letter {
            "paid without penalty"
        } else if to_judge || (to_prefecture && !took("Notify Result Appeal to Offender")) {
            "appeal pending"
        } else if case.paid > 0 {
            "paid in part"
        } else {
            "unpaid"
        };
        for outcome in [outcome, "all"] {
            let sum = sums.entry(outcome).or_default();
            sum.0 += 1;
            sum.1 += u64::from(to_judge || to_prefecture);
            sum.2 += case.payments;
            sum.3 += case.paid;
        }
    }
    sums.into_iter().map(|(outcome, sum)| (outcome, (sum.0, sum.1, sum.2, euros(sum.3)))).collect()
}

#[test]
fn the_real_log_goes_in_whole_and_once() {
    let Some(log) = real_log() else { return };
    let expected = counted(&fs::read_to_string(&log).expect("the log"));
    assert_eq!(expected["all"], (100, 1, 58, "2968.03".into()));

    let folder = Folder::new();
    let (log, store) = (log.to_str().expect("a path in Unicode"), folder.path("fines.db"));
    for rows in [
        "390 rows accepted: 390 recorded, 0 already known; 0 skipped",
        "390 rows accepted: 0 recorded, 390 already known; 0 skipped",
    ] {
        let run = program::run("fines", &[log, &store]);
        assert_eq!((run.code, run.err.as_str()), (Some(0), ""));
        assert_eq!(summary(&run), (rows, expected.clone()));
    }
    assert_eq!(
        SqliteStore::open(store).expect("a store").position().expect("a position"),
        Position::new(390)
    );
}
