//! The functions that write and read the state in a snapshot, and compare the two.

use std::fmt::Debug;
use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::domain::content::of_debug::content_of_debug;
use crate::domain::content::of_serialized::content_of_serialized;

/// How serde writes and reads the state `A`, if `A` has serde's derives.
#[derive(Debug)]
pub struct SnapshotCodec<A>(PhantomData<A>);

/// For a state with serde's derives. rustc finds these constants before those of [`NoSnapshotCodec`].
impl<A: Serialize + DeserializeOwned> SnapshotCodec<A> {
    /// The state can be written and read.
    pub const IS_POSSIBLE: bool = true;
    /// Writes the state.
    pub const ENCODE: fn(&A, &mut Vec<u8>) -> Result<(), serde_json::Error> =
        |state, out| serde_json::to_writer(out, state);
    /// Reads the state.
    pub const DECODE: fn(&[u8]) -> Result<A, serde_json::Error> = |bytes| serde_json::from_slice(bytes);
    /// Whether serde sees the same in two states.
    pub const IS_SAME: fn(&A, &A) -> bool =
        |one, other| content_of_serialized(one) == content_of_serialized(other);
}

/// For a state without serde's derives. Generated code asserts `IS_POSSIBLE`: no function here is called.
pub trait NoSnapshotCodec {
    /// The state.
    type State;
    /// The state can't be written and read.
    const IS_POSSIBLE: bool = false;
    /// Always fails.
    const ENCODE: fn(&Self::State, &mut Vec<u8>) -> Result<(), serde_json::Error> =
        |_, _| Err(serde::ser::Error::custom("no serde"));
    /// Always fails.
    const DECODE: fn(&[u8]) -> Result<Self::State, serde_json::Error> =
        |_| Err(serde::de::Error::custom("no serde"));
    /// Always true.
    const IS_SAME: fn(&Self::State, &Self::State) -> bool = |_, _| true;
}

impl<A> NoSnapshotCodec for SnapshotCodec<A> {
    type State = A;
}

/// How states are compared, if `A` is `PartialEq`.
#[derive(Debug)]
pub struct EqualState<A>(PhantomData<A>);

/// For a state that is `PartialEq`. rustc finds this constant before that of [`NotEqual`].
impl<A: PartialEq> EqualState<A> {
    /// Whether two states are equal.
    pub const IS_EQUAL: fn(&A, &A) -> bool = |one, other| one == other;
}

/// For a state that is not `PartialEq`.
pub trait NotEqual {
    /// The state.
    type State;
    /// Always true.
    const IS_EQUAL: fn(&Self::State, &Self::State) -> bool = |_, _| true;
}

impl<A> NotEqual for EqualState<A> {
    type State = A;
}

/// How the state `A` is shown, if it is `Debug`.
#[derive(Debug)]
pub struct ShownState<A>(PhantomData<A>);

/// For a state that is `Debug`. rustc finds this constant before that of [`NotShown`].
impl<A: Debug> ShownState<A> {
    /// Whether two states have the same `Debug` text.
    pub const LOOKS_SAME: fn(&A, &A) -> bool = |one, other| content_of_debug(one) == content_of_debug(other);
}

/// For a state that is not `Debug`.
pub trait NotShown {
    /// The state.
    type State;
    /// Always true.
    const LOOKS_SAME: fn(&Self::State, &Self::State) -> bool = |_, _| true;
}

impl<A> NotShown for ShownState<A> {
    type State = A;
}
