//! Appeals, the part of the domain that few fines reach. The handlers of an aggregate may be in several
//! files.

use factum::prelude::*;

use super::{
    AnswerAppeal, AppealAnswerNotified, AppealAnswered, AppealForwarded, AppealLodged, AppealToJudge,
    AppealedToJudge, Fine, ForwardAppeal, LodgeAppeal, NotifyAppealAnswer, Refusal, once, require,
};

/// The events of the offender's appeals.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Appeals {
    lodged: Option<AppealLodged>,
    forwarded: Option<AppealForwarded>,
    answered: Option<AppealAnswered>,
    answer_notified: Option<AppealAnswerNotified>,
    judge: Option<AppealedToJudge>,
}

impl Appeals {
    /// Whether an appeal has led to the fine's dismissal.
    pub fn is_successful(&self) -> bool {
        self.forwarded.as_ref().is_some_and(|forwarded| forwarded.dismissed_by.is_some())
            || self.judge.as_ref().is_some_and(|judge| judge.dismissed_by.is_some())
    }
}

#[handlers]
impl Fine {
    #[execute]
    fn lodge_appeal(&self, command: LodgeAppeal) -> Result<Option<AppealLodged>, Refusal> {
        once(self.appeal.lodged.as_ref(), AppealLodged { on: command.on }, |lodged| {
            self.check_open(&lodged.on)?;
            require(self.notified.is_some(), Refusal::NotNotified)
        })
    }

    #[execute]
    fn forward_appeal(&self, command: ForwardAppeal) -> Result<Option<AppealForwarded>, Refusal> {
        let ForwardAppeal { on, dismissed_by, .. } = command;
        once(self.appeal.forwarded.as_ref(), AppealForwarded { on, dismissed_by }, |forwarded| {
            self.check_open(&forwarded.on)?;
            require(self.appeal.lodged.is_some(), Refusal::NoAppeal)
        })
    }

    #[execute]
    fn answer_appeal(&self, command: AnswerAppeal) -> Result<Option<AppealAnswered>, Refusal> {
        once(self.appeal.answered.as_ref(), AppealAnswered { on: command.on }, |answered| {
            self.check_open(&answered.on)?;
            require(self.appeal.forwarded.is_some(), Refusal::AppealNotForwarded)
        })
    }

    #[execute]
    fn notify_answer(&self, command: NotifyAppealAnswer) -> Result<Option<AppealAnswerNotified>, Refusal> {
        once(self.appeal.answer_notified.as_ref(), AppealAnswerNotified { on: command.on }, |notified| {
            self.check_open(&notified.on)?;
            require(self.appeal.answered.is_some(), Refusal::AppealNotAnswered)
        })
    }

    #[execute]
    fn appeal_to_judge(&self, command: AppealToJudge) -> Result<Option<AppealedToJudge>, Refusal> {
        let AppealToJudge { on, dismissed_by, .. } = command;
        once(self.appeal.judge.as_ref(), AppealedToJudge { on, dismissed_by }, |judge| {
            self.check_open(&judge.on)?;
            require(self.notified.is_some(), Refusal::NotNotified)
        })
    }

    #[apply]
    fn appeal_lodged(&mut self, event: &AppealLodged) {
        self.appeal.lodged = Some(event.clone());
    }

    #[apply]
    fn appeal_forwarded(&mut self, event: &AppealForwarded) {
        self.appeal.forwarded = Some(event.clone());
    }

    #[apply]
    fn appeal_answered(&mut self, event: &AppealAnswered) {
        self.appeal.answered = Some(event.clone());
    }

    #[apply]
    fn appeal_answer_notified(&mut self, event: &AppealAnswerNotified) {
        self.appeal.answer_notified = Some(event.clone());
    }

    #[apply]
    fn appealed_to_judge(&mut self, event: &AppealedToJudge) {
        self.appeal.judge = Some(event.clone());
    }
}
