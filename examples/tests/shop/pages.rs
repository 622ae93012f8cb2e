//! The pages: what the server makes, and what a browser shows.

use serde_json::json;

use crate::browser::Browser;
use crate::server::{Server, until};

const HOSTILE: &str = r#"<img src=x onerror="document.title='bad'">&'"</li>"#;

fn place(shop: &Server, number: &str, sku: &str) {
    let order = json!({ "order": number, "lines": [{ "sku": sku, "quantity": 1, "price": 8_900 }] });
    shop.done("place-order", &order);
}

#[test]
fn what_users_typed_stays_text() {
    let folder = tempfile::tempdir().unwrap();
    let shop = Server::start(folder.path(), &[]);
    place(&shop, "p-1", HOSTILE);
    shop.wait_for_status("p-1", "cancelled");
    place(&shop, "p-2", "rug");
    shop.done("set-address", &json!({ "order": "p-2", "address": HOSTILE }));
    shop.done("add-note", &json!({ "order": "p-2", "text": HOSTILE }));

    let escaped =
        "&lt;img src=x onerror=&quot;document.title=&#39;bad&#39;&quot;&gt;&amp;&#39;&quot;&lt;/li&gt;";
    for path in ["/t", "/t/orders/p-1/page", "/t/orders/p-2/page", "/t/orders/p-2/page?step=2"] {
        let page = shop.get(path);
        assert_eq!(page.status, 200);
        assert!(page.body.contains(escaped), "{path}: {}", page.body);
        assert!(!page.body.contains("<img"), "{path}: {}", page.body);
        let policy = page.header("content-security-policy").expect("a policy");
        assert!(policy.starts_with("default-src 'none'; style-src 'self'; script-src 'self'"), "{policy}");
    }
}

#[test]
fn a_page_shows_an_order_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let shop = Server::start(folder.path(), &[]);
    place(&shop, "p-3", "rug");
    shop.wait_for_status("p-3", "to pay");
    shop.done("set-address", &json!({ "order": "p-3", "address": "7 Elm Street" }));

    let now = || shop.get("/t/orders/p-3/page").body;
    assert!(now().contains("<dd>7 Elm Street</dd>") && now().contains("<dd>89.00 due</dd>"), "{}", now());
    assert!(now().contains("The process is <b>running</b>"), "{}", now());
    // The process writes that it has sent a command after the command's event.
    until(|| now().contains("<span>sent</span> <b>request-payment</b>"));
    let then = shop.get("/t/orders/p-3/page?step=1").body;
    assert!(then.contains("<dd>none yet</dd>") && then.contains("<dd>not asked for</dd>"), "{then}");
    assert!(then.contains("1 of 3: <b>order-placed</b>"), "{then}");
    // A step that is not there is the nearest one.
    assert!(shop.get("/t/orders/p-3/page?step=0").body.contains("1 of 3"));
    assert!(shop.get("/t/orders/p-3/page?step=99").body.contains("3 of 3"));
    assert!(shop.get("/").body.contains("<a href=\"/t\">t</a>"));
}

#[test]
fn a_browser_shows_orders_as_they_move() {
    let Some(mut browser) = Browser::start() else {
        println!("skipped: no Chromium is installed. Set CHROME to one, or install the package `chromium`.");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let shop = Server::start(folder.path(), &[]);
    let base = format!("http://{}/t", shop.address);
    browser.open(&base);
    until(|| shop.get("/metrics").body.contains("shop_listeners 1"));
    assert_eq!(browser.value("document.querySelectorAll('[data-moves=b-1]').length"), 0);

    // Placed over HTTP, while the page is open.
    place(&shop, "b-1", "rug");
    let column = |browser: &mut Browser| {
        browser.value("document.querySelector('[data-moves=b-1]')?.closest('section').className ?? ''")
    };
    until(|| column(&mut browser) == "column to-pay");
    // The focus stays on its link while the order moves.
    browser.value("document.querySelector('[data-moves=b-1] a').focus()");
    shop.done("pay", &json!({ "order": "b-1", "card": "4242" }));
    until(|| column(&mut browser) == "column packing");
    until(|| browser.value("document.activeElement.textContent") == "b-1");

    // A click on the page's own button, with the goods on the shelves.
    browser.value("document.querySelector('[data-command=place-order]').click()");
    until(|| browser.value("document.querySelectorAll('[data-moves^=W-]').length") == 1);

    shop.done("add-note", &json!({ "order": "b-1", "text": HOSTILE }));
    browser.open(&format!("{base}/orders/b-1/page"));
    until(|| browser.value("document.querySelector('blockquote')?.textContent ?? ''") == HOSTILE);
    let at = "document.querySelector('.at')?.textContent ?? ''";
    let slide = "const s = document.getElementById('step'); s.value = 1; s.dispatchEvent(new Event('input'))";
    until(|| browser.value("document.getElementById('step').max") == "6");
    // The script shows the buttons once it runs.
    until(|| browser.value("document.querySelector('[data-command=hand-over-shipment]').hidden") == false);
    browser.value(slide);
    until(|| browser.value(at).as_str().is_some_and(|at| at.starts_with("1 of 6: order-placed")));
    assert_eq!(browser.value("location.search"), "?step=1");
    browser.value("document.querySelector('[data-command=hand-over-shipment]').click()");
    // The history grows, and the slider stays where it is.
    until(|| browser.value(at).as_str().is_some_and(|at| at.starts_with("1 of 7: order-placed")));
    assert_eq!(browser.value("document.title"), "b-1 · shop");
    assert_eq!(browser.errors(), Vec::<String>::new());
}
