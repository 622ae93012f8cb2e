//! Runs the examples on PostgreSQL, as a user does. Without PostgreSQL, it prints why it skips.

mod program;
#[path = "../../tests/postgres/server.rs"]
#[allow(dead_code, unused_imports, unused_macros, reason = "the tests of the store use more")]
mod server;

use std::time::Duration;

/// A time that no wait takes, unless the test fails.
const LONG: Duration = Duration::from_mins(1);

fn bank(url: &str, line: &str) -> program::Run {
    let words: Vec<_> = ["--postgres", url].into_iter().chain(line.split(' ')).collect();
    program::run("bank", &words)
}

#[test]
fn the_bank_keeps_its_events_in_postgresql() {
    let Some(server) = server::shared() else { return };
    let url = server.url();
    for (line, shown) in [
        ("open alice Alice", "alice is open, for Alice\n"),
        ("open bob Bob", "bob is open, for Bob\n"),
        ("deposit alice 100", "alice holds 100.00\n"),
        ("transfer alice bob 20.50", "alice holds 79.50, bob holds 20.50\n"),
        ("balance alice --version 2", "alice held 100.00 at version 2\n"),
    ] {
        let run = bank(&url, line);
        assert_eq!((run.code, &*run.out, &*run.err), (Some(0), shown, ""), "{line}");
    }
    let refused = bank(&url, "withdraw bob 1000");
    assert_eq!((refused.code, &*refused.err), (Some(1), "`bob` holds 20.50: 1000.00 is more than that\n"));
    for (line, shown) in
        [("balances", "bob           Bob                          20.50"), ("statement alice", "sent to bob")]
    {
        let run = bank(&url, line);
        assert_eq!((run.code, &*run.err), (Some(0), ""), "{line}");
        assert!(run.out.contains(shown), "{line}: {}", run.out);
    }

    let unreachable = bank("postgresql://postgres@127.0.0.1:1/none", "balances");
    assert_eq!((unreachable.code, &*unreachable.out), (Some(2), ""));
    assert!(unreachable.err.starts_with("can't open the store: "), "{}", unreachable.err);
    let wrong = bank(&url, "fly");
    assert_eq!(wrong.code, Some(2));
    assert!(wrong.err.contains("--postgres URL"), "{}", wrong.err);
}
