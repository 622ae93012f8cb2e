//! The commands to a fine.

use factum::prelude::*;

use super::super::values::{Cents, Day, FineId};

#[derive(Debug, Command)]
pub struct CreateFine {
    #[command(id)]
    pub fine: FineId,
    pub on: Day,
    pub amount: Cents,
    pub dismissed_by: Option<String>,
}

#[derive(Debug, Command)]
pub struct SendFine {
    #[command(id)]
    pub fine: FineId,
    pub on: Day,
    pub postage: Cents,
}

#[derive(Debug, Command)]
pub struct NotifyFine {
    #[command(id)]
    pub fine: FineId,
    pub on: Day,
}

#[derive(Debug, Command)]
pub struct AddPenalty {
    #[command(id)]
    pub fine: FineId,
    pub on: Day,
    pub new_amount: Cents,
}

#[derive(Debug, Command)]
pub struct ReceivePayment {
    #[command(id)]
    pub fine: FineId,
    pub on: Day,
    pub amount: Cents,
    /// The total paid, this payment included, as its receiver counts.
    pub total: Cents,
}

#[derive(Debug, Command)]
pub struct LodgeAppeal {
    #[command(id)]
    pub fine: FineId,
    pub on: Day,
}

#[derive(Debug, Command)]
pub struct ForwardAppeal {
    #[command(id)]
    pub fine: FineId,
    pub on: Day,
    pub dismissed_by: Option<String>,
}

#[derive(Debug, Command)]
pub struct AnswerAppeal {
    #[command(id)]
    pub fine: FineId,
    pub on: Day,
}

#[derive(Debug, Command)]
pub struct NotifyAppealAnswer {
    #[command(id)]
    pub fine: FineId,
    pub on: Day,
}

#[derive(Debug, Command)]
pub struct AppealToJudge {
    #[command(id)]
    pub fine: FineId,
    pub on: Day,
    pub dismissed_by: Option<String>,
}

#[derive(Debug, Command)]
pub struct SendForCollection {
    #[command(id)]
    pub fine: FineId,
    pub on: Day,
}
