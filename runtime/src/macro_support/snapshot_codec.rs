//! The functions that write and read the state in a snapshot.

use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

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
}

impl<A> NoSnapshotCodec for SnapshotCodec<A> {
    type State = A;
}
