//! Runs the bank as a user does.

/// The domain with its own tests.
#[path = "../bank/account.rs"]
#[allow(dead_code, reason = "the program uses more than these tests")]
mod account;
mod program;

use program::Run;

/// One bank on a file of its own.
struct Bank {
    directory: tempfile::TempDir,
}

impl Bank {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().expect("a folder") }
    }

    fn run(&self, line: &str) -> Run {
        let file = self.directory.path().join("bank.db");
        let mut words = vec!["--file", file.to_str().expect("a path in Unicode")];
        words.extend(line.split(' '));
        program::run("bank", &words)
    }

    /// Runs a command that must succeed, and returns what it prints.
    fn ok(&self, line: &str) -> String {
        let run = self.run(line);
        assert_eq!((run.code, run.err.as_str()), (Some(0), ""), "{line}");
        run.out
    }

    /// Runs a command that must be refused, and returns the refusal.
    fn refused(&self, line: &str) -> String {
        let run = self.run(line);
        assert_eq!((run.code, run.out.as_str()), (Some(1), ""), "{line}");
        run.err
    }
}

#[test]
fn the_story_plays_and_leaves_nothing_behind() {
    let run = program::run("bank", &[]);
    assert_eq!((run.code, run.err.as_str()), (Some(0), ""));
    assert!(
        run.out.contains("$ bank transfer alice bob 40\nalice holds 47.50, bob holds 40.00\n"),
        "{}",
        run.out
    );
    assert!(run.out.contains("`bob` holds 40.00: 1000.00 is more than that\n"), "{}", run.out);
    let shown: Vec<String> = run.out.lines().map(|line| words(line).join(" ")).collect();
    for row in ["alice Alice 47.50", "bob Bob 40.00"] {
        assert!(shown.iter().any(|line| line == row), "{shown:?}");
    }
    assert!(shown.last().is_some_and(|line| line.ends_with("sent to bob -40.00 47.50")), "{shown:?}");
}

#[test]
fn each_run_goes_on_where_the_last_one_ended() {
    let bank = Bank::new();
    assert_eq!(bank.ok("open alice Alice"), "alice is open, for Alice\n");
    assert_eq!(bank.ok("deposit alice 100"), "alice holds 100.00\n");
    assert_eq!(bank.ok("withdraw alice 0.01"), "alice holds 99.99\n");
    assert_eq!(bank.ok("balance alice"), "alice holds 99.99\n");
    assert_eq!(bank.ok("balance alice --version 2"), "alice held 100.00 at version 2\n");
    let future = bank.ok("balance alice --at 2999-01-01T00:00:00Z");
    assert_eq!(future, "alice held 99.99 at 2999-01-01T00:00:00.000000Z, version 3\n");
}

#[test]
fn a_transfer_is_one_commit() {
    let bank = Bank::new();
    for line in ["open alice Alice", "open bob Bob", "deposit alice 50"] {
        bank.ok(line);
    }
    assert_eq!(bank.ok("transfer alice bob 20.50"), "alice holds 29.50, bob holds 20.50\n");
    assert_eq!(bank.refused("transfer alice carol 1"), "there is no account `carol`\n");
    assert_eq!(bank.refused("transfer alice alice 1"), "`alice` can't send money to itself\n");
    assert_eq!(bank.ok("balance alice"), "alice holds 29.50\n");

    // Both ends of the transfer show the same chain.
    let chain = |account: &str| {
        let history = bank.ok(&format!("history {account}"));
        let line = history.lines().find(|line| line.contains("20.50")).expect("the transfer").to_owned();
        line.rsplit(' ').next().map(str::to_owned)
    };
    assert_eq!(chain("alice"), chain("bob"));
}

#[test]
fn at_many_counters_at_once_nothing_is_lost() {
    let bank = Bank::new();
    for line in ["open alice Alice", "open bob Bob", "deposit alice 100"] {
        bank.ok(line);
    }
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..3 {
                    bank.ok("transfer alice bob 1");
                    bank.ok("deposit bob 0.01");
                }
            });
        }
    });
    assert_eq!(bank.ok("balance alice"), "alice holds 76.00\n");
    assert_eq!(bank.ok("balance bob"), "bob holds 24.24\n");
}

#[test]
fn refusals_are_printed_and_change_nothing() {
    let bank = Bank::new();
    bank.ok("open alice Alice");
    bank.ok("deposit alice 10");
    let before = bank.ok("history alice");
    assert_eq!(bank.refused("withdraw alice 10.01"), "`alice` holds 10.00: 10.01 is more than that\n");
    assert_eq!(bank.refused("deposit alice 0"), "an amount of 0.00 moves nothing\n");
    assert_eq!(bank.refused("deposit bob 1"), "there is no account `bob`\n");
    assert_eq!(bank.refused("open alice Again"), "the account `alice` is open already\n");
    assert_eq!(bank.refused("balance bob"), "there is no account `bob`\n");
    assert_eq!(bank.refused("history bob"), "there is no account `bob`\n");
    assert_eq!(bank.refused("balance alice --version 3"), "`alice` has 2 versions, not 3\n");
    assert!(
        bank.refused("balance alice --at 1999-01-01T00:00:00Z").starts_with("there was no account `alice`")
    );
    assert_eq!(bank.ok("history alice"), before);
}

#[test]
fn balances_and_history_are_tables() {
    let bank = Bank::new();
    for line in ["open alice Alice", "deposit alice 12", "open bob Bob", "deposit bob 3", "balances"] {
        bank.ok(line);
    }
    // The projection has seen the events before: each event still counts once.
    bank.ok("deposit bob 4.05");
    let rows: Vec<String> = bank.ok("balances").lines().map(|line| words(line).join(" ")).collect();
    assert_eq!(rows, ["account owner balance", "alice Alice 12.00", "bob Bob 7.05"]);

    let rows: Vec<String> = bank.ok("history bob").lines().map(str::to_owned).collect();
    assert_eq!(words(&rows[0]), ["version", "time", "what", "amount", "chain"]);
    assert_eq!(words(&rows[1])[2..], ["opened", "for", "Bob"]);
    assert_eq!(words(&rows[3])[2..], ["deposited", "4.05"]);
    assert_eq!(rows.len(), 4);
}

/// A statement shows each movement once, with the balance after it, however often it is printed.
#[test]
fn a_statement_shows_every_movement() {
    let bank = Bank::new();
    for line in ["open alice Alice", "open bob Bob", "statement alice", "deposit alice 12", "statement alice"]
    {
        bank.ok(line);
    }
    for line in ["transfer alice bob 2.50", "withdraw alice 1", "transfer bob alice 0.05"] {
        bank.ok(line);
    }
    let rows = |account: &str| -> Vec<String> {
        let statement = bank.ok(&format!("statement {account}"));
        // Without the time.
        statement.lines().skip(1).map(|line| words(line)[1..].join(" ")).collect()
    };
    for _ in 0..2 {
        assert_eq!(
            rows("alice"),
            [
                "deposited +12.00 12.00",
                "sent to bob -2.50 9.50",
                "withdrawn -1.00 8.50",
                "received from bob +0.05 8.55",
            ]
        );
        assert_eq!(rows("bob"), ["received from alice +2.50 2.50", "sent to alice -0.05 2.45"]);
    }
    let run = bank.run("statement carol");
    assert_eq!(run.code, Some(1), "{}", run.err);
}

fn words(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}

#[test]
fn nonsense_is_answered_with_how_to_use_it() {
    let bank = Bank::new();
    for line in ["fly", "deposit alice", "balance alice --when 3", ""] {
        let run = bank.run(line);
        assert_eq!(run.code, Some(2), "{line}");
        assert!(run.err.contains("deposit ACCOUNT AMOUNT"), "{}", run.err);
        assert!(!bank.directory.path().join("bank.db").exists(), "no file is made for nothing");
    }
    let run = bank.run("deposit alice 1,50");
    assert_eq!((run.code, run.err.as_str()), (Some(2), "`1,50` is not an amount like 12 or 12.50\n"));
    let run = bank.run("balance alice --at yesterday");
    assert_eq!(run.code, Some(2));
    assert!(run.err.starts_with("`yesterday` is not a time like"), "{}", run.err);
}

#[test]
fn a_file_that_is_no_store_is_left_alone() {
    let directory = tempfile::tempdir().expect("a folder");
    let file = directory.path().join("notes.txt");
    std::fs::write(&file, "Milk, bread, and whatever else there is to remember.\n".repeat(20))
        .expect("written");
    let before = std::fs::read(&file).expect("read");
    let run = program::run("bank", &["--file", file.to_str().expect("a path in Unicode"), "balances"]);
    assert_eq!(run.code, Some(2));
    assert!(run.err.contains("is not a SQLite database"), "{}", run.err);
    assert_eq!(std::fs::read(&file).expect("read"), before);
}
