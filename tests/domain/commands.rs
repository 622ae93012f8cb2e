//! What commands say of themselves, and how they are read by name.

use factum::prelude::*;
use factum::{CommandFor, CommandKind, ReadCommandError, with_causes};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize, Event)]
struct Placed;

#[derive(Debug, PartialEq, Deserialize, Command)]
struct PlaceOrder {
    #[command(id)]
    order: String,
    lines: Vec<Line>,
}

#[derive(Debug, PartialEq, Deserialize)]
struct Line {
    sku: String,
    count: u8,
}

#[derive(Debug, Command)]
#[command(internal)]
struct ShipOrder(String);

#[derive(Debug, Deserialize, Command)]
#[command(name = "cancel-order")]
struct Cancel {
    #[command(id)]
    r#type: String,
}

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(id = String, commands(PlaceOrder, ShipOrder, Cancel), events(Placed))]
struct Order;

#[handlers]
impl Order {
    #[execute]
    fn place(&self, _: PlaceOrder) -> Placed {
        Placed
    }

    #[execute]
    fn ship(&self, _: ShipOrder) {}

    #[execute]
    fn cancel(&self, _: Cancel) {}

    #[apply]
    fn placed(&mut self, _: &Placed) {}
}

fn fields<C: Command>() -> Vec<(&'static str, &'static str)> {
    C::FIELDS.iter().collect()
}

#[test]
fn a_command_says_what_it_is() {
    assert_eq!(PlaceOrder::NAME, "place-order");
    assert_eq!(fields::<PlaceOrder>(), [("order", "String"), ("lines", "Vec<Line>")]);
    assert_eq!((Cancel::NAME, fields::<Cancel>()), ("cancel-order", vec![("type", "String")]));
    assert_eq!(fields::<ShipOrder>(), [("0", "String")]);

    let kinds = OrderCommand::KINDS;
    assert_eq!(kinds[0], CommandKind::of::<PlaceOrder>());
    let names: Vec<_> = kinds.iter().map(|kind| (kind.name, kind.internal, kind.readable)).collect();
    assert_eq!(
        names,
        [("place-order", false, true), ("ship-order", true, false), ("cancel-order", false, true)]
    );

    let command = OrderCommand::from(ShipOrder("7".into()));
    assert_eq!((command.name(), command.aggregate_id().as_str()), ("ship-order", "7"));
}

#[test]
fn a_command_is_read_by_its_name() {
    let json = r#"{"order": "7", "lines": [{"sku": "tea", "count": 2}]}"#;
    let lines = vec![Line { sku: "tea".into(), count: 2 }];
    match OrderCommand::read("place-order", json) {
        Ok(OrderCommand::PlaceOrder(command)) => {
            assert_eq!(command, PlaceOrder { order: "7".into(), lines });
        }
        other => panic!("{other:?}"),
    }
    for (name, json, expected) in [
        ("place-ordr", "{}", "no command has the name `place-ordr`: did you mean `place-order`?"),
        ("refund", "{}", "no command has the name `refund`"),
        (
            "ship-order",
            "\"7\"",
            "the command `ship-order` can't be read from JSON: it does not derive `Deserialize`",
        ),
        (
            "place-order",
            r#"{"order": "7", "lines": [{"sku": "tea", "count": 2}, {"sku": "rum", "count": -1}]}"#,
            "the JSON does not fit the command `place-order`, at `lines[1].count`: invalid value: integer `-1`, expected \
             u8 at line 1 column 79",
        ),
        (
            "cancel-order",
            "{}",
            "the JSON does not fit the command `cancel-order`: missing field `type` at line 1 column 2",
        ),
    ] {
        let error = OrderCommand::read(name, json).expect_err(json);
        assert_eq!(with_causes(&error), expected);
    }
    let error = OrderCommand::read("place-ordr", "{}");
    assert!(matches!(error, Err(ReadCommandError::UnknownName { meant: Some("place-order"), .. })));
}

/// rustc infers the aggregate from the command, for each struct and for the enum.
#[test]
fn a_command_says_for_which_aggregate_it_is() {
    fn aggregate_of<C: CommandFor<A>, A: Aggregate>(_: &C) -> &'static str {
        A::CATEGORY
    }
    let command = ShipOrder("7".into());
    assert_eq!(aggregate_of(&command), "order");
    assert_eq!(aggregate_of(&OrderCommand::from(command)), "order");
}

/// Threads share the repository of any aggregate, whatever its commands, events and refusals are.
#[test]
fn threads_share_a_repository() {
    fn are_shared<T: Send + Sync>() {}
    fn of_any_aggregate<A: Aggregate + Send + Sync>() {
        are_shared::<Repository<A, MemoryStore>>();
    }
    of_any_aggregate::<Order>();
}
