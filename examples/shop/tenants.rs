//! A tenant is a store of its own, with the whole application on it.

use std::sync::mpsc::Sender;

use factum::application::{KeepsProcesses, Running, RunsOn, Tenant, Tenants};
use factum::follow::KeepsSql;
use factum::prelude::*;

use crate::fulfilment::payment::Gateway;
use crate::fulfilment::process::Fulfilment;
use crate::fulfilment::shop::{Shop, Signature};
use crate::fulfilment::views::{Board, Mail, Sales, Shelf};

/// What the service asks of a tenant's store.
pub trait ShopStore: EventStore + KeepsSql + KeepsProcesses + Clone + 'static {}

impl<S: EventStore + KeepsSql + KeepsProcesses + Clone + 'static> ShopStore for S {}

/// All shops. Each is opened when it is used, and closed when it is idle.
pub type Shops<S> = Tenants<Shop, S>;

/// A shop that is in use.
pub type OpenShop<S> = Tenant<Shop, S>;

/// Starts a tenant's shop on its store. It hands its mails to `outbox`.
pub fn start<S: ShopStore>(store: &S, outbox: Sender<String>) -> Result<Running<Shop, S>, BoxError>
where
    Shop: RunsOn<S>,
{
    let bank = Gateway { blocked_cards: vec!["0000".to_owned()] };
    let mail = Mail { outbox };
    let (signature, shelf, fulfilment) = (Signature, Shelf::default(), Fulfilment::default());
    Ok(Shop { signature, bank, board: Board, sales: Sales, shelf, mail, fulfilment }.start(store)?)
}
