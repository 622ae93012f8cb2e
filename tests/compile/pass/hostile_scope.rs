//! A user's crate that forbids as much as it can, and gives common names other meanings.

#![no_implicit_prelude]
#![deny(warnings, missing_docs, unreachable_pub, clippy::pedantic, clippy::nursery)]
#![forbid(unsafe_code)]

/// The domain.
pub mod domain {
    use ::factum::follow::{Projection, Reaction};
    use ::factum::{Aggregate, AggregateId, Command, Event, EventSchema, handlers};
    use ::std::clone::Clone;
    use ::std::default::Default;
    use ::std::fmt::Debug;

    // All names that generated code might use without a path.
    #[allow(dead_code, missing_docs, unreachable_pub)]
    mod hostile {
        pub struct Result;
        pub struct Option;
        pub struct String;
        pub struct Vec;
        pub struct Box;
        pub struct From;
        pub struct Ok;
        pub struct Err;
        pub struct Some;
        pub struct None;
        pub struct Send;
        pub struct Any;
        pub struct Self_;
        pub mod factum {}
        pub mod serde {}
        pub mod alloc {}
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
        /// Removed by `cfg`.
        pub absent: Nowhere,
    }

    /// A command.
    #[derive(Debug, Command)]
    #[command(internal)]
    #[validate(Self::check)]
    pub struct C {
        /// The id.
        #[command(id)]
        pub self_: T,
        /// A name that generated code uses too.
        #[validate(check_command)]
        pub command: u8,
    }

    impl C {
        const fn check(&self) -> ::core::result::Result<(), &'static str> {
            check_command(&self.command)
        }
    }

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "a check gets a reference")]
    const fn check_command(command: &u8) -> ::core::result::Result<(), &'static str> {
        if *command == 0 { ::core::result::Result::Err("none") } else { ::core::result::Result::Ok(()) }
    }

    /// A hook.
    #[derive(Debug)]
    pub struct H;

    impl ::factum::application::Hook for H {}

    /// An aggregate.
    #[derive(Debug, Default, Clone, ::serde::Serialize, ::serde::Deserialize, Aggregate)]
    #[aggregate(
        id = T,
        commands(C),
        events(E, Past),
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

    /// A type that an older event has as a field.
    #[derive(Debug, ::serde::Serialize, ::serde::Deserialize, EventSchema)]
    pub struct Part {
        /// A raw name.
        pub r#fn: u8,
    }

    /// An event with an older version.
    #[derive(Debug, ::serde::Serialize, ::serde::Deserialize, Event)]
    #[event(version = 2, removed(name = "gone", since = 2, ty = u8))]
    pub struct Past {
        /// Added in version 2.
        #[event(added(since = 2, default = 7))]
        pub version: u8,
        /// A type with a fingerprint of its own.
        pub payload: Part,
    }

    /// A view.
    #[derive(Debug, Default, Clone, Projection)]
    #[projection(events(E, Past), from(A), partition_by = stream)]
    pub struct P {
        name: u8,
    }

    #[handlers]
    impl P {
        #[project]
        fn project(&mut self, event: &E, key: &str) -> ::std::result::Result<(), ::factum::BoxError> {
            self.name = event.r#type;
            let _ = key;
            ::std::result::Result::Ok(())
        }

        #[project]
        fn past(&mut self, event: &Past, envelope: &::factum::Envelope<'_>) {
            self.name = if envelope.key.is_empty() { 0 } else { event.version };
        }
    }

    /// A reaction.
    #[derive(Debug, Default, Clone, Reaction)]
    #[reaction(events(E), from(A), partition_by = stream)]
    pub struct R;

    #[handlers]
    impl R {
        #[react]
        async fn react(&self, _: &E, delivery: &::factum::follow::Delivery) {
            let _ = ::std::future::ready(delivery).await;
        }
    }

    /// An application.
    #[derive(Debug, ::factum::application::Application)]
    #[application(aggregates(A), json)]
    pub struct S {
        #[services(A)]
        services: (),
        #[hook]
        hook: H,
        #[projection(retry(1), delay = ::core::time::Duration::ZERO)]
        __start: P,
        #[store]
        store: ::factum::sqlite::SqliteStore,
        #[reaction(store = store, workers = 2, dead_letters)]
        reaction: R,
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

        #[apply]
        fn past(&mut self, event: &Past) {
            self.state = event.version;
        }
    }
}

fn main() {}
