//! Values that serde does not write in full: live state is replayed state, and no snapshot loses anything.

use std::collections::{HashMap, HashSet};

use factum::prelude::*;
use factum::testing::given;
use factum::{SnapshotError, UnitOfWork};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::support::stores::stores;

/// Read back as the first variant that fits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Price {
    Rate(f64),
    Cents(u64),
}

mod rounded {
    use super::*;

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    pub(super) fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(value.round())
    }

    /// One more at each reading: the value never settles.
    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        f64::deserialize(deserializer).map(|value| value + 1.0)
    }
}

/// Rounds, and so loses something that serde does not see.
mod rounded_once {
    use super::*;

    pub(super) use rounded::serialize;

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        f64::deserialize(deserializer)
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
struct Priced {
    price: Price,
    limit: Option<f64>,
    #[expect(clippy::option_option, reason = "serde writes both as `null`")]
    discount: Option<Option<u8>>,
    #[serde(with = "rounded")]
    share: f64,
}

#[derive(Debug, Clone, Command)]
struct SetPrice {
    #[command(id)]
    item: String,
}

/// Emits two events, the second of which tells what the state was after the first.
#[derive(Debug, Clone, Command)]
struct SetPriceTwice {
    #[command(id)]
    item: String,
}

#[derive(Debug, Default, Clone, PartialEq, Aggregate)]
#[aggregate(id = String, commands(SetPrice, SetPriceTwice), events(Priced), event(derive(Clone, PartialEq)))]
struct Item {
    prices: Vec<Priced>,
}

fn priced() -> Priced {
    Priced { price: Price::Cents(1), limit: Some(f64::INFINITY), discount: Some(None), share: 0.6 }
}

#[handlers]
impl Item {
    #[execute]
    fn set_price(&self, _: SetPrice) -> Priced {
        priced()
    }

    #[execute]
    fn set_price_twice(&self, _: SetPriceTwice) -> Events<Self> {
        let mut events = Events::on(self);
        let after = events.emit(priced()).clone();
        assert_eq!(after.prices.last(), Some(&read_back()));
        events.emit(priced());
        events
    }

    #[apply]
    fn priced(&mut self, event: &Priced) {
        self.prices.push(event.clone());
    }
}

fn read_back() -> Priced {
    Priced { price: Price::Rate(1.0), limit: None, discount: None, share: 2.0 }
}

fn set_price() -> SetPrice {
    SetPrice { item: "a".to_owned() }
}

fn twice() -> SetPriceTwice {
    SetPriceTwice { item: "a".to_owned() }
}

#[test]
fn live_state_and_events_are_those_that_are_read_back() {
    for store in stores() {
        let items = store.repository::<Item>();
        let replayed = || {
            let items = store.repository::<Item>();
            let loaded = items.load(&"a".to_owned()).unwrap().into_state();
            let history: Vec<_> = items.history(&"a".to_owned()).unwrap().map(Result::unwrap).collect();
            assert!(
                history.iter().zip(&loaded.prices).all(|(event, price)| event.event == price.clone().into())
            );
            (loaded, history)
        };
        let key = ExecuteOptions::new().idempotency_key("k");
        let done = items.execute_with(set_price(), &key).unwrap();
        assert_eq!(done.state().prices, [read_back()]);
        assert_eq!((done.state(), done.events()), (&replayed().0, &*replayed().1));
        let again = items.execute_with(set_price(), &key).unwrap();
        assert_eq!((again.state(), again.events()), (done.state(), done.events()));

        let done = items.execute(twice()).unwrap();
        assert_eq!((done.state(), done.events()), (&replayed().0, &replayed().1[1..]));
        let done = items.execute_batch(&"a".to_owned(), [set_price(), set_price()]).unwrap();
        assert_eq!((done.state(), done.events()), (&replayed().0, &replayed().1[3..]));

        let mut work: UnitOfWork<'_, _> = store.unit_of_work();
        let decided = work.execute(&items, set_price()).unwrap();
        assert_eq!(decided.events(), [read_back().into()]);
        let decided = decided.state().clone();
        work.commit().unwrap();
        assert_eq!((&decided, items.load(&"a".to_owned()).unwrap().state()), (&replayed().0, &replayed().0));
    }
}

#[test]
fn tests_without_a_store_see_what_is_read_back() {
    let state = given::<Item>(priced()).when(set_price()).state().clone();
    assert_eq!(state.prices, [read_back(), read_back()]);
    given::<Item>(()).when(twice()).then_state(&Item { prices: vec![read_back(), read_back()] });
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
struct Went;

#[derive(Debug, Clone, Command)]
struct Go(String);

/// Takes snapshots of states with one more field, of this type and value.
macro_rules! snapshots {
    ($test:ident, ($($derived:ident)?) $(#[$attribute:meta])* $ty:ty = $value:expr => $is_kept:literal) => {
        #[test]
        fn $test() {
            #[derive($($derived,)? Clone, Serialize, Deserialize, Aggregate)]
            #[aggregate(name = "walker", id = String, commands(Go), events(Went), snapshot(every = 2))]
            struct Walker {
                went: u64,
                $(#[$attribute])*
                field: $ty,
            }

            impl Default for Walker {
                fn default() -> Self {
                    Self { went: 0, field: $value }
                }
            }

            #[handlers]
            impl Walker {
                #[execute]
                fn go(&self, _: Go) -> Went {
                    Went
                }

                #[apply]
                fn went(&mut self, _: &Went) {
                    self.went += 1;
                }
            }

            for store in stores() {
                let walkers = store.repository::<Walker>();
                for _ in 0..4 {
                    walkers.execute(Go("a".to_owned())).unwrap();
                }
                let forced = walkers.take_snapshot(&"a".to_owned());
                assert_eq!(matches!(&forced, Err(SnapshotError::Lossy { stream, .. }) if stream.key() == "a"), !$is_kept);
                assert_eq!(forced.is_ok(), $is_kept, "{forced:?}");
                assert_eq!(walkers.statistics().snapshots_taken > 0, $is_kept);
                let fresh = store.repository::<Walker>();
                let loaded = fresh.load(&"a".to_owned()).unwrap();
                assert_eq!(loaded.state().went, 4);
                let field: &$ty = &loaded.state().field;
                assert!(*field == $value, "the state is the replayed one");
                assert_eq!(fresh.statistics().snapshots_used > 0, $is_kept);
            }
        }
    };
}

snapshots! { an_infinite_float_is_no_snapshot, (Debug) Option<f64> = Some(f64::INFINITY) => false }
snapshots! { an_infinite_float_is_no_snapshot_without_debug, () Option<f64> = Some(f64::INFINITY) => false }
snapshots! { an_untagged_enum_is_no_snapshot, (Debug) Price = Price::Cents(1) => false }
snapshots! { a_rounded_field_is_no_snapshot, (Debug) #[serde(with = "rounded")] f64 = 0.6 => false }
snapshots! {
    a_rounded_field_is_no_snapshot_without_debug,
    (PartialEq) #[serde(with = "rounded_once")] f64 = 0.6 => false
}
snapshots! { a_field_that_settles_is_a_snapshot, (Debug) #[serde(with = "rounded_once")] f64 = 2.0 => true }
snapshots! { two_options_are_no_snapshot, () Option<Option<u8>> = Some(None) => false }
snapshots! { a_float_is_a_snapshot, (Debug) Option<f64> = Some(0.1) => true }
snapshots! {
    maps_and_sets_are_snapshots,
    (Debug) HashMap<String, HashSet<u8>> = (0..20_u8).map(|key| (key.to_string(), (0..key).collect())).collect() => true
}
snapshots! {
    maps_and_sets_are_snapshots_without_debug,
    () HashMap<String, HashSet<u8>> = (0..20_u8).map(|key| (key.to_string(), (0..key).collect())).collect() => true
}
