//! Slips in the attribute of an aggregate. Each is one error, and its handlers have none.

use factum::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize, Event)]
struct Opened;

#[derive(Debug, Serialize, Deserialize, Event)]
struct Closed;

#[derive(Debug, Serialize, Deserialize, Event)]
struct Begun;

#[derive(Debug, Command)]
struct Open(String);

#[derive(Debug)]
struct Refused;

macro_rules! handlers_of {
    ($($aggregate:ident)*) => {$(
        #[handlers]
        impl $aggregate {
            #[execute]
            fn open(&self, _: Open) -> Result<Opened, Refused> {
                Ok(Opened)
            }

            #[apply]
            fn opened(&mut self, _: &Opened) {}

            #[apply]
            fn closed(&mut self, _: &Closed) {}
        }
    )*};
}

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(id: String, error: Refused, commands(Open), events(Opened, Closed))]
struct Colons;

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(id == String, error => Refused, commands(Open), events(Opened, Closed))]
struct TwoSigns;

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(id String, error = Refused, commands(Open), events(Opened, Closed))]
struct NoSign;

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(id = String, error = Refused, commands[Open], events { Opened, Closed })]
struct Brackets;

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(id = String, error = Refused, commands = (Open), events = [Opened, Closed])]
struct AssignedLists;

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(id = String, error = Refused, commands((Open)), events(Opened, Closed))]
struct InnerBrackets;

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(id = String, error = Refused, commands(Open), events = Opened, Closed)]
struct NoBracketsAtAll;

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(id = String, error = Refused, command(crate::Open), event = (Opened, Closed))]
struct Singulars;

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(id = String, error = Refused, commands(Open), event(Opened), events(Closed))]
struct SingularAndPlural;

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(id = String, error = Refused, commands Open, events(Opened, Closed))]
struct NoBrackets;

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(
    id = String
    error = Refused
    commands(Open)
    events(Opened Closed)
)]
struct NoCommas;

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(id = String; error = Refused; commands(Open); events(Opened, Closed))]
struct Semicolons;

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(id = String,, error = Refused, commands(Open), events(Opened, Closed))]
struct CommaTooMany;

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(
    /// The number.
    id = String,
    /// What it refuses.
    error = Refused,
    commands(Open),
    events(Opened, Closed)
)]
struct Comments;

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(id = String, error = Refused, #[cfg(all())] commands(Open), events(Opened, Closed))]
struct InnerAttribute;

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(id = "String", error = Refused, commands("Open"), events("Opened", "Closed"))]
struct Quotes;

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate("id" = String, error = Refused, commands(Open), events(Opened, Closed))]
struct QuotedKey;

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(id = std::string::, error = Refused, commands(Open), events(Opened, Closed))]
struct HalfAType;

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(id = String, error =, commands(Open), events(Opened, Closed))]
struct NoError;

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(id = String, error = Refused, commands(crate::), events(Opened, Closed))]
struct HalfAPath;

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(id = String, error = Refused, commands(Open), events(crate))]
struct Keyword;

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(id = String, error = Refused, commands(Open), events(Opened as, Closed))]
struct HalfAnAlias;

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(id = String, error = Refused, commands(Open), events(Box<Opened>, &'static Closed))]
struct Wrapped;

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(id = String, error = Refused, commands(Open), events(Opened<u8>, Closed))]
struct Arguments;

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(id = String, error = Refused, commands(Open), events(Opened, ..))]
struct Rest;

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(id = String, error = Refused, commands(Open), events(GeneratedEvent))]
struct Generated;

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(id = String, error = Refused, commands(Open), events(Opened, Closed, self::Closed))]
struct Twice;

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(id = String, error = Refused, commands(Open, crate::Open), events(Opened, Closed))]
struct TwiceByPath;

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(id = String, error = Refused, commands(Open), events(Opened, Closed), retired(Begun, "old", Begun))]
struct RetiredTwice;

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(id = String, error = Refused, commands(Open), events(Opened, Closed), retired(Closed))]
struct RetiredAndListed;

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(ident = String, error = Refused, commands(Open), events(Opened, Closed))]
struct UnknownKey;

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(Opened, Closed)]
struct NoKeys;

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(id = String, eror = Refused, Commands(Open), evnts(Opened, Closed))]
struct Misspelled;

#[derive(Debug, Default, Clone, Serialize, Deserialize, Aggregate)]
#[aggregate(id = String, error = Refused, commands(Open), events(Opened, Closed), every = 100)]
struct SnapshotKey;

#[derive(Debug, Default, Clone, Serialize, Deserialize, Aggregate)]
#[aggregate(id = String, error = Refused, commands(Open), events(Opened, Closed), snapshot(100))]
struct SnapshotWithoutKey;

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(id = &str, error = &str, services = &dyn Clock, commands(Open), events(Opened, Closed))]
struct Elided;

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(id = String, error = Refused, services = Option<&[u8]>, commands(Open), events(Opened, Closed))]
struct ElidedInside;

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(id = String, error = impl Clock, services = dyn Clock, commands(Open), events(Opened, Closed))]
struct WithoutSize;

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(id = String, error = Refused, commands(Open), events(Opened), events(Closed))]
struct TwoLists;

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(id = String, error = Refused, commands(Open), events(Self::Opened, Closed))]
struct PartOfSelf;

trait Clock {}

handlers_of!(Colons TwoSigns NoSign Brackets AssignedLists InnerBrackets NoBrackets NoCommas Semicolons CommaTooMany);
handlers_of!(Comments InnerAttribute Quotes HalfAType NoError HalfAPath Keyword HalfAnAlias Wrapped Arguments Rest);
handlers_of!(Generated Twice TwiceByPath RetiredTwice RetiredAndListed UnknownKey NoKeys Misspelled SnapshotKey SnapshotWithoutKey);
handlers_of!(Elided ElidedInside WithoutSize NoBracketsAtAll Singulars SingularAndPlural TwoLists PartOfSelf QuotedKey);

fn main() {}

// errors: 48
