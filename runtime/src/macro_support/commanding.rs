//! What the code of `derive(Process)` and of `#[refused]` methods calls.

use std::any::Any;
use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::domain::accepts::{Accepts, CommandFor};
use crate::domain::aggregate::{Aggregate, Apply};
use crate::domain::codec_error::DecodeError;
use crate::domain::command::Command;
use crate::domain::emitted::Emitted;
use crate::domain::error::BoxError;
use crate::domain::event::{Event, EventKind};
use crate::domain::event_schema::Shape;
use crate::domain::id::AggregateId;
use crate::domain::metadata::Envelope;
use crate::follow::error::HandlerError;
use crate::follow::handler::EventHandler;
use crate::follow::process::actions::{Actions, IntoActions};
use crate::follow::process::turn::{Instance, Turn};
use crate::follow::process::{CommandCodec, Process, Receives, Refused, Sends, StateCodec, Timeout};
use crate::follow::reaction::{React, ReactingTarget};

/// The result of [`Process::handle_refusal`].
pub type Refusing = Option<Result<Actions, BoxError>>;

/// The impl of [`Receives`] for an event or a time-out.
#[doc(hidden)]
#[macro_export]
macro_rules! __receives {
    ($process:ident $event:path: $starts:expr, |$value:pat_param, $key:ident| $instance:expr) => {
        #[automatically_derived]
        impl $crate::follow::Receives<$event> for $process {
            const STARTS: bool = $starts;

            fn instance(
                $value: &$event,
                $key: &str,
            ) -> ::core::result::Result<::std::string::String, $crate::BoxError> {
                $instance
            }

            fn remember(&mut self, __event: &$event) {
                #[allow(unused_imports)]
                use $crate::macro_support::{Forgets as _, Remembers as _};
                (&$crate::macro_support::Asked::<Self, $event>::ASK).remember(self, __event)
            }

            fn decide(
                &mut self,
                __event: &$event,
                __envelope: &$crate::Envelope<'_>,
                __instance: &$crate::follow::Instance<<Self as $crate::follow::Process>::Id>,
            ) -> ::core::result::Result<$crate::follow::Actions, $crate::BoxError> {
                #[allow(unused_imports)]
                use $crate::macro_support::{Decides as _, DoesNothing as _};
                (&$crate::macro_support::Asked::<Self, $event>::ASK)
                    .decide(self, __event, __envelope, __instance)
            }
        }
    };
}

/// How the state of a process is kept.
#[must_use]
pub const fn state_codec<P: KeptState>(fingerprint: u64) -> StateCodec<P> {
    StateCodec { fingerprint, encode: P::ENCODE, decode: P::DECODE }
}

/// A state that serde writes and reads.
#[diagnostic::on_unimplemented(
    message = "the state of the process `{Self}` can't be kept: it does not derive both `Serialize` and `Deserialize`",
    label = "kept as JSON, which serde's derives write and read",
    note = "annotate `{Self}` with `#[derive(Debug, Default, Clone, Serialize, Deserialize, Process)]`, after \
            `use serde::{{Deserialize, Serialize}};`"
)]
pub trait KeptState: Sized {
    /// Writes the state.
    const ENCODE: fn(&Self, &mut Vec<u8>) -> Result<(), serde_json::Error>;
    /// Reads the state.
    const DECODE: fn(&[u8]) -> Result<Self, serde_json::Error>;
}

#[diagnostic::do_not_recommend]
impl<P: Serialize + DeserializeOwned> KeptState for P {
    const ENCODE: fn(&Self, &mut Vec<u8>) -> Result<(), serde_json::Error> =
        |state, out| serde_json::to_writer(out, state);
    const DECODE: fn(&[u8]) -> Result<Self, serde_json::Error> = |json| serde_json::from_slice(json);
}

/// How a command is kept until it is sent: as an event, if it derives `Event`, and otherwise always at version 1.
#[must_use]
pub const fn command_codec<C: KeptCommand>(versioned: Option<CommandCodec<C>>) -> CommandCodec<C> {
    match versioned {
        Some(codec) => codec,
        None => CommandCodec {
            name: C::NAME,
            aliases: &[],
            aggregate: None,
            version: 1,
            write: C::WRITE,
            read: C::READ_VERSION,
        },
    }
}

/// Asks whether a command has versions: whether it derives `Event`. rustc finds these before those of [`NotVersioned`].
#[derive(Debug)]
pub struct Versioned<C>(PhantomData<C>);

impl<C: Command + Event> Versioned<C> {
    /// How the command is kept.
    pub const FACTUM_CODEC: Option<CommandCodec<C>> = Some(CommandCodec {
        name: <C as Command>::NAME,
        aliases: <C as Event>::ALIASES,
        aggregate: None,
        version: <C as Event>::VERSION,
        write: |command| {
            let mut json = Vec::new();
            Event::encode(command, &mut json)?;
            Ok(String::from_utf8(json)?)
        },
        read: |version, json| Event::decode(version, json),
    });

    /// The shapes of its versions.
    pub const FACTUM_SHAPES: fn(&mut Vec<Shape>) = <C as Event>::shapes;
}

/// The answers for a command without versions.
pub trait NotVersioned {
    /// The command.
    type Command;
    /// It is kept at version 1.
    const FACTUM_CODEC: Option<CommandCodec<Self::Command>> = None;
    /// It has no shapes.
    const FACTUM_SHAPES: fn(&mut Vec<Shape>) = |_| {};
}

impl<C> NotVersioned for Versioned<C> {
    type Command = C;
}

/// The JSON of a command as it is now, if it was stored at another version.
pub fn upgraded<P: Sends<C>, C>(version: u32, payload: &str) -> Result<Option<String>, BoxError> {
    P::CODEC.upgraded(version, payload)
}

/// A placeholder for a process whose list of commands has a mistake.
#[must_use]
pub const fn no_codec<C>() -> CommandCodec<C> {
    let read = |version, _: &str| Err(DecodeError::UnknownName { name: String::new(), version });
    let write = |_: &C| Ok(String::new());
    CommandCodec { name: "", aliases: &[], aggregate: None, version: 1, write, read }
}

/// Asks the category of an aggregate that is named for a command. rustc finds the constant before that of [`NoAggregate`].
#[derive(Debug)]
pub struct CategoryOf<A>(PhantomData<A>);

impl<A: Aggregate> CategoryOf<A> {
    /// The category.
    pub const NAME: Option<&'static str> = Some(A::CATEGORY);
}

/// The answer for what is no aggregate, which is an error elsewhere.
pub trait NoAggregate {
    /// There is none.
    const NAME: Option<&'static str> = None;
}

impl<A> NoAggregate for CategoryOf<A> {}

/// A command that a process may send: it is kept as JSON until it is sent.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be kept until it is sent: it does not derive all of `Command`, `Serialize` and `Deserialize`",
    label = "kept as JSON, which serde's derives write and read",
    note = "annotate `{Self}` with `#[derive(Debug, Serialize, Deserialize, Command)]`, after `use serde::{{Deserialize, Serialize}};`"
)]
pub trait KeptCommand: Sized {
    /// See [`Command::NAME`].
    const NAME: &'static str;
    /// Writes the command.
    const WRITE: fn(&Self) -> Result<String, BoxError>;
    /// Reads a command that was written at a version.
    const READ_VERSION: fn(u32, &str) -> Result<Self, DecodeError>;
}

#[diagnostic::do_not_recommend]
impl<C: Command + Serialize + DeserializeOwned> KeptCommand for C {
    const NAME: &'static str = <C as Command>::NAME;
    const WRITE: fn(&Self) -> Result<String, BoxError> = |command| Ok(serde_json::to_string(command)?);
    const READ_VERSION: fn(u32, &str) -> Result<Self, DecodeError> = |version, json| {
        let name = <C as Command>::NAME;
        if version > 1 {
            return Err(DecodeError::NewerVersion { name, version, known: 1 });
        }
        serde_json::from_str(json).map_err(|source| DecodeError::Payload { name, version, source })
    };
}

/// The id of the instance for an event in the stream of the aggregate with this id.
pub fn by_stream<P: Process>(key: &str) -> Result<String, BoxError> {
    // A stream that was appended to by hand may have another text of the id.
    Ok(P::Id::from_text(key)?.to_text().into_owned())
}

/// The id of the instance for an event that has it in a field.
pub fn by_field<P: Process, F: InstanceId<P, P::Id>>(field: &F) -> Result<String, BoxError> {
    Ok(field.text())
}

/// A field with the id of an instance of `P`: an equality whose failure can be explained.
#[diagnostic::on_unimplemented(
    message = "a field of type `{Self}` does not tell which `{P}` is meant",
    label = "not the id of `{P}`, which is `{Needed}`",
    note = "name a field of type `{Needed}`, or `stream` if the event's aggregate has that id"
)]
pub trait InstanceId<P, Needed> {
    /// The id as text.
    fn text(&self) -> String;
}

impl<P, I: AggregateId> InstanceId<P, I> for I {
    fn text(&self) -> String {
        self.to_text().into_owned()
    }
}

/// Whether a stored time-out is a `T`.
#[must_use]
pub fn is_timeout<T: Timeout>(name: &str) -> bool {
    EventKind::of::<T>().names().any(|known| known == name)
}

/// Hands a stored time-out of type `T` to its instance.
pub fn time_out<P: Receives<T>, T: Timeout>(
    version: u32,
    payload: &str,
    envelope: &Envelope<'_>,
    turn: &Turn<'_, P>,
) -> Result<(), HandlerError> {
    let timeout = <T as Event>::decode(version, payload)?;
    turn.take(&timeout, envelope).map_err(HandlerError::Handler)
}

/// The error for a stored time-out that the process does not list.
#[must_use]
pub fn unknown_timeout(name: &str, version: u32) -> HandlerError {
    HandlerError::Decode(DecodeError::UnknownTimeout { name: name.to_owned(), version })
}

/// Asks which handlers `P` has for `E`: an event, a time-out or a command.
///
/// rustc finds the constants below before those of [`Unhandled`], and the methods of a trait for `Asked` before those of one for
/// `&Asked`.
#[derive(Debug)]
pub struct Asked<P, E>(PhantomData<(P, E)>);

impl<P, E> Asked<P, E> {
    /// The question.
    pub const ASK: Self = Self(PhantomData);
}

impl<P: React<E>, E> Asked<P, E> {
    /// There is a `#[react]` method.
    pub const FACTUM_REACTS: bool = true;
    /// Whether it takes an envelope.
    pub const FACTUM_WANTS_ENVELOPE: bool = <P as React<E>>::WANTS_ENVELOPE;
    /// Whether it is `async`.
    pub const FACTUM_AWAITS: bool = <P as React<E>>::AWAITS;
    /// What it sends.
    pub const FACTUM_SENDS: Emitted = <P as React<E>>::SENDS;
}

impl<P: Apply<E>, E> Asked<P, E> {
    /// There is an `#[apply]` method.
    pub const FACTUM_APPLIES: bool = true;
}

impl<P: Refused<C>, C> Asked<P, C> {
    /// There is a `#[refused]` method.
    pub const FACTUM_IS_REFUSED: bool = true;
    /// What it sends.
    pub const FACTUM_SENDS_REFUSED: Emitted = <P as Refused<C>>::SENDS;
}

/// The answers without a handler.
pub trait Unhandled {
    /// There is no `#[react]` method.
    const FACTUM_REACTS: bool = false;
    /// There is no `#[react]` method.
    const FACTUM_WANTS_ENVELOPE: bool = false;
    /// There is no `#[react]` method.
    const FACTUM_AWAITS: bool = false;
    /// There is no `#[apply]` method.
    const FACTUM_APPLIES: bool = false;
    /// There is no `#[react]` method.
    const FACTUM_SENDS: Emitted = Emitted::NONE;
    /// There is no `#[refused]` method.
    const FACTUM_IS_REFUSED: bool = false;
    /// There is no `#[refused]` method.
    const FACTUM_SENDS_REFUSED: Emitted = Emitted::NONE;
}

impl<P, E> Unhandled for Asked<P, E> {}

/// For an event with an `#[apply]` method.
pub trait Remembers<P, E> {
    /// Calls it.
    fn remember(&self, state: &mut P, event: &E);
}

impl<P: Apply<E>, E> Remembers<P, E> for Asked<P, E> {
    fn remember(&self, state: &mut P, event: &E) {
        Apply::apply(state, event);
    }
}

/// For an event without an `#[apply]` method.
pub trait Forgets<P, E> {
    /// Does nothing.
    fn remember(&self, _: &mut P, _: &E) {}
}

impl<P, E> Forgets<P, E> for &Asked<P, E> {}

/// For an event or time-out with a `#[react]` method.
pub trait Decides<P: Process, E> {
    /// Calls it.
    fn decide(
        &self,
        state: &mut P,
        event: &E,
        envelope: &Envelope<'_>,
        instance: &Instance<P::Id>,
    ) -> Result<Actions, BoxError>;
}

// The bound on the target is what `Process` says of it: rustc forgets that beside the bound of `React`.
impl<P, E> Decides<P, E> for Asked<P, E>
where
    P: Process + React<E>,
    P: EventHandler<Target: ReactingTarget<Outcome = Actions, ReactContext = Instance<<P as Process>::Id>>>,
{
    fn decide(
        &self,
        state: &mut P,
        event: &E,
        envelope: &Envelope<'_>,
        instance: &Instance<P::Id>,
    ) -> Result<Actions, BoxError> {
        React::react(state, event, envelope, instance)
    }
}

/// For an event without a `#[react]` method.
pub trait DoesNothing<P: Process, E> {
    /// Does nothing.
    fn decide(&self, _: &mut P, _: &E, _: &Envelope<'_>, _: &Instance<P::Id>) -> Result<Actions, BoxError> {
        Ok(Actions::default())
    }
}

impl<P: Process, E> DoesNothing<P, E> for &Asked<P, E> {}

/// For a command with a `#[refused]` method.
pub trait HandlesRefusal<P: Process, C> {
    /// Calls it.
    fn refuse(
        &self,
        state: &mut P,
        version: u32,
        payload: &str,
        refusal: &dyn Any,
        instance: &Instance<P::Id>,
    ) -> Refusing;
}

impl<P: Refused<C>, C> HandlesRefusal<P, C> for Asked<P, C> {
    fn refuse(
        &self,
        state: &mut P,
        version: u32,
        payload: &str,
        refusal: &dyn Any,
        instance: &Instance<P::Id>,
    ) -> Refusing {
        let command = match (P::CODEC.read)(version, payload) {
            Ok(command) => command,
            Err(error) => return Some(Err(error.into())),
        };
        Some(match refusal.downcast_ref() {
            Some(refusal) => Refused::refused(state, &command, refusal, instance),
            None => Err("the refusal is of another type than the aggregate's error".into()),
        })
    }
}

/// For a command without a `#[refused]` method.
pub trait Unrefused<P: Process, C> {
    /// There is none.
    fn refuse(&self, _: &mut P, _: u32, _: &str, _: &dyn Any, _: &Instance<P::Id>) -> Refusing {
        None
    }
}

impl<P: Process, C> Unrefused<P, C> for &Asked<P, C> {}

/// Whether two types are one. rustc finds this constant before the one of [`OtherType`].
#[derive(Debug)]
pub struct SameType<One, Other>(PhantomData<(One, Other)>);

impl<T> SameType<T, T> {
    /// They are.
    pub const FACTUM_IS: bool = true;
}

/// The answer for two types.
pub trait OtherType {
    /// They are not one.
    const FACTUM_IS: bool = false;
}

impl<One, Other> OtherType for SameType<One, Other> {}

/// Fails with a message. The error points at the caller.
#[track_caller]
pub const fn assert_handled(is_handled: bool, message: &str) {
    assert!(is_handled, "{}", message);
}

/// Whether the aggregate that takes the command can refuse it.
#[must_use]
pub const fn can_be_refused<C: CommandFor<A>, A: Aggregate>() -> bool {
    can_refuse::<A>()
}

/// Whether an aggregate that is given for a command takes and can refuse it.
#[must_use]
pub const fn can_be_refused_by<C, A: Accepts<C>>() -> bool {
    can_refuse::<A>()
}

const fn can_refuse<A: Aggregate>() -> bool {
    // An error without values, as `Infallible`, leaves one value to the option.
    size_of::<Option<A::Error>>() > 0
}

/// What the command `C` is refused with; see [`RefusedBy::is`].
#[must_use]
pub const fn refusal_of<C: CommandFor<A>, A: Aggregate>() -> RefusedBy<C, A> {
    RefusedBy(PhantomData)
}

/// The aggregate that takes a command.
#[derive(Debug)]
pub struct RefusedBy<C, A>(PhantomData<(C, A)>);

impl<C, A: Aggregate> RefusedBy<C, A> {
    /// Asserts that the aggregate's error is `E`.
    pub const fn is<E: RefusalOf<C, A::Error>>(&self) {}
}

/// The error of the aggregate that takes `C`: an equality whose failure can be explained.
#[diagnostic::on_unimplemented(
    message = "`{C}` is never refused with `{Self}`",
    label = "the aggregate that takes `{C}` refuses it with another error",
    note = "take a reference to the `error` of the aggregate: `{Needed}`"
)]
pub trait RefusalOf<C, Needed> {}

impl<C, E> RefusalOf<C, E> for E {}

/// The commands that a method of `P` with the return type `R` may send. rustc finds the constant before that of
/// [`SendsNothing`].
#[derive(Debug)]
pub struct SendsOf<P, R>(PhantomData<(P, R)>);

impl<P: Process, R: IntoActions<P>> SendsOf<P, R> {
    /// The commands.
    pub const FACTUM_SENDS: Emitted = <R as IntoActions<P>>::SENDS;
}

/// For a reaction, and for a return type that is wrong.
pub trait SendsNothing {
    /// No commands.
    const FACTUM_SENDS: Emitted = Emitted::NONE;
}

impl<P, R> SendsNothing for SendsOf<P, R> {}
