//! Annotated structs that other macros generate, whose types, names and docs come through `$`; and `cfg`
//! wherever Rust allows it.

#![deny(warnings)]

use factum::prelude::*;
use serde::{Deserialize, Serialize};

macro_rules! event {
    ($(#[$meta:meta])* $name:ident { $($(#[$field_meta:meta])* $field:ident: $ty:ty),* $(,)? }) => {
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
        $(#[$meta])*
        pub struct $name {
            $($(#[$field_meta])* pub $field: $ty,)*
        }
    };
}

macro_rules! command {
    ($name:ident, $id:ty) => {
        #[derive(Debug, Clone, Command)]
        pub struct $name {
            #[command(id)]
            pub self_: $id,
            pub amount: u64,
        }
    };
}

macro_rules! aggregate {
    ($name:ident, $id:ty, [$($command:ident => $event:ident),*]) => {
        #[derive(Debug, Default, Clone, Serialize, Deserialize, Aggregate)]
        #[aggregate(id = $id, commands($($command),*), events($($event),*), snapshot(every = 10))]
        pub struct $name {
            pub count: u64,
        }

        $(
            #[handlers]
            impl $name {
                #[execute]
                fn decide(&self, command: $command) -> $event {
                    $event { amount: command.amount, r#type: None }
                }

                #[apply]
                fn change(&mut self, event: &$event) {
                    self.count += event.amount;
                }
            }
        )*
    };
}

macro_rules! view {
    ($name:ident, $event:ty, $aggregate:ty, $field:ident) => {
        #[derive(Debug, Default, Projection)]
        #[projection(events($event), from($aggregate))]
        pub struct $name {
            pub $field: u64,
        }

        #[handlers]
        impl $name {
            #[project]
            fn take(&mut self, event: &$event) {
                self.$field += event.amount;
            }
        }
    };
}

event! {
    /// With a doc of its own.
    #[event(name = "counted", version = 2)]
    Counted {
        /// How many.
        amount: u64,
        /// The counted thing.
        #[event(added(since = 2, default = None))]
        r#type: Option<Vec<(String, [u8; 2])>>,
    }
}
command!(Count, String);
aggregate!(Counter, String, [Count => Counted]);
view!(Total, Counted, Counter, event);

/// Fragments of every kind: a block as a body, an expression as a length.
macro_rules! whole {
    ($vis:vis $name:ident $event:ident $id:ty, $output:ty, $body:block, $default:expr, $length:expr, $a:lifetime) => {
        #[derive(Debug, Serialize, Deserialize, Event)]
        #[event(version = 2)]
        $vis struct $event {
            #[event(added(since = 2, default = $default))]
            count: u8,
        }

        #[derive(Debug, Command)]
        $vis struct Recount {
            #[command(id)]
            id: $id,
            bytes: [u8; $length],
        }

        #[derive(Debug, Default, Clone, Aggregate)]
        #[aggregate(id = $id, commands(Recount), events($event))]
        $vis struct $name;

        #[handlers]
        impl $name {
            #[execute]
            fn recount(&self, _: Recount) -> $output $body

            fn helper<$a>(&$a self, _: [u8; $length]) -> impl Sized + use<$a> $body

            #[apply]
            fn recounted<$a>(&mut self, event: &$a $event) {
                let _ = self.helper([event.count; $length]);
            }
        }
    };
}

whole! {
    pub(crate) Whole Recounted String, Result<Recounted, std::convert::Infallible>, { Ok::<_, std::convert::Infallible>(Recounted { count: 1 }) }, 1 + 2,
    if true { 1 } else { 2 }, 'a
}

/// `cfg` on fields, on methods and on whole items.
#[derive(Debug, Serialize, Deserialize, Event)]
struct Kept {
    amount: u8,
    #[cfg(any())]
    gone: Nowhere,
    #[cfg(all())]
    there: u8,
}

#[derive(Debug, Command)]
struct Keep {
    #[cfg(any())]
    #[command(id)]
    gone: Nowhere,
    #[cfg(all())]
    #[command(id)]
    id: u64,
}

#[derive(Debug, Default, Clone, PartialEq, Aggregate)]
#[aggregate(id = u64, commands(Keep), events(Kept))]
enum Keeper {
    #[default]
    Empty,
    #[cfg(all())]
    Full(u8),
    #[cfg(any())]
    Gone(Nowhere),
}

#[handlers]
impl Keeper {
    #[cfg(any())]
    #[execute]
    fn keep(&self, command: Keep) -> Nowhere {
        Nowhere
    }

    #[cfg(all())]
    #[execute]
    fn keep(&self, command: Keep) -> Kept {
        Kept { amount: u8::try_from(command.id).unwrap_or(u8::MAX), there: 1 }
    }

    #[apply]
    fn kept(&mut self, event: &Kept) {
        *self = Self::Full(event.amount + event.there);
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let store = MemoryStore::new();
    let counters = store.repository::<Counter>();
    counters.execute(Count { self_: "a".into(), amount: 3 })?;
    let state = counters.execute(Count { self_: "a".into(), amount: 4 })?;
    assert_eq!(state.state().count, 7);
    let mut total = MemoryProjection::new(&store, Total::default());
    total.catch_up()?;
    assert_eq!(total.view().event, 7);
    let kept = store.repository::<Keeper>().execute(Keep { id: 8 })?;
    assert_eq!(*kept.state(), Keeper::Full(9));
    let _ = Recount { id: "a".into(), bytes: [0] }.bytes;
    Ok(())
}
