//! The program stops when the system asks it to: listeners end, requests are answered, followers stop.

use std::thread;

use serde_json::json;

use crate::client::request;
use crate::server::{Server, until};

#[test]
fn it_stops_while_listeners_are_open_and_a_request_waits() {
    let folder = tempfile::tempdir().unwrap();
    let shop = Server::start(folder.path(), &["--story"]);
    let mut listeners: Vec<_> = (0..3).map(|_| shop.listen("/t/events?after=0", &[])).collect();
    for listener in &mut listeners {
        listener.take(1);
    }
    until(|| shop.get("/metrics").body.contains("shop_listeners 3"));

    let address = shop.address.clone();
    let waits =
        thread::spawn(move || request(&address, "GET", "/t/views/sales?seen=1000000&within=3000", &[], ""));
    // So that the request is at work.
    until(|| shop.get("/metrics").body.contains("shop_requests_at_work 2"));
    shop.terminate();

    for listener in &mut listeners {
        while listener.next().is_some() {}
    }
    let answer = waits.join().unwrap().expect("a whole answer");
    assert_eq!((answer.status, &answer.json()["type"]), (503, &json!("/problems/late")));
    let (status, out, errors) = shop.end();
    assert_eq!((status.code(), errors.as_str()), (Some(0), ""), "{out}");
    assert!(out.ends_with("stopped\n"), "{out}");
}

#[test]
fn a_folder_that_was_not_given_is_gone_afterwards() {
    let run = crate::program::run("shop", &["--no-such-option"]);
    assert_eq!((run.code, run.out.as_str()), (Some(2), ""));
    assert!(run.err.contains("there is no option --no-such-option"), "{}", run.err);
}
