//! Runs the examples on PostgreSQL, as a user does. Without PostgreSQL, it prints why it skips.

#[path = "shop/client.rs"]
#[allow(dead_code, reason = "the tests of the shop use more")]
mod client;
mod program;
#[path = "../../tests/postgres/server.rs"]
#[allow(dead_code, unused_imports, unused_macros, reason = "the tests of the store use more")]
mod server;
#[path = "shop/server.rs"]
#[allow(dead_code, reason = "the tests of the shop use more")]
mod service;

use std::time::Duration;

use serde_json::json;

use service::Server as Shop;

/// A time that no wait takes, unless the test fails.
const LONG: Duration = Duration::from_mins(1);

fn bank(url: &str, line: &str) -> program::Run {
    let words: Vec<_> = ["--postgres", url].into_iter().chain(line.split(' ')).collect();
    program::run("bank", &words)
}

#[test]
fn the_bank_keeps_its_events_in_postgresql() {
    let Some(server) = server::shared() else { return };
    let url = server.url();
    for (line, shown) in [
        ("open alice Alice", "alice is open, for Alice\n"),
        ("open bob Bob", "bob is open, for Bob\n"),
        ("deposit alice 100", "alice holds 100.00\n"),
        ("transfer alice bob 20.50", "alice holds 79.50, bob holds 20.50\n"),
        ("balance alice --version 2", "alice held 100.00 at version 2\n"),
    ] {
        let run = bank(&url, line);
        assert_eq!((run.code, &*run.out, &*run.err), (Some(0), shown, ""), "{line}");
    }
    let refused = bank(&url, "withdraw bob 1000");
    assert_eq!((refused.code, &*refused.err), (Some(1), "`bob` holds 20.50: 1000.00 is more than that\n"));
    for (line, shown) in
        [("balances", "bob           Bob                          20.50"), ("statement alice", "sent to bob")]
    {
        let run = bank(&url, line);
        assert_eq!((run.code, &*run.err), (Some(0), ""), "{line}");
        assert!(run.out.contains(shown), "{line}: {}", run.out);
    }

    let unreachable = bank("postgresql://postgres@127.0.0.1:1/none", "balances");
    assert_eq!((unreachable.code, &*unreachable.out), (Some(2), ""));
    assert!(unreachable.err.starts_with("can't open the store: "), "{}", unreachable.err);
    let wrong = bank(&url, "fly");
    assert_eq!(wrong.code, Some(2));
    assert!(wrong.err.contains("--postgres URL"), "{}", wrong.err);
}

#[test]
fn the_shop_keeps_its_orders_in_postgresql() {
    let Some(server) = server::shared() else { return };
    let url = server.url();
    let shop = Shop::start_with(["--postgres", &url]);
    let lines = json!([{ "sku": "teapot", "quantity": 2, "price": 2_400 }]);
    let placed = shop.done("place-order", &json!({ "order": "o-1", "lines": lines }));
    // The caller reads its own write.
    let board = shop.get(&format!("/t/views/board?seen={}", placed["position"])).json();
    let row = board.as_array().and_then(|rows| rows.iter().find(|row| row["number"] == "o-1"));
    assert_eq!(row.map(|row| &row["total"]), Some(&json!(4_800)), "{board}");

    shop.wait_for_status("o-1", "to pay");
    let paid = shop.done("pay?seen_by=sales", &json!({ "order": "o-1", "card": "4242" }));
    assert_eq!(paid["late"], json!([]));
    let sales = json!({ "taken": 4_800, "refunded": 0 });
    assert_eq!(shop.view("sales"), sales);
    shop.wait_for_status("o-1", "shipped");
    service::until(|| shop.get("/health").json()["tenants"]["t"]["mail"]["behind"] == 0);
    shop.terminate();
    let (status, _, err) = shop.end();
    assert_eq!((status.code(), &*err), (Some(0), ""));

    let shop = Shop::start_with(["--postgres", &url]);
    assert_eq!(shop.status("o-1").as_deref(), Some("shipped"));
    assert_eq!(shop.view("sales"), sales);
    let order = shop.get("/t/orders/o-1").json();
    assert_eq!((&order["state"]["status"], &order["state"]["lines"]), (&json!("Shipped"), &lines));
    assert_eq!(shop.get("/t").status, 200);
}

#[test]
fn each_tenant_has_a_schema_of_its_own() {
    let Some(server) = server::shared() else { return };
    let shop = Shop::start_with(["--postgres", &*server.url(), "--tenants", "a_1-2.3,a-1,a.1"]);
    let stock = json!({ "sku": "kettle", "quantity": 7 }).to_string();
    let add = "/a-1/commands/add-stock?seen_by=shelf";
    let json = [("Content-Type", "application/json")];
    assert_eq!(client::request(&shop.address, "POST", add, &json, &stock).expect("an answer").status, 200);
    let kettles = |tenant: &str| shop.get(&format!("/{tenant}/views/shelf")).json()["kettle"]["free"].clone();
    assert_eq!(["a-1", "a.1", "a_1-2.3"].map(kettles), [json!(7), json!(null), json!(null)]);
}

#[test]
fn the_shop_has_its_stores_in_one_place() {
    let both = program::run("shop", &["--data", "here", "--postgres", "postgresql://localhost/shop"]);
    assert_eq!(both.code, Some(2));
    assert!(both.err.contains("give --data or --postgres"), "{}", both.err);
    let unreachable = "postgresql://postgres@127.0.0.1:1/none";
    let unreachable = program::run("shop", &["--port", "0", "--postgres", unreachable]);
    assert_eq!((unreachable.code, &*unreachable.out), (Some(1), ""));
    assert!(unreachable.err.contains("can't open the store: "), "{}", unreachable.err);
}
