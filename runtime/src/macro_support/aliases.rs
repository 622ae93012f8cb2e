//! Short names for types in generated code, which make it faster for rustc to parse.

use crate::domain::aggregate::Aggregate;
use crate::domain::codec_error::{DecodeError, EncodeError};

/// The buffer that an event is encoded into.
pub type Bytes = Vec<u8>;
/// The return type of `Event::encode` and `EventSet::encode`.
pub type Encoding = Result<(), EncodeError>;
/// The return type of `Event::decode` and `EventSet::decode`.
pub type Decoding<E> = Result<E, DecodeError>;
/// The return type of [`Aggregate::execute`] and [`Execute::execute`](crate::Execute::execute).
pub type Execution<A> = Result<Vec<<A as Aggregate>::Event>, <A as Aggregate>::Error>;
/// The services of the aggregate `A`.
pub type Services<A> = <A as Aggregate>::Services;
