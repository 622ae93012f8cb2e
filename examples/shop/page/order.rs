//! One order: its history, its state after any step of it, and the process beside it.

use factum::application::Has;
use factum::follow::{Happening, HappeningKind, InstanceState};
use factum::{Aggregate, EventSet as _, LoadError, Position, Timestamp};
use serde_json::json;

use super::board::button;
use super::html::Html;
use crate::fulfilment::ids::{OrderId, total};
use crate::fulfilment::order::{Order, Status};
use crate::fulfilment::payment::Payment;
use crate::fulfilment::process::Fulfilment;
use crate::fulfilment::shipment::Shipment;
use crate::fulfilment::shop::Shop;
use crate::http::problem::Problem;
use crate::tenants::{OpenShop, ShopStore};

/// What the page shows.
pub struct Look {
    number: String,
    /// The events of the order, its payment and its parcel, as they happened.
    steps: Vec<Step>,
    /// The step that the states are at, from 1.
    at: usize,
    order: Order,
    payment: Payment,
    shipment: Shipment,
    process: &'static str,
    happenings: Vec<Happening>,
    /// The order as it is now, which decides what can be done.
    now: Status,
    payment_now: Payment,
    shipment_now: Shipment,
}

/// An event of the history.
struct Step {
    category: &'static str,
    version: u64,
    position: Position,
    name: &'static str,
    at: Timestamp,
    content: String,
}

impl Look {
    /// Looks at an order after a step; after the last one without.
    pub fn at<S: ShopStore>(shop: &OpenShop<S>, number: &str, step: Option<usize>) -> Result<Self, Problem> {
        let id = OrderId::from(number);
        let mut steps = steps_of::<Order, _>(shop, &id)?;
        steps.extend(steps_of::<Payment, _>(shop, &id)?);
        steps.extend(steps_of::<Shipment, _>(shop, &id)?);
        if steps.is_empty() {
            return Err(Problem::not_found(format!("there is no order `{number}`")));
        }
        steps.sort_by_key(|step| step.position);
        let at = step.unwrap_or(steps.len()).clamp(1, steps.len());

        let instances = shop.instances::<Fulfilment>();
        let process = match instances.get(&id)? {
            None => "not begun",
            Some(InstanceState::Running(_)) => "running",
            Some(InstanceState::Done(_)) => "done",
            Some(_) => "waits to be rebuilt",
        };
        Ok(Self {
            order: state_at(shop, &id, &steps[..at])?,
            payment: state_at(shop, &id, &steps[..at])?,
            shipment: state_at(shop, &id, &steps[..at])?,
            now: state_at::<Order, _>(shop, &id, &steps)?.status,
            payment_now: state_at(shop, &id, &steps)?,
            shipment_now: state_at(shop, &id, &steps)?,
            number: number.to_owned(),
            at,
            steps,
            process,
            happenings: instances.history(&id)?,
        })
    }
}

/// The events of an aggregate; none if it does not exist.
fn steps_of<A, S: ShopStore>(shop: &OpenShop<S>, id: &OrderId) -> Result<Vec<Step>, Problem>
where
    A: Aggregate<Id = OrderId>,
    Shop: Has<A>,
{
    let history = match shop.repository::<A>().history(id) {
        Err(LoadError::NotFound { .. }) => return Ok(Vec::new()),
        history => history?,
    };
    let step = |recorded: factum::Recorded<A::Event>| {
        let mut content = Vec::new();
        recorded.event.encode(&mut content).map_err(|error| Problem::internal(&error))?;
        Ok(Step {
            category: A::CATEGORY,
            version: recorded.version,
            position: recorded.position,
            name: recorded.event.name(),
            at: recorded.recorded_at,
            content: String::from_utf8_lossy(&content).into_owned(),
        })
    };
    history.map(|recorded| step(recorded?)).collect()
}

/// The state of an aggregate after these steps: that of its last version among them.
fn state_at<A, S: ShopStore>(shop: &OpenShop<S>, id: &OrderId, steps: &[Step]) -> Result<A, Problem>
where
    A: Aggregate<Id = OrderId> + Default + Clone,
    Shop: Has<A>,
{
    match steps.iter().rev().find(|step| step.category == A::CATEGORY) {
        Some(last) => Ok(shop.repository::<A>().load_at(id, last.version)?.into_state()),
        None => Ok(A::default()),
    }
}

pub fn page(tenant: &str, look: &Look) -> Html {
    let mut html = Html::default();
    html.raw("<header class=\"top\"><p><a href=\"/").text(tenant).raw("\">← ").text(tenant);
    html.raw("</a></p><h1>Order ")
        .text(&look.number)
        .raw("</h1><div id=\"actions\" class=\"actions\" data-live>");
    actions(&mut html, look);
    html.raw("</div><p class=\"connection\" role=\"status\" aria-live=\"polite\"></p></header>");
    html.raw("<main class=\"order\" data-events=\"/").text(tenant).raw("/events\" data-number=\"");
    html.text(&look.number).raw("\">");
    past(&mut html, look);
    history(&mut html, look);
    process(&mut html, look);
    html.raw("</main>");
    html
}

/// What a visitor can do with the order now.
fn actions(html: &mut Html, look: &Look) {
    let order = &look.number;
    if matches!(look.payment_now, Payment::Due(_)) {
        button(html, "pay", "Pay", json!({ "order": order, "card": "4242" }));
        button(html, "pay", "Pay with a bad card", json!({ "order": order, "card": "0000" }));
    }
    if look.now == Status::Placed {
        button(html, "cancel-order", "Cancel", json!({ "order": order, "reason": "Withdrawn" }));
    }
    match look.shipment_now {
        Shipment::Prepared => {
            let parcel = json!({ "order": order, "carrier": "Post", "tracking": format!("post-{order}") });
            button(html, "hand-over-shipment", "Hand over", parcel);
        }
        Shipment::OnItsWay => {
            button(html, "report-delivery", "Delivered", json!({ "order": order }));
            button(html, "report-loss", "Lost", json!({ "order": order }));
        }
        Shipment::None | Shipment::Delivered | Shipment::Lost => {}
    }
}

/// The slider, and the states at its step.
fn past(html: &mut Html, look: &Look) {
    let count = look.steps.len();
    html.raw("<section class=\"past\" aria-labelledby=\"past\"><h2 id=\"past\">State</h2><form><label for=\"step\">");
    html.raw("After event</label> <input id=\"step\" name=\"step\" type=\"range\" min=\"1\" max=\"");
    html.text(count)
        .raw("\" value=\"")
        .text(look.at)
        .raw("\"><noscript><button>Show</button></noscript></form>");
    html.raw("<div id=\"state\" data-live data-count=\"")
        .text(count)
        .raw("\" data-at=\"")
        .text(look.at)
        .raw("\">");
    if let Some(step) = look.at.checked_sub(1).and_then(|index| look.steps.get(index)) {
        html.raw("<p class=\"at\">").text(look.at).raw(" of ").text(count).raw(": <b>").text(step.name);
        html.raw("</b>, ").text(step.category).raw(" version ").text(step.version).raw("</p>");
    }
    html.raw("<dl><div><dt>Order</dt><dd>").text(format_args!("{:?}", look.order.status)).raw("</dd></div>");
    html.raw("<div><dt>Payment</dt><dd>").text(in_words(&look.payment)).raw("</dd></div>");
    html.raw("<div><dt>Parcel</dt><dd>");
    html.text(match look.shipment {
        Shipment::None => "none yet",
        Shipment::Prepared => "is packed",
        Shipment::OnItsWay => "is on its way",
        Shipment::Delivered => "has arrived",
        Shipment::Lost => "is lost",
    });
    html.raw("</dd></div><div><dt>Address</dt><dd>");
    html.text(look.order.address.as_deref().unwrap_or("none yet")).raw("</dd></div></dl>");
    html.raw("<table><thead><tr><th scope=\"col\">Goods</th><th scope=\"col\">Pieces</th>");
    html.raw("<th scope=\"col\">Price</th></tr></thead><tbody>");
    for line in &look.order.lines {
        html.raw("<tr><th scope=\"row\">").text(&line.sku.0).raw("</th><td>").text(line.quantity);
        html.raw("</td><td>").text(line.price).raw("</td></tr>");
    }
    html.raw("</tbody><tfoot><tr><th scope=\"row\">Total</th><td></td><td>");
    html.text(total(&look.order.lines).unwrap_or_default()).raw("</td></tr></tfoot></table>");
    for note in &look.order.notes {
        html.raw("<blockquote>").text(note).raw("</blockquote>");
    }
    html.raw("</div></section>");
}

fn in_words(payment: &Payment) -> String {
    match payment {
        Payment::None => "not asked for".to_owned(),
        Payment::Due(amount) => format!("{amount} due"),
        Payment::Taken(amount) => format!("{amount} taken"),
        Payment::Ended => "ended".to_owned(),
    }
}

fn history(html: &mut Html, look: &Look) {
    html.raw("<section class=\"history\" aria-labelledby=\"history\"><h2 id=\"history\">History</h2>");
    html.raw("<ol id=\"steps\" data-live>");
    for (index, step) in look.steps.iter().enumerate() {
        let number = index + 1;
        html.raw(match number.cmp(&look.at) {
            std::cmp::Ordering::Less => "<li>",
            std::cmp::Ordering::Equal => "<li aria-current=\"step\">",
            std::cmp::Ordering::Greater => "<li class=\"later\">",
        });
        html.raw("<a href=\"?step=").text(number).raw("\">").text(step.name).raw("</a> <small>");
        html.text(step.category)
            .raw(" ")
            .text(step.version)
            .raw(" · position ")
            .text(step.position)
            .raw(" · ");
        time(html, step.at);
        html.raw("</small>");
        if step.content != "null" {
            html.raw("<code>").text(&step.content).raw("</code>");
        }
        html.raw("</li>");
    }
    html.raw("</ol></section>");
}

fn process(html: &mut Html, look: &Look) {
    html.raw("<section class=\"process\" aria-labelledby=\"process\"><h2 id=\"process\">Process</h2>");
    html.raw("<div id=\"happenings\" data-live><p>The process is <b>")
        .text(look.process)
        .raw("</b>.</p><ol>");
    for happening in &look.happenings {
        let (class, verb) = match happening.kind {
            HappeningKind::Received => ("received", "received"),
            HappeningKind::TimedOut => ("timed-out", "timed out"),
            HappeningKind::Sent => ("sent", "sent"),
            HappeningKind::Refused => ("refused", "was refused"),
            HappeningKind::Failed => ("failed", "failed at"),
            HappeningKind::Discarded => ("discarded", "discarded"),
            HappeningKind::Done => ("done", "done"),
            _ => ("other", "did"),
        };
        html.raw("<li class=\"").text(class).raw("\"><span>").text(verb).raw("</span> <b>");
        html.text(&happening.name).raw("</b> <small>");
        time(html, happening.at);
        html.raw("</small>");
        // Otherwise the detail is a key.
        if let (HappeningKind::Refused | HappeningKind::Failed, Some(detail)) =
            (happening.kind, &happening.detail)
        {
            html.raw("<p>").text(detail).raw("</p>");
        }
        html.raw("</li>");
    }
    html.raw("</ol></div></section>");
}

/// A time, of which the page shows the part within its day.
fn time(html: &mut Html, at: Timestamp) {
    let text = at.to_string();
    let short = text.split_once('T').map_or(text.as_str(), |(_, time)| time.get(..8).unwrap_or(time));
    html.raw("<time datetime=\"").text(&text).raw("\">").text(short).raw("</time>");
}
