//! What happens to a fine.
//!
//! Events hold what their entry in the log says, the day included. The store keeps a time with every event as well,
//! but that is for the audit trail and for looking at the past: an aggregate decides on events alone.

use factum::prelude::*;
use serde::{Deserialize, Serialize};

use super::super::values::{Cents, Day};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event(name = "fine-created")]
pub struct FineCreated {
    pub on: Day,
    pub amount: Cents,
    /// The code of who dismissed it, if somebody did.
    pub dismissed_by: Option<String>,
}

/// The fine went out by post, which the offender pays for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event(name = "fine-sent")]
pub struct FineSent {
    pub on: Day,
    pub postage: Cents,
}

/// The offender has got it. From here on deadlines run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event(name = "fine-notified")]
pub struct FineNotified {
    pub on: Day,
}

/// The deadline has passed: the amount is a higher one from now on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event(name = "penalty-added")]
pub struct PenaltyAdded {
    pub on: Day,
    pub new_amount: Cents,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event(name = "payment-received")]
pub struct PaymentReceived {
    pub on: Day,
    pub amount: Cents,
    /// All that has been paid, with this payment.
    pub total: Cents,
}

/// The offender appeals to the prefecture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event(name = "appeal-lodged")]
pub struct AppealLodged {
    pub on: Day,
}

/// The police have passed the appeal on to the prefecture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event(name = "appeal-forwarded")]
pub struct AppealForwarded {
    pub on: Day,
    /// The code of who dismissed the fine, if the appeal led to that.
    pub dismissed_by: Option<String>,
}

/// The prefecture's answer has come.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event(name = "appeal-answered")]
pub struct AppealAnswered {
    pub on: Day,
}

/// The offender knows the prefecture's answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event(name = "appeal-answer-notified")]
pub struct AppealAnswerNotified {
    pub on: Day,
}

/// The offender appeals to a judge. The log never says how that ends, but for a dismissal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event(name = "appealed-to-judge")]
pub struct AppealedToJudge {
    pub on: Day,
    /// The code of who dismissed the fine, if the appeal led to that.
    pub dismissed_by: Option<String>,
}

/// The debt is a collector's from now on; the police are done with it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event(name = "sent-for-collection")]
pub struct SentForCollection {
    pub on: Day,
}
