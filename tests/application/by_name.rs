//! Commands from outside, by name.

use std::time::Duration;

use factum::application::ByNameError;
use factum::prelude::*;
use factum::sqlite::SqliteOptions;
use factum::store::StoreError;
use factum::{ReadCommandError, with_causes};
use rusqlite::Connection;

use super::shop::{Mailer, Order, Shop, id, shop};

#[test]
fn a_command_comes_by_its_name() {
    let (shop, _) = shop();
    let json = r#"{"order": "a", "cents": 10}"#;
    let options = ExecuteOptions::new().idempotency_key("request 1");
    let first = shop.execute_json_with("place-order", json, &options).unwrap();
    assert_eq!((first.stream.to_string(), first.version, first.repeated), ("order/a".to_owned(), 1, false));
    assert_eq!((first.events.as_slice(), first.position.unwrap().get()), (&["order-placed"][..], 1));
    let again = shop.execute_json_with("place-order", json, &options).unwrap();
    assert!(again.repeated && again.version == 1);
    let paid = shop.execute_json("take-payment", json).unwrap();
    assert_eq!(paid.stream.to_string(), "payment/a");
    assert_eq!(shop.repository::<Order>().load(&id("a")).unwrap().version(), 1);
}

#[test]
fn each_reason_of_a_failure_is_an_error_of_its_own() {
    let (shop, _) = shop();
    let fails = |name: &str, json: &str| shop.execute_json(name, json).unwrap_err();

    for (name, json, expected) in [
        ("place-ordr", "{}", "no command has the name `place-ordr`: did you mean `place-order`?"),
        // An internal command is not offered.
        ("shipp", "{}", "no command has the name `shipp`"),
        ("ship", "\"a\"", "the command `ship` is internal: it does not come from outside"),
        (
            "place-order",
            r#"{"order": "a", "cents": "ten"}"#,
            "the JSON does not fit the command `place-order`, at `cents`: invalid type: string \"ten\", expected u64 at \
             line 1 column 29",
        ),
        ("place-order", r#"{"order": "a", "cents": 1}"#, "an order of 1 cents is too small"),
        ("take-payment", r#"{"order": "a", "cents": 5000}"#, "`take-payment` was refused"),
    ] {
        assert_eq!(with_causes(&fails(name, json)), expected);
    }

    let refused = |json| match fails(
        if json { "place-order" } else { "take-payment" },
        if json { r#"{"order": "a", "cents": 1}"# } else { r#"{"order": "a", "cents": 5000}"# },
    ) {
        ByNameError::Refused { aggregate, json, .. } => (aggregate, json),
        other => panic!("{other}"),
    };
    assert_eq!(refused(true), ("order", Some(r#"{"TooSmall":{"cents":1}}"#.to_owned())));
    assert_eq!(refused(false), ("payment", None));

    let json = r#"{"order": "a", "cents": 10}"#;
    let new = ExecuteOptions::new().expected_version(7);
    assert!(matches!(shop.execute_json_with("place-order", json, &new), Err(ByNameError::Conflict(_))));
    let key = ExecuteOptions::new().idempotency_key("request 1");
    shop.execute_json_with("place-order", json, &key).unwrap();
    let other = r#"{"order": "a", "cents": 11}"#;
    assert!(matches!(shop.execute_json_with("place-order", other, &key), Err(ByNameError::KeyReused(_))));
}

/// A name from outside may be as long as its sender likes.
#[test]
fn a_long_name_that_no_command_has_is_cut() {
    let (shop, _) = shop();
    for (name, shown) in [("ä".repeat(64), "ä".repeat(64)), ("ä".repeat(1_000), "ä".repeat(64) + "…")] {
        let error = shop.execute_json(&name, "{}").unwrap_err();
        assert_eq!(error.to_string(), format!("no command has the name `{shown}`"));
        let ByNameError::Read(ReadCommandError::UnknownName { name, .. }) = error else { panic!("{error}") };
        assert_eq!(name, shown);
    }
}

#[test]
fn the_failure_of_the_store_is_found_behind_the_error() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("shop.db");
    let store = SqliteOptions::new().busy_timeout(Duration::ZERO).open(&file).unwrap();
    let shop = Shop::new(&Mailer::default()).start(&store).unwrap();
    let other = Connection::open(&file).unwrap();
    // A follower may have the file for a moment.
    while other.execute_batch("BEGIN IMMEDIATE").is_err() {}
    let error = shop.execute_json("place-order", r#"{"order": "a", "cents": 10}"#).unwrap_err();
    assert!(matches!(error, ByNameError::Failed(_)), "{error}");
    assert!(matches!(error.store_error(), Some(StoreError::Busy)), "{error:?}");
    let error = shop.execute_json("place-ordr", "{}").unwrap_err();
    assert!(error.store_error().is_none());
}
