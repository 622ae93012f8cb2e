//! The story: five orders, and what becomes of them.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::Write;
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use factum::EventSet as _;
use factum::application::Running;
use factum::follow::Happening;
use factum::follow::HappeningKind::Sent;
use factum::prelude::*;
use factum::testing::TestClock;

use super::ids::{Cents, Line};
use super::order::{CancelOrder, Order, PlaceOrder, Reason, SetAddress};
use super::payment::{CallOffPayment, Gateway, Pay, Payment};
use super::process::{Fulfilment, TIME_TO_PAY};
use super::shipment::{HandOverShipment, ReportDelivery, ReportLoss, Shipment};
use super::shop::{Shop, Signature};
use super::stock::AddStock;
use super::views::{Board, BoardRow, Mail, Sales, Shelf};

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// However slow the machine is, the shop gets so far in this time.
const PATIENCE: Duration = Duration::from_mins(1);

/// Plays the story on a file of its own, and deletes the file afterwards.
pub fn on_a_fresh_file(out: &mut impl Write) -> Outcome {
    let folder = std::env::temp_dir().join(format!("factum-fulfilment-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let result = play(&folder.join("shop.db"), out);
    std::fs::remove_dir_all(&folder)?;
    result
}

fn play(file: &Path, out: &mut impl Write) -> Outcome {
    let store = SqliteStore::open(file)?;
    let clock = TestClock::default();
    let (mails, letter_box) = channel();
    let shop = Shop {
        signature: Signature,
        bank: Gateway { blocked_cards: vec!["0000".into()] },
        board: Board,
        sales: Sales,
        shelf: Shelf::default(),
        mail: Mail { outbox: mails },
        fulfilment: Fulfilment::default(),
    };
    let told = Story { shop: shop.start_with(&store, clock.clone())?, letter_box };
    told.tell(&clock, out)?;
    told.shop.stop(PATIENCE)?;
    Ok(())
}

struct Story {
    shop: Running<Shop, SqliteStore>,
    letter_box: Receiver<String>,
}

impl Story {
    fn tell(&self, clock: &TestClock, out: &mut impl Write) -> Outcome {
        let shop = &self.shop;
        for (sku, quantity) in [("lamp", 4), ("chair", 1)] {
            shop.execute(AddStock { sku: sku.into(), quantity })?;
        }
        writeln!(out, "The shop has 4 lamps and 1 chair.\n")?;

        writeln!(out, "o-1 wants 2 lamps and the chair. The card works.")?;
        self.place("o-1", &[("lamp", 2), ("chair", 1)])?;
        shop.execute(SetAddress { order: "o-1".into(), address: "1 Elm Street".into() })?;
        self.pay("o-1", "1234")?;
        self.read_mail(out)?;

        writeln!(out, "The carrier takes the parcel of o-1 along, and delivers it.")?;
        self.hand_over("o-1")?;
        shop.execute(ReportDelivery { order: "o-1".into() })?;
        self.read_mail(out)?;

        writeln!(out, "o-2 wants a chair too.")?;
        self.place("o-2", &[("lamp", 1), ("chair", 1)])?;
        self.read_mail(out)?;

        writeln!(out, "o-3 wants 1 lamp. The bank refuses the first card.")?;
        self.place("o-3", &[("lamp", 1)])?;
        self.wait_for_request("o-3")?;
        let refused = shop.execute(Pay { order: "o-3".into(), card: "0000".into() });
        writeln!(out, "  {}", refused.err().map(|error| error.to_string()).unwrap_or_default())?;
        self.pay("o-3", "5678")?;
        self.read_mail(out)?;

        writeln!(out, "The carrier loses the parcel of o-3.")?;
        self.hand_over("o-3")?;
        shop.execute(ReportLoss { order: "o-3".into() })?;
        self.read_mail(out)?;

        writeln!(out, "o-4 wants 1 lamp, and changes its mind.")?;
        self.place("o-4", &[("lamp", 1)])?;
        self.wait_for_request("o-4")?;
        shop.execute(CancelOrder { order: "o-4".into(), reason: Reason::Withdrawn })?;
        self.read_mail(out)?;

        writeln!(out, "o-5 wants 1 lamp, and does not pay. 15 minutes pass.")?;
        self.place("o-5", &[("lamp", 1)])?;
        self.wait_for_request("o-5")?;
        // Last in the story: later events would still have the time of the system's clock.
        clock.forward(TIME_TO_PAY);
        self.read_mail(out)?;

        self.show_board(out)?;
        self.show_history("o-5", out)
    }

    fn place(&self, order: &str, lines: &[(&str, u32)]) -> Outcome {
        let price = |sku: &str| if sku == "lamp" { Cents(1_500) } else { Cents(9_000) };
        let line = |&(sku, quantity): &(&str, u32)| Line { sku: sku.into(), quantity, price: price(sku) };
        let lines = lines.iter().map(line).collect();
        self.shop.execute(PlaceOrder { order: order.into(), lines })?;
        Ok(())
    }

    /// Waits until the process has reserved everything, and the customer may pay.
    fn wait_for_request(&self, order: &str) -> Outcome {
        let payments = self.shop.repository::<Payment>();
        until(|| Ok(payments.exists(&order.into())?))
    }

    fn pay(&self, order: &str, card: &str) -> Outcome {
        self.wait_for_request(order)?;
        self.shop.execute(Pay { order: order.into(), card: card.into() })?;
        Ok(())
    }

    fn hand_over(&self, order: &str) -> Outcome {
        let shipments = self.shop.repository::<Shipment>();
        until(|| Ok(shipments.exists(&order.into())?))?;
        let (carrier, tracking) = ("Post".to_owned(), format!("post-{order}"));
        self.shop.execute(HandOverShipment { order: order.into(), carrier, tracking })?;
        Ok(())
    }

    /// The next mail says how far an order is.
    fn read_mail(&self, out: &mut impl Write) -> Outcome {
        writeln!(out, "  {}\n", self.letter_box.recv_timeout(PATIENCE)?)?;
        Ok(())
    }

    fn show_board(&self, out: &mut impl Write) -> Outcome {
        let newest = self.shop.store().position()?;
        self.shop.wait_for::<Sales>(newest, PATIENCE)?;
        writeln!(out, "The board:")?;
        let mut rows = Board::newest(self.shop.store(), 100)?;
        rows.sort_by(|one, other| one.number.cmp(&other.number));
        for BoardRow { number, total, status, detail, .. } in rows {
            let separator = if detail.is_empty() { "" } else { ": " };
            writeln!(out, "  {number}  {total:>8}  {status}{separator}{detail}")?;
        }
        let (taken, refunded) = Sales::totals(self.shop.store())?;
        writeln!(out, "  sold  {taken:>8}\n  back  {refunded:>8}\n")?;
        Ok(())
    }

    /// What the process has received, sent and done for one order.
    fn show_history(&self, order: &str, out: &mut impl Write) -> Outcome {
        writeln!(out, "What the process did for {order}:")?;
        let instances = self.shop.instances::<Fulfilment>();
        let is_last =
            |happening: &Happening| happening.kind == Sent && happening.name == CallOffPayment::NAME;
        until(|| Ok(instances.history(&order.into())?.iter().any(is_last)))?;
        let history = instances.history(&order.into())?;
        for happening in history {
            writeln!(out, "  {:?} {}", happening.kind, happening.name)?;
        }
        writeln!(out, "The events of the order:")?;
        for event in self.shop.repository::<Order>().history(&order.into())? {
            let event = event?;
            let signature: BTreeMap<String, String> = event.metadata.custom()?.unwrap_or_default();
            let by = signature.get("by").map_or("unknown", String::as_str);
            writeln!(out, "  {} by {by}", event.event.name())?;
        }
        Ok(())
    }
}

/// Waits until something is true.
fn until(mut is_true: impl FnMut() -> Outcome<bool>) -> Outcome {
    let begun = Instant::now();
    while !is_true()? {
        if begun.elapsed() > PATIENCE {
            return Err("the shop does not get on".into());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}
