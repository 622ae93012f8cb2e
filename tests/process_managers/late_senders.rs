//! Two programs send one command: one of them was suspended, or both are at work. It happens once, and not after its refusal.

use std::any::Any;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};

use factum::follow::{Commands, HappeningKind, SendError, SentCommand};

use crate::support::bounded::{LONGEST, wait_until};
use crate::support::kept;
use crate::support::shop::{Shop, order, sku};

/// Keeps the command with this name until it may go on.
struct Suspended {
    commands: Arc<dyn Commands>,
    gate: Arc<(Mutex<Gate>, Condvar)>,
}

#[derive(Default)]
struct Gate {
    has_come: bool,
    is_open: bool,
}

impl Commands for Suspended {
    fn send(
        &self,
        command: &SentCommand<'_>,
        refused: &mut dyn FnMut(&dyn Any, &str),
    ) -> Result<(), SendError> {
        let mut gate = self.gate.0.lock().unwrap();
        gate.has_come = true;
        drop(self.gate.1.wait_timeout_while(gate, LONGEST, |gate| !gate.is_open).unwrap());
        self.commands.send(command, refused)
    }
}

fn kinds(shop: &Shop, name: &str) -> Vec<(HappeningKind, String)> {
    let history = shop.process().instances().history(&order(name)).unwrap();
    history.into_iter().map(|entry| (entry.kind, entry.name)).collect()
}

#[test]
fn a_sender_that_was_suspended_does_not_execute_what_was_refused_meanwhile() {
    let shop = Shop::with_stock(0);
    refused_meanwhile(&shop, shop.commands());
    // The aggregates may be in another store on the same file.
    let shop = Shop::with_stock(0);
    let other = shop.again();
    refused_meanwhile(&shop, other.commands());
}

fn refused_meanwhile(shop: &Shop, commands: Arc<dyn Commands>) {
    let gate = Arc::new((Mutex::new(Gate::default()), Condvar::new()));
    let suspended = Suspended { commands, gate: Arc::clone(&gate) };
    let first = shop.process_with(Arc::new(suspended)).follow().start().unwrap();
    shop.place("a", 5);
    wait_until(|| gate.0.lock().unwrap().has_come);
    // The lease of the first program ends. The other one gets a refusal, and cancels the order.
    wait_until(|| {
        shop.sql("DELETE FROM factum_leases");
        shop.process().catch_up().unwrap();
        shop.end_of("a").is_some()
    });
    shop.add_stock(5);
    gate.0.lock().unwrap().is_open = true;
    gate.1.notify_all();
    drop(first.stop().unwrap());
    let stock = shop.stock.load(&sku()).unwrap();
    assert_eq!((stock.state().left, stock.state().reserved.len()), (5, 0), "{:#?}", kinds(shop, "a"));
    let sent = kinds(shop, "a").into_iter().filter(|(kind, _)| *kind == HappeningKind::Sent);
    assert_eq!(sent.collect::<Vec<_>>(), [(HappeningKind::Sent, "cancel-order".to_owned())]);
}

/// Sends a command that is refused once more, as another program does, before the refusal is recorded.
struct Overtaken {
    shop: Shop,
    is_overtaken: AtomicBool,
}

impl Commands for Overtaken {
    fn send(
        &self,
        command: &SentCommand<'_>,
        refused: &mut dyn FnMut(&dyn Any, &str),
    ) -> Result<(), SendError> {
        let commands = self.shop.commands();
        commands.send(command, &mut |refusal, text| {
            if !self.is_overtaken.swap(true, Ordering::SeqCst) {
                self.shop.add_stock(1);
                commands.send(command, &mut |_, _| {}).unwrap();
            }
            refused(refusal, text);
        })
    }
}

#[test]
fn a_refusal_does_not_count_once_another_sender_has_executed_the_command() {
    let shop = Shop::with_stock(0);
    shop.place("a", 5);
    let overtaken = Overtaken { is_overtaken: AtomicBool::new(false), shop };
    let overtaken = Arc::new(overtaken);
    let shop = &overtaken.shop;
    let commands: Arc<dyn Commands> = overtaken.clone();
    shop.process_with(commands).catch_up().unwrap();
    shop.pay("a");
    shop.process().catch_up().unwrap();
    assert_eq!(shop.end_of("a"), Some("shipped"), "{:#?}", kinds(shop, "a"));
    assert!(!kinds(shop, "a").iter().any(|(kind, _)| *kind == HappeningKind::Refused));
    kept::check(&shop.store);
}

/// A command that no longer waits is not executed.
#[test]
fn a_command_that_was_discarded_in_flight_does_not_happen() {
    let shop = Shop::with_stock(5);
    let gate = Arc::new((Mutex::new(Gate::default()), Condvar::new()));
    let suspended = Suspended { commands: shop.commands(), gate: Arc::clone(&gate) };
    let running = shop.process_with(Arc::new(suspended)).follow().start().unwrap();
    shop.place("a", 5);
    wait_until(|| gate.0.lock().unwrap().has_come);
    shop.sql("DELETE FROM factum_process_commands");
    gate.0.lock().unwrap().is_open = true;
    gate.1.notify_all();
    drop(running.stop().unwrap());
    assert_eq!(shop.stock.load(&sku()).unwrap().state().left, 5);
}
