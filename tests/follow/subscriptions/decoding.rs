//! Events of a subscription, decoded as events of an aggregate or of one type.

use factum::follow::SubscribedEvent;
use factum::prelude::*;
use factum::{DecodeError, Decoded, ReadError};
use serde::{Deserialize, Serialize};

use super::{append, next};
use crate::support::account::{Account, AccountEvent, Closed, Deposited, Opened, deposit, open};
use crate::support::chain::chain;
use crate::support::events::append_event;
use crate::support::stores::stores;

#[test]
fn an_event_is_read_as_one_of_an_aggregate() {
    for store in stores() {
        let accounts = store.repository::<Account>();
        accounts.execute(open("alice")).unwrap();
        accounts.execute(deposit("alice", 5)).unwrap();
        append(&store, "account", "alice", "paid-in", r#"{"cents": 7}"#);
        append(&store, "account", "alice", "account-frozen", "{}");
        append_event(&store, "account", "alice", "deposited", 4, r#"{"cents": 1}"#);
        append(&store, "account", "alice", "deposited", r#"{"cents": "many"}"#);
        let mut subscription = store.subscribe(SubscriptionOptions::new().categories([Account::CATEGORY]));

        let expected: [AccountEvent; 3] = [
            Opened { owner: "alice".into() }.into(),
            Deposited { cents: 5 }.into(),
            // Stored under its old name.
            Deposited { cents: 7 }.into(),
        ];
        for typed in expected {
            assert_eq!(next(&mut subscription).decode().unwrap(), Decoded::One(typed));
        }

        let mut refused = |message: &str| {
            let event = next(&mut subscription);
            let error = event.decode::<AccountEvent>().unwrap_err();
            assert!(chain(&error).contains(message), "{error}");
            let ReadError::Decode { stream, version, position, name, event_version, source, .. } = error
            else {
                panic!("{error}")
            };
            let envelope = event.envelope();
            assert_eq!(stream.to_string(), "account/alice");
            assert_eq!((version, position), (envelope.version, envelope.position));
            assert_eq!((name.as_str(), event_version), (event.name(), event.event_version()));
            *source
        };
        let frozen =
            refused("can't read account/alice at version 4 (position 4): no event of the aggregate is");
        assert!(matches!(frozen, DecodeError::UnknownName { .. }), "{frozen}");
        let newer =
            refused("can't read account/alice at version 5 (position 5): version 4 of `deposited` is");
        assert!(matches!(newer, DecodeError::NewerVersion { version: 4, known: 1, .. }), "{newer}");
        let misfit =
            refused("can't read account/alice at version 6 (position 6): the payload of `deposited`");
        assert!(matches!(misfit, DecodeError::Payload { .. }), "{misfit}");
    }
}

#[test]
fn an_event_is_read_as_one_of_a_type() {
    for store in stores() {
        append(&store, "account", "alice", "deposited", r#"{"cents": 5}"#);
        append(&store, "account", "alice", "paid-in", r#"{"cents": 7}"#);
        append(&store, "account", "alice", "closed", "null");
        append(&store, "account", "alice", "account-frozen", "{}");
        append_event(&store, "account", "alice", "deposited", 2, r#"{"cents": 1}"#);
        append(&store, "account", "alice", "paid-in", "no JSON");
        append(&store, "transfers", "t", "transfer", r#"{"sum": 20}"#);
        let mut subscription = store.subscribe(SubscriptionOptions::new());
        for expected in [Some(5), Some(7), None, None] {
            let event = next(&mut subscription);
            let deposited = event.decode_event::<Deposited>().unwrap();
            assert_eq!(deposited.map(|deposited| deposited.cents), expected);
            assert_eq!(event.decode_event::<Closed>().unwrap().is_some(), event.name() == "closed");
        }
        for message in [
            "can't read account/alice at version 5 (position 5): version 2 of `deposited` is newer than version 1",
            "can't read account/alice at version 6 (position 6): the payload of `deposited` version 1 does not fit",
        ] {
            let event = next(&mut subscription);
            assert_eq!(event.decode_event::<Opened>().unwrap(), None, "another event is no error");
            let error = event.decode_event::<Deposited>().unwrap_err();
            assert!(chain(&error).starts_with(message), "{error}");
        }
        // An old version, under an alias, of an event that the aggregate has retired.
        let transfer = next(&mut subscription).decode_event::<TransferMade>().unwrap();
        assert_eq!(transfer, Some(TransferMade { cents: 20 }));
    }
}

#[derive(Debug, PartialEq, Serialize, Deserialize, Event)]
struct Taken {
    cents: u64,
}

#[derive(Debug, PartialEq, Serialize, Deserialize, Event)]
struct Given {
    cents: u64,
}

#[derive(Debug, PartialEq, Serialize, Deserialize, Event)]
#[event(version = 2, aliases("transfer"))]
struct TransferMade {
    #[event(renamed(since = 2, from = "sum"))]
    cents: u64,
}

#[derive(Debug, Command)]
struct Take {
    #[command(id)]
    transfers: String,
    cents: u64,
}

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(
    id = String,
    commands(Take),
    events(Taken, Given),
    retired(TransferMade, "old-noise"),
    event(derive(PartialEq)),
)]
struct Transfers;

#[handlers]
impl Transfers {
    #[execute]
    fn take(&self, command: Take) -> Taken {
        Taken { cents: command.cents }
    }

    #[apply]
    fn taken(&mut self, _: &Taken) {}

    #[apply]
    fn given(&mut self, _: &Given) {}

    #[upcast]
    fn split(event: TransferMade) -> Result<(Taken, Given), String> {
        let cents = event.cents;
        if cents == 0 { Err("nothing made".into()) } else { Ok((Taken { cents }, Given { cents })) }
    }
}

#[test]
fn a_retired_event_is_read_as_its_upcast_events() {
    for store in stores() {
        append(&store, "transfers", "t", "transfer", r#"{"sum": 20}"#);
        append(&store, "transfers", "t", "old-noise", "whatever it was");
        append_event(&store, "transfers", "t", "transfer-made", 2, r#"{"cents": 0}"#);
        append(&store, "transfers", "t", "taken", r#"{"cents": 1}"#);
        let mut subscription = store.subscribe(SubscriptionOptions::new());
        let both = vec![Taken { cents: 20 }.into(), Given { cents: 20 }.into()];
        let decoded = |event: SubscribedEvent| event.decode::<TransfersEvent>();
        assert_eq!(decoded(next(&mut subscription)).unwrap(), Decoded::Several(both));
        assert_eq!(decoded(next(&mut subscription)).unwrap(), Decoded::Several(vec![]));
        let error = decoded(next(&mut subscription)).unwrap_err();
        assert_eq!(
            chain(&error),
            "can't read transfers/t at version 3 (position 3): `transfer-made` version 2 can't be read as version 2: \
             nothing made"
        );
        assert_eq!(decoded(next(&mut subscription)).unwrap(), Decoded::One(Taken { cents: 1 }.into()));
    }
}
