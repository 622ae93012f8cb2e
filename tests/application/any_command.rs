//! The enum of all commands of an application.

use std::fmt::Debug;

use factum::application::{Answer, ApplicationCommand, ByNameError};
use factum::prelude::*;
use factum::with_causes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::shop::{
    Declined, Gateway, Order, OrderCommand, Payment, PaymentCommand, Ship, ShopCommand, TakePayment, id,
    place, shop,
};

#[test]
fn a_command_of_any_aggregate_is_carried_out() {
    let (shop, _) = shop();
    let take = TakePayment { order: id("a"), cents: 10 };
    // Of a struct, of the aggregate's enum, and one that only the program itself sends.
    let placed: Answer = shop.execute_any(ShopCommand::of(place("a", 10))).unwrap();
    assert_eq!(
        (placed.stream.to_string(), placed.version, &*placed.events),
        ("order/a".into(), 1, &["order-placed"][..])
    );
    let paid = shop.execute_any(ShopCommand::of(PaymentCommand::from(take))).unwrap();
    assert_eq!(paid.stream.to_string(), "payment/a");
    let shipped = shop.execute_any(ShopCommand::of(OrderCommand::Ship(Ship(id("a"))))).unwrap();
    assert_eq!((shipped.version, &*shipped.events), (2, &["order-shipped"][..]));
    assert_eq!(shop.repository::<Order>().load(&id("a")).unwrap().version(), 2);

    let again = ExecuteOptions::new().idempotency_key("request 1");
    assert!(!shop.execute_any_with(ShopCommand::of(place("b", 10)), &again).unwrap().repeated);
    assert!(shop.execute_any_with(ShopCommand::of(place("b", 10)), &again).unwrap().repeated);
    let refused = shop.execute_any(ShopCommand::of(place("a", 1))).unwrap_err();
    assert!(
        matches!(&refused, ByNameError::Refused { aggregate: "order", json: Some(json), .. } if json.contains("TooSmall"))
    );
    let declined =
        shop.execute_any(ShopCommand::of(TakePayment { order: id("a"), cents: 5000 })).unwrap_err();
    assert_eq!(declined.to_string(), "`take-payment` was refused");
}

#[test]
fn a_command_says_what_it_is_and_where_it_goes() {
    let command = ShopCommand::of(OrderCommand::from(place("a/b", 10)));
    assert_eq!((command.name(), command.stream().to_string()), ("place-order", "order/a/b".to_owned()));
    let debug = "Order(PlaceOrder(PlaceOrder { order: OrderId(\"a/b\"), cents: 10 }))";
    assert_eq!(format!("{command:?}"), debug);
    assert!(matches!(command, ShopCommand::Order(OrderCommand::PlaceOrder(place)) if place.cents == 10));
}

/// The three ways in: text with typed errors, serde, and serde as part of another struct.
#[test]
fn a_command_comes_as_json() {
    #[derive(Debug, Deserialize)]
    struct Request {
        id: u32,
        #[serde(flatten)]
        command: ShopCommand,
    }
    let json = r#"{"id": 7, "command": "place-order", "content": {"order": "a", "cents": 10}}"#;
    let request: Request = serde_json::from_str(json).unwrap();
    assert_eq!(request.id, 7);
    for command in
        [ShopCommand::from_json(json).unwrap(), serde_json::from_str(json).unwrap(), request.command]
    {
        assert!(matches!(&command, ShopCommand::Order(OrderCommand::PlaceOrder(place)) if place.cents == 10));
    }

    for (json, expected) in [
        (
            "",
            "the JSON is not a command: it has the form `{\"command\": \"its-name\", \"content\": {..}}`: EOF while parsing a \
              value at line 1 column 0",
        ),
        (
            r#"{"content": {}}"#,
            "the JSON is not a command: it has the form `{\"command\": \"its-name\", \"content\": {..}}`: \
                                missing field `command` at line 1 column 15",
        ),
        (r#"{"command": "place-ordr"}"#, "no command has the name `place-ordr`: did you mean `place-order`?"),
        (r#"{"command": "shipp"}"#, "no command has the name `shipp`"),
        (
            r#"{"command": "ship", "content": "a"}"#,
            "the command `ship` is internal: it does not come from outside",
        ),
        (
            r#"{"command": "place-order",
                "content": {"order": "a", "cents": "ten"}}"#,
            "the JSON does not fit the command `place-order`, at `cents`: invalid type: string \"ten\", expected u64 at line \
             1 column 29",
        ),
        (
            r#"{"command": "place-order"}"#,
            "the JSON does not fit the command `place-order`: invalid type: null, expected struct PlaceOrder at line 1 \
             column 4",
        ),
    ] {
        assert_eq!(with_causes(&ShopCommand::from_json(json).unwrap_err()), expected);
    }

    // serde's errors are text. The place is that in the whole text.
    let error = |json: &str| serde_json::from_str::<ShopCommand>(json).unwrap_err().to_string();
    assert_eq!(
        error(r#"{"command": "place-order", "content": {"order": "a", "cents": "ten"}}"#),
        "the JSON does not fit the command `place-order`, at `cents`: invalid type: string \"ten\", expected u64"
    );
    assert_eq!(
        error(r#"{"command": "ship", "content": "a"}"#),
        "the command `ship` is internal: it does not come from outside"
    );
    assert!(
        error(r#"{"command": "place-ordr"}"#)
            .starts_with("no command has the name `place-ordr`: did you mean")
    );
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Command)]
pub(crate) struct Weigh {
    #[command(id)]
    parcel: String,
    grams: u128,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Command)]
#[command(singleton)]
pub(crate) struct Tick;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
pub(crate) struct Weighed;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
pub(crate) struct Ticked;

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(id = String, commands(Weigh), events(Weighed), command(derive(Clone, PartialEq)))]
pub(crate) struct Parcel;

#[handlers]
impl Parcel {
    #[execute]
    fn weigh(&self, _: Weigh) -> Weighed {
        Weighed
    }

    #[apply]
    fn weighed(&mut self, _: &Weighed) {}
}

mod clock {
    use factum::prelude::*;

    use super::{Tick, Ticked};

    /// Has the name of another aggregate's type, and a stream of its own.
    #[derive(Debug, Default, Clone, Aggregate)]
    #[aggregate(name = "clock", id = (), commands(Tick), events(Ticked), command(derive(Clone, PartialEq)))]
    pub(crate) struct Parcel;

    #[handlers]
    impl Parcel {
        #[execute]
        fn tick(&self, _: Tick) -> Ticked {
            Ticked
        }

        #[apply]
        fn ticked(&mut self, _: &Ticked) {}
    }
}

#[derive(Application)]
#[application(
    aggregates(Parcel, clock::Parcel as Clock), json, command(name = AnyCommand, derive(Clone, PartialEq))
)]
struct Office;

/// What is written is read: the name of the enum, of its variants and its derives are the user's.
#[test]
fn a_command_is_written_as_it_is_read() {
    fn same<C: ApplicationCommand + Serialize + DeserializeOwned + PartialEq + Debug>(
        command: &C,
        json: &str,
    ) {
        assert_eq!(serde_json::to_string(command).unwrap(), json);
        assert_eq!(&serde_json::from_str::<C>(json).unwrap(), command);
    }
    let weigh = AnyCommand::of(Weigh { parcel: "a".into(), grams: 5 });
    same(&weigh.clone(), r#"{"command":"weigh","content":{"grams":5,"parcel":"a"}}"#);
    let tick = AnyCommand::Clock(clock::ParcelCommand::Tick(Tick));
    same(&tick, r#"{"command":"tick","content":null}"#);
    assert_eq!(AnyCommand::from_json(r#"{"command": "tick"}"#).unwrap(), tick);

    let office = Office.start(&MemoryStore::new()).unwrap();
    assert_eq!(office.execute_any(tick).unwrap().stream.to_string(), "clock/");
    assert_eq!(office.execute_any(weigh).unwrap().stream.to_string(), "parcel/a");
}

/// A number that a `Value` can't hold is read from text, and is an error of serde's; it never becomes another number.
#[test]
fn a_large_number_stays_what_it_is() {
    let large = AnyCommand::of(Weigh { parcel: "a".into(), grams: u128::MAX });
    let json = format!(r#"{{"command": "weigh", "content": {{"parcel": "a", "grams": {}}}}}"#, u128::MAX);
    assert_eq!(AnyCommand::from_json(&json).unwrap(), large);
    assert!(serde_json::from_str::<AnyCommand>(&json).is_err());
    assert!(serde_json::to_string(&large).is_err());
}

/// Without `json`, the enum is there as well, and a failed command says why.
#[test]
fn an_application_without_names_has_the_enum() {
    #[derive(Application)]
    #[application(aggregates(Payment))]
    struct Till(#[services(Payment)] Gateway);

    let till = Till(Gateway { limit: 10 }).start(&MemoryStore::new()).unwrap();
    let take = |cents| TillCommand::Payment(TakePayment { order: id("a"), cents }.into());
    assert_eq!(till.execute_any(take(10)).unwrap().version, 1);
    assert!(matches!(till.execute_any(take(11)), Err(ByNameError::Refused { aggregate: "payment", .. })));
    assert_eq!(
        till.execute(TakePayment { order: id("a"), cents: 11 }).unwrap_err().refusal(),
        Some(&Declined)
    );
}
