//! The code that is equal for every command, event or handler, as `macro_rules!`.
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
    (derived $name:ident: $debug:ident $set:ident) => {};
    (shown $name:ident: $debug:ident $set:ident) => {
        #[automatically_derived]
        impl ::core::fmt::Debug for $name {
            fn fmt(&self, __f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                $crate::macro_support::$debug($crate::macro_support::$set::listed(self), __f)
            }
        }
    };
}

/// The impls of a command. `$own` is what it declares besides, and `$shape` a hash of its fields' text, as serde sees it.
#[doc(hidden)]
#[macro_export]
macro_rules! __command {
    (
        $command:ty, $name:literal, $id:ty, [$($field:tt)?] { $($own:tt)* }
        $struct_name:literal $shape:literal $fields:literal
    ) => {
        #[automatically_derived]
        impl $crate::Command for $command {
            const NAME: &'static str = $name;
            const TRAITS: ::core::option::Option<$crate::macro_support::CommandTraits<Self>> = {
                #[allow(unused_imports)]
                use $crate::macro_support::LacksTrait as _;
                $crate::macro_support::CommandTraits::of(
                    $struct_name,
                    $shape,
                    $fields,
                    <$crate::macro_support::TraitsOf<Self>>::FACTUM_READ,
                    <$crate::macro_support::TraitsOf<Self>>::FACTUM_CONTENT,
                    <$crate::macro_support::TraitsOf<Self>>::FACTUM_COPY,
                )
            };

            type Id = $id;

            $(
                fn aggregate_id(&self) -> &$id {
                    &self.$field
                }
            )?

            $($own)*
        }

        #[automatically_derived]
        impl<__P: $crate::follow::Sends<Self>> $crate::follow::IntoActions<__P> for $command {
            type Way = $crate::macro_support::BySending;
        }
    };
}

/// The impls of the command enum.
#[doc(hidden)]
#[macro_export]
macro_rules! __command_enum {
    ($debug:ident $name:ident of $aggregate:ident, $id:ty: $($variant:ident($listed:ty))*) => {
        #[automatically_derived]
        impl $crate::macro_support::DerivedCommandSet for $name {
            const KINDS: &'static [$crate::CommandKind] =
                &[$(<$listed as $crate::macro_support::ListedCommand<$id>>::KIND),*];
            const EMITS: &'static [fn() -> $crate::Emitted] = {
                #[allow(unused_imports)]
                use $crate::macro_support::NotHandled as _;
                &[$(<$crate::macro_support::Handled<$aggregate, $listed>>::factum_emits),*]
            };

            const READERS: &'static [$crate::macro_support::ReadListedCommand<Self>] =
                &[$(<$listed as $crate::macro_support::ListedCommand<$id>>::read),*];

            type Id = $id;

            fn listed(&self) -> (&'static str, &dyn $crate::macro_support::AnyCommand<$id, Self>) {
                match self {
                    $(Self::$variant(__command) => {
                        (::core::stringify!($variant), <$listed as $crate::macro_support::ListedCommand<$id>>::any(__command))
                    })*
                }
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

        $crate::__debug!($debug $name: debug_command DerivedCommandSet);
        $crate::__conversions!($name $($variant($listed))*);
    };
}

/// The impls of the event enum. `$own` is what a set with retired events declares besides.
#[doc(hidden)]
#[macro_export]
macro_rules! __event_enum {
    (
        $debug:ident $name:ident of $aggregate:ident: $($variant:ident($listed:ty))*;
        retired $($retired:ty)*; { $($own:tt)* }
    ) => {
        #[automatically_derived]
        impl $crate::macro_support::DerivedEventSet for $name {
            const KINDS: &'static [$crate::EventKind] = &[$(<$listed as $crate::macro_support::ListedEvent>::KIND),*];

            const READERS: &'static [$crate::macro_support::ReadEvent<Self>] =
                &[$(<$listed as $crate::macro_support::ListedEvent>::read),*];

            const SHAPES: &'static [$crate::macro_support::AddShapes] = &[
                $(<$listed as $crate::macro_support::ListedEvent>::shapes,)*
                $(<$retired as $crate::macro_support::ListedEvent>::shapes,)*
            ];

            $($own)*

            fn listed(&self) -> (&'static str, &dyn $crate::macro_support::AnyEvent) {
                match self {
                    $(Self::$variant(__event) => {
                        (::core::stringify!($variant), <$listed as $crate::macro_support::ListedEvent>::any(__event))
                    })*
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

        $crate::__debug!($debug $name: debug_event DerivedEventSet);
        $crate::__conversions!($name $($variant($listed))*);
    };
}

/// The impls of [`Execute`](crate::Execute), each a call of an `#[execute]` method.
///
/// `$this` and `$asked` are the names that the calls have for the aggregate and the command: `macro_rules!` would have others.
#[doc(hidden)]
#[macro_export]
macro_rules! __execute {
    (
        $this:ident $asked:ident:
        $({ $($attribute:tt)* } $aggregate:ty: $command:ty, $services:tt [$($emitted:ty)?] $decide:ident [$($returned:tt)*] ($($call:tt)*);)*
    ) => {
        // Once for all of them: an import in each impl would cost rustc more than the impl.
        #[allow(unused_imports)]
        use $crate::macro_support::NotEvents as _;
        $(
            $($attribute)*
            #[automatically_derived]
            impl $crate::Execute<$command> for $aggregate {
                $(
                    fn emits() -> $crate::Emitted {
                        $crate::macro_support::EmitsOf::<Self, $emitted>::factum_emits()
                    }
                )?

                #[inline]
                fn execute(
                    &$this,
                    $asked: $command,
                    $services: &$crate::macro_support::Services<Self>,
                ) -> $crate::macro_support::Execution<Self> {
                    $crate::macro_support::$decide::<Self, $($returned)*>($($call)*)
                }
            }
        )*
    };
}

/// The impls of [`Apply`](crate::Apply), each a call of an `#[apply]` method.
#[doc(hidden)]
#[macro_export]
macro_rules! __apply {
    ($({ $($attribute:tt)* } $aggregate:ty: $event:ty, $($method:ident)?;)*) => {$(
        $($attribute)*
        #[automatically_derived]
        impl $crate::Apply<$event> for $aggregate {
            #[inline]
            fn apply(&mut self, __event: &$event) {
                $(Self::$method(self, __event);)?
            }
        }
    )*};
}
