//! What `derive(Aggregate)` leaves to `macro_rules!`: that which is the same for each command or event of a list.
//!
//! rustc repeats tokens much faster than a procedural macro does, which cargo builds without optimization, and which hands
//! over every token by itself. What rustc may have to complain about (a handler that is missing, a type that is no event)
//! has the place of the user's type in either case.

/// `From` each struct of a list, and `TryFrom` back; what is another variant comes back whole.
#[doc(hidden)]
#[macro_export]
macro_rules! __conversions {
    ($name:ident $($variant:ident($listed:ty))*) => {$(
        #[automatically_derived]
        impl ::core::convert::From<$listed> for $name {
            #[inline]
            fn from(value: $listed) -> Self {
                Self::$variant(value)
            }
        }

        #[automatically_derived]
        impl ::core::convert::TryFrom<$name> for $listed {
            type Error = $name;

            #[inline]
            fn try_from(value: $name) -> ::core::result::Result<Self, $name> {
                if let $name::$variant(value) = value {
                    ::core::result::Result::Ok(value)
                } else {
                    ::core::result::Result::Err(value)
                }
            }
        }
    )*};
}

/// `Debug` of an enum, as derived: unless it is `derived` anyhow. Through the list's trait, so that a struct without `Debug` is told
/// of at the struct only.
#[doc(hidden)]
#[macro_export]
macro_rules! __debug {
    (derived $name:ident $as:path: $($variant:ident($listed:ty))*) => {};
    (shown $name:ident $as:path: $($variant:ident($listed:ty))*) => {
        #[automatically_derived]
        impl ::core::fmt::Debug for $name {
            #[inline]
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                match self {
                    $(Self::$variant(value) => <$listed as $as>::debug(value, ::core::stringify!($variant), f),)*
                }
            }
        }
    };
}

/// The command enum is a command.
#[doc(hidden)]
#[macro_export]
macro_rules! __command_enum {
    ($debug:ident $name:ident of $aggregate:ident, $id:ty: $($variant:ident($listed:ty))*) => {
        #[automatically_derived]
        impl $crate::Command for $name {
            type Id = $id;

            fn aggregate_id(&self) -> &$id {
                match self {
                    $(Self::$variant(command) => (<$listed as $crate::private::ListedCommand<$id>>::ID)(command),)*
                }
            }
        }

        // A method for all of them, which would never be called, is a second impl.
        #[automatically_derived]
        impl $crate::Execute<$name> for $aggregate {
            fn execute(
                &self,
                command: $name,
                services: &$crate::private::Services<Self>,
            ) -> $crate::private::Execution<Self> {
                $crate::Aggregate::execute(self, command, services)
            }
        }

        $crate::__debug!($debug $name $crate::private::ListedCommand<$id>: $($variant($listed))*);
        $crate::__conversions!($name $($variant($listed))*);
    };
}

/// The event enum is the codec, and what a handler may return. `name`, `version` and `payload` are what the arms for
/// retired events call them.
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
            const KINDS: &'static [$crate::EventKind] = &[$(<$listed as $crate::private::ListedEvent>::KIND),*];
            $($kinds)*

            fn name(&self) -> &'static str {
                match self {
                    $(Self::$variant(_) => <$listed as $crate::private::ListedEvent>::NAME,)*
                }
            }

            fn version(&self) -> u32 {
                match self {
                    $(Self::$variant(_) => <$listed as $crate::private::ListedEvent>::VERSION,)*
                }
            }

            fn encode(&self, out: &mut $crate::private::Bytes) -> $crate::private::Encoding {
                match self {
                    $(Self::$variant(event) => (<$listed as $crate::private::ListedEvent>::ENCODE)(event, out),)*
                }
            }

            fn shapes() -> ::std::vec::Vec<$crate::Shape> {
                let mut shapes = ::std::vec::Vec::new();
                $((<$listed as $crate::private::ListedEvent>::SHAPES)(&mut shapes);)*
                $((<$retired as $crate::private::ListedEvent>::SHAPES)(&mut shapes);)*
                shapes
            }

            fn inner(&self) -> &dyn ::core::any::Any {
                match self {
                    $(Self::$variant(event) => event,)*
                }
            }

            #[allow(unreachable_patterns)]
            fn decode(
                $stored: &str,
                $version: u32,
                $payload: &str,
            ) -> $crate::private::Decoding<$crate::Decoded<Self>> {
                // In a pattern, rustc would complain once more of what is no event.
                $(if $crate::private::is($stored, <$listed as $crate::private::ListedEvent>::NAME) {
                    return $crate::private::one(
                        (<$listed as $crate::private::ListedEvent>::DECODE)($version, $payload),
                        Self::$variant,
                    );
                })*
                match $stored {
                    $($arms)*
                    _ => $crate::private::decode_other($stored, $version, $payload),
                }
            }
        }

        #[automatically_derived]
        impl $crate::IntoEvents<$aggregate> for $name {
            fn append_to(self, out: &mut ::std::vec::Vec<$name>) {
                out.push(self);
            }
        }

        #[automatically_derived]
        impl $crate::Apply<$name> for $aggregate {
            fn apply(&mut self, event: &$name) {
                $crate::Aggregate::apply(self, event);
            }
        }

        $(
            #[automatically_derived]
            impl $crate::Retires<$retired> for $aggregate {}
        )*

        $crate::__debug!($debug $name $crate::private::ListedEvent: $($variant($listed))*);
        $crate::__conversions!($name $($variant($listed))*);
    };
}
