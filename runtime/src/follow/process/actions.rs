//! What a process does: the return values of its handlers, and the form in which these are stored.

use std::marker::PhantomData;
use std::time::Duration;

use crate::domain::command::Command;
use crate::domain::emitted::Emitted;
use crate::domain::error::BoxError;
use crate::domain::event::EventKind;
use crate::domain::time::Timestamp;
use crate::follow::process::{CommandCodec, Process, Sends, Sets, Timeout};

/// Sets the time-out `T`, due so long after the event was recorded that leads to it.
///
/// After another time-out, the time counts from when that one was due; after a refusal, from now.
///
/// An instance has one time-out of each type: to set it again moves it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct After<T>(pub T, pub Duration);

/// Sets the time-out `T`, due at this time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct At<T>(pub T, pub Timestamp);

/// Takes the time-out `T` away, if it is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cancel<T>(PhantomData<T>);

impl<T> Cancel<T> {
    /// Takes the time-out away.
    #[must_use]
    pub const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<T> Default for Cancel<T> {
    fn default() -> Self {
        Self::new()
    }
}

/// Ends the instance: its time-outs are taken away, and later events change nothing and start nothing.
///
/// Commands that it has given are still sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Done;

/// One thing that a process does, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// Sends a command.
    Send {
        /// The command's name.
        command: &'static str,
        /// The category of the aggregate that takes it, if the process says so.
        aggregate: Option<&'static str>,
        /// The version of its shape.
        version: u32,
        /// The command as JSON text.
        payload: String,
    },
    /// Sets a time-out.
    Set {
        /// The time-out's name.
        timeout: &'static str,
        /// The version of its shape.
        version: u32,
        /// The time-out as JSON text.
        payload: String,
        /// When it is due.
        due: Due,
    },
    /// Takes a time-out away.
    Cancel {
        /// The time-out's name.
        timeout: &'static str,
    },
    /// Ends the instance.
    Done,
}

/// When a time-out is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// So long after its cause.
    After(Duration),
    /// At a time.
    At(Timestamp),
}

/// What a handler of a process returns, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Actions(pub(crate) Vec<Action>);

impl Actions {
    /// The actions in order.
    #[must_use]
    pub fn list(&self) -> &[Action] {
        &self.0
    }

    /// Adds a command.
    pub fn send<P: Sends<C>, C>(&mut self, command: &C) -> Result<(), BoxError> {
        let codec = P::CODEC;
        let payload = (codec.write)(command)?;
        let CommandCodec { name, aggregate, version, .. } = codec;
        self.0.push(Action::Send { command: name, aggregate, version, payload });
        Ok(())
    }

    fn set<T: Timeout>(&mut self, timeout: &T, due: Due) -> Result<(), BoxError> {
        let mut payload = Vec::new();
        timeout.encode(&mut payload)?;
        let payload = String::from_utf8(payload)?;
        // An earlier program may have set it under an earlier name.
        self.0.extend(T::ALIASES.iter().map(|&timeout| Action::Cancel { timeout }));
        self.0.push(Action::Set { timeout: T::NAME, version: T::VERSION, payload, due });
        Ok(())
    }
}

/// A value that a handler of the process `P` may return: commands that it lists, [`After`], [`At`], [`Cancel`], [`Done`], `()`,
/// and tuples, options, lists and results of these.
#[diagnostic::on_unimplemented(
    message = "a `#[react]` or `#[refused]` method of `{P}` can't return `{Self}`",
    label = "neither a command, nor `After`, `At`, `Cancel` or `Done`",
    note = "return commands that `{P}` lists, `After`, `At`, `Cancel`, `Done`, an `Option`, tuple, array or `Vec` of these, `()`, or a `Result` of that"
)]
pub trait IntoActions<P: Process> {
    /// What the provided items do. A derived command has only this: rustc compiles it faster than a method.
    #[doc(hidden)]
    type Way: ActsBy<P, Self>;

    /// The commands in such a value.
    #[doc(hidden)]
    const SENDS: Emitted = <Self::Way as ActsBy<P, Self>>::SENDS;

    /// Adds the actions to those before. Fails with the handler's own error, or if serde can't write a command or a time-out.
    fn append_to(self, actions: &mut Actions) -> Result<(), BoxError>
    where
        Self: Sized,
    {
        <Self::Way as ActsBy<P, Self>>::append_to(self, actions)
    }
}

/// What [`IntoActions`] does if an impl does not say it.
#[doc(hidden)]
pub trait ActsBy<P, T: ?Sized> {
    /// See `IntoActions::SENDS`.
    const SENDS: Emitted = Emitted::NONE;

    /// See [`IntoActions::append_to`].
    fn append_to(_: T, _: &mut Actions) -> Result<(), BoxError>
    where
        T: Sized,
    {
        Ok(())
    }
}

/// A command: it is sent.
#[doc(hidden)]
#[derive(Debug)]
pub struct BySending;

impl<P: Sends<C>, C: Command> ActsBy<P, C> for BySending {
    const SENDS: Emitted = Emitted::One(C::NAME);

    fn append_to(command: C, actions: &mut Actions) -> Result<(), BoxError> {
        actions.send::<P, C>(&command)
    }
}

/// What has a method of its own.
#[doc(hidden)]
#[derive(Debug)]
pub struct ByItself;

impl<P, T: ?Sized> ActsBy<P, T> for ByItself {}

impl<P: Sets<T>, T: Timeout> IntoActions<P> for After<T> {
    type Way = ByItself;

    fn append_to(self, actions: &mut Actions) -> Result<(), BoxError> {
        actions.set(&self.0, Due::After(self.1))
    }
}

impl<P: Sets<T>, T: Timeout> IntoActions<P> for At<T> {
    type Way = ByItself;

    fn append_to(self, actions: &mut Actions) -> Result<(), BoxError> {
        actions.set(&self.0, Due::At(self.1))
    }
}

impl<P: Sets<T>, T: Timeout> IntoActions<P> for Cancel<T> {
    type Way = ByItself;

    fn append_to(self, actions: &mut Actions) -> Result<(), BoxError> {
        actions.0.extend(EventKind::of::<T>().names().map(|timeout| Action::Cancel { timeout }));
        Ok(())
    }
}

impl<P: Process> IntoActions<P> for Done {
    type Way = ByItself;

    fn append_to(self, actions: &mut Actions) -> Result<(), BoxError> {
        actions.0.push(Action::Done);
        Ok(())
    }
}

impl<P: Process, T: IntoActions<P>> IntoActions<P> for Option<T> {
    type Way = ByItself;

    const SENDS: Emitted = Emitted::Maybe(&T::SENDS);

    fn append_to(self, actions: &mut Actions) -> Result<(), BoxError> {
        self.map_or(Ok(()), |some| some.append_to(actions))
    }
}

impl<P: Process, T: IntoActions<P>> IntoActions<P> for Vec<T> {
    type Way = ByItself;

    const SENDS: Emitted = Emitted::Many(&T::SENDS);

    fn append_to(self, actions: &mut Actions) -> Result<(), BoxError> {
        self.into_iter().try_for_each(|one| one.append_to(actions))
    }
}

impl<P: Process, T: IntoActions<P>, const N: usize> IntoActions<P> for [T; N] {
    type Way = ByItself;

    const SENDS: Emitted = Emitted::Many(&T::SENDS);

    fn append_to(self, actions: &mut Actions) -> Result<(), BoxError> {
        self.into_iter().try_for_each(|one| one.append_to(actions))
    }
}

#[diagnostic::do_not_recommend]
impl<P: Process, T: IntoActions<P>, E: Into<BoxError>> IntoActions<P> for Result<T, E> {
    type Way = ByItself;

    const SENDS: Emitted = T::SENDS;

    fn append_to(self, actions: &mut Actions) -> Result<(), BoxError> {
        self.map_err(Into::into)?.append_to(actions)
    }
}

macro_rules! tuples {
    ($(($($part:ident)*))*) => {$(
        impl<P: Process, $($part: IntoActions<P>),*> IntoActions<P> for ($($part,)*) {
            type Way = ByItself;

            const SENDS: Emitted = Emitted::All(&[$($part::SENDS),*]);

            #[allow(non_snake_case, unused_variables, reason = "a variable has the name of its type; () has none")]
            fn append_to(self, actions: &mut Actions) -> Result<(), BoxError> {
                let ($($part,)*) = self;
                $($part.append_to(actions)?;)*
                Ok(())
            }
        }
    )*};
}

tuples!(()(T1)(T1 T2)(T1 T2 T3)(T1 T2 T3 T4)(T1 T2 T3 T4 T5)(T1 T2 T3 T4 T5 T6)(T1 T2 T3 T4 T5 T6 T7)(T1 T2 T3 T4 T5 T6 T7 T8));
