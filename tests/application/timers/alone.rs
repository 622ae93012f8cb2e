//! Timers that callers set and cancel by themselves.

use std::time::Duration;

use factum::follow::{Activity, Clock as _, FollowerState, KeepsTimers};
use factum::prelude::*;
use factum::testing::TestClock;

use super::tower::{Stuck, Tower, keys, on_both_stores, ring, ring_of, rung, rung_by, rung_in_the_end};
use crate::support::bounded::wait_until;

const HOUR: Duration = Duration::from_hours(1);

on_both_stores! {
    timers_are_sent_once_in_order_of_their_times
    a_timer_is_moved_replaced_and_cancelled_by_its_key
    a_key_that_is_set_again_after_it_was_sent_is_another_timer
    a_refused_command_is_a_dead_letter
    a_command_that_fails_is_sent_again_and_delays_no_other
    a_command_that_hangs_delays_those_of_its_aggregate_alone
    a_command_on_which_its_aggregate_always_panics_is_a_dead_letter
    a_clock_that_goes_back_delays_a_timer
    of_two_applications_on_a_store_one_sends
    what_is_late_is_seen_in_the_health
}

mod each {
    use super::*;

    pub(super) fn timers_are_sent_once_in_order_of_their_times<S: KeepsTimers>(store: &S) {
        let clock = TestClock::default();
        let tower = Tower::default().start_with(store, clock.clone()).unwrap();
        let now = clock.now();
        for minutes in [3, 1, 2, 200] {
            let at = now.after(Duration::from_mins(minutes));
            tower.schedule(at, ring(&minutes.to_string()), minutes.to_string()).unwrap();
        }
        assert_eq!(keys(&tower.scheduled().unwrap()), ["1", "2", "3", "200"]);
        assert_eq!(rung(&tower), [""; 0]);
        clock.forward(HOUR);
        wait_until(|| tower.scheduled().unwrap().len() == 1);
        assert_eq!(rung(&tower), ["1", "2", "3"]);
        let last = tower.scheduled().unwrap().remove(0);
        assert_eq!((&*last.key, &*last.command, &last.failure), ("200", "ring", &None));
        assert_eq!(last.content, r#"{"bell":"bell","note":"200"}"#);
        assert_eq!(last.due, now.after(Duration::from_mins(200)));
        assert_eq!(tower.timers().waiting_after(&last, 10).unwrap(), []);
    }

    pub(super) fn a_timer_is_moved_replaced_and_cancelled_by_its_key<S: KeepsTimers>(store: &S) {
        let clock = TestClock::default();
        let tower = Tower::default().start_with(store, clock.clone()).unwrap();
        let in_an_hour = clock.now().after(HOUR);
        assert!(!tower.schedule(in_an_hour, ring("first"), "a").unwrap());
        assert!(
            tower.schedule(in_an_hour.after(3 * HOUR), ring("second"), "a").unwrap(),
            "it replaces the first"
        );
        assert!(!tower.schedule(in_an_hour, ring("third"), "b").unwrap());
        assert!(tower.cancel("b").unwrap());
        assert!(!tower.cancel("b").unwrap());
        tower.schedule(in_an_hour, ring("fourth"), "c").unwrap();
        clock.forward(2 * HOUR);
        wait_until(|| rung(&tower) == ["fourth"]);
        clock.forward(3 * HOUR);
        assert_eq!(rung_in_the_end(&tower), ["fourth", "second"]);
    }

    pub(super) fn a_key_that_is_set_again_after_it_was_sent_is_another_timer<S: KeepsTimers>(store: &S) {
        let tower = Tower::default().start(store).unwrap();
        for note in ["one", "two", "one"] {
            tower.schedule(Timestamp::now(), ring(note), "key").unwrap();
            wait_until(|| tower.scheduled().unwrap().is_empty());
        }
        assert_eq!(rung(&tower), ["one", "two", "one"]);
    }

    pub(super) fn a_refused_command_is_a_dead_letter<S: KeepsTimers>(store: &S) {
        let tower = Tower::default().start(store).unwrap();
        let now = Timestamp::now();
        tower.schedule(now, ring("nothing"), "refused").unwrap();
        tower.schedule(now.after(Duration::from_micros(1)), ring("loud"), "next").unwrap();
        assert_eq!(rung_in_the_end(&tower), ["loud"]);
        let timers = tower.timers();
        let letter = timers.dead_letters().unwrap().remove(0);
        assert_eq!(letter.key, "refused");
        assert_eq!(
            letter.failure.as_ref().unwrap().error,
            "the command was refused: a bell can't ring `nothing`"
        );
        assert_eq!(timers.dead_letters_after(&letter, 10).unwrap(), []);
        // The key is free, and a cancellation is of what waits.
        assert!(!tower.cancel("refused").unwrap());
        tower.schedule(Timestamp::now(), ring("again"), "refused").unwrap();
        assert_eq!(rung_in_the_end(&tower), ["loud", "again"]);
        // A retry asks the aggregate again.
        assert!(timers.retry(letter.number).unwrap());
        wait_until(|| timers.dead_letters().unwrap().len() == 1 && tower.scheduled().unwrap().is_empty());
        assert!(timers.discard(letter.number, "not needed").unwrap());
        assert!(!timers.discard(letter.number, "not needed").unwrap());
        assert!(!timers.retry(letter.number).unwrap());
        assert_eq!(timers.dead_letters().unwrap(), []);
        let discarded = timers.discarded().unwrap().remove(0);
        assert_eq!((discarded.timer.number, &*discarded.reason), (letter.number, "not needed"));
        assert_eq!(rung(&tower), ["loud", "again"]);
    }

    pub(super) fn a_command_that_fails_is_sent_again_and_delays_no_other<S: KeepsTimers>(store: &S) {
        let stuck = Stuck::default();
        stuck.set(2);
        let tower = Tower { stuck }.start(store).unwrap();
        let now = Timestamp::now();
        tower.schedule(now, ring("stuck"), "a").unwrap();
        tower.schedule(now.after(Duration::from_micros(1)), ring("loud"), "b").unwrap();
        assert_eq!(rung_in_the_end(&tower), ["loud", "stuck"]);
        assert_eq!(tower.timers().dead_letters().unwrap(), []);
    }

    pub(super) fn a_command_that_hangs_delays_those_of_its_aggregate_alone<S: KeepsTimers>(store: &S) {
        let stuck = Stuck::default();
        let hangs = stuck.hang();
        let tower = Tower { stuck }.start(store).unwrap();
        let now = Timestamp::now();
        let notes: Vec<String> = (0..200).map(|number| number.to_string()).collect();
        // Far more than are known at a time, and all due before those of the other bell.
        for (number, note) in (0..).zip(["hang"].into_iter().chain(notes.iter().map(String::as_str))) {
            tower
                .schedule(now.after(Duration::from_micros(number)), ring(note), format!("{note}/bell"))
                .unwrap();
        }
        let later = now.after(Duration::from_millis(1));
        for (number, note) in (0..).zip(&notes) {
            let at = later.after(Duration::from_micros(number));
            tower.schedule(at, ring_of("other", note), format!("{note}/other")).unwrap();
        }
        wait_until(|| rung_by(&tower, "other").len() == notes.len());
        assert_eq!(rung_by(&tower, "other"), notes);
        assert_eq!(rung(&tower), [""; 0]);
        drop(hangs);
        let rung = rung_in_the_end(&tower);
        assert_eq!((&*rung[0], &rung[1..]), ("hang", &*notes));
        assert_eq!(tower.timers().dead_letters().unwrap(), []);
    }

    pub(super) fn a_command_on_which_its_aggregate_always_panics_is_a_dead_letter<S: KeepsTimers>(store: &S) {
        let stuck = Stuck::default();
        stuck.set(u32::MAX);
        let tower = Tower { stuck: stuck.clone() }.start(store).unwrap();
        let now = Timestamp::now();
        tower.schedule(now, ring("stuck"), "a").unwrap();
        tower.schedule(now.after(Duration::from_micros(1)), ring("loud"), "b").unwrap();
        assert_eq!(rung_in_the_end(&tower), ["loud"]);
        let letters = tower.timers().dead_letters().unwrap();
        assert_eq!(keys(&letters), ["a"]);
        let error = &letters[0].failure.as_ref().unwrap().error;
        assert!(error.starts_with("the command was sent 6 times, and panicked each time: "), "{error}");
        assert!(error.ends_with("the bell is stuck"), "{error}");
        wait_until(|| tower.health().pop().unwrap().activity == Activity::Running);
        stuck.set(0);
        assert!(tower.timers().retry(letters[0].number).unwrap());
        wait_until(|| rung(&tower) == ["loud", "stuck"]);
    }

    pub(super) fn a_clock_that_goes_back_delays_a_timer<S: KeepsTimers>(store: &S) {
        let clock = TestClock::default();
        let tower = Tower::default().start_with(store, clock.clone()).unwrap();
        clock.back(HOUR);
        tower.schedule(Timestamp::now(), ring("late"), "a").unwrap();
        tower.schedule(clock.now(), ring("now"), "b").unwrap();
        wait_until(|| keys(&tower.scheduled().unwrap()) == ["a"]);
        assert_eq!(rung(&tower), ["now"]);
        clock.forward(HOUR);
        assert_eq!(rung_in_the_end(&tower), ["now", "late"]);
    }

    pub(super) fn of_two_applications_on_a_store_one_sends<S: KeepsTimers>(store: &S) {
        let first = Tower::default().start(store).unwrap();
        let second = Tower::default().start(store).unwrap();
        for number in 0..40 {
            let tower = if number % 2 == 0 { &first } else { &second };
            tower.schedule(Timestamp::now(), ring(&number.to_string()), number.to_string()).unwrap();
        }
        let mut notes = rung_in_the_end(&first);
        assert_eq!(notes.len(), 40);
        notes.sort();
        notes.dedup();
        assert_eq!(notes.len(), 40);
        first.stop(HOUR).unwrap();
        second.schedule(Timestamp::now(), ring("after"), "after").unwrap();
        assert_eq!(rung_in_the_end(&second).last().map(String::as_str), Some("after"));
    }

    pub(super) fn what_is_late_is_seen_in_the_health<S: KeepsTimers>(store: &S) {
        let clock = TestClock::default();
        let stuck = Stuck::default();
        let tower = Tower { stuck: stuck.clone() }.start_with(store, clock.clone()).unwrap();
        let state = || -> FollowerState { tower.health().pop().unwrap() };
        wait_until(|| state().activity == Activity::Running);
        assert_eq!(state().follower, "factum/timers");
        assert_eq!(state().lag.unwrap().events, 0);
        stuck.set(u32::MAX);
        tower.schedule(Timestamp::now(), ring("stuck"), "a").unwrap();
        wait_until(|| matches!(state().activity, Activity::Retrying { .. }));
        clock.forward(HOUR);
        let lag = state().lag.unwrap();
        assert!((lag.events, lag.time >= HOUR) == (1, true), "{lag:?}");
        stuck.set(0);
        // On a slow machine it has panicked too often by now.
        wait_until(|| {
            let letters = tower.timers().dead_letters().unwrap();
            for letter in letters {
                tower.timers().retry(letter.number).unwrap();
            }
            rung(&tower) == ["stuck"]
        });
        wait_until(|| state().activity == Activity::Running && state().lag.unwrap().events == 0);
    }
}

#[test]
fn the_model_has_what_timers_send() {
    assert_eq!(Tower::MODEL.schedules, ["ring"]);
    let mermaid = Tower::MODEL.mermaid();
    assert!(mermaid.ends_with("  t0[/\"timers\"/]\n  t0 ==> a0c1\n"), "{mermaid}");
    assert_eq!(Tower::MODEL.json()["schedules"], serde_json::json!(["ring"]));
    assert!(Tower::MODEL.markdown().ends_with("\nTimers send `ring`.\n"));
}
