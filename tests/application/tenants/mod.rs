//! Many applications in one process, one for each tenant.

mod closing;
mod due;
#[cfg(target_os = "linux")]
pub(crate) mod many;
mod opening;
mod stopping;

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};

use factum::application::{Running, Tenants};
use factum::prelude::*;

use super::shop::{Mailer, Order, OrderBoard, Totals};
use crate::support::bounded::LONGEST;
use crate::support::stores::open_store;

/// A shop of one tenant.
#[derive(Application)]
#[application(aggregates(Order))]
struct Shop {
    #[projection(inline)]
    board: OrderBoard,
    #[projection]
    totals: Totals,
    #[reaction]
    mail: Mailer,
}

type Shops = Tenants<Shop, SqliteStore>;

fn open_shop(folder: &Path, tenant: &str, mail: &Mailer) -> Result<Running<Shop, SqliteStore>, BoxError> {
    let store = open_store(&folder.join(format!("{tenant}.db")));
    Ok(Shop { board: OrderBoard, totals: Totals::default(), mail: mail.clone() }.start(&store)?)
}

fn shops(folder: &Path, mail: &Mailer) -> Shops {
    let (folder, mail) = (folder.to_owned(), mail.clone());
    Tenants::new(move |tenant: &str| open_shop(&folder, tenant, &mail))
}

/// A shop without files, whose only part tells when it is there and when it is gone.
#[derive(Application)]
#[application(aggregates(Order))]
struct Small {
    #[projection]
    seen: Counted,
}

/// Counts those that live.
#[derive(Projection)]
#[projection(events(super::shop::OrderPlaced), from(Order))]
struct Counted {
    orders: u64,
    living: Arc<AtomicUsize>,
}

#[handlers]
impl Counted {
    #[project]
    fn placed(&mut self, _: &super::shop::OrderPlaced) {
        self.orders += 1;
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.living.fetch_sub(1, Ordering::SeqCst);
    }
}

type Smalls = Tenants<Small, MemoryStore>;

/// Starts a shop on a store, and counts it.
fn open_small(
    store: &MemoryStore,
    living: &Arc<AtomicUsize>,
) -> Result<Running<Small, MemoryStore>, BoxError> {
    living.fetch_add(1, Ordering::SeqCst);
    Ok(Small { seen: Counted { orders: 0, living: Arc::clone(living) } }.start(store)?)
}

fn smalls(living: &Arc<AtomicUsize>) -> Smalls {
    let living = Arc::clone(living);
    Tenants::new(move |_: &str| open_small(&MemoryStore::new(), &living))
}

fn living(count: &AtomicUsize) -> usize {
    count.load(Ordering::SeqCst)
}

/// What a thread waits for.
#[derive(Default)]
struct Gate {
    is_open: Mutex<bool>,
    changed: Condvar,
}

impl Gate {
    fn open(&self) {
        *self.is_open.lock().unwrap() = true;
        self.changed.notify_all();
    }

    fn pass(&self) {
        drop(
            self.changed
                .wait_timeout_while(self.is_open.lock().unwrap(), LONGEST, |is_open| !*is_open)
                .unwrap(),
        );
    }
}

/// The names of the tenants that are open.
fn open_ones<A: Application, S: EventStore + Clone + 'static>(tenants: &Tenants<A, S>) -> Vec<String> {
    tenants.health().into_iter().map(|(tenant, _)| tenant).collect()
}
