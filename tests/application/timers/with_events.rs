//! Timers that are set and cancelled together with the events of a command.

use std::time::Duration;

use factum::application::Running;
use factum::follow::{Clock as _, KeepsTimers};
use factum::prelude::*;
use factum::testing::TestClock;
use factum::{ExecuteError, ExecuteOptions};

use super::tower::{Bell, Tower, keys, on_both_stores, ring, rung, set_up};
use crate::support::bounded::wait_until;

const HOUR: Duration = Duration::from_hours(1);

on_both_stores! {
    timers_are_stored_with_the_events_or_not_at_all
    a_command_that_is_repeated_sets_no_timer_again
    a_command_without_events_sets_its_timers
    what_a_timer_sends_follows_from_the_event
    all_options_go_together
}

fn scheduled<S: KeepsTimers>(tower: &Running<Tower, S>) -> Vec<String> {
    keys(&tower.scheduled().unwrap()).into_iter().map(str::to_owned).collect()
}

mod each {
    use super::*;

    pub(super) fn timers_are_stored_with_the_events_or_not_at_all<S: KeepsTimers>(store: &S) {
        let tower = Tower::default().start(store).unwrap();
        let later = Timestamp::now().after(HOUR);
        tower.schedule(later, ring("a"), "a").unwrap();
        let options = || ExecuteOptions::new().schedule(later, ring("b"), "b").cancel("a");
        // A refusal, and a conflict.
        let refused = tower.execute_with(ring("nothing"), &options());
        assert!(matches!(refused, Err(ExecuteError::Refused(_))));
        let conflict = tower.execute_with(set_up(), &options().expected_version(7));
        assert!(matches!(conflict, Err(ExecuteError::Conflict(_))), "{conflict:?}");
        assert_eq!(scheduled(&tower), ["a"]);
        let done = tower.execute_with(set_up(), &options()).unwrap();
        assert_eq!(done.events().len(), 1);
        assert_eq!(scheduled(&tower), ["b"]);
    }

    pub(super) fn a_command_that_is_repeated_sets_no_timer_again<S: KeepsTimers>(store: &S) {
        let tower = Tower::default().start(store).unwrap();
        let later = Timestamp::now().after(HOUR);
        let options = ExecuteOptions::new().idempotency_key("request").schedule(later, ring("a"), "a");
        assert!(!tower.execute_with(set_up(), &options).unwrap().is_repeated());
        assert!(tower.cancel("a").unwrap());
        assert!(tower.execute_with(set_up(), &options).unwrap().is_repeated());
        assert_eq!(scheduled(&tower), [""; 0]);
    }

    pub(super) fn a_command_without_events_sets_its_timers<S: KeepsTimers>(store: &S) {
        let tower = Tower::default().start(store).unwrap();
        let later = Timestamp::now().after(HOUR);
        tower.execute(set_up()).unwrap();
        let options = ExecuteOptions::new().schedule(later, ring("a"), "a");
        assert!(tower.execute_with(set_up(), &options).unwrap().is_unchanged());
        assert_eq!(scheduled(&tower), ["a"]);
        let options = ExecuteOptions::new().cancel("a").cancel("no such timer");
        assert!(tower.execute_with(set_up(), &options).unwrap().is_unchanged());
        assert_eq!(scheduled(&tower), [""; 0]);
    }

    pub(super) fn what_a_timer_sends_follows_from_the_event<S: KeepsTimers>(store: &S) {
        let clock = TestClock::default();
        let tower = Tower::default().start_with(store, clock.clone()).unwrap();
        let options = ExecuteOptions::new().schedule(clock.now().after(HOUR), ring("a"), "a");
        let set = tower.execute_with(set_up(), &options).unwrap().events()[0].id;
        clock.forward(HOUR);
        wait_until(|| rung(&tower) == ["a"]);
        tower.schedule(Timestamp::now(), ring("b"), "b").unwrap();
        wait_until(|| rung(&tower) == ["a", "b"]);
        let history = tower.repository::<Bell>().history(&"bell".to_owned()).unwrap();
        let events: Vec<_> = history.map(Result::unwrap).collect();
        assert_eq!(events[1].metadata.causation, Some(set));
        assert_eq!(events[1].metadata.correlation, Some(set));
        let timer = events[2].metadata.causation.unwrap();
        assert!(events.iter().all(|event| event.id != timer), "the timer itself is the cause");
        assert_eq!(events[2].metadata.correlation, Some(timer));
    }

    pub(super) fn all_options_go_together<S: KeepsTimers>(store: &S) {
        let tower = Tower::default().start(store).unwrap();
        let later = Timestamp::now().after(HOUR);
        let options = ExecuteOptions::new()
            .retry(3)
            .schedule(later, ring("a"), "a")
            .schedule(later, ring("b"), "b")
            .schedule(later.after(HOUR), ring("c"), "a")
            .cancel("b");
        tower.execute_with(set_up(), &options).unwrap();
        let timers = tower.scheduled().unwrap();
        assert_eq!(keys(&timers), ["a"]);
        assert_eq!(timers[0].due, later.after(HOUR), "the last one counts");
    }
}
