//! Which span is inside of which, and what they say.

use std::sync::{Arc, Barrier};
use std::thread;

use factum::follow::CommandRoutes;
use factum::prelude::*;
use serde::{Deserialize, Serialize};
use tempfile::TempDir;
use tracing::{Instrument as _, info, info_span};

use crate::bounded::wait_until;
use crate::domain::{BEFORE_DECISION, Fill, Filled, Jar, JarId, NONE, TOO_MANY, fill};
use crate::recorder::{Emitted, emitted, record};
use crate::{open_file, runtime};

/// The spans of a stream with a name.
fn spans_of(all: &[Emitted], name: &str, stream: &str) -> Vec<usize> {
    let is_of = |span: &Emitted| span.name() == name && span.field("factum.stream") == Some(stream);
    (0..all.len()).filter(|number| is_of(&all[*number])).collect()
}

/// The names of what an emitted span or event is inside of, from the inside.
fn around(all: &[Emitted], number: usize) -> Vec<&'static str> {
    let mut names = Vec::new();
    let mut next = all[number].parent;
    while let Some(parent) = next {
        names.push(all[parent].name());
        next = all[parent].parent;
    }
    names
}

#[test]
fn a_command_says_what_became_of_it() {
    record();
    let jars = MemoryStore::new().repository::<Jar>();
    let key = ExecuteOptions::new().idempotency_key("once");
    jars.execute_with(fill("outcomes", 1), &key).unwrap();
    jars.execute_with(fill("outcomes", 1), &key).unwrap();
    jars.execute(fill("outcomes", NONE)).unwrap();
    jars.execute(fill("outcomes", TOO_MANY)).unwrap_err();
    let stale = ExecuteOptions::new().expected_version(0);
    jars.execute_with(fill("outcomes", 1), &stale).unwrap_err();
    let all = emitted();
    let found: Vec<_> = spans_of(&all, "factum.command", "jar/outcomes")
        .into_iter()
        .map(|number| {
            let span = &all[number];
            assert_eq!(span.field("factum.command"), Some("fill"));
            (
                span.field("factum.outcome").unwrap(),
                span.field("factum.events").unwrap(),
                span.field("error.type"),
            )
        })
        .collect();
    let expected = [
        ("done", "1", None),
        ("repeated", "1", None),
        ("unchanged", "0", None),
        ("refused", "0", Some("refused")),
        ("conflict", "0", Some("conflict")),
    ];
    assert_eq!(found, expected);
}

/// What a command does on blocking threads is inside of its span, and its span inside of the caller's.
#[test]
fn a_span_goes_with_a_task_to_other_threads() {
    record();
    let folder = TempDir::new().unwrap();
    let runtime = runtime();
    for (store, stream) in [
        (Arc::new(MemoryStore::new()) as Arc<dyn EventStore>, "in memory"),
        (Arc::new(open_file(&folder)) as Arc<dyn EventStore>, "in a file"),
    ] {
        let jars = store.repository::<Jar>();
        let of_caller = thread::current().id();
        let work = async {
            // The handler runs on another thread.
            jars.execute_async(fill(stream, 1)).await.unwrap();
            info!(name: "between", "of the caller");
            jars.load_async(&JarId(stream.to_owned())).await.unwrap();
        };
        runtime.block_on(work.instrument(info_span!("request")));
        let all = emitted();
        let stream = format!("jar/{stream}");
        let [command] = spans_of(&all, "factum.command", &stream)[..] else { panic!("one command") };
        assert_eq!(around(&all, command), ["request"]);
        let loads = spans_of(&all, "factum.load", &stream);
        let loads: Vec<_> = loads.into_iter().map(|load| around(&all, load)).collect();
        assert_eq!(loads, [vec!["factum.command", "request"], vec!["request"]]);
        let appends =
            all.iter().filter(|span| span.name() == "factum.append" && span.parent == Some(command));
        assert_eq!(appends.count(), 1);
        assert_eq!(thread::current().id(), of_caller);
    }
    let all = emitted();
    let between = (0..all.len()).filter(|number| all[*number].name() == "between");
    let between: Vec<_> = between.map(|number| around(&all, number)).collect();
    assert_eq!(between, [["request"], ["request"]]);
}

/// A command whose events another thread commits is linked to that commit.
#[test]
fn a_group_follows_from_the_commands_that_wait_for_it() {
    record();
    let folder = TempDir::new().unwrap();
    let store = open_file(&folder);
    let jars = store.repository::<Jar>();
    let together = Barrier::new(4);
    // Groups form by chance: until one has.
    wait_until(|| {
        thread::scope(|scope| {
            for thread in 0..4 {
                let (jars, together) = (&jars, &together);
                scope.spawn(move || {
                    together.wait();
                    for round in 0..50 {
                        jars.execute(fill(&format!("groups {thread} {}", round % 2), 1)).unwrap();
                    }
                });
            }
        });
        let all = emitted();
        let is_command = |number: &usize| {
            all[*number].field("factum.stream").is_some_and(|stream| stream.starts_with("jar/groups"))
        };
        let requests =
            |group: &Emitted| group.field("db.operation.batch.size").unwrap().parse::<usize>().unwrap();
        let appends = all.iter().filter(|span| span.name() == "factum.append");
        let of_these = appends.filter(|append| append.parent.as_ref().is_some_and(is_command));
        let groups: Vec<_> = of_these.filter(|append| requests(append) > 1).collect();
        for group in &groups {
            assert_eq!(requests(group), group.follows.len() + 1);
            assert_eq!(group.field("factum.events").unwrap().parse(), Ok(requests(group)));
            assert!(group.follows.iter().all(is_command));
        }
        !groups.is_empty()
    });
}

/// An attempt, its conflict and the next one are one command.
#[test]
fn a_retry_is_inside_of_its_command() {
    record();
    let store = MemoryStore::new();
    let (jars, others) = (store.repository::<Jar>(), store.repository::<Jar>());
    BEFORE_DECISION.set(Some(Box::new(move || drop(others.execute(fill("retry", 1)).unwrap()))));
    jars.execute_with(fill("retry", 2), &ExecuteOptions::new().retry(1)).unwrap();
    let all = emitted();
    let [outer, inner] = spans_of(&all, "factum.command", "jar/retry")[..] else { panic!("two commands") };
    assert_eq!(all[inner].parent, Some(outer));
    let events: Vec<_> = all
        .iter()
        .filter(|event| event.metadata.is_event() && event.field("factum.stream") == Some("jar/retry"))
        .map(|event| (event.name(), event.parent))
        .collect();
    assert_eq!(events, [("factum.conflict", Some(outer)), ("factum.decided_again", Some(outer))]);
    assert_eq!(all[outer].field("factum.outcome"), Some("done"));
}

/// The command of a process is inside of its sending, and a step says how far it has come.
#[test]
fn a_process_is_traced_from_its_step_to_its_command() {
    record();
    let folder = TempDir::new().unwrap();
    let store = open_file(&folder);
    let jars = store.repository::<Jar>();
    jars.execute(fill("process", 1)).unwrap();
    let commands = CommandRoutes::new().to(jars).shared();
    SqliteProcess::new(&store, Sender, commands).unwrap().catch_up().unwrap();
    let all = emitted();
    let [command] = spans_of(&all, "factum.command", "jar/from process")[..] else { panic!("one command") };
    let send = &all[all[command].parent.unwrap()];
    let fields = ["factum.follower", "factum.instance", "factum.command", "factum.outcome", "error.type"];
    let values = fields.map(|field| send.field(field));
    assert_eq!(send.name(), "factum.send");
    assert_eq!(values, [Some("sender"), Some("process"), Some("fill"), Some("sent"), None]);
    let steps = all.iter().filter(|span| span.name() == "factum.step");
    let steps: Vec<_> = steps
        .filter(|step| step.field("factum.follower") == Some("sender"))
        .map(|step| {
            let fields = ["factum.kind", "messaging.batch.message_count", "factum.position", "factum.lag"];
            fields.map(|field| step.field(field).unwrap())
        })
        .collect();
    assert_eq!(steps[0], ["process", "1", "1", "0"]);
    // A step more may record that the command was sent.
    assert!(steps.contains(&["process", "1", "2", "0"]), "{steps:?}");
}

#[derive(Debug, Default, Clone, Serialize, Deserialize, Process)]
#[process(name = "sender", id = JarId, starts(Filled by stream), from(Jar), commands(Fill unrefused))]
struct Sender;

#[handlers]
impl Sender {
    #[react]
    fn filled(&self, event: &Filled, id: &JarId) -> Option<Fill> {
        (event.drops == 1).then(|| fill(&format!("from {}", id.0), 5))
    }
}
