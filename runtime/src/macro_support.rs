//! What generated code calls. This module is not part of the public API and changes without notice.

pub(crate) mod aliases;
pub(crate) mod awaiting;
pub(crate) mod beside;
pub(crate) mod checks;
pub(crate) mod commanding;
pub(crate) mod content;
pub(crate) mod decoding;
pub(crate) mod derived_command_set;
pub(crate) mod derived_event;
pub(crate) mod derived_event_set;
pub(crate) mod handing;
pub(crate) mod listed;
pub(crate) mod names;
pub(crate) mod old_versions;
pub(crate) mod retired;
pub(crate) mod returned;
pub(crate) mod rules;
pub(crate) mod shapes;
pub(crate) mod snapshot_codec;
pub(crate) mod sources;
pub(crate) mod whole;

pub use serde;

pub use self::aliases::{Bytes, Decoding, Encoding, Execution, Services};
pub use self::awaiting::{AwaitsHandlers, awaited};
pub use self::beside::{
    AnyId, Beside, Fits, FromContext, FromKey, IdOf, KeyedBy, Lent, Place, Unlisted, beside, id, sources,
};
pub use self::checks::{Checked, Checks};
pub use self::commanding::{
    Asked, CategoryOf, Decides, DoesNothing, Forgets, HandlesRefusal, InstanceId, KeptCommand, KeptState,
    NoAggregate, NotVersioned, OtherType, RefusalOf, RefusedBy, Refusing, Remembers, SameType, SendsNothing,
    SendsOf, Unhandled, Unrefused, Versioned, assert_handled, by_field, by_stream, can_be_refused,
    can_be_refused_by, command_codec, is_timeout, no_codec, refusal_of, state_codec, time_out,
    unknown_timeout, upgraded,
};
pub use self::content::{LacksTrait, TraitsOf};
pub use self::decoding::{current_name, decode_other, name_is};
pub use self::derived_command_set::{AnyCommand, DerivedCommandSet, ReadListedCommand, debug_command};
pub use self::derived_event::{ConstEvent, DerivedEvent, Stored};
pub use self::derived_event_set::{AddShapes, AnyEvent, DerivedEventSet, ReadEvent, debug_event};
pub use self::handing::{
    AtHand, Done, NotProjected, Projected, Reacted, advance, context, context_mut, handle_other,
    handle_unknown, lent, prepare, project, projected, react, reacted,
};
pub use self::listed::{IdFor, ListedCommand, ListedEvent};
pub use self::names::{
    assert_not_lowered, is_new, is_unused, knows_name, repeated_name, report_repeated, same_name,
};
pub use self::old_versions::{convert_field, decode_older, decode_previous, try_convert_field, unreadable};
pub use self::retired::{ReadDropped, ReadUpcast, RetiredProbe, upcast, upcast_fallible};
pub use self::returned::{
    Decision, EmitsOf, Fallible, Handled, NotEvents, NotHandled, Plain, Refuses, decide, decide_fallible,
    decide_infallible,
};
pub use self::shapes::{HasFingerprint, NoFingerprint};
pub use self::snapshot_codec::{EqualState, NoSnapshotCodec, NotEqual, NotShown, ShownState, SnapshotCodec};
pub use self::sources::{
    KnownAggregate, Relation, Source, Unrelated, assert_has, assert_other_category, comes_from,
    current_name_in, passes_over, passes_over_unknown,
};
pub use self::whole::{
    Member, assert_followed, assert_new_aggregate, assert_new_follower, assert_own_commands, assert_readable,
    assert_scheduled, is_shared, repeated_command,
};
pub use crate::domain::command_mark::CommandMark;
pub use crate::domain::command_traits::CommandTraits;
pub use crate::domain::decision::IntoEvents;
pub use crate::domain::emitted::Emitted;
pub use crate::domain::hash::{fingerprint, fingerprint_of};
pub use crate::domain::thread_safe::is_thread_safe;
pub use crate::domain::type_shape::{
    EventPart, EventParts, FieldNotes, FieldTypes, Form, Tagging, TypeKind, TypeParts, TypeShape,
};
pub use crate::follow::process::actions::BySending;
pub use crate::{
    __apply as apply, __command as command, __command_enum as command_enum, __event_enum as event_enum,
    __execute as execute, __receives as receives,
};
