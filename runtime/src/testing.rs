//! Tools for tests; behind the feature `testing`.
//!
//! * [`given`] tests an aggregate without a store: given these events, when this command, then those events.
//! * [`project`] and [`react`] test a view and a reaction without a store: after these events, it looks like that, or
//!   has done that.
//! * [`given_process`] tests a process without a store, and [`TestClock`] is its clock in a test with one.
//! * [`lock!`] records the shapes and examples of all events, and checks that each can still be read.
//! * [`model!`] keeps the page of an application's model up to date.
//! * [`conformance`] tests a store against the laws that the rest of factum relies on.

#![expect(clippy::panic, clippy::indexing_slicing, reason = "an expectation that is not met is a panic")]

pub mod conformance;
mod difference;
mod given;
mod given_process;
mod happened;
mod lock;
mod model_page;
mod projected;
mod reacted;
mod test_clock;

use std::fmt::Debug;

use self::difference::difference;

pub use self::given::{Given, When, given};
pub use self::given_process::{GivenProcess, given_process};
#[doc(hidden)]
pub use self::happened::History;
pub use self::happened::{EventsOf, Happened, of};
pub use self::lock::Lock;
pub use self::model_page::ModelPage;
#[doc(hidden)]
pub use self::projected::KeepsView;
pub use self::projected::{Projected, project};
pub use self::reacted::{Reacted, react};
pub use self::test_clock::TestClock;
#[doc(inline)]
pub use crate::{__delegate as delegate, __lock as lock, __model as model};

/// Panics with both sides, line by line, if they differ. `E` is what a test expects.
#[track_caller]
pub(crate) fn check_equal<E, F>(message: &str, expected: &E, found: &F)
where
    E: Debug + ?Sized,
    F: Debug + PartialEq<E> + ?Sized,
{
    assert!(
        found == expected,
        "{message}:\n{}",
        difference(&format!("{expected:#?}"), &format!("{found:#?}"))
    );
}
