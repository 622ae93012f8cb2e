//! Many clients, while the program is killed and started again: what was acknowledged is there, and nothing happens
//! twice.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::client::{Answer, Message};
use crate::server::{Server, send, until};

const CLIENTS: usize = 32;
const KILLS: usize = 6;

/// What the clients share.
struct Traffic {
    address: Mutex<String>,
    ends: AtomicBool,
    /// How many requests had no answer.
    unanswered: AtomicUsize,
}

#[test]
fn nothing_is_lost_and_nothing_happens_twice() {
    let folder = tempfile::tempdir().unwrap();
    let mut shop = Server::start(folder.path(), &[]);
    let address = Mutex::new(shop.address.clone());
    let traffic = Traffic { address, ends: AtomicBool::new(false), unanswered: AtomicUsize::new(0) };
    let traffic = &traffic;
    let answers: Vec<(String, Value)> = thread::scope(|scope| {
        // Otherwise a panic here would wait for clients that go on.
        let _ends = EndsOnDrop(traffic);
        let clients: Vec<_> =
            (0..CLIENTS).map(|client| scope.spawn(move || traffic.of_client(client))).collect();
        for kill in 0..KILLS {
            thread::sleep(Duration::from_millis(300));
            if kill % 2 == 0 {
                // Two processes serve one store for a while.
                let next = Server::start(folder.path(), &[]);
                traffic.move_to(&next);
                std::mem::replace(&mut shop, next).kill();
            } else {
                shop.kill();
                shop = Server::start(folder.path(), &[]);
                traffic.move_to(&shop);
            }
        }
        traffic.ends.store(true, Ordering::Relaxed);
        clients.into_iter().flat_map(|client| client.join().expect("the client ends")).collect()
    });
    let pieces = answers.len() / 2;
    let unanswered = traffic.unanswered.load(Ordering::Relaxed);
    println!("{} commands, {unanswered} requests without an answer", answers.len());
    assert!(unanswered > 0, "the kills met no request");

    // Each acknowledged command is there, at the position that its answer names.
    let newest = answers.iter().filter_map(|(_, answer)| answer["position"].as_u64()).max().unwrap();
    let events = shop.listen("/t/events?after=0", &[]).take(usize::try_from(newest).unwrap());
    let events: Vec<Value> = events.iter().map(Message::json).collect();
    for (key, answer) in &answers {
        let event = &events[usize::try_from(answer["position"].as_u64().unwrap()).unwrap() - 1];
        assert_eq!(event["name"], answer["events"][0], "{key}: {answer}");
        assert_eq!(event["version"], answer["version"], "{key}: {answer}");
    }

    // Each has happened once.
    until(|| shop.view("shelf")["bolt"]["free"] == pieces);
    let count = |name: &str, of: &str| {
        let is_one = |event: &&Value| event["name"] == name && event["key"].as_str().unwrap().starts_with(of);
        events.iter().filter(is_one).count()
    };
    assert_eq!((count("stock-added", "bolt"), count("order-placed", "k-")), (pieces, pieces));

    // The process has ended each order, once: there are no such goods.
    for (_, answer) in answers.iter().filter(|(_, answer)| answer["events"][0] == "order-placed") {
        let number = answer["stream"].as_str().unwrap().replacen("order/", "", 1);
        let history = || shop.get(&format!("/t/orders/{number}/history")).json();
        until(|| history().as_array().is_some_and(|events| events.len() > 1));
        let history = history();
        let names: Vec<_> = history.as_array().unwrap().iter().map(|event| &event["name"]).collect();
        assert_eq!(names, ["order-placed", "order-cancelled"], "{number}");
    }
}

/// Ends the clients.
struct EndsOnDrop<'t>(&'t Traffic);

impl Drop for EndsOnDrop<'_> {
    fn drop(&mut self) {
        self.0.ends.store(true, Ordering::Relaxed);
    }
}

impl Traffic {
    fn move_to(&self, shop: &Server) {
        self.address.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&shop.address);
    }

    /// Sends commands, each until it has an answer, until the kills are over.
    fn of_client(&self, client: usize) -> Vec<(String, Value)> {
        let mut answers = Vec::new();
        for round in 0.. {
            let line = json!({ "sku": "unobtainium", "quantity": 1, "price": 5 });
            let order = json!({ "order": format!("k-{client}-{round}"), "lines": [line] });
            for (command, body) in
                [("add-stock", json!({ "sku": "bolt", "quantity": 1 })), ("place-order", order)]
            {
                let key = format!("{command} {client} {round}");
                let answer = self.until_done(command, &key, &body);
                answers.push((key, answer.json()));
            }
            if self.ends.load(Ordering::Relaxed) {
                break;
            }
            thread::sleep(Duration::from_millis(20));
        }
        answers
    }

    fn until_done(&self, command: &str, key: &str, body: &Value) -> Answer {
        loop {
            let address = self.address.lock().unwrap_or_else(PoisonError::into_inner).clone();
            match send(&address, command, &[("Idempotency-Key", key)], body) {
                Ok(answer) if answer.status == 200 => return answer,
                // Another process was faster, or the store was held. A refusal would be an order that was placed twice.
                Ok(answer) => {
                    let kind = answer.json()["type"].clone();
                    assert!(kind == "/problems/conflict" || answer.status == 503, "{key}: {answer:?}");
                }
                Err(_) => drop(self.unanswered.fetch_add(1, Ordering::Relaxed)),
            }
            thread::sleep(Duration::from_millis(10));
        }
    }
}
