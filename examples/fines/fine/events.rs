//! The events of a fine.
//!
//! An event holds what its entry in the log says, the day included. The store keeps a time with every event
//! as well, but only for the audit trail and for loads of an earlier state: an aggregate decides on events
//! alone.

use factum::prelude::*;
use serde::{Deserialize, Serialize};

use super::super::values::{Cents, Day};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event(name = "fine-created")]
pub struct FineCreated {
    pub on: Day,
    pub amount: Cents,
    /// The code of the authority that dismissed the fine, if one did.
    pub dismissed_by: Option<String>,
}

/// The fine went out by post, which the offender pays for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event(name = "fine-sent")]
pub struct FineSent {
    pub on: Day,
    pub postage: Cents,
}

/// The offender has received the fine. Deadlines begin here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event(name = "fine-notified")]
pub struct FineNotified {
    pub on: Day,
}

/// The deadline has passed, and the amount is higher from now on.
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
    /// The total paid, this payment included.
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
    /// The code of the authority that dismissed the fine, if the appeal led to that.
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

/// The offender appeals to a judge. The log says how that ends only if the fine is dismissed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event(name = "appealed-to-judge")]
pub struct AppealedToJudge {
    pub on: Day,
    /// The code of the authority that dismissed the fine, if the appeal led to that.
    pub dismissed_by: Option<String>,
}

/// The debt belongs to a collector from now on, and the police no longer handle it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event(name = "sent-for-collection")]
pub struct SentForCollection {
    pub on: Day,
}
