//! Retired events: split, merged, or dropped.

use factum::prelude::*;
use factum::store::{Append, ExpectedVersion, NewEvent};
use factum::{EventSet, LoadError, Metadata, ReadError, StreamName, Uuid};
use serde::{Deserialize, Serialize};

use crate::support::chain::chain;
use crate::support::stores::stores;

#[derive(Debug, PartialEq, Serialize, Deserialize, Event)]
struct Withdrawn {
    cents: u64,
}

#[derive(Debug, PartialEq, Serialize, Deserialize, Event)]
struct FeeCharged {
    cents: u64,
}

/// Has older versions and an alias. Both still work after it is retired.
#[derive(Debug, Serialize, Deserialize, Event)]
#[event(version = 2, aliases("transfer"))]
struct TransferMade {
    #[event(renamed(since = 2, from = "sum"))]
    cents: u64,
    fee: u64,
}

#[derive(Debug, Serialize, Deserialize, Event)]
struct CashTaken {
    notes: Vec<u64>,
}

#[derive(Debug, Serialize, Deserialize, Event)]
struct Looked {
    at: String,
}

#[derive(Debug, Command)]
struct Withdraw {
    #[command(id)]
    account: String,
    cents: u64,
}

#[derive(Debug, Default, Clone, PartialEq, Aggregate)]
#[aggregate(
    id = String,
    commands(Withdraw),
    events(Withdrawn, FeeCharged),
    retired(TransferMade, CashTaken, Looked, "old-noise"),
    event(derive(PartialEq)),
)]
struct Account {
    withdrawn: u64,
    fees: u64,
}

#[handlers]
impl Account {
    #[execute]
    fn withdraw(&self, command: Withdraw) -> Withdrawn {
        Withdrawn { cents: command.cents }
    }

    #[apply]
    fn withdrawn(&mut self, event: &Withdrawn) {
        self.withdrawn += event.cents;
    }

    #[apply]
    fn charged(&mut self, event: &FeeCharged) {
        self.fees += event.cents;
    }

    /// Splits one event into two.
    #[upcast]
    fn split(event: TransferMade) -> (Withdrawn, FeeCharged) {
        (Withdrawn { cents: event.cents }, FeeCharged { cents: event.fee })
    }

    /// Merges an event into another. It fails for some payloads.
    #[upcast]
    fn merge(event: CashTaken) -> Result<Withdrawn, String> {
        let cents = event.notes.iter().try_fold(0_u64, |sum, note| sum.checked_add(*note));
        cents.map(|cents| Withdrawn { cents }).ok_or_else(|| "more than there is".into())
    }

    // `Looked` has no `#[upcast]`: it is dropped, like `old-noise`.
}

fn append(store: &dyn EventStore, stored: &[(&str, u32, &str)]) {
    let metadata = Metadata::default();
    let events: Vec<_> = stored
        .iter()
        .map(|&(name, event_version, payload)| {
            NewEvent::new(name, event_version, payload, Uuid::now_v7(), Timestamp::now(), &metadata)
        })
        .collect();
    let stream = StreamName::new("account", "a");
    store.append(&[Append::new(&stream, ExpectedVersion::Any, &events)]).unwrap();
}

/// Old names, old versions, and one current event.
const STORED: &[(&str, u32, &str)] = &[
    ("old-noise", 7, "whatever it was"),
    ("transfer-made", 2, r#"{"cents": 10, "fee": 1}"#),
    ("transfer", 1, r#"{"sum": 20, "fee": 2}"#),
    ("looked", 1, r#"{"at": "the balance"}"#),
    ("cash-taken", 1, r#"{"notes": [100, 200]}"#),
    ("withdrawn", 1, r#"{"cents": 1000}"#),
];

#[test]
fn a_retired_event_is_read_as_its_upcast_events() {
    for store in stores() {
        append(&store, STORED);
        let accounts = store.repository::<Account>();
        let loaded = accounts.load(&"a".into()).unwrap();
        assert_eq!(loaded.state(), &Account { withdrawn: 1330, fees: 3 });
        assert_eq!(loaded.version(), 6, "what was stored is counted, not what it has become");
        let after_split = accounts.load_at(&"a".into(), 2).unwrap();
        assert_eq!(after_split.state(), &Account { withdrawn: 10, fees: 1 }, "split, but never torn");
        let next = accounts.execute(Withdraw { account: "a".into(), cents: 5 }).unwrap();
        assert_eq!(next.version(), 7);
    }
}

#[test]
fn upcast_events_have_the_place_of_the_stored_one() {
    for store in stores() {
        append(&store, STORED);
        let accounts = store.repository::<Account>();
        let history: Vec<_> = accounts.history(&"a".into()).unwrap().map(Result::unwrap).collect();
        let places: Vec<_> = history
            .iter()
            .map(|event| (event.version, event.position.get(), event.index, event.event.name()))
            .collect();
        assert_eq!(
            places,
            [
                (2, 2, 0, "withdrawn"),
                (2, 2, 1, "fee-charged"),
                (3, 3, 0, "withdrawn"),
                (3, 3, 1, "fee-charged"),
                (5, 5, 0, "withdrawn"),
                (6, 6, 0, "withdrawn"),
            ]
        );
        assert_eq!(history[0].id, history[1].id);
    }
}

#[test]
fn a_history_continues_after_pages_of_dropped_events() {
    for store in stores() {
        append(&store, &vec![("old-noise", 1, "{}"); 700]);
        append(&store, &STORED[5..]);
        let accounts = store.repository::<Account>();
        let history: Vec<_> = accounts.history(&"a".into()).unwrap().map(Result::unwrap).collect();
        assert_eq!(history.iter().map(|event| event.version).collect::<Vec<_>>(), [701]);
    }
}

#[test]
fn a_retired_event_that_can_not_be_read_is_an_error() {
    for (stored, message) in [
        (
            ("cash-taken", 1, r#"{"notes": [18446744073709551615, 1]}"#),
            "can't read account/a at version 1 (position 1): `cash-taken` version 1 can't be read as version 1: \
             more than there is",
        ),
        (("transfer-made", 3, "{}"), "is newer than version 2"),
        (("transfer-made", 1, "{}"), "does not fit"),
        (("unheard-of", 1, "{}"), "no event of the aggregate is stored under the name `unheard-of`"),
    ] {
        for store in stores() {
            append(&store, &[stored]);
            let accounts = store.repository::<Account>();
            let error = accounts.load(&"a".into()).unwrap_err();
            assert!(chain(&error).contains(message), "{error}");
            assert!(
                matches!(error, LoadError::Read(ReadError::Decode { position, .. }) if position.get() == 1)
            );
        }
    }
}

/// Knows nothing of transfers: it gets their upcast events, from the aggregate that it names.
#[derive(Debug, Default, PartialEq, Projection)]
#[projection(events(Withdrawn), from(Account))]
struct Taken {
    cents: u64,
    positions: Vec<u64>,
}

#[handlers]
impl Taken {
    #[project]
    fn withdrawn(&mut self, event: &Withdrawn, envelope: &Envelope<'_>) {
        self.cents += event.cents;
        self.positions.push(envelope.position.get());
    }
}

/// Gets the retired event as it is stored, from an aggregate that it knows by name only.
#[derive(Debug, Default, PartialEq, Projection)]
#[projection(events(TransferMade), from("account"))]
struct Transfers {
    cents: u64,
}

#[handlers]
impl Transfers {
    #[project]
    fn made(&mut self, event: &TransferMade) {
        self.cents += event.cents;
    }
}

#[test]
fn projections_get_the_upcast_events() {
    for store in stores() {
        append(&store, STORED);
        let mut taken = MemoryProjection::new(&store, Taken::default());
        taken.catch_up().unwrap();
        assert_eq!(taken.view(), &Taken { cents: 1330, positions: vec![2, 3, 5, 6] });
        let mut transfers = MemoryProjection::new(&store, Transfers::default());
        transfers.catch_up().unwrap();
        assert_eq!(transfers.view().cents, 30);
    }
}

#[test]
fn a_projection_of_an_aggregate_stops_at_an_event_unknown_to_it() {
    for store in stores() {
        append(&store, &[("withdrawn", 1, r#"{"cents": 5}"#), ("fee-charged", 1, "of no interest here")]);
        append(&store, &[("taken-out", 1, "by a newer program")]);
        let mut taken = MemoryProjection::new(&store, Taken::default());
        let error = taken.catch_up().unwrap_err();
        assert_eq!(
            chain(&error),
            "`taken` can't read an event: can't read account/a at version 3 (position 3): no event of the aggregate is stored \
             under the name `taken-out` (version 1)"
        );
        assert_eq!((taken.view().cents, taken.position().get()), (5, 2));
    }
}
