//! Plays the shop's story as a user does.

/// The shop with its own tests.
#[path = "../fulfilment"]
#[allow(dead_code, reason = "the program uses more than these tests")]
mod fulfilment {
    pub mod ids;
    pub mod order;
    pub mod payment;
    pub mod process;
    pub mod shop;
    pub mod stock;
    pub mod views;
}
mod program;

use factum::application::Application;

use fulfilment::shop::Shop;

#[test]
fn the_story_ends_as_it_should() {
    let run = program::run("fulfilment", &[]);
    assert_eq!((run.code, run.err.as_str()), (Some(0), ""));
    let board = [
        "  o-1    120.00  shipped\n",
        "  o-2    105.00  cancelled: no chair left\n",
        "  o-3     15.00  shipped\n",
        "  o-4     15.00  cancelled: withdrawn by the customer\n",
        "  o-5     15.00  cancelled: not paid in time\n",
        "  sold    135.00\n",
    ];
    assert!(run.out.contains(&board.concat()), "{}", run.out);
    for happening in
        ["Received order-placed", "Sent reserve-stock", "TimedOut payment-overdue", "Sent call-off-payment"]
    {
        assert!(run.out.contains(&format!("  {happening}\n")), "{happening}: {}", run.out);
    }
}

#[test]
fn the_model_is_up_to_date() {
    factum::testing::model!(Shop::MODEL, "fulfilment/model.md");
}
