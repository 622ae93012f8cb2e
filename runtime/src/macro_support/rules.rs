//! The code of `derive(Aggregate)` that is equal for every listed command or event, as `macro_rules!`.
//!
//! rustc repeats tokens much faster than a procedural macro does: cargo builds that without optimization, and
//! each token passes from it to rustc separately. Errors, such as a missing handler, still point at the
//! user's type.

/// `From` each listed struct, and `TryFrom` back, which returns another variant as its error.
#[doc(hidden)]
#[macro_export]
macro_rules! __conversions {
    ($name:ident $($variant:ident($listed:ty))*) => {$(
        #[automatically_derived]
        impl ::core::convert::From<$listed> for $name {
            #[inline]
            fn from(__value: $listed) -> Self {
                Self::$variant(__value)
            }
        }

        #[automatically_derived]
        impl ::core::convert::TryFrom<$name> for $listed {
            type Error = $name;

            #[inline]
            fn try_from(__value: $name) -> ::core::result::Result<Self, $name> {
                if let $name::$variant(__value) = __value {
                    ::core::result::Result::Ok(__value)
                } else {
                    ::core::result::Result::Err(__value)
                }
            }
        }
    )*};
}

/// `Debug` of an enum, unless the user lists it in `derive(..)`.
///
/// The impl uses the trait of listed types: rustc then reports a struct without `Debug` only once.
#[doc(hidden)]
#[macro_export]
macro_rules! __debug {
    (derived $name:ident $as:path: $($variant:ident($listed:ty))*) => {};
    (shown $name:ident $as:path: $($variant:ident($listed:ty))*) => {
        #[automatically_derived]
        impl ::core::fmt::Debug for $name {
            #[inline]
            fn fmt(&self, __f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                match self {
                    $(Self::$variant(__value) => <$listed as $as>::debug(__value, ::core::stringify!($variant), __f),)*
                }
            }
        }
    };
}

/// What a command with this name is, and can do by its own traits. The number is a hash of its fields' text, as serde sees it;
/// the types are those in its fields.
#[doc(hidden)]
#[macro_export]
macro_rules! __command_traits {
    ($name:literal $text:literal $internal:literal [$($field:literal $ty:literal)*]: $($part:ty)*) => {
        const TRAITS: ::core::option::Option<$crate::macro_support::CommandTraits<Self>> = {
            #[allow(unused_imports)]
            use $crate::macro_support::{LacksTrait as _, NoFingerprint as _};
            ::core::option::Option::Some($crate::macro_support::CommandTraits {
                name: $name,
                fields: &[$(($field, $ty)),*],
                internal: $internal,
                shape: $crate::macro_support::fingerprint_after(
                    $text,
                    &[$(<$crate::macro_support::HasFingerprint<$part>>::FINGERPRINT),*],
                ),
                content: <$crate::macro_support::TraitsOf<Self>>::CONTENT,
                read: <$crate::macro_support::TraitsOf<Self>>::READ,
                copy: <$crate::macro_support::TraitsOf<Self>>::COPY,
            })
        };
    };
}

/// The impls of the command enum.
#[doc(hidden)]
#[macro_export]
macro_rules! __command_enum {
    ($debug:ident $name:ident of $aggregate:ident, $id:ty: $($variant:ident($listed:ty))*) => {
        #[automatically_derived]
        impl $crate::CommandSet for $name {
            const KINDS: &'static [$crate::CommandKind] =
                &[$(<$listed as $crate::macro_support::ListedCommand<$id>>::KIND),*];

            type Id = $id;

            fn aggregate_id(&self) -> &$id {
                match self {
                    $(Self::$variant(__command) => <$listed as $crate::macro_support::ListedCommand<$id>>::id(__command),)*
                }
            }

            #[inline]
            fn name(&self) -> &'static str {
                match self {
                    $(Self::$variant(_) => <$listed as $crate::macro_support::ListedCommand<$id>>::NAME,)*
                }
            }

            // Inline: compiled where it is called, as each command brings its part of serde.
            #[inline]
            fn read(
                __name: &str,
                __json: &str,
            ) -> ::core::result::Result<Self, $crate::ReadCommandError> {
                $(if $crate::macro_support::name_is(__name, <$listed as $crate::macro_support::ListedCommand<$id>>::NAME) {
                    return <$listed as $crate::macro_support::ListedCommand<$id>>::read(__json).map(Self::$variant);
                })*
                ::core::result::Result::Err($crate::macro_support::no_command(__name, Self::KINDS))
            }

            fn mark(&self) -> $crate::macro_support::CommandMark {
                match self {
                    $(Self::$variant(__command) => <$listed as $crate::macro_support::ListedCommand<$id>>::mark(__command),)*
                }
            }

            fn again(&self) -> ::core::option::Option<Self> {
                ::core::option::Option::Some(match self {
                    $(Self::$variant(__command) => Self::$variant(<$listed as $crate::macro_support::ListedCommand<$id>>::again(__command)?),)*
                })
            }
        }

        $(
            #[automatically_derived]
            impl $crate::CommandFor<$aggregate> for $listed {}
        )*
        #[automatically_derived]
        impl $crate::CommandFor<$aggregate> for $name {}

        // Also makes an `#[execute]` method for the enum, which would never be called, a duplicate impl.
        #[automatically_derived]
        impl $crate::Execute<$name> for $aggregate {
            fn execute(
                &self,
                __command: $name,
                __services: &$crate::macro_support::Services<Self>,
            ) -> $crate::macro_support::Execution<Self> {
                $crate::Aggregate::execute(self, __command, __services)
            }
        }

        $crate::__debug!($debug $name $crate::macro_support::ListedCommand<$id>: $($variant($listed))*);
        $crate::__conversions!($name $($variant($listed))*);
    };
}

/// The impls of the event enum.
///
/// `$stored`, `$version` and `$payload` are the identifiers that the arms for retired events use.
#[doc(hidden)]
#[macro_export]
macro_rules! __event_enum {
    (
        $debug:ident $name:ident of $aggregate:ident: $($variant:ident($listed:ty))*;
        retired $($retired:ty)*; { $($kinds:tt)* }
        |$stored:ident, $version:ident, $payload:ident| { $($arms:tt)* }
    ) => {
        #[automatically_derived]
        impl $crate::EventSet for $name {
            const KINDS: &'static [$crate::EventKind] = &[$(<$listed as $crate::macro_support::ListedEvent>::KIND),*];
            $($kinds)*

            fn name(&self) -> &'static str {
                match self {
                    $(Self::$variant(_) => <$listed as $crate::macro_support::ListedEvent>::NAME,)*
                }
            }

            fn event_version(&self) -> u32 {
                match self {
                    $(Self::$variant(_) => <$listed as $crate::macro_support::ListedEvent>::VERSION,)*
                }
            }

            fn encode(&self, __out: &mut $crate::macro_support::Bytes) -> $crate::macro_support::Encoding {
                match self {
                    $(Self::$variant(__event) => <$listed as $crate::macro_support::ListedEvent>::encode(__event, __out),)*
                }
            }

            fn shapes() -> ::std::vec::Vec<$crate::Shape> {
                let mut __shapes = ::std::vec::Vec::new();
                $(<$listed as $crate::macro_support::ListedEvent>::shapes(&mut __shapes);)*
                $(<$retired as $crate::macro_support::ListedEvent>::shapes(&mut __shapes);)*
                __shapes
            }

            fn as_any(&self) -> &dyn ::core::any::Any {
                match self {
                    $(Self::$variant(__event) => __event,)*
                }
            }

            #[allow(unreachable_patterns)]
            fn decode(
                $stored: &str,
                $version: u32,
                $payload: &str,
            ) -> $crate::macro_support::Decoding<$crate::Decoded<Self>> {
                // An `if`, because rustc would report a type that is not an event once more in a pattern.
                $(if $crate::macro_support::name_is($stored, <$listed as $crate::macro_support::ListedEvent>::NAME) {
                    return $crate::macro_support::decode_one(
                        <$listed as $crate::macro_support::ListedEvent>::decode($version, $payload),
                        Self::$variant,
                    );
                })*
                match $stored {
                    $($arms)*
                    _ => $crate::macro_support::decode_other($stored, $version, $payload),
                }
            }
        }

        #[automatically_derived]
        impl $crate::IntoEvents<$aggregate> for $name {
            fn append_to(self, __out: &mut ::std::vec::Vec<$name>) {
                __out.push(self);
            }
        }

        #[automatically_derived]
        impl $crate::Apply<$name> for $aggregate {
            fn apply(&mut self, __event: &$name) {
                $crate::Aggregate::apply(self, __event);
            }
        }

        $(
            #[automatically_derived]
            impl $crate::Retires<$retired> for $aggregate {}
        )*

        $crate::__debug!($debug $name $crate::macro_support::ListedEvent: $($variant($listed))*);
        $crate::__conversions!($name $($variant($listed))*);
    };
}
