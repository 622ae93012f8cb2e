//! A user's crate that forbids all it can and has other ideas of what common names mean.

#![no_implicit_prelude]
#![deny(warnings, missing_docs, unreachable_pub, clippy::pedantic, clippy::nursery)]
#![forbid(unsafe_code)]

/// The domain.
pub mod domain {
    use ::factum::{Aggregate, AggregateId, Command, Event, handlers};
    use ::std::clone::Clone;
    use ::std::default::Default;
    use ::std::fmt::Debug;

    // Everything that generated code might be tempted to call by its short name.
    #[allow(dead_code, missing_docs, unreachable_pub)]
    mod hostile {
        pub struct Result;
        pub struct Option;
        pub struct String;
        pub struct Vec;
        pub struct Box;
        pub struct From;
        pub struct Events;
        pub mod std {}
        pub mod core {}
        pub mod serde_json {}
        pub const fn drop() {}
    }
    #[allow(unused_imports)]
    use hostile::*;

    /// An id.
    #[derive(Debug, Clone, AggregateId)]
    pub struct T(pub ::std::string::String);

    /// An event.
    #[derive(Debug, ::serde::Serialize, ::serde::Deserialize, Event)]
    pub struct E {
        /// A raw name.
        pub r#type: u8,
        /// A name that generated code uses too.
        pub event: u8,
        #[cfg(any())]
        /// Not there.
        pub absent: Nowhere,
    }

    /// A command.
    #[derive(Debug, Command)]
    pub struct C {
        /// The id.
        #[command(id)]
        pub self_: T,
        /// A name that generated code uses too.
        pub command: u8,
    }

    /// An aggregate.
    #[derive(Debug, Default, Clone, ::serde::Serialize, ::serde::Deserialize, Aggregate)]
    #[aggregate(
        id = T,
        commands(C),
        events(E),
        snapshot(
            every = 100,
            older_than = ::core::time::Duration::from_hours(1),
            when = Self::is_full,
            version = 2
        )
    )]
    pub struct A {
        state: u8,
    }

    impl A {
        const fn is_full(&self) -> bool {
            self.state == u8::MAX
        }
    }

    #[handlers]
    impl A {
        #[execute]
        fn execute(&self, command: C) -> E {
            E { r#type: command.command, event: 0 }
        }

        #[apply]
        fn apply(&mut self, event: &E) {
            self.state = event.r#type;
        }
    }
}

fn main() {}
