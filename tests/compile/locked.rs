//! `events.lock` in a build: a generated crate with a lock of its own.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// The generated crate, in a folder that stays for the next run, as its built dependencies do.
pub(crate) struct Crate {
    folder: PathBuf,
}

const DOMAIN: &str = r#"
use factum::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize, EventSchema)]
pub enum Side { Left, Right }

#[derive(Debug, Serialize, Deserialize, Event)]
#[event(name = "opened")]
pub struct Opened { pub owner: String, pub side: Side }

#[derive(Debug, Serialize, Deserialize, Event)]
#[event(name = "shut")]
pub struct Shut;

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
    factum::testing::lock! { Door => (Opened { owner: "Ada".into(), side: Side::Left }, Shut) }
}
"#;

impl Crate {
    pub(crate) fn new(name: &str, source: &str) -> Self {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(folder.join("src")).unwrap();
        let manifest = format!(
            "[package]\nname = \"door\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[workspace]\n\n[dependencies]\n\
             factum = {{ path = {:?}, default-features = false, features = [\"testing\"] }}\n\
             serde = {{ version = \"1\", features = [\"derive\"] }}\n",
            concat!(env!("CARGO_MANIFEST_DIR"), "/../runtime")
        );
        fs::write(folder.join("Cargo.toml"), manifest).unwrap();
        // The dependency versions of the whole workspace.
        fs::copy(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.lock"), folder.join("Cargo.lock")).unwrap();
        for file in ["events.lock", "events.golden"] {
            drop(fs::remove_file(folder.join(file)));
        }
        let this = Self { folder };
        this.write(source);
        this
    }

    /// The crate with factum under another name.
    pub(crate) fn renamed(name: &str, source: &str, factum: &str) -> Self {
        let this = Self::new(name, source);
        let manifest = this.folder.join("Cargo.toml");
        let text = fs::read_to_string(&manifest).unwrap();
        let text = text.replace("factum = {", &format!("{factum} = {{ package = \"factum\","));
        fs::write(manifest, text).unwrap();
        this
    }

    fn write(&self, domain: &str) {
        fs::write(self.folder.join("src/lib.rs"), domain).unwrap();
    }

    /// Whether cargo succeeds, and its output.
    pub(crate) fn cargo(&self, command: &str) -> (bool, String) {
        let output = Command::new(env!("CARGO"))
            .args([command, "--offline", "--quiet", "--color=never"])
            .current_dir(&self.folder)
            .env("CARGO_TARGET_DIR", concat!(env!("CARGO_TARGET_TMPDIR"), "/built"))
            .env_remove("CI")
            .output()
            .unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&text).into_owned())
    }

    /// rustc's messages on the domain with `old` replaced by `new`.
    fn refusal(&self, old: &str, new: &str) -> String {
        assert!(DOMAIN.contains(old), "{old}");
        self.write(&DOMAIN.replace(old, new));
        let (success, text) = self.cargo("check");
        assert!(!success, "it should not compile: {new}");
        text
    }
}

#[test]
fn a_recorded_event_that_is_changed_does_not_compile() {
    let door = Crate::new("locked", DOMAIN);
    let (success, text) = door.cargo("test");
    assert!(success, "{text}");
    let lock = fs::read_to_string(door.folder.join("events.lock")).unwrap();
    assert!(lock.contains("event opened 1 owner String\n"), "{lock}");
    assert_eq!(door.cargo("check"), (true, String::new()));

    let text = door.refusal("owner: String,", "owner: u64,");
    assert!(
        text.contains("`opened` version 1 is recorded with `owner: String`, and it is `u64` now"),
        "{text}"
    );
    assert!(text.contains("pub struct Opened { pub owner: u64, pub side: Side }"), "{text}");
    let errors = text.lines().filter(|line| line.starts_with("error")).count();
    assert_eq!(errors, 2, "one error, and one that the crate could not compile: {text}");

    let text = door.refusal("enum Side { Left, Right }", "enum Side { Left, Right, Middle }");
    assert!(text.contains("`opened` version 1 is recorded with `side: Side`, and what is inside"), "{text}");

    let text = door.refusal("owner: String, pub side: Side }", "owner: String }");
    assert!(text.contains("recorded with the field `side: Side`, and no longer has it"), "{text}");

    let text = door.refusal("name = \"shut\"", "name = \"closed\"");
    assert!(
        text.contains("`Door` is recorded with the event `shut`, and has none of that name any more"),
        "{text}"
    );

    // With the changes declared, it compiles.
    let declared = DOMAIN
        .replace("#[event(name = \"opened\")]", "#[event(name = \"opened\", version = 2)]")
        .replace(
            "owner: String, pub",
            "#[event(changed(since = 2, from = String, with = |name| name.len()))] owner: usize, pub",
        )
        .replace("pub #[event", "#[event")
        .replace("))] owner", "))] pub owner");
    door.write(&declared);
    assert_eq!(door.cargo("check"), (true, String::new()));

    // cargo rebuilds because the lock has changed, and nothing else has.
    let newer = format!("{lock}event opened 2\nevent opened 2 owner u8\n");
    fs::write(door.folder.join("events.lock"), newer).unwrap();
    let (success, text) = door.cargo("check");
    assert!(
        !success && text.contains("`opened` version 2 is recorded with `owner: u8`, and it is `usize` now"),
        "{text}"
    );
    // A recorded version cannot be lowered.
    door.write(DOMAIN);
    let (success, text) = door.cargo("check");
    assert!(
        !success && text.contains("`opened` is recorded at version 2, and is at a lower one now"),
        "{text}"
    );
    fs::write(door.folder.join("events.lock"), format!("{lock}aggregate door retired shut\n")).unwrap();
    let (success, text) = door.cargo("check");
    assert!(!success && text.contains("`shut` is recorded as retired by `Door`"), "{text}");
    fs::write(door.folder.join("events.lock"), format!("{lock}who was here\n")).unwrap();
    let (success, text) = door.cargo("check");
    assert!(!success && text.contains("is not understood: `who was here`"), "{text}");
    assert_eq!(text.lines().filter(|line| line.starts_with("error")).count(), 2, "{text}");
}
