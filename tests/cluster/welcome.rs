//! A process, which orders a card for each account that is opened, and blocks it when a time-out is over.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::thread;
use std::time::{Duration, Instant};

use factum::Position;
use factum::follow::{CommandRoutes, InstanceState};
use factum::prelude::*;
use factum::store::Filter;
use serde::{Deserialize, Serialize};

use crate::LONG;
use crate::account::{Account, AccountId, Opened, id};

/// Short, so that many are due while there is no leader.
const TIME_TO_BLOCK: Duration = Duration::from_millis(500);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
pub(crate) struct CardOrdered;
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
pub(crate) struct CardBlocked;

#[derive(Debug, Clone, Serialize, Deserialize, Command)]
pub(crate) struct OrderCard(pub(crate) AccountId);
#[derive(Debug, Clone, Serialize, Deserialize, Command)]
pub(crate) struct BlockCard(pub(crate) AccountId);

/// It refuses nothing, so a command that is carried out twice shows.
#[derive(Debug, Default, Clone, PartialEq, Aggregate)]
#[aggregate(id = AccountId, commands(OrderCard, BlockCard), events(CardOrdered, CardBlocked))]
pub(crate) struct Card;

#[handlers]
impl Card {
    #[execute]
    fn order(&self, _: OrderCard) -> CardOrdered {
        CardOrdered
    }
    #[execute]
    fn block(&self, _: BlockCard) -> CardBlocked {
        CardBlocked
    }
    #[apply]
    fn ordered(&mut self, _: &CardOrdered) {}
    #[apply]
    fn blocked(&mut self, _: &CardBlocked) {}
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Timeout)]
pub(crate) struct NeverUsed;

#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize, Process)]
#[process(
    id = AccountId,
    starts(Opened by stream),
    events(CardOrdered by stream, CardBlocked by stream),
    from(Account, Card),
    commands(OrderCard unrefused, BlockCard unrefused),
    timeouts(NeverUsed),
)]
pub(crate) struct Welcome;

#[handlers]
impl Welcome {
    #[react]
    fn opened(&self, _: &Opened, id: &AccountId) -> OrderCard {
        OrderCard(id.clone())
    }
    #[react]
    fn ordered(&self, _: &CardOrdered) -> After<NeverUsed> {
        After(NeverUsed, TIME_TO_BLOCK)
    }
    #[react]
    fn never_used(&self, _: &NeverUsed, id: &AccountId) -> BlockCard {
        BlockCard(id.clone())
    }
    #[react]
    fn blocked(&self, _: &CardBlocked) -> Done {
        Done
    }
}

/// Waits until each account has what the process does for it, and checks that it has it once. Returns the number of events.
pub(crate) fn check_cards(store: &PostgresStore, accounts: &[String]) -> u64 {
    let started = Instant::now();
    let cards = loop {
        let cards = cards(store);
        let events: usize = cards.values().map(Vec::len).sum();
        if events >= 2 * accounts.len() {
            break cards;
        }
        assert!(started.elapsed() < LONG, "{events} events of cards, for {} accounts", accounts.len());
        thread::sleep(Duration::from_millis(100));
    };
    assert_eq!(cards.len(), accounts.len());
    let commands = CommandRoutes::new().to(store.repository::<Card>()).shared();
    let instances = PostgresProcess::new(store, Welcome, commands).unwrap().instances();
    for account in accounts {
        let events = cards.get(account).map(Vec::as_slice).unwrap_or_default();
        assert_eq!(events, ["card-ordered", "card-blocked"], "the commands of {account}");
        // The end of an instance is recorded after its last command.
        while !matches!(instances.get(&id(account)).unwrap(), Some(InstanceState::Done(_))) {
            assert!(started.elapsed() < LONG, "the instance of {account} does not end");
            thread::sleep(Duration::from_millis(100));
        }
    }
    assert_eq!(instances.dead_letters().unwrap(), []);
    2 * accounts.len() as u64
}

/// The names of the events of each card.
fn cards(store: &PostgresStore) -> HashMap<String, Vec<String>> {
    let mut cards = HashMap::<_, Vec<_>>::new();
    let filter = Filter::new().names(&["card-ordered", "card-blocked"]);
    store
        .read_all(filter, Position::START, usize::MAX, &mut |event| {
            cards.entry(event.envelope.key.to_owned()).or_default().push(event.name.to_owned());
            ControlFlow::Continue(())
        })
        .unwrap();
    cards
}
