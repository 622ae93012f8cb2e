//! A tenant is a store of its own, with the whole application on it.

use std::path::PathBuf;
use std::sync::mpsc::Sender;

use factum::application::{Tenant, Tenants};
use factum::prelude::*;

use crate::fulfilment::payment::Gateway;
use crate::fulfilment::process::Fulfilment;
use crate::fulfilment::shop::{Shop, Signature};
use crate::fulfilment::views::{Board, Mail, Sales, Shelf};

/// All shops. Each is opened when it is used, and closed when it is idle.
pub type Shops = Tenants<Shop, SqliteStore>;

/// A shop that is in use.
pub type OpenShop = Tenant<Shop, SqliteStore>;

/// The shops whose stores are in this folder. They hand their mails to `outbox`.
pub fn in_folder(folder: PathBuf, outbox: Sender<String>) -> Shops {
    Tenants::new(move |tenant| {
        let store = SqliteStore::open(folder.join(format!("{tenant}.db")))?;
        let bank = Gateway { blocked_cards: vec!["0000".to_owned()] };
        let mail = Mail { outbox: outbox.clone() };
        let (signature, shelf, fulfilment) = (Signature, Shelf::default(), Fulfilment::default());
        Ok(Shop { signature, bank, board: Board, sales: Sales, shelf, mail, fulfilment }.start(&store)?)
    })
}
