//! Property test: after any commands, the live state equals the state that the store replays.

use factum::LoadError;
use factum::prelude::*;
use proptest::prelude::*;

use crate::support::account::{Account, AccountCommand, Close, deposit, id, open, withdraw};
use crate::support::stores::stores;

const NAMES: [&str; 3] = ["a", "b", "a/b"];

fn commands() -> impl Strategy<Value = Vec<AccountCommand>> {
    let command = (0..NAMES.len(), 0..4, -2..50_i64).prop_map(|(name, kind, cents)| {
        let name = NAMES[name];
        match kind {
            0 => open(name).into(),
            1 => deposit(name, cents).into(),
            2 => withdraw(name, cents).into(),
            _ => Close(id(name)).into(),
        }
    });
    proptest::collection::vec(command, 0..60)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn live_state_is_replayed_state(commands in commands()) {
        let mut ends = Vec::new();
        for store in stores() {
            let accounts = store.repository::<Account>();
            // The states that the commands returned, never read from the store.
            let mut live: [(Account, u64); NAMES.len()] = Default::default();
            for command in commands.clone() {
                let name = command.aggregate_id().0.clone();
                let index = NAMES.iter().position(|known| *known == name).unwrap();
                match accounts.execute(command) {
                    Ok(done) => {
                        prop_assert_eq!(done.version(), live[index].1 + done.events().len() as u64);
                        live[index] = (done.state().clone(), done.version());
                    }
                    Err(ExecuteError::Refused(_)) => {}
                    Err(other) => panic!("{other}"),
                }
            }
            for (name, (state, version)) in NAMES.iter().zip(&live) {
                match accounts.load(&id(name)) {
                    Ok(loaded) => prop_assert_eq!((loaded.state(), loaded.version()), (state, *version)),
                    Err(LoadError::NotFound { .. }) => prop_assert_eq!(*version, 0),
                    Err(other) => panic!("{other}"),
                }
                // Every earlier state can be loaded too, and the last of them is the current one.
                let mut replayed = Account::default();
                for (event, at) in accounts.history(&id(name)).into_iter().flatten().zip(1_u64..) {
                    Aggregate::apply(&mut replayed, &event.unwrap().event);
                    let then = accounts.load_at(&id(name), at).unwrap();
                    prop_assert_eq!(then.state(), &replayed);
                }
                prop_assert_eq!(&replayed, state);
            }
            prop_assert_eq!(store.position().unwrap().get(), live.iter().map(|(_, version)| version).sum::<u64>());
            ends.push(live);
        }
        prop_assert!(ends.windows(2).all(|ends| ends[0] == ends[1]), "all stores lead to the same");
    }
}
