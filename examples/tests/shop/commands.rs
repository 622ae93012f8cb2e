//! Commands: their answers, the status of each error, versions, keys, views, and traces.

use serde_json::{Value, json};

use crate::client::{Answer, request};
use crate::server::{Server, until};

fn order(number: &str, quantity: u32) -> Value {
    json!({ "order": number, "lines": [{ "sku": "rug", "quantity": quantity, "price": 8_900 }] })
}

/// The status and the type of a problem.
fn problem(answer: &Answer) -> (u16, String) {
    assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{answer:?}");
    let body = answer.json();
    assert_eq!(body["status"], answer.status, "{body}");
    let kind = body["type"].as_str().and_then(|kind| kind.strip_prefix("/problems/")).expect("a type");
    (answer.status, kind.to_owned())
}

#[test]
fn each_error_has_a_status_and_the_text_of_the_typed_error() {
    let folder = tempfile::tempdir().unwrap();
    let shop = Server::start(folder.path(), &[]);
    let expect = |answer: &Answer, status: u16, kind: &str, text: &str| {
        assert_eq!(problem(answer), (status, kind.to_owned()), "{answer:?}");
        let body = answer.json();
        assert!(body["detail"].as_str().unwrap().contains(text), "{body}");
    };
    let pay = json!({ "order": "nobody", "card": "1" });

    let unknown = shop.send("place-ordr", &[], &order("e-1", 1));
    expect(&unknown, 404, "unknown-command", "did you mean `place-order`?");
    assert_eq!(unknown.json()["meant"], "place-order");

    let malformed = json!({ "order": "e-1", "lines": [{ "sku": "rug", "quantity": "two", "price": 1 }] });
    let malformed = shop.send("place-order", &[], &malformed);
    expect(&malformed, 422, "malformed", "at `lines[0].quantity`");
    assert_eq!(malformed.json()["path"], "lines[0].quantity");

    let invalid = shop.send("place-order", &[], &order("e 1", 0));
    expect(
        &invalid,
        422,
        "invalid",
        "`order`: has 1 to 40 letters, digits and hyphens; `lines`: one is about",
    );
    assert_eq!(invalid.json()["failures"][1]["path"], "lines");

    let refused = shop.send("pay", &[], &pay);
    expect(&refused, 409, "refused", "no payment is due");
    assert_eq!(refused.json()["aggregate"], "payment");
    expect(&shop.send("ship-order", &[], &json!("e-1")), 403, "internal-command", "`ship-order`");

    expect(&shop.get("/t/orders/nobody"), 404, "not-found", "order/nobody does not exist");
    expect(&shop.get("/t/orders/nobody/page"), 404, "not-found", "`nobody`");
    expect(&shop.get("/t/orders/A-1?version=99"), 404, "not-found", "not yet at 99");
    expect(&shop.get("/t/orders/A-1?version=x"), 400, "bad-request", "version");
    expect(&shop.get("/t/views/profit"), 404, "not-found", "`profit`");
    expect(&shop.get("/nobody"), 404, "not-found", "`nobody`");
    expect(&shop.get("/..%2Fpasswords/views/board"), 404, "not-found", "../passwords");
    expect(&shop.get("/t/1/2/3/4"), 404, "not-found", "nothing at this path");
    expect(&shop.get("/t/commands/pay"), 405, "method-not-allowed", "method");
    let text = request(&shop.address, "POST", "/t/commands/pay", &[("Content-Type", "text/plain")], "{}");
    expect(&text.unwrap(), 415, "not-json", "Content-Type");

    let long_key = "k".repeat(201);
    expect(&shop.send("pay", &[("Idempotency-Key", &long_key)], &pay), 400, "bad-request", "1 to 200");
    expect(&shop.send("pay", &[("If-Match", "3")], &pay), 400, "bad-request", "If-Match");
    expect(&shop.send("pay?seen_by=profit", &[], &pay), 404, "not-found", "`profit`");

    let large = json!({ "order": "e-2", "text": "x".repeat(3 << 20) });
    expect(&shop.send("add-note", &[], &large), 413, "too-large", "limit");

    let late = shop.get("/t/views/board?seen=1000000&within=1");
    expect(&late, 503, "late", "`board` has reached position");
    assert_eq!(late.header("retry-after"), Some("1"));
}

#[test]
fn a_tenant_with_too_many_commands_at_work_is_asked_to_wait() {
    let folder = tempfile::tempdir().unwrap();
    let shop = Server::start(folder.path(), &["--at-once", "0"]);
    let answer = shop.send("place-order", &[], &order("o-1", 1));
    assert_eq!(problem(&answer), (429, "too-many".to_owned()));
    assert_eq!(answer.header("retry-after"), Some("1"));
    assert_eq!(shop.get("/t/orders/A-1").status, 200, "queries go on");
}

#[test]
fn a_version_that_the_caller_expects_must_be_the_present_one() {
    let folder = tempfile::tempdir().unwrap();
    let shop = Server::start(folder.path(), &[]);
    let placed = shop.send("place-order", &[("If-None-Match", "*")], &order("v-1", 1));
    assert_eq!((placed.status, placed.header("etag")), (200, Some("\"1\"")));
    let seen = shop.get("/t/orders/v-1");
    assert_eq!(seen.header("etag"), Some("\"1\""));

    let address = |address: &str| json!({ "order": "v-1", "address": address });
    let moved = shop.send("set-address", &[("If-Match", "\"1\"")], &address("1 Elm Street"));
    assert_eq!((moved.status, moved.header("etag")), (200, Some("\"2\"")));

    // The same command again, whose answer may have been lost: the key comes before the version.
    let once = [("If-Match", "\"2\""), ("Idempotency-Key", "move")];
    for is_repeated in [false, true] {
        let moved = shop.send("set-address", &once, &address("3 Harbour Road"));
        assert_eq!((moved.status, &moved.json()["repeated"]), (200, &json!(is_repeated)));
    }

    let stale = shop.send("set-address", &[("If-Match", "\"1\"")], &address("2 Mill Lane"));
    assert_eq!(problem(&stale), (412, "precondition-failed".to_owned()));
    assert_eq!(stale.json()["version"], 3);
    let again = shop.send("place-order", &[("If-None-Match", "*")], &order("v-1", 1));
    assert_eq!(problem(&again), (412, "precondition-failed".to_owned()));

    assert_eq!(shop.get("/t/orders/v-1").json()["state"]["address"], "3 Harbour Road");
    assert_eq!(shop.get("/t/orders/v-1?version=1").json()["state"]["address"], Value::Null);
}

#[test]
fn a_key_makes_a_command_happen_once() {
    let folder = tempfile::tempdir().unwrap();
    let shop = Server::start(folder.path(), &[]);
    let add = |quantity: u32| json!({ "sku": "stool", "quantity": quantity });
    let key = [("Idempotency-Key", "4711")];
    let first = shop.send("add-stock", &key, &add(5)).json();
    let again = shop.send("add-stock", &key, &add(5)).json();
    assert_eq!((&first["repeated"], &again["repeated"]), (&json!(false), &json!(true)));
    assert_eq!(first["position"], again["position"]);

    let other = shop.send("add-stock", &key, &add(6));
    assert_eq!(problem(&other), (422, "key-reused".to_owned()));
    let shelf = shop.get(&format!("/t/views/shelf?seen={}", first["position"])).json();
    assert_eq!(shelf["stool"], json!({ "free": 5, "reserved": 0 }));
}

#[test]
fn an_answer_comes_when_the_views_have_seen_the_command() {
    let folder = tempfile::tempdir().unwrap();
    let shop = Server::start(folder.path(), &[]);
    let mut seen = 0;
    for (pieces, within) in (1..=20).zip([5_000, 0].into_iter().cycle()) {
        let add = json!({ "sku": "stool", "quantity": 1 });
        let answer = shop.send(&format!("add-stock?seen_by=shelf,sales&within={within}"), &[], &add);
        match answer.status {
            200 => {
                assert_eq!(answer.json()["late"], json!([]));
                assert_eq!(shop.view("shelf")["stool"]["free"], pieces);
                seen += 1;
            }
            // A view was late. The command was carried out all the same.
            202 => assert!(answer.json()["late"][0].as_str().unwrap().contains("has reached"), "{answer:?}"),
            _ => panic!("{answer:?}"),
        }
    }
    assert!(seen > 0, "no answer has waited long enough");
    until(|| shop.view("shelf")["stool"]["free"] == 20);
}

#[test]
fn the_trace_of_a_request_reaches_the_last_event_that_follows() {
    let folder = tempfile::tempdir().unwrap();
    let shop = Server::start(folder.path(), &[]);
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let parent = format!("00-{trace}-00f067aa0ba902b7-01");
    let placed = shop.send("place-order", &[("traceparent", &parent)], &order("c-1", 2));
    assert!(placed.header("traceparent").unwrap().starts_with(&format!("00-{trace}-")), "{placed:?}");
    shop.wait_for_status("c-1", "to pay");

    let paying = "b7ad6b7169203331a3ce929d0e0e4736";
    let parent = format!("00-{paying}-00f067aa0ba902b7-00");
    let pay = json!({ "order": "c-1", "card": "4242" });
    assert_eq!(shop.send("pay", &[("traceparent", &parent)], &pay).status, 200);
    shop.wait_for_status("c-1", "shipped");

    let mut listener = shop.listen("/t/events?after=0", &[]);
    let mut seen = Vec::new();
    while seen.last().is_none_or(|(name, _)| name != "shipment-prepared") {
        let event = listener.next().expect("one more event").json();
        if event["key"] == "c-1" || event["payload"]["order"] == "c-1" {
            let correlation = event["correlation"].as_str().unwrap_or_default().replace('-', "");
            seen.push((event["name"].as_str().unwrap().to_owned(), correlation));
        }
    }
    let of = |trace: &str| {
        let names =
            seen.iter().filter(|(_, correlation)| correlation == trace).map(|(name, _)| name.as_str());
        names.collect::<Vec<_>>()
    };
    assert_eq!(of(trace), ["order-placed", "stock-reserved", "payment-requested"]);
    assert_eq!(of(paying), ["payment-taken", "order-shipped", "stock-dispatched", "shipment-prepared"]);
    assert_eq!(seen.len(), 7, "{seen:?}");

    // A trace that can't be read is replaced.
    let answer = shop.send("pay", &[("traceparent", "00-0-0-0")], &pay);
    let begun = answer.header("traceparent").expect("a new trace");
    assert!(begun.len() == 55 && !begun.contains(&"0".repeat(32)), "{begun}");
}

#[test]
fn health_and_metrics_tell_how_far_the_followers_are() {
    let folder = tempfile::tempdir().unwrap();
    let shop = Server::start(folder.path(), &[]);
    let placed = shop.done("place-order", &order("h-1", 1));
    let health = shop.get("/health");
    assert_eq!((health.status, &health.json()["well"]), (200, &json!(true)));
    let board = &health.json()["tenants"]["t"]["board"];
    assert!(board["position"].as_u64() >= placed["position"].as_u64(), "{board}");

    let metrics = shop.get("/metrics");
    let lines: Vec<&str> = metrics.body.lines().collect();
    // The process sends commands of its own.
    let count = |name: &str| {
        let rest = lines.iter().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        rest.and_then(|count| count.parse::<u64>().ok()).unwrap_or_else(|| panic!("{name}: {}", metrics.body))
    };
    assert!(count("factum_commands_total{outcome=\"done\"}") >= 1);
    assert!(count("factum_command_seconds_count") >= 1);
    assert_eq!(count("factum_command_seconds_bucket{le=\"+Inf\"}"), count("factum_command_seconds_count"));
    assert_eq!(count("factum_commands_total{outcome=\"failed\"}"), 0);
    for line in ["shop_tenants_open 1", "shop_listeners 0"] {
        assert!(lines.contains(&line), "{line}: {}", metrics.body);
    }
    for follower in ["board", "sales", "shelf", "mail", "fulfilment"] {
        let line = format!("shop_follower_position{{tenant=\"t\",follower=\"{follower}\"}} ");
        assert!(metrics.body.contains(&line), "{line}: {}", metrics.body);
    }
}
