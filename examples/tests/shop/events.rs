//! Listeners: they hear all, in order, and resume where they were.

use serde_json::json;

use crate::client::request;
use crate::server::Server;

#[test]
fn a_listener_resumes_after_the_last_event_that_it_has() {
    let folder = tempfile::tempdir().unwrap();
    let mut shop = Server::start(folder.path(), &[]);
    let first = shop.listen("/t/events?after=0", &[]).take(5);
    let ids: Vec<_> = first.iter().filter_map(|message| message.id).collect();
    assert_eq!(ids, [1, 2, 3, 4, 5]);
    assert_eq!(first[0].json()["name"], "stock-added");
    assert_eq!(first[0].json()["position"], 1);

    // The program restarts meanwhile.
    shop.kill();
    let shop = Server::start(folder.path(), &[]);
    let mut listener = shop.listen("/t/events", &[("Last-Event-ID", "5")]);
    let mut id = 5;
    let order = json!({ "order": "l-1", "lines": [{ "sku": "rug", "quantity": 1, "price": 1 }] });
    let placed = shop.done("place-order", &order);
    while Some(id) != placed["position"].as_u64() {
        let message = listener.next().expect("one more message");
        assert_eq!(message.id, Some(id + 1), "{message:?}");
        id += 1;
    }
}

#[test]
fn a_listener_without_a_beginning_hears_what_happens_next() {
    let folder = tempfile::tempdir().unwrap();
    let shop = Server::start(folder.path(), &[]);
    let mut stools = shop.listen("/t/events?categories=stock", &[]);
    let order = json!({ "order": "l-2", "lines": [{ "sku": "nothing", "quantity": 1, "price": 1 }] });
    shop.done("place-order", &order);
    let added = shop.done("add-stock", &json!({ "sku": "stool", "quantity": 3 }));
    // The seed's orders may still be reserved.
    let message = std::iter::from_fn(|| stools.next()).find(|message| message.json()["key"] == "stool");
    let message = message.expect("the event");
    assert_eq!(message.id, added["position"].as_u64());
    assert_eq!(message.json()["payload"], json!({ "quantity": 3 }));
    assert_eq!(message.json()["category"], "stock");
}

#[test]
fn a_listener_with_a_wrong_beginning_gets_an_answer() {
    let folder = tempfile::tempdir().unwrap();
    let shop = Server::start(folder.path(), &[]);
    let bad = request(&shop.address, "GET", "/t/events", &[("Last-Event-ID", "x")], "").unwrap();
    assert_eq!(bad.status, 400, "{bad:?}");

    // As after a backup was restored.
    let mut listener = shop.listen("/t/events", &[("Last-Event-ID", "1000000")]);
    let message = listener.next().expect("a message");
    assert_eq!(message.event.as_deref(), Some("failed"));
    assert!(message.data.contains("nothing can begin after position 1000000"), "{message:?}");
    assert_eq!(listener.next(), None);
}
