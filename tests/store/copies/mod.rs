//! Copies of stores: whole, interrupted, changed, and refused.

mod changed;
pub(crate) mod interrupted;
mod refused;

use factum::prelude::*;

use crate::support::contents::{Contents, fill};
use crate::support::stores::stores;

#[test]
fn a_copy_has_the_same_events_and_keys() {
    for from in stores() {
        fill(&from, 0, 400);
        let wanted = Contents::of(&from);
        for (to, batch) in stores().into_iter().zip([1, 7, 1_000]) {
            let report = factum::copy(&from, &to).batch(batch).run().unwrap();
            let copied = Contents::of(&to);
            assert!(copied == wanted);
            assert_eq!(report.events, wanted.events.len() as u64);
            assert_eq!((report.appended, report.left_out, report.keys_left_out), (report.events, 0, 0));
            assert_eq!(report.keys, wanted.keys.len() as u64);
            assert_eq!(report.position, from.position().unwrap());
            // Nothing is left to do, and the checksum is that of the events.
            let again = factum::copy(&from, &to).run().unwrap();
            assert_eq!((again.appended, again.checksum), (0, report.checksum));
            assert!(Contents::of(&to) == wanted);
            let back = factum::copy(&to, MemoryStore::new()).run().unwrap();
            assert_eq!(back.checksum, report.checksum);
        }
    }
}

#[test]
fn nothing_is_copied_of_an_empty_store() {
    for (from, to) in stores().into_iter().zip(stores()) {
        let report = factum::copy(&from, &to).run().unwrap();
        assert_eq!((report.events, report.keys), (0, 0));
    }
}

#[test]
fn a_copy_catches_up_with_its_source() {
    for (from, to) in stores().into_iter().zip(stores()) {
        let mut checksums = Vec::new();
        for round in 0..3 {
            fill(&from, round, 50);
            let report = factum::copy(&from, &to).batch(20).run().unwrap();
            assert!(report.appended > 0);
            assert!(Contents::of(&to) == Contents::of(&from));
            checksums.push(report.checksum);
        }
        assert!(checksums[0] != checksums[1] && checksums[1] != checksums[2]);
    }
}

/// The key of a command whose events come after the copy has begun would name versions that the target does not have.
#[test]
fn what_is_appended_to_the_source_meanwhile_is_for_the_next_run() {
    for (from, to) in stores().into_iter().zip(stores()) {
        fill(&from, 0, 60);
        let end = from.position().unwrap();
        let (writer, mut is_first) = (from.clone(), true);
        let copy = factum::copy(&from, &to).batch(10).on_progress(move |_| {
            if std::mem::take(&mut is_first) {
                fill(&writer, 1, 40);
            }
            std::ops::ControlFlow::Continue(())
        });
        assert_eq!(copy.run().unwrap().position, end);
        let copied = Contents::of(&to);
        assert!(copied.events == Contents::of(&from).events[..copied.events.len()]);
        for (name, outcome) in &copied.keys {
            let of = name.0.split_once('/').unwrap();
            let version = to.stream_version(&factum::StreamName::new(of.0, of.1)).unwrap();
            assert!(outcome.version <= version, "{name:?}: {outcome:?}");
        }
        factum::copy(&from, &to).run().unwrap();
        assert!(Contents::of(&to) == Contents::of(&from));
    }
}

#[test]
fn progress_is_told_in_events_of_the_source() {
    let from = MemoryStore::new();
    fill(&from, 0, 100);
    let total = from.position().unwrap().get();
    let (sender, told) = std::sync::mpsc::channel();
    let copy = factum::copy(&from, MemoryStore::new()).batch(40).on_progress(move |progress| {
        sender.send((progress.done, progress.total)).unwrap();
        std::ops::ControlFlow::Continue(())
    });
    copy.run().unwrap();
    let once = (1..).map(|batch| (batch * 40, total)).take_while(|(done, _)| *done < total);
    let once: Vec<_> = once.chain([(total, total)]).collect();
    assert_eq!(told.iter().collect::<Vec<_>>(), [once.clone(), once].concat());
}
