//! `events.lock` in a workspace: events in one crate, the aggregate in another, a view and an application in a third.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

const DOMAIN: &str = r#"
use factum::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize, Event)]
#[event(name = "opened")]
pub struct Opened { pub owner: String }

#[derive(Debug, Serialize, Deserialize, Event)]
#[event(name = "shut")]
pub struct Shut;
"#;

const APP: &str = r#"
use factum::prelude::*;
use domain::{Opened, Shut};

#[derive(Debug, Command)]
pub struct Knock(String);

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(name = "door", id = String, commands(Knock), events(Opened, Shut))]
pub struct Door;

#[handlers]
impl Door {
    #[execute] fn knock(&self, _: Knock) {}
    #[apply] fn opened(&mut self, _: &Opened) {}
    #[apply] fn shut(&mut self, _: &Shut) {}
}

#[test]
fn locked() {
    factum::testing::lock! { Door => (Opened { owner: "Ada".into() }, Shut) }
}
"#;

const VIEWS: &str = r"
use factum::prelude::*;

#[derive(Debug, Default, Projection)]
#[projection(events(domain::Opened, domain::Shut), from(app::Door))]
pub struct Count(u64);

#[handlers]
impl Count {
    #[project] fn opened(&mut self, _: &domain::Opened) { self.0 += 1; }
    #[project] fn shut(&mut self, _: &domain::Shut) { self.0 -= 1; }
}

#[derive(Application)]
#[application(aggregates(app::Door))]
pub struct House {
    #[projection]
    pub count: Count,
}
";

/// The generated workspace.
struct Workspace {
    folder: PathBuf,
}

impl Workspace {
    fn new() -> Self {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("workspace");
        let this = Self { folder };
        for (name, text, uses) in
            [("domain", DOMAIN, &[][..]), ("app", APP, &["domain"]), ("views", VIEWS, &["domain", "app"])]
        {
            fs::create_dir_all(this.folder.join(name).join("src")).unwrap();
            let uses: Vec<_> =
                uses.iter().map(|name| format!("{name} = {{ path = \"../{name}\" }}\n")).collect();
            let manifest = format!(
                "[package]\nname = \"{name}\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[dependencies]\n\
                 factum = {{ path = {:?}, default-features = false, features = [\"testing\"] }}\n\
                 serde = {{ version = \"1\", features = [\"derive\"] }}\n{}",
                concat!(env!("CARGO_MANIFEST_DIR"), "/../runtime"),
                uses.concat()
            );
            this.write(&format!("{name}/Cargo.toml"), &manifest);
            for file in ["events.lock", "events.golden", ".cargo-checksum.json"] {
                drop(fs::remove_file(this.folder.join(name).join(file)));
            }
            this.write(&format!("{name}/src/lib.rs"), text);
        }
        this.write(
            "Cargo.toml",
            "[workspace]\nmembers = [\"domain\", \"app\", \"views\"]\nresolver = \"3\"\n",
        );
        // The dependency versions of the whole workspace.
        fs::copy(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.lock"), this.folder.join("Cargo.lock"))
            .unwrap();
        this
    }

    fn write(&self, file: &str, text: &str) {
        fs::write(self.folder.join(file), text).unwrap();
    }

    /// The lines of a file that are no comments.
    fn read(&self, file: &str) -> String {
        let text = fs::read_to_string(self.folder.join(file)).unwrap();
        text.split_inclusive('\n').filter(|line| !line.starts_with('#')).collect()
    }

    /// Whether cargo succeeds, and its output.
    fn cargo(&self, arguments: &[&str], ci: bool) -> (bool, String) {
        let mut cargo = Command::new(env!("CARGO"));
        cargo
            .args(arguments)
            .args(["--offline", "--quiet", "--color=never"])
            .current_dir(&self.folder)
            // The other generated crates have the same dependencies.
            .env("CARGO_TARGET_DIR", concat!(env!("CARGO_TARGET_TMPDIR"), "/built"))
            .env_remove("CI");
        if ci {
            cargo.env("CI", "true");
        }
        let output = cargo.output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&text).into_owned())
    }

    fn check(&self) -> (bool, String) {
        self.cargo(&["check", "--workspace"], false)
    }

    /// What the build says, which fails.
    fn refusal(&self) -> String {
        let (success, text) = self.check();
        assert!(!success, "it should not compile");
        text
    }

    /// Runs the test with `lock!`, which is in `app`.
    fn test(&self) -> (bool, String) {
        self.cargo(&["test", "-p", "app"], false)
    }
}

#[test]
fn events_are_guarded_in_the_crate_that_defines_them() {
    let workspace = Workspace::new();
    let (success, text) = workspace.cargo(&["test", "-p", "app"], true);
    assert!(!success && text.contains("events.lock lacks what is new"), "{text}");
    // cargo owns the folder of a crate that it has vendored: `app` records the events of such a crate.
    workspace.write("domain/.cargo-checksum.json", "");
    let (success, text) = workspace.test();
    assert!(success && !text.contains("domain/events.lock"), "{text}");
    assert!(workspace.read("app/events.lock").contains("event opened 1 owner String\n"), "{text}");
    fs::remove_file(workspace.folder.join("domain/.cargo-checksum.json")).unwrap();
    // What `app` has recorded already is recorded in `domain` as well.
    let (success, text) = workspace.test();
    assert!(success && !text.contains("app/events"), "{text}");
    assert!(workspace.read("domain/events.lock").contains("event opened 1 owner String\n"), "{text}");
    for file in ["app/events.lock", "app/events.golden", "domain/events.lock"] {
        fs::remove_file(workspace.folder.join(file)).unwrap();
    }

    let (success, text) = workspace.test();
    assert!(success, "{text}");
    let written = |file: &str, line: &str| {
        let head = format!("`lock!` has written to {}; commit it:\n", workspace.folder.join(file).display());
        text.split(&head).nth(1).is_some_and(|lines| lines.contains(&format!("  + {line}\n")))
    };
    assert!(written("app/events.lock", "aggregate door event opened"), "{text}");
    assert!(written("domain/events.lock", "event opened 1 owner String"), "{text}");
    assert!(written("app/events.golden", "door shut 1 null"), "{text}");
    assert_eq!(workspace.read("app/events.lock"), "aggregate door event opened\naggregate door event shut\n");
    let lock = workspace.read("domain/events.lock");
    let lines: Vec<_> = lock.lines().map(|line| line.split(" #").next().unwrap()).collect();
    assert_eq!(lines, ["event opened 1", "event opened 1 owner String", "event shut 1"]);
    let (success, text) = workspace.cargo(&["test", "-p", "app"], true);
    assert!(success && !text.contains("has written"), "{text}");
    assert_eq!(workspace.check(), (true, String::new()));

    // A change in `domain` is an error in `domain`.
    workspace.write("domain/src/lib.rs", &DOMAIN.replace("owner: String", "owner: u64"));
    let text = workspace.refusal();
    assert!(
        text.contains("`opened` version 1 is recorded with `owner: String`, and it is `u64` now"),
        "{text}"
    );
    assert!(text.contains("domain/src/lib.rs"), "{text}");
    assert_eq!(text.lines().filter(|line| line.starts_with("error")).count(), 2, "{text}");

    // `app` guards its list.
    workspace.write("domain/src/lib.rs", DOMAIN);
    workspace.write("app/src/lib.rs", &APP.replace("events(Opened, Shut)", "events(Opened)"));
    let text = workspace.refusal();
    assert!(
        text.contains(
            "`Door` is recorded with the event `shut`, and has none of that name any more. If another"
        ),
        "{text}"
    );
    workspace.write("app/src/lib.rs", APP);

    // A declared change is recorded in `domain`, and can't be taken back.
    let changed = DOMAIN.replace("name = \"shut\"", "name = \"shut\", version = 2").replace(
        "pub struct Shut;",
        "pub struct Shut { #[event(added(since = 2, default = 0))] pub by: u8 }",
    );
    workspace.write("domain/src/lib.rs", &changed);
    workspace.write("app/src/lib.rs", &APP.replace("Shut) }", "Shut { by: 1 }) }"));
    let (success, text) = workspace.test();
    assert!(success && text.contains("  + event shut 2 by u8\n"), "{text}");
    assert!(workspace.read("domain/events.lock").contains("event shut 2 by u8\n"));
    workspace.write("domain/src/lib.rs", DOMAIN);
    workspace.write("app/src/lib.rs", APP);
    let text = workspace.refusal();
    assert!(text.contains("`shut` is recorded at version 2, and is at a lower one now"), "{text}");
    workspace.write("domain/src/lib.rs", &changed);
    workspace.write("app/src/lib.rs", &APP.replace("Shut) }", "Shut { by: 1 }) }"));
    assert_eq!(workspace.check(), (true, String::new()));

    // A file that is deleted does not come back with whatever the code says now.
    let lock = workspace.folder.join("domain/events.lock");
    let recorded = fs::read_to_string(&lock).unwrap();
    fs::remove_file(&lock).unwrap();
    let (success, text) = workspace.test();
    assert!(!success && text.contains("is of a version that `events.lock` has lost"), "{text}");
    assert!(!lock.exists());
    fs::write(&lock, recorded).unwrap();
    // Where the examples are, the build tells too.
    let lock = workspace.folder.join("app/events.lock");
    fs::rename(&lock, lock.with_extension("gone")).unwrap();
    let text = workspace.refusal();
    assert!(
        text.contains("app/events.lock is missing, and `events.golden` is beside it: bring the file back"),
        "{text}"
    );
    fs::rename(lock.with_extension("gone"), &lock).unwrap();
    assert_eq!(workspace.check(), (true, String::new()));
}
