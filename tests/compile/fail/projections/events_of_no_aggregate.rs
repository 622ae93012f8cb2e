use factum::prelude::*;
use serde::{Deserialize, Serialize};

mod order {
    use super::*;

    #[derive(Debug, Serialize, Deserialize, Event)]
    pub struct Opened;

    #[derive(Debug, Serialize, Deserialize, Event)]
    pub struct Closed;

    #[derive(Debug, Serialize, Deserialize, Event)]
    pub struct Moved;

    #[derive(Debug, Serialize, Deserialize, Event)]
    pub struct Looked;

    #[derive(Debug, Serialize, Deserialize, Event)]
    pub struct Printed;

    #[derive(Debug, Command)]
    pub struct Open(String);

    #[derive(Debug, Default, Clone, Aggregate)]
    #[aggregate(id = String, commands(Open), events(Opened, Closed), retired(Moved, Looked, "printed"))]
    pub struct Order;

    #[handlers]
    impl Order {
        #[execute]
        fn open(&self, _: Open) -> Opened {
            Opened
        }

        #[apply]
        fn opened(&mut self, _: &Opened) {}

        #[apply]
        fn closed(&mut self, _: &Closed) {}

        #[upcast]
        fn moved(_: Moved) -> Result<(Closed, Opened), BoxError> {
            Ok((Closed, Opened))
        }
    }
}

mod permit {
    use super::*;

    #[derive(Debug, Serialize, Deserialize, Event)]
    pub struct Closed;

    #[derive(Debug, Command)]
    pub struct Close(String);

    #[derive(Debug, Default, Clone, Aggregate)]
    #[aggregate(id = String, commands(Close), events(Closed))]
    pub struct Permit;

    #[derive(Debug, Default, Clone, Aggregate)]
    #[aggregate(name = "permit", id = String, commands(Close), events(Closed))]
    pub struct Again;

    #[handlers]
    impl Permit {
        #[execute]
        fn close(&self, _: Close) -> Closed {
            Closed
        }

        #[apply]
        fn closed(&mut self, _: &Closed) {}
    }

    #[handlers]
    impl Again {
        #[execute]
        fn close(&self, _: Close) -> Closed {
            Closed
        }

        #[apply]
        fn closed(&mut self, _: &Closed) {}
    }
}

macro_rules! view {
    ($name:ident: $($event:ty),*) => {
        $(
            impl factum::follow::Project<$event> for $name {
                fn project(
                    &mut self,
                    _: &$event,
                    _: &Envelope<'_>,
                    _: &factum::follow::Context<'_, Self>,
                ) -> Result<(), BoxError> {
                    Ok(())
                }
            }
        )*
    };
}

#[derive(Debug, Default, Projection)]
#[projection(events(order::Opened, order::Moved), from(order::Order))]
struct Split;
view!(Split: order::Opened, order::Moved);

#[derive(Debug, Default, Projection)]
#[projection(events(order::Looked), from(order::Order))]
struct ReadAsNothing;
view!(ReadAsNothing: order::Looked);

#[derive(Debug, Default, Projection)]
#[projection(events(order::Printed), from(order::Order))]
struct RetiredByName;
view!(RetiredByName: order::Printed);

#[derive(Debug, Default, Projection)]
#[projection(events(permit::Closed), from(order::Order))]
struct OtherOfTheName;
view!(OtherOfTheName: permit::Closed);

#[derive(Debug, Default, Projection)]
#[projection(events(order::Opened, permit::Closed), from(permit::Permit))]
struct Permits;
view!(Permits: order::Opened, permit::Closed);

// By name, the two can't be told apart.
#[derive(Debug, Default, Projection)]
#[projection(events(order::Closed, permit::Closed), from("order", "permit"))]
struct ByName;
view!(ByName: order::Closed, permit::Closed);

// A retired type is no event of an aggregate given by name either.
#[derive(Debug, Default, Projection)]
#[projection(events(order::Moved, order::Printed), from(order::Order, "permit"))]
struct HalfByName;
view!(HalfByName: order::Moved, order::Printed);

#[derive(Debug, Default, Projection)]
#[projection(events(permit::Closed), from(permit::Permit, permit::Again, "permit"))]
struct OneCategory;
view!(OneCategory: permit::Closed);

fn main() {}

// errors: 8
