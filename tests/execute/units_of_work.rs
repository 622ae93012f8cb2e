//! Units of work: several aggregates, one commit.

use factum::prelude::*;
use factum::store::AppendError;
use factum::{Position, Uuid};
use serde::{Deserialize, Serialize};

use crate::support::account::{Account, Close, Refused, deposit, id, open, withdraw};
use crate::support::stores::stores;

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
struct Counted;

#[derive(Debug, Clone, Command)]
struct Count;

/// A singleton aggregate, of another type than the accounts.
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
        // Nothing is stored before the commit.
        assert_eq!(accounts.load(&id("a")).unwrap().state().cents, 10);
        let committed = work.commit().unwrap();
        assert_eq!((committed.events, committed.position), (3, Some(Position::new(6))));

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
        let error = work.execute(&accounts, deposit("unopened", 4)).unwrap_err();
        assert_eq!(error.refusal(), Some(&Refused::NotOpen));
        drop(work);
        assert_eq!((store.position().unwrap().get(), accounts.load(&id("a")).unwrap().version()), (1, 1));
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
fn a_commit_is_a_conflict_if_one_of_its_aggregates_has_changed() {
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
        let committed = work.commit().unwrap();
        assert_eq!((committed.events, committed.position), (0, None));
        let options = ExecuteOptions::new().expected_version(7);
        let mut work = store.unit_of_work();
        assert!(work.execute_with(&accounts, deposit("a", 1), &options).is_err());
    }
}

#[test]
fn a_decision_may_depend_on_an_aggregate_that_does_not_change() {
    for store in stores() {
        let accounts = store.repository::<Account>();
        accounts.execute(open("a")).unwrap();
        accounts.execute(open("b")).unwrap();
        let mut work = store.unit_of_work();
        // Nothing happens to `a`, but the deposit depends on `a` being open.
        assert!(work.execute(&accounts, open("a")).unwrap().is_unchanged());
        work.execute(&accounts, deposit("b", 1)).unwrap();
        accounts.execute(Close(id("a"))).unwrap();
        let AppendError::Conflict(conflict) = work.commit().unwrap_err() else { panic!("a conflict") };
        assert_eq!((conflict.stream.key(), conflict.actual), ("a", 2));
        assert_eq!(accounts.load(&id("b")).unwrap().version(), 1);
    }
}

#[test]
fn a_unit_of_work_is_repeated_after_a_conflict() {
    for store in stores() {
        let accounts = store.repository::<Account>();
        accounts.execute(open("a")).unwrap();
        let mut attempts = 0;
        let mut attempt = |retries| {
            store.atomically(retries, |work| -> Result<i64, BoxError> {
                attempts += 1;
                let cents = work.execute(&accounts, deposit("a", 1))?.state().cents;
                if attempts <= 2 {
                    // Another writer is faster, twice.
                    accounts.execute(deposit("a", 10))?;
                }
                Ok(cents)
            })
        };
        assert!(attempt(0).is_err());
        assert_eq!(attempt(1).unwrap(), 21);
        assert_eq!(attempts, 3);
        assert_eq!(accounts.load(&id("a")).unwrap().state().cents, 21);
        let refused = store.atomically(9, |work| -> Result<(), BoxError> {
            work.execute(&accounts, deposit("a", 1))?;
            work.execute(&accounts, deposit("unopened", 1))?;
            Ok(())
        });
        assert_eq!(refused.unwrap_err().to_string(), "not open");
        assert_eq!(accounts.load(&id("a")).unwrap().state().cents, 21);
    }
}

#[test]
fn each_command_of_a_unit_or_batch_has_its_own_metadata() {
    for store in stores() {
        let accounts = store.repository::<Account>();
        let [first, second, third] = [(); 3].map(|()| Uuid::now_v7());
        let mut work = store.unit_of_work();
        work.execute_with(&accounts, open("a"), &ExecuteOptions::new().correlation(first)).unwrap();
        work.execute_with(&accounts, deposit("a", 1), &ExecuteOptions::new().correlation(second)).unwrap();
        work.commit().unwrap();
        let batch = [(deposit("a", 1), ExecuteOptions::new().causation(third))];
        let batch = accounts.execute_batch_with(&id("a"), batch).unwrap();
        assert_eq!(batch.events()[0].metadata.causation, Some(third));
        let history = accounts.history(&id("a")).unwrap().map(|event| event.unwrap().metadata);
        let chains: Vec<_> = history.map(|metadata| (metadata.correlation, metadata.causation)).collect();
        assert_eq!(chains, [(Some(first), None), (Some(second), None), (None, Some(third))]);
    }
}

#[derive(Debug, Serialize, Deserialize, Event)]
struct Stamped(u64);

#[derive(Debug, Clone, Command)]
struct Stamp(String);

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(id = String, services = u64, commands(Stamp), events(Stamped))]
struct Passport {
    stamps: Vec<u64>,
}

#[handlers]
impl Passport {
    #[execute]
    fn stamp(&self, _: Stamp, number: &u64) -> Stamped {
        Stamped(*number)
    }

    #[apply]
    fn stamped(&mut self, event: &Stamped) {
        self.stamps.push(event.0);
    }
}

#[test]
fn each_command_of_a_unit_or_batch_has_its_own_services() {
    for store in stores() {
        let passports = store.repository_with::<Passport>(1);
        let stamp = || Stamp("p".into());
        let mut work = store.unit_of_work();
        work.execute(&passports, stamp()).unwrap();
        work.execute_with(&passports, stamp(), &ExecuteOptions::new().services(&2)).unwrap();
        work.commit().unwrap();
        let batch = [(stamp(), ExecuteOptions::new().services(&3)), (stamp(), ExecuteOptions::new())];
        passports.execute_batch_with(&"p".into(), batch).unwrap();
        assert_eq!(passports.load(&"p".into()).unwrap().state().stamps, [1, 2, 3, 1]);
    }
}

/// A unit of work decides on the events of its own store, even if the repository has cached a state of
/// another store.
#[test]
fn a_unit_of_work_reads_its_own_store() {
    for (ours, theirs) in stores().into_iter().zip(stores()) {
        let accounts = ours.repository::<Account>();
        accounts.execute(open("alice")).unwrap();
        accounts.execute(deposit("alice", 1_000)).unwrap();
        let other = theirs.repository::<Account>();
        other.execute(open("alice")).unwrap();
        other.execute(deposit("alice", 1)).unwrap();
        let mut work = theirs.unit_of_work();
        let refused = work.execute(&accounts, withdraw("alice", 500)).unwrap_err();
        assert_eq!(refused.refusal(), Some(&Refused::Overdrawn { missing: 499 }));
        work.execute(&accounts, deposit("alice", 4)).unwrap();
        work.commit().unwrap();
        assert_eq!(theirs.repository::<Account>().load(&id("alice")).unwrap().state().cents, 5);
        assert_eq!(accounts.load(&id("alice")).unwrap().state().cents, 1_000);
    }
}
