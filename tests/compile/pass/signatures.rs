//! Signatures that syn does not parse without its feature `full`, and rarer forms of the usual ones: aliases of `Result`, named
//! lifetimes.

#![deny(warnings)]
#![allow(dead_code)]

use factum::IntoEvents;
use factum::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Debug, AggregateId)]
struct Id(u64);

#[derive(Debug, Command)]
struct Open(Id);

#[derive(Debug, Command)]
struct Close {
    #[command(id)]
    id: Id,
    digits: [u8; if cfg!(windows) { 1 } else { 2 }],
    nested: Option<
        Vec<(
            [u8; {
                const N: usize = 1;
                N
            }],
            [u8; match 1 {
                n => n,
            }],
        )>,
    >,
}

#[derive(Debug, Command)]
struct Stop(Id);

#[derive(Debug, Serialize, Deserialize, Event)]
struct Opened;

#[derive(Debug, Serialize, Deserialize, Event)]
struct Closed;

#[derive(Debug, Serialize, Deserialize, Event)]
struct Stopped;

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(id = Id, commands(Open, Close, Stop), events(Opened, Closed), retired(Stopped), error = String, services = [u8; if true { 1 } else { 2 }])]
struct Account {
    digits: [u8; if cfg!(windows) { 1 } else { 2 }],
}

#[handlers]
impl Account {
    #![allow(clippy::unused_self)]
    #![deny(unused_variables)]

    #[execute]
    fn open(self: &Account, _: Open) -> impl IntoEvents<Self> + use<> {
        Opened
    }

    #[execute]
    fn close(
        &self,
        _: Close,
        _: &[u8; if true { 1 } else { 2 }],
    ) -> Result<impl IntoEvents<Self> + use<>, String> {
        Ok((Opened, Closed))
    }

    #[execute]
    fn stop(&self, _: Stop) -> ! {
        unreachable!()
    }

    #[apply]
    fn opened(self: &mut Account, _: &Opened) {}

    #[apply]
    fn closed(&mut self, _: &Closed) {
        self.digits[0] += Self::first([[0; 1]; 1]);
    }

    #[upcast]
    fn stopped(_: Stopped) -> ! {
        unreachable!()
    }

    fn numbers(&self) -> impl Iterator<Item = u8> + use<'_> {
        self.digits.iter().copied()
    }

    fn generic<'a, T: Fn(u8) -> u8>(&'a self, by: T) -> impl Iterator<Item = u8> + use<'a, T>
    where
        [u8; if true { 1 } else { 2 }]: Copy,
    {
        self.digits.iter().map(move |digit| by(*digit))
    }

    async fn later(&self) -> impl Sized + use<'_> {
        std::future::ready(()).await;
    }

    const unsafe extern "C" fn foreign() {}

    /// Not compiled.
    #[cfg(any())]
    fn absent(&self) -> impl Nowhere + use<'_> {
        nothing
    }

    fn boxed<const N: usize>(
        it: Box<dyn Fn(&[u8; N]) -> [u8; N] + '_>,
    ) -> impl for<'a> Fn(&'a [u8; N]) -> ([u8; N], usize) + use<'_, N> {
        const INNER: usize = if true { 1 } else { 2 };
        move |bytes| (it(bytes), INNER)
    }

    const fn first(
        digits: [[u8; {
            const N: usize = 1;
            N
        }]; match true {
            true => 1,
            false => 2,
        }],
    ) -> u8 {
        digits[0][0]
    }
}

#[derive(Debug, Default, Projection)]
#[projection(events(Opened), from(Account))]
struct View;

#[derive(Debug, Default, Reaction)]
#[reaction(events(Opened), from(Account))]
struct Mail;

#[handlers]
impl View {
    //! A view that no event reaches.
    #[project]
    fn opened(&mut self, _: &Opened) -> ! {
        unreachable!()
    }
}

#[handlers]
impl Mail {
    #[react]
    fn opened(&mut self, _: &Opened, _: &Envelope<'_>) -> ! {
        unreachable!()
    }
}

/// Aliases of `Result`, one with its parameters the other way round.
mod aliases {
    use super::{Close, Closed, Id, Opened, Stop};
    use factum::prelude::*;

    #[derive(Debug, Command)]
    pub(crate) struct Try(Id);

    pub(crate) type Result<E, T = Opened> = std::result::Result<T, E>;
    type Flipped<E, T> = std::result::Result<T, E>;
    type Both = (Opened, Closed);

    #[derive(Debug)]
    pub(crate) struct Refused;

    #[derive(Debug, Default, Clone, Aggregate)]
    #[aggregate(id = Id, commands(Close, Stop, Try), events(Opened, Closed), error = Refused)]
    pub(crate) struct Aliased;

    #[handlers]
    impl Aliased {
        #[execute]
        fn close(&self, _: Close) -> Result<Refused, Closed> {
            Ok(Closed)
        }

        #[execute]
        fn stop(&self, _: Stop) -> Result<Refused> {
            Ok(Opened)
        }

        #[execute]
        fn r#try(&self, _: Try) -> Flipped<Refused, Option<Both>> {
            Err(Refused)
        }

        #[apply]
        fn opened(&mut self, _: &Opened) {}

        #[apply]
        fn closed(&mut self, _: &Closed) {}
    }
}

/// Lifetimes with names, in a writer's type too.
#[derive(Debug, Default, Projection)]
#[projection(events(Opened), from(Account), into = Sqlite, init = "CREATE TABLE seen (key TEXT)")]
struct Named;

#[handlers]
impl Named {
    #[project]
    fn opened<'e, 't: 'e>(
        &mut self,
        _: &'e Opened,
        _: &'e Envelope<'e>,
        _: &'e Id,
        _: &'t rusqlite::Transaction<'t>,
    ) {
    }
}

fn main() {
    assert_eq!(MemoryStore::new().repository::<aliases::Aliased>().execute(Stop(Id(1))).unwrap().version(), 1);
    let store = MemoryStore::new();
    let accounts = store.repository_with::<Account>([0]);
    let opened = accounts.execute(Open(Id(1))).unwrap();
    assert_eq!(opened.state().numbers().count(), 2);
    accounts.execute(Close { id: Id(1), digits: Default::default(), nested: None }).unwrap();
}
