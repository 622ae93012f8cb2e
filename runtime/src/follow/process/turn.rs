//! What an instance gets: an event or a time-out that a process has found to be its own.

use std::cell::RefCell;
use std::fmt;

use crate::domain::error::BoxError;
use crate::domain::metadata::Envelope;
use crate::follow::handler::LendsTo;
use crate::follow::process::actions::Actions;
use crate::follow::process::{Process, Receives};

/// The id of a process's instance, for a handler that asks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance<I> {
    /// The id.
    pub id: I,
}

#[diagnostic::do_not_recommend]
impl<H, I> LendsTo<H, I> for Instance<I> {
    fn lend(&self) -> &I {
        &self.id
    }
}

/// Takes what a stored event or a time-out is to a process, and finds its instance.
pub struct Turn<'t, P> {
    taker: RefCell<&'t mut dyn TakeInput<P>>,
}

impl<P> fmt::Debug for Turn<'_, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Turn")
    }
}

/// What happens to an input of an instance: a step handles it, a replay only remembers it.
pub(crate) trait TakeInput<P> {
    fn take(
        &mut self,
        instance: String,
        starts: bool,
        input: &dyn Input<P>,
        envelope: &Envelope<'_>,
    ) -> Result<(), BoxError>;
}

/// An event or a time-out, without its type.
pub(crate) trait Input<P: Process> {
    /// Lets a state remember it.
    fn remember(&self, state: &mut P);

    /// Lets a state that has remembered it decide.
    fn decide(
        &self,
        state: &mut P,
        envelope: &Envelope<'_>,
        instance: &Instance<P::Id>,
    ) -> Result<Actions, BoxError>;
}

struct Typed<'e, E>(&'e E);

impl<P: Receives<E>, E> Input<P> for Typed<'_, E> {
    fn remember(&self, state: &mut P) {
        state.remember(self.0);
    }

    fn decide(
        &self,
        state: &mut P,
        envelope: &Envelope<'_>,
        instance: &Instance<P::Id>,
    ) -> Result<Actions, BoxError> {
        state.decide(self.0, envelope, instance)
    }
}

impl<'t, P: Process> Turn<'t, P> {
    pub(crate) fn new(taker: &'t mut dyn TakeInput<P>) -> Self {
        Self { taker: RefCell::new(taker) }
    }

    /// Hands an event or a time-out to its instance.
    pub(crate) fn take<E>(&self, event: &E, envelope: &Envelope<'_>) -> Result<(), BoxError>
    where
        P: Receives<E>,
    {
        let instance = P::instance(event, envelope.key)?;
        let Ok(mut taker) = self.taker.try_borrow_mut() else { return Err("the turn is taken".into()) };
        taker.take(instance, P::STARTS, &Typed(event), envelope)
    }
}
