//! Idempotency keys: a command that is sent twice happens once.

use factum::Position;
use factum::prelude::*;
use factum::store::AppendError;

use crate::support::account::{Account, Refused, deposit, id, open, withdraw};
use crate::support::stores::stores;

fn key(key: &str) -> ExecuteOptions<'static> {
    ExecuteOptions::new().idempotency_key(key)
}

#[test]
fn the_same_key_again_gives_the_first_outcome() {
    for store in stores() {
        let accounts = store.repository::<Account>();
        accounts.execute(open("alice")).unwrap();
        let first = accounts.execute_with(deposit("alice", 5), &key("a")).unwrap();
        assert!(!first.is_repeated());
        accounts.execute(deposit("alice", 100)).unwrap();
        // By any repository, and with any other options.
        for accounts in [accounts.clone(), store.repository::<Account>()] {
            let again = accounts.execute_with(deposit("alice", 5), &key("a").expected_version(1)).unwrap();
            assert!(again.is_repeated());
            assert_eq!((again.version(), again.state()), (first.version(), first.state()));
            assert_eq!(again.events(), first.events(), "ids, positions and times included");
        }
        assert_eq!(store.position().unwrap(), Position::new(3));
        assert_eq!(accounts.load(&id("alice")).unwrap().state().cents, 105);
        // The keys of another account are separate.
        accounts.execute(open("bob")).unwrap();
        assert!(!accounts.execute_with(deposit("bob", 1), &key("a")).unwrap().is_repeated());
    }
}

#[test]
fn keys_outlive_the_program() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bank.db");
    let run = || {
        let accounts = SqliteStore::open(&file).unwrap().repository::<Account>();
        accounts.execute_with(open("alice"), &key("open")).unwrap();
        accounts.execute_with(deposit("alice", 5), &key("deposit")).unwrap()
    };
    assert!(!run().is_repeated());
    let again = run();
    assert!(again.is_repeated());
    assert_eq!((again.version(), again.state().cents), (2, 5));
}

#[test]
fn a_command_without_events_has_none_when_it_is_repeated() {
    for store in stores() {
        let accounts = store.repository::<Account>();
        accounts.execute(open("alice")).unwrap();
        // The account is open already, for the same owner: the command records nothing.
        let first = accounts.execute_with(open("alice"), &key("open")).unwrap();
        assert!(first.is_unchanged() && !first.is_repeated());
        accounts.execute(deposit("alice", 1)).unwrap();
        accounts.execute(crate::support::account::Close(id("alice"))).unwrap();
        // A new decision would open the account now.
        let again = accounts.execute_with(open("alice"), &key("open")).unwrap();
        assert!(again.is_unchanged() && again.is_repeated());
        assert_eq!((again.version(), again.state().owner.as_deref()), (1, Some("alice")));
    }
}

#[test]
fn a_refused_command_is_decided_again() {
    for store in stores() {
        let accounts = store.repository::<Account>();
        accounts.execute(open("alice")).unwrap();
        let refused = accounts.execute_with(withdraw("alice", 5), &key("w")).unwrap_err();
        assert_eq!(refused.refusal(), Some(&Refused::Overdrawn { missing: 5 }));
        accounts.execute(deposit("alice", 5)).unwrap();
        assert!(!accounts.execute_with(withdraw("alice", 5), &key("w")).unwrap().is_repeated());
        assert!(accounts.execute_with(withdraw("alice", 5), &key("w")).unwrap().is_repeated());
    }
}

#[test]
fn of_concurrent_requests_one_is_executed_and_all_get_its_outcome() {
    for store in stores() {
        let accounts = store.repository::<Account>();
        accounts.execute(open("alice")).unwrap();
        for round in 1..=20_u64 {
            let options = key(&round.to_string()).retry(100);
            let outcomes: Vec<_> = std::thread::scope(|scope| {
                let threads: Vec<_> = (0..4)
                    .map(|_| scope.spawn(|| accounts.execute_with(deposit("alice", 1), &options).unwrap()))
                    .collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            assert_eq!(outcomes.iter().filter(|outcome| !outcome.is_repeated()).count(), 1);
            for outcome in outcomes {
                assert_eq!((outcome.version(), outcome.state().cents), (round + 1, round.cast_signed()));
                assert_eq!(outcome.events().len(), 1);
            }
        }
    }
}

#[test]
fn a_batch_or_unit_of_work_with_a_known_key_is_refused_whole() {
    for store in stores() {
        let accounts = store.repository::<Account>();
        accounts.execute(open("alice")).unwrap();
        let batch = || [(deposit("alice", 1), key("one")), (deposit("alice", 2), key("two"))];
        let done = accounts.execute_batch_with(&id("alice"), batch()).unwrap();
        assert_eq!((done.version(), done.state().cents), (3, 3));
        let error = accounts.execute_batch_with(&id("alice"), batch()).unwrap_err();
        assert_eq!(error.index, Some(0));
        assert!(
            matches!(&error.source, ExecuteError::Append(AppendError::KnownKey { key, outcome, .. })
                if key == "one" && outcome.version == 2),
            "{error}"
        );
        // Each command of the batch has an outcome of its own.
        let second = accounts.execute_with(deposit("alice", 2), &key("two")).unwrap();
        assert_eq!((second.version(), second.state().cents, second.events().len()), (3, 3, 1));

        let mut work = store.unit_of_work();
        work.execute_with(&accounts, deposit("alice", 1), &key("three")).unwrap();
        let twice = work.execute_with(&accounts, deposit("alice", 1), &key("three")).unwrap_err();
        assert!(matches!(twice, ExecuteError::Append(AppendError::MalformedKey { .. })), "{twice}");
        // Another writer is faster.
        accounts.execute_with(deposit("alice", 1), &key("three")).unwrap();
        let error = work.commit().unwrap_err();
        assert!(matches!(&error, AppendError::KnownKey { key, .. } if key == "three"), "{error}");
        assert_eq!(accounts.load(&id("alice")).unwrap().version(), 4);
    }
}

#[test]
fn keys_are_kept_until_they_are_forgotten() {
    for store in stores() {
        let accounts = store.repository::<Account>();
        accounts.execute(open("alice")).unwrap();
        accounts.execute_with(deposit("alice", 1), &key("a")).unwrap();
        assert_eq!(store.forget_keys_before(Timestamp::from_micros(0)).unwrap(), 0);
        assert!(accounts.execute_with(deposit("alice", 1), &key("a")).unwrap().is_repeated());
        assert_eq!(store.forget_keys_before(Timestamp::from_micros(i64::MAX)).unwrap(), 1);
        assert!(!accounts.execute_with(deposit("alice", 1), &key("a")).unwrap().is_repeated());
    }
}

/// Two requests with one key, for a command that can succeed once. The slower one gets the outcome, not a
/// refusal.
#[test]
fn one_key_at_once_is_one_outcome_even_where_a_second_would_be_refused() {
    for store in stores() {
        let accounts = store.repository::<Account>();
        for round in 0..100 {
            let name = round.to_string();
            accounts.execute(open(&name)).unwrap();
            accounts.execute(deposit(&name, 50)).unwrap();
            let once = ExecuteOptions::new().idempotency_key("k").retry(10);
            std::thread::scope(|scope| {
                for _ in 0..2 {
                    scope.spawn(|| {
                        let done = accounts.execute_with(withdraw(&name, 50), &once).unwrap();
                        assert_eq!((done.version(), done.state().cents), (3, 0));
                    });
                }
            });
        }
    }
}

#[derive(Debug, serde::Serialize, serde::Deserialize, Event)]
struct Paid;

#[derive(Debug, Clone, Command)]
struct Pay(String);

#[derive(Debug, thiserror::Error)]
#[error("not any more")]
struct TooLate;

/// What another program does before this one refuses; `None` if this one accepts.
struct BeFirst(Option<Box<dyn Fn() + Send + Sync>>);

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(
    id = String, error = TooLate, services = BeFirst, commands(Pay), events(Paid)
)]
struct Bill;

#[handlers]
impl Bill {
    #[execute]
    fn pay(&self, _: Pay, first: &BeFirst) -> Result<Paid, TooLate> {
        match &first.0 {
            Some(be_first) => {
                be_first();
                Err(TooLate)
            }
            None => Ok(Paid),
        }
    }

    #[apply]
    fn paid(&mut self, _: &Paid) {}
}

/// Another program stores the key after this one has looked it up, and before it refuses.
#[test]
fn a_refusal_looks_the_key_up_again() {
    for store in stores() {
        let pay = |bills: &Repository<Bill, _>| {
            bills.execute_with(Pay("b".into()), &ExecuteOptions::new().idempotency_key("k"))
        };
        let other = store.repository_with::<Bill>(BeFirst(None));
        let be_first = move || assert_eq!(pay(&other).unwrap().version(), 1);
        let bills = store.repository_with::<Bill>(BeFirst(Some(Box::new(be_first))));
        let done = pay(&bills).unwrap();
        assert_eq!((done.version(), done.is_repeated()), (1, true));
    }
}
