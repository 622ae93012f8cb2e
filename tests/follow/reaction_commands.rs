//! Reactions that give several commands to one aggregate: each is carried out once.

use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

use factum::Position;
use factum::follow::ReactionError;
use factum::prelude::*;

use crate::support::account::{Account, AccountCommand, Opened, deposit, id, open, withdraw};
use crate::support::kept::{KeptReaction, KeptStore, kept_stores};

/// Gives four commands to the house for each account. The first delivery fails before the second command, the
/// second one before the third command, and so on.
#[derive(Reaction)]
#[reaction(events(Opened), from(Account))]
struct Pays {
    accounts: Repository<Account, KeptStore>,
    named: bool,
    deliveries: AtomicUsize,
}

#[handlers]
impl Pays {
    #[react]
    fn opened(&self, _: &Opened, key: &str, delivery: &Delivery) -> Result<(), BoxError> {
        if key == "house" {
            return Ok(());
        }
        let commands: [AccountCommand; 4] = [
            deposit("house", 5).into(),
            deposit("house", 5).into(),
            deposit("house", 70).into(),
            withdraw("house", 10).into(),
        ];
        let earlier = self.deliveries.fetch_add(1, Ordering::SeqCst);
        let mut numbered: Vec<_> = commands.into_iter().enumerate().collect();
        // Commands with names may come in another order each time.
        if self.named && earlier % 2 == 1 {
            numbered.reverse();
        }
        for (index, (number, command)) in numbered.into_iter().enumerate() {
            if index == earlier + 1 {
                return Err("the process dies here".into());
            }
            let delivery = delivery.clone();
            let options =
                if self.named { delivery.options_for(&number.to_string()) } else { delivery.options() };
            self.accounts.execute_with(command, &options.carrying_custom())?;
        }
        Ok(())
    }
}

#[test]
fn each_of_several_commands_to_one_aggregate_is_carried_out_once() {
    for named in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        for store in kept_stores(&folder) {
            let accounts = store.repository::<Account>();
            accounts.execute(open("house")).unwrap();
            accounts.execute(deposit("house", 1_000)).unwrap();
            let by_alice = ExecuteOptions::new().custom("alice").unwrap();
            accounts.execute_with(open("alice"), &by_alice).unwrap();
            let pays = Pays { accounts: accounts.clone(), named, deliveries: AtomicUsize::new(0) };
            let mut pays = KeptReaction::new(&store, pays).unwrap();
            for _ in 0..3 {
                let error = pays.catch_up().unwrap_err();
                assert!(matches!(error, ReactionError::Follow(_)), "{error}");
            }
            for _ in 0..2 {
                pays.catch_up().unwrap();
                let house = accounts.load(&id("house")).unwrap();
                assert_eq!((house.state().cents, house.version()), (1_070, 6), "named: {named}");
                pays.rewind(Position::START).unwrap();
            }
            let history = accounts.history(&id("house")).unwrap().map(Result::unwrap);
            let users: Vec<_> = history.map(|event| event.metadata.custom::<String>().unwrap()).collect();
            let alice = Some("alice".to_owned());
            assert_eq!(users, [None, None, alice.clone(), alice.clone(), alice.clone(), alice]);
        }
    }
}

/// Commands that are given without a key of their own, in another order than at the delivery before.
#[derive(Reaction)]
#[reaction(events(Opened), from(Account))]
struct Swaps {
    accounts: Repository<Account, KeptStore>,
    deliveries: AtomicI64,
}

#[handlers]
impl Swaps {
    #[react]
    fn opened(&self, _: &Opened, delivery: &Delivery) -> Result<(), BoxError> {
        let first = 1 + self.deliveries.fetch_add(1, Ordering::SeqCst);
        for cents in [first, 10] {
            self.accounts.execute_with(deposit("house", cents), &delivery.options())?;
        }
        Ok(())
    }
}

#[test]
fn commands_that_differ_at_the_next_delivery_are_an_error() {
    let folder = tempfile::tempdir().unwrap();
    for store in kept_stores(&folder) {
        let accounts = store.repository::<Account>();
        accounts.execute(open("house")).unwrap();
        let swaps = Swaps { accounts: accounts.clone(), deliveries: AtomicI64::new(0) };
        let mut swaps = KeptReaction::new(&store, swaps).unwrap();
        swaps.catch_up().unwrap();
        swaps.rewind(Position::START).unwrap();
        let error = factum::with_causes(&swaps.catch_up().unwrap_err());
        assert!(error.contains("belongs to another command: to a `Deposit`"), "{error}");
        assert_eq!(accounts.load(&id("house")).unwrap().state().cents, 11);
    }
}
