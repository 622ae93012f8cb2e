//! The rules, one by one: given these events, when this command, then those events.

use factum::testing::{Given, given};

use super::*;

fn fine() -> FineId {
    FineId("A1".into())
}

fn day(day: &str) -> Day {
    Day(day.into())
}

fn created() -> FineCreated {
    FineCreated { on: day("2006-01-01"), amount: Cents(3_500), dismissed_by: None }
}

fn sent() -> FineSent {
    FineSent { on: day("2006-02-01"), postage: Cents(1_100) }
}

fn notified() -> FineNotified {
    FineNotified { on: day("2006-03-01") }
}

fn penalty() -> PenaltyAdded {
    PenaltyAdded { on: day("2006-05-01"), new_amount: Cents(7_150) }
}

fn payment(amount: u64, total: u64) -> PaymentReceived {
    PaymentReceived { on: day("2006-06-01"), amount: Cents(amount), total: Cents(total) }
}

fn collection() -> SentForCollection {
    SentForCollection { on: day("2008-01-01") }
}

/// A fine whose deadline has passed: 82.50 are due.
fn penalised() -> Given<Fine> {
    given((created(), sent(), notified(), penalty()))
}

fn pay(amount: u64, total: u64) -> ReceivePayment {
    ReceivePayment { fine: fine(), on: day("2006-06-01"), amount: Cents(amount), total: Cents(total) }
}

fn collect() -> SendForCollection {
    SendForCollection { fine: fine(), on: day("2008-01-01") }
}

#[test]
fn a_fine_is_created() {
    let create = CreateFine { fine: fine(), on: day("2006-01-01"), amount: Cents(3_500), dismissed_by: None };
    given::<Fine>(()).when(create).then(created());
}

#[test]
fn nothing_happens_to_a_fine_that_was_never_created() {
    given::<Fine>(()).when(pay(3_500, 3_500)).then_error(&Refusal::NotCreated);
    given::<Fine>(()).when(collect()).then_error(&Refusal::NotCreated);
    given::<Fine>(())
        .when(SendFine { fine: fine(), on: day("2006-02-01"), postage: Cents(0) })
        .then_error(&Refusal::NotCreated);
}

#[test]
fn nothing_happens_to_a_fine_before_its_day() {
    given::<Fine>(created())
        .when(ReceivePayment { on: day("2005-12-31"), ..pay(3_500, 3_500) })
        .then_error(&Refusal::CreatedLater(day("2006-01-01")));
}

#[test]
fn a_fine_is_sent_and_then_notified() {
    given::<Fine>(created())
        .when(SendFine { fine: fine(), on: day("2006-02-01"), postage: Cents(1_100) })
        .then(sent());
    let notify = || NotifyFine { fine: fine(), on: day("2006-03-01") };
    given::<Fine>(created()).when(notify()).then_error(&Refusal::NotSent);
    given::<Fine>((created(), sent())).when(notify()).then(notified());
}

#[test]
fn a_penalty_follows_the_notification_and_raises_the_amount() {
    let add = |amount| AddPenalty { fine: fine(), on: day("2006-05-01"), new_amount: Cents(amount) };
    given::<Fine>((created(), sent())).when(add(7_150)).then_error(&Refusal::NotNotified);
    let when = given::<Fine>((created(), sent(), notified())).when(add(7_150)).then(penalty());
    assert_eq!(when.state().due(), Cents(8_250));
    given::<Fine>((created(), sent(), notified()))
        .when(add(3_500))
        .then_error(&Refusal::NoRaise(Cents(3_500)));
    given::<Fine>((created(), sent(), notified(), payment(4_600, 4_600)))
        .when(add(7_150))
        .then_error(&Refusal::NothingOwed);
}

#[test]
fn payments_add_up() {
    let when = penalised().and(payment(4_925, 4_925)).when(pay(3_325, 8_250)).then(payment(3_325, 8_250));
    assert_eq!(when.state().paid(), when.state().due());
}

#[test]
fn a_payment_states_the_right_total() {
    penalised()
        .and(payment(4_925, 4_925))
        .when(pay(3_325, 3_325))
        .then_error(&Refusal::WrongTotal { stated: Cents(3_325), counted: Cents(8_250) });
}

#[test]
fn a_payment_is_of_something() {
    penalised().when(pay(0, 0)).then_error(&Refusal::EmptyPayment);
}

#[test]
fn the_same_entry_again_is_nothing_new() {
    penalised().when(SendFine { fine: fine(), on: day("2006-02-01"), postage: Cents(1_100) }).then_nothing();
    penalised().and(payment(3_500, 3_500)).when(pay(3_500, 3_500)).then_nothing();
    // A known entry is no refusal, even where a new one would be refused.
    penalised().and((payment(3_500, 3_500), collection())).when(pay(3_500, 3_500)).then_nothing();
    penalised().and(collection()).when(collect()).then_nothing();
}

#[test]
fn another_payment_of_the_same_amount_on_the_same_day_is_new() {
    penalised().and(payment(3_500, 3_500)).when(pay(3_500, 7_000)).then(payment(3_500, 7_000));
}

#[test]
fn a_step_is_not_taken_in_two_ways() {
    penalised()
        .when(SendFine { fine: fine(), on: day("2006-02-02"), postage: Cents(1_100) })
        .then_error(&Refusal::Otherwise("fine-sent"));
}

#[test]
fn only_a_penalised_debt_is_collected() {
    given::<Fine>((created(), sent(), notified())).when(collect()).then_error(&Refusal::NoPenalty);
    penalised().when(collect()).then(collection());
    penalised().and(payment(8_250, 8_250)).when(collect()).then_error(&Refusal::NothingOwed);
}

#[test]
fn nothing_happens_after_collection() {
    penalised().and(collection()).when(pay(8_250, 8_250)).then_error(&Refusal::InCollection);
    penalised()
        .and(collection())
        .when(LodgeAppeal { fine: fine(), on: day("2008-02-01") })
        .then_error(&Refusal::InCollection);
}

#[test]
fn an_appeal_goes_its_way_step_by_step() {
    let on = || day("2006-04-01");
    let lodged = || AppealLodged { on: on() };
    let forwarded = || AppealForwarded { on: on(), dismissed_by: None };
    let answered = || AppealAnswered { on: on() };

    let lodge = || LodgeAppeal { fine: fine(), on: on() };
    given::<Fine>((created(), sent())).when(lodge()).then_error(&Refusal::NotNotified);
    penalised().when(lodge()).then(lodged());

    let forward = || ForwardAppeal { fine: fine(), on: on(), dismissed_by: None };
    penalised().when(forward()).then_error(&Refusal::NoAppeal);
    penalised().and(lodged()).when(forward()).then(forwarded());

    let answer = || AnswerAppeal { fine: fine(), on: on() };
    penalised().and(lodged()).when(answer()).then_error(&Refusal::AppealNotForwarded);
    penalised().and((lodged(), forwarded())).when(answer()).then(answered());

    let notify = || NotifyAppealAnswer { fine: fine(), on: on() };
    penalised().and((lodged(), forwarded())).when(notify()).then_error(&Refusal::AppealNotAnswered);
    penalised()
        .and((lodged(), forwarded(), answered()))
        .when(notify())
        .then(AppealAnswerNotified { on: on() });
}

#[test]
fn a_dismissed_fine_is_not_collected() {
    let judge = || Some("G".to_owned());
    let on = || day("2006-07-01");
    let dismissed = AppealedToJudge { on: on(), dismissed_by: judge() };
    penalised().when(AppealToJudge { fine: fine(), on: on(), dismissed_by: judge() }).then(dismissed.clone());
    penalised().and(dismissed).when(collect()).then_error(&Refusal::Dismissed);
    penalised()
        .and((AppealLodged { on: on() }, AppealForwarded { on: on(), dismissed_by: Some("#".into()) }))
        .when(collect())
        .then_error(&Refusal::Dismissed);
    given::<Fine>(FineCreated { dismissed_by: judge(), ..created() })
        .and((sent(), notified()))
        .when(AddPenalty { fine: fine(), on: on(), new_amount: Cents(7_150) })
        .then_error(&Refusal::Dismissed);
}
