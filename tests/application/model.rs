//! The model of an application: what its types say, and how it is drawn.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};

use factum::application::{FollowerKind, FollowerModel, Model, SentOn};
use factum::prelude::*;
use factum::testing::ModelPage;
use factum::{AggregateModel, Emitted, EventKind};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

#[derive(Debug, Clone, Serialize, Deserialize, AggregateId)]
struct OrderId(String);

#[derive(Debug, Serialize, Deserialize, Event)]
#[event(version = 2)]
struct OrderPlaced {
    sku: String,
    #[event(added(since = 2, default = 1))]
    amount: u32,
}

#[derive(Debug, Serialize, Deserialize, Event)]
#[event(name = "order-\"dropped\"|<now>")]
struct OrderDropped;

#[derive(Debug, Serialize, Deserialize, Event)]
struct OrderShipped;

#[derive(Debug, Command)]
struct PlaceOrder {
    #[command(id)]
    order: OrderId,
    amounts: Vec<u32>,
}

#[derive(Debug, Command)]
#[command(internal)]
struct ShipOrder(OrderId);

#[derive(Debug, Command)]
struct Check(OrderId);

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(
    id = OrderId,
    error = String,
    commands(PlaceOrder, ShipOrder, Check),
    events(OrderPlaced, OrderDropped, OrderShipped),
    retired("order-noted"),
)]
struct Order;

#[handlers]
impl Order {
    #[execute]
    fn place(&self, command: PlaceOrder) -> Result<Vec<OrderPlaced>, String> {
        let placed = |amount: &u32| OrderPlaced { sku: "tea".into(), amount: *amount };
        Ok(command.amounts.iter().map(placed).collect())
    }

    #[execute]
    fn ship(&self, _: ShipOrder) -> Result<(OrderShipped, Option<OrderDropped>), String> {
        Ok((OrderShipped, None))
    }

    #[execute]
    fn check(&self, _: Check) {}

    #[apply]
    fn placed(&mut self, event: &OrderPlaced) {
        assert!(event.amount > 0 && !event.sku.is_empty());
    }

    #[apply]
    fn dropped(&mut self, _: &OrderDropped) {}

    #[apply]
    fn shipped(&mut self, _: &OrderShipped) {}
}

#[derive(Debug, Serialize, Deserialize, Event)]
struct Stocked;

#[derive(Debug, Command)]
struct AddStock(String);

/// Its event has a name that one of an order has.
#[derive(Debug, Serialize, Deserialize, Event)]
#[event(name = "order-shipped")]
struct LeftTheStock;

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(id = String, commands(AddStock), events(Stocked, LeftTheStock))]
struct Stock;

#[handlers]
impl Stock {
    #[execute]
    fn add(&self, _: AddStock) -> Events<Self> {
        Events::on(self)
    }

    #[apply]
    fn stocked(&mut self, _: &Stocked) {}

    #[apply]
    fn left(&mut self, _: &LeftTheStock) {}
}

#[derive(Debug, Default, Projection)]
#[projection(events(OrderPlaced, OrderShipped, Stocked), from(Order, Stock))]
struct Board;

#[handlers]
impl Board {
    #[project]
    fn placed(&mut self, _: &OrderPlaced) {}

    #[project]
    fn shipped(&mut self, _: &OrderShipped) {}

    #[project]
    fn stocked(&mut self, _: &Stocked) {}
}

#[derive(Debug, Reaction)]
#[reaction(events(Stocked), from("warehouse"))]
struct Mails;

#[handlers]
impl Mails {
    #[react]
    fn stocked(&self, _: &Stocked) {}
}

/// As a process, which sends commands.
const SENDER: FollowerModel = FollowerModel::of::<Board>(FollowerKind::Process).with_steps(&[
    SentOn::new("order-placed", Emitted::Many(&Emitted::One("ship-order"))),
    SentOn::new("a `late` one", Emitted::One("unknown")),
]);

const SHOP: Model = Model::new(
    "the \"shop\"",
    &[Order::MODEL, Stock::MODEL],
    &[FollowerModel::of_projection::<Board>(), FollowerModel::of_reaction::<Mails>(), SENDER],
);

const CHART: &str = r#"flowchart LR
  subgraph a0["order"]
    a0c0["place-order"]
    a0c1["ship-order (internal)"]
    a0c2["check"]
    a0e0(["order-placed"])
    a0e1(["order-#34;dropped#34;#124;#60;now#62;"])
    a0e2(["order-shipped"])
  end
  subgraph a1["stock"]
    a1c0["add-stock"]
    a1e0(["stocked"])
    a1e1(["order-shipped"])
  end
  a0c0 -->|"*"| a0e0
  a0c1 --> a0e2
  a0c1 -->|"?"| a0e1
  a1c0 -->|"*"| a1e0
  a1c0 -->|"*"| a1e1
  f0[["board"]]
  a0e0 -.-> f0
  a0e2 -.-> f0
  a1e0 -.-> f0
  f1>"mails"]
  o0(["warehouse: stocked"])
  o0 -.-> f1
  f2{{"board"}}
  a0e0 -.-> f2
  a0e2 -.-> f2
  a1e0 -.-> f2
  f2 ==>|"order-placed *"| a0c1
  o1["unknown"]
  f2 ==>|"a #96;late#96; one"| o1
"#;

#[test]
fn the_chart_has_what_the_types_say() {
    assert_eq!(SHOP.mermaid(), CHART);
}

/// A statement of a flowchart, as Mermaid's grammar has it: a node, an arrow between two nodes, or a subgraph.
fn is_statement(line: &str, depth: &mut usize) -> bool {
    let is_id =
        |id: &str| !id.is_empty() && id.chars().all(|char| char.is_ascii_alphanumeric()) && id != "end";
    let is_text = |text: &str| !text.is_empty() && !text.contains(['"', '<', '>', '&', '`', '|', '\\']);
    let quoted = |text: &str, open: &str, close: &str| {
        let inner = text.strip_prefix(open).and_then(|text| text.strip_suffix(close));
        inner.and_then(|text| text.strip_prefix('"')?.strip_suffix('"')).is_some_and(is_text)
    };
    let is_node = |text: &str| {
        let at = text.find(|char: char| !char.is_ascii_alphanumeric()).unwrap_or(text.len());
        let (id, shape) = text.split_at(at);
        let shapes = [("[", "]"), ("([", "])"), ("[[", "]]"), (">", "]"), ("{{", "}}")];
        is_id(id) && shapes.iter().any(|(open, close)| quoted(shape, open, close))
    };
    if line == "end" {
        *depth -= 1;
        return true;
    }
    if let Some(graph) = line.strip_prefix("subgraph ") {
        *depth += 1;
        return is_node(graph);
    }
    for arrow in [" -->", " -.->", " ==>"] {
        if let Some((from, to)) = line.split_once(arrow) {
            let to = match to.strip_prefix("|\"").and_then(|rest| rest.split_once("\"| ")) {
                Some((label, to)) => Some(to).filter(|_| is_text(label)),
                None => to.strip_prefix(' '),
            };
            return is_id(from) && to.is_some_and(is_id);
        }
    }
    is_node(line)
}

#[test]
fn the_chart_is_mermaid() {
    let mut lines = CHART.lines();
    assert_eq!(lines.next(), Some("flowchart LR"));
    let mut depth = 0;
    for line in lines {
        assert!(is_statement(line.trim_start(), &mut depth), "{line}");
    }
    assert_eq!(depth, 0);
}

#[test]
fn the_json_has_what_the_types_say() {
    let model = SHOP.json();
    let order = &model["aggregates"][0];
    assert_eq!(
        order["commands"],
        json!([
            {
                "name": "place-order",
                "fields": [{ "name": "order", "type": "OrderId" }, { "name": "amounts", "type": "Vec<u32>" }],
                "internal": false,
                "emits": [{ "event": "order-placed", "count": "*" }],
            },
            {
                "name": "ship-order",
                "fields": [{ "name": "0", "type": "OrderId" }],
                "internal": true,
                "emits": [
                    { "event": "order-shipped", "count": "1" },
                    { "event": OrderDropped::NAME, "count": "?" },
                ],
            },
            { "name": "check", "fields": [{ "name": "0", "type": "OrderId" }], "internal": false, "emits": [] },
        ])
    );
    assert_eq!(order["retired"], json!(["order-noted"]));
    let placed = &order["events"][0];
    assert_eq!((&placed["name"], &placed["version"]), (&json!("order-placed"), &json!(2)));
    let versions: Vec<_> = placed["versions"].as_array().into_iter().flatten().collect();
    let fields = |version: &Value| version["fields"].as_array().map(Vec::len);
    assert_eq!(versions.iter().map(|version| fields(version)).collect::<Vec<_>>(), [Some(1), Some(2)]);
    assert_eq!(versions[0]["schema"]["required"], json!(["sku"]));
    assert_eq!(versions[1]["schema"]["required"], json!(["amount", "sku"]));
    assert_eq!(
        model["followers"][1],
        json!({
            "name": "mails",
            "kind": "reaction",
            "reads": [{ "aggregate": "warehouse", "event": "stocked" }],
            "sends": [],
            "steps": [],
        })
    );
    assert_eq!(
        model["followers"][2]["steps"][0],
        json!({ "on": "order-placed", "refused": false, "sends": [{ "command": "ship-order", "count": "*" }] })
    );
}

#[test]
fn the_page_has_tables() {
    let page = SHOP.markdown();
    assert!(page.starts_with("# `the \"shop\"`\n"), "{page}");
    assert!(page.contains(&format!("```mermaid\n{CHART}```\n")), "{page}");
    for row in [
        "| `ship-order` (internal) | `0: OrderId` | `order-shipped`<br>`order-\"dropped\"\\|<now>` `?` |",
        "| `check` | `0: OrderId` |  |",
        "| `order-placed` | 1 | `sku: String` |",
        "| `order-placed` | 2 | `amount: u32`<br>`sku: String` |",
        "| `mails` | reaction | `stocked` of `warehouse` |  |",
        "on `` a `late` one ``: `unknown` |",
        "Retired: `order-noted`",
    ] {
        assert!(page.contains(row), "{row}\n{page}");
    }
}

#[test]
fn a_model_is_data() {
    let AggregateModel { name, events, .. } = Order::MODEL;
    assert_eq!((name, events.len()), ("order", 3));
    assert_eq!(events[0], EventKind::of::<OrderPlaced>());
}

/// A model of the same application at another time.
const SMALL: Model = Model::new("shop", &[Stock::MODEL], &[]);

#[test]
fn the_page_is_written_and_a_stale_one_refused() {
    let folder = tempfile::tempdir().unwrap();
    let page = || ModelPage::of_crate(folder.path());
    let failure = |page: ModelPage, model: &Model| {
        let panic = catch_unwind(AssertUnwindSafe(|| page.check(model))).expect_err("a stale page");
        panic.downcast_ref::<String>().expect("a message").clone()
    };
    let missing = failure(page().check_only(), &SMALL);
    assert!(
        missing.contains("model.md is stale. Run this test without the environment variable `CI`"),
        "{missing}"
    );
    assert!(missing.contains("  + # `shop`\n"), "{missing}");
    page().write_new().check(&SMALL);
    page().check_only().check(&SMALL);
    assert_eq!(fs::read_to_string(folder.path().join("model.md")).unwrap(), SMALL.markdown());

    let stale = failure(page().check_only(), &SHOP);
    assert!(stale.contains("  - # `shop`\n  + # `the \"shop\"`\n"), "{stale}");
    page().named("shop.md").write_new().check(&SHOP);
    page().check_only().check(&SMALL);
    page().named("shop.md").check_only().check(&SHOP);

    // As git checks it out on Windows.
    let windows = SMALL.markdown().replace('\n', "\r\n");
    fs::write(folder.path().join("model.md"), windows).unwrap();
    page().check_only().check(&SMALL);
}
