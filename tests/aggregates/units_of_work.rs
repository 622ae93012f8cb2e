//! Several aggregates, one commit.

use factum::prelude::*;
use factum::{AppendError, ExecuteOptions};
use serde::{Deserialize, Serialize};

use crate::domain::{Account, Refused, deposit, id, open, stores, withdraw};

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
struct Counted;

#[derive(Debug, Clone, Command)]
struct Count;

/// An aggregate of which there is one, of another type than the accounts.
#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(id = (), commands(Count), events(Counted))]
struct Transfers {
    count: u64,
}

#[handlers]
impl Transfers {
    #[execute]
    fn count(&self, _: Count) -> Counted {
        Counted
    }

    #[apply]
    fn counted(&mut self, _: &Counted) {
        self.count += 1;
    }
}

#[test]
fn aggregates_of_several_kinds_change_together() {
    for store in stores() {
        let (accounts, transfers) = (store.repository::<Account>(), store.repository::<Transfers>());
        accounts.execute_batch(&id("a"), [open("a")]).unwrap();
        accounts.execute(deposit("a", 10)).unwrap();
        accounts.execute(open("b")).unwrap();

        let mut work = store.unit_of_work();
        assert_eq!(work.execute(&accounts, withdraw("a", 4)).unwrap().state().cents, 6);
        let decided = work.execute(&accounts, deposit("b", 4)).unwrap();
        assert_eq!((decided.state().cents, decided.events().len(), decided.is_unchanged()), (4, 1, false));
        work.execute(&transfers, Count).unwrap();
        // Nothing is there before the commit.
        assert_eq!(accounts.load(&id("a")).unwrap().state().cents, 10);
        let committed = work.commit().unwrap();
        assert_eq!((committed.events, committed.position), (3, Some(6)));

        assert_eq!(accounts.load(&id("a")).unwrap().state().cents, 6);
        assert_eq!(accounts.load(&id("b")).unwrap().state().cents, 4);
        assert_eq!(transfers.load(&()).unwrap().state().count, 1);
    }
}

#[test]
fn a_unit_of_work_that_is_not_committed_has_done_nothing() {
    for store in stores() {
        let accounts = store.repository::<Account>();
        accounts.execute(open("a")).unwrap();
        let mut work = store.unit_of_work();
        work.execute(&accounts, deposit("a", 4)).unwrap();
        let error = work.execute(&accounts, deposit("nobody", 4)).unwrap_err();
        assert_eq!(error.refusal(), Some(&Refused::NotOpen));
        drop(work);
        assert_eq!((store.position().unwrap(), accounts.load(&id("a")).unwrap().version()), (1, 1));
    }
}

#[test]
fn commands_to_one_aggregate_see_each_other() {
    for store in stores() {
        let accounts = store.repository::<Account>();
        let mut work = store.unit_of_work();
        work.execute(&accounts, open("a")).unwrap();
        work.execute(&accounts, deposit("a", 4)).unwrap();
        let error = work.execute(&accounts, withdraw("a", 5)).unwrap_err();
        assert_eq!(error.refusal(), Some(&Refused::Overdrawn { missing: 1 }));
        work.execute(&accounts, withdraw("a", 4)).unwrap();
        work.commit().unwrap();
        assert_eq!(accounts.load(&id("a")).unwrap().version(), 3);
    }
}

#[test]
fn a_commit_is_a_conflict_if_one_of_its_aggregates_has_moved_on() {
    for store in stores() {
        let accounts = store.repository::<Account>();
        accounts.execute(open("a")).unwrap();
        accounts.execute(open("b")).unwrap();
        let mut work = store.unit_of_work();
        work.execute(&accounts, deposit("a", 1)).unwrap();
        work.execute(&accounts, deposit("b", 1)).unwrap();
        accounts.execute(deposit("b", 7)).unwrap();
        match work.commit().unwrap_err() {
            AppendError::Conflict(conflict) => {
                assert_eq!((conflict.stream.key(), conflict.actual), ("b", 2));
                assert_eq!(
                    conflict.to_string(),
                    "conflict in account/b: expected version 1, found version 2"
                );
            }
            other => panic!("{other}"),
        }
        assert_eq!(accounts.load(&id("a")).unwrap().state().cents, 0, "all or nothing");
    }
}

#[test]
fn a_unit_of_work_in_which_nothing_happens_stores_nothing() {
    for store in stores() {
        let accounts = store.repository::<Account>();
        accounts.execute(open("a")).unwrap();
        let mut work = store.unit_of_work();
        assert!(work.execute(&accounts, open("a")).unwrap().is_unchanged());
        assert_eq!(work.commit().unwrap(), factum::Committed { events: 0, position: None });
        let options = ExecuteOptions::new().expected_version(7);
        let mut work = store.unit_of_work();
        assert!(work.execute_with(&accounts, deposit("a", 1), &options).is_err());
    }
}
