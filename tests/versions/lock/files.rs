//! The files of the lock: what a merge, an editor, git and cargo do to them.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::{failure, first, forgetful, lock, opened, recorded};

#[test]
fn a_lock_refuses_two_aggregates_of_one_name() {
    let folder = tempfile::tempdir().unwrap();
    let both = || {
        lock::<first::Door>(folder.path(), (opened(), first::Shut))
            .aggregate::<forgetful::Door>(forgetful::Shut)
            .write_new()
    };
    let message = failure(both());
    assert!(message.starts_with("two aggregates are called `door`, "), "{message}");
    assert!(message.contains("first::Door and ") && message.contains("forgetful::Door: "), "{message}");
    assert!(!folder.path().join("events.lock").exists());
    // One aggregate in two pieces is one.
    let examples = || (opened(), first::Shut);
    lock::<first::Door>(folder.path(), examples()).aggregate::<first::Door>(examples()).write_new().check();
}

#[test]
fn marks_of_a_merge_are_reported_and_a_byte_order_mark_is_not() {
    let folder = recorded();
    let check = || lock::<first::Door>(folder.path(), (opened(), first::Shut)).check_only();
    for file in ["events.lock", "events.golden"] {
        let path = folder.path().join(file);
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, format!("\u{feff}{text}")).unwrap();
        check().check();
        fs::write(&path, format!("{text}<<<<<<< HEAD\n=======\n>>>>>>> other\n")).unwrap();
        let first = text.lines().count() + 1;
        let message = failure(check());
        let expected =
            format!("{file}, lines {first}, {}, {}: take out these lines, and keep", first + 1, first + 2);
        assert!(message.contains(&expected), "{message}");
        fs::write(&path, text).unwrap();
    }
}

#[test]
fn a_lock_that_lost_its_lines_is_reported() {
    let folder = recorded();
    let path = folder.path().join("events.lock");
    let text = fs::read_to_string(&path).unwrap();
    let without_shut: String =
        text.lines().filter(|line| !line.contains("shut")).flat_map(|line| [line, "\n"]).collect();
    let check = || lock::<first::Door>(folder.path(), (opened(), first::Shut)).write_new();
    fs::write(&path, without_shut).unwrap();
    let message = failure(check());
    assert!(
        message.starts_with(
            "the kept example of `shut` version 1, null, is of a version that `events.lock` has lost: bring that file back"
        ),
        "{message}"
    );
    fs::remove_file(&path).unwrap();
    assert!(failure(check()).contains("that `events.lock` has lost"));
    // Nothing was written.
    assert!(!path.exists());
}

#[test]
#[cfg(unix)]
fn the_test_of_another_crate_that_writes_at_the_same_time_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.lock");
    let other_process = fs::File::open(folder.path()).unwrap();
    other_process.lock().unwrap();
    std::thread::scope(|scope| {
        let check = || lock::<first::Door>(folder.path(), (opened(), first::Shut)).write_new().check();
        let waits = scope.spawn(check);
        // A check that does not wait would have written its lines by then, and they would be overwritten here.
        std::thread::sleep(std::time::Duration::from_millis(200));
        fs::write(&path, "event other 1\n").unwrap();
        drop(other_process);
        waits.join().unwrap();
    });
    let lines = fs::read_to_string(&path).unwrap();
    assert!(lines.contains("event other 1\n") && lines.contains("aggregate door event shut\n"), "{lines}");
}

/// Runs git, which the machine of a developer has.
fn git(folder: &Path, arguments: &[&str]) {
    let status = Command::new("git").args(arguments).current_dir(folder).status().unwrap();
    assert!(status.success(), "{arguments:?}");
}

#[test]
fn a_file_that_git_or_cargo_leaves_out_is_reported() {
    let folder = recorded();
    let check = || lock::<first::Door>(folder.path(), (opened(), first::Shut)).check_only();
    let manifest = "[package]\nname = \"door\"\nversion = \"1.0.0\"\nedition = \"2024\"\n";
    let write = |file: &str, text: &str| fs::write(folder.path().join(file), text).unwrap();
    fs::create_dir(folder.path().join("src")).unwrap();
    write("src/lib.rs", "");
    write("Cargo.toml", &format!("{manifest}include = [\"src/**\"]\n"));
    let message = failure(check());
    assert!(message.starts_with("`cargo package` leaves `events.lock` out of the package in "), "{message}");
    write("Cargo.toml", &format!("{manifest}include = [\"src/**\", \"events.*\"]\n"));
    check().check();
    write("Cargo.toml", &format!("{manifest}exclude = [\"*.golden\"]\n"));
    assert!(failure(check()).starts_with("`cargo package` leaves `events.golden` out"));

    write("Cargo.toml", manifest);
    git(folder.path(), &["init", "--quiet"]);
    write(".gitignore", "*.lock\n");
    let message = failure(check());
    assert!(message.starts_with("git ignores `events.lock` in "), "{message}");
    assert!(message.contains("add `!events.lock` to `.gitignore`"), "{message}");
    // A file that is committed all the same, and a package in a folder that git does not look at.
    git(folder.path(), &["add", "--force", "events.lock"]);
    check().check();
    git(folder.path(), &["rm", "--quiet", "--cached", "events.lock"]);
    write(".gitignore", "*\n");
    check().check();
}
